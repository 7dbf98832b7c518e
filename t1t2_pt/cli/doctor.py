"""Is everything here that is needed? Versions, backends tried, the BLAS in use, data found."""

import argparse
import importlib.metadata
import json
import platform
from pathlib import Path

import numpy as np
import pytensor.tensor as pt
import threadpoolctl

from t1t2_pt.backends import BACKENDS, Backend, blas
from t1t2_pt.cli.commands import Commands
from t1t2_pt.cli.plain_options import add_data_dir
from t1t2_pt.datasets import DATASETS, absence, find
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.streams import show
from t1t2_pt.system.version import VERSION


def add_command(commands: Commands, help: str) -> None:
    """Add it below a subparser."""
    doctor = commands.add_parser("doctor", help=help)
    doctor.set_defaults(command=_doctor)
    add_data_dir(doctor)
    doctor.add_argument("--json", action="store_true", help="print JSON")


def _doctor(options: argparse.Namespace) -> int:
    report = examine(options.data_dir)
    if options.json:
        print(json.dumps(report))
    else:
        for title, lines in report.items():
            show(title, *(f"  {name:<13} {text}" for name, text in lines.items()))
    return 0 if "works" in report["backends"].values() else 1


def examine(data_dir: Path | None = None) -> dict[str, dict[str, str]]:
    """What `t1t2 doctor` reports: for each topic, a line of text by name."""
    return {"versions": _versions(), "backends": _backends(), "BLAS": _blas(), "data": _data(data_dir)}


def _versions() -> dict[str, str]:
    names = ("pytensor", "jax", "numba", "numpy", "scipy", "matplotlib", "pandas")
    found = {"python": platform.python_version(), "t1t2_pt": VERSION}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _backends() -> dict[str, str]:
    """Each backend tried on a small graph."""
    report = {}
    for name, backend in BACKENDS.items():
        missing = backend.missing()
        report[name] = f"needs {missing}" if missing else _try(backend)
    return report


def _try(backend: Backend) -> str:
    """Let the backend compile and compute sum(tanh(x x^T)) for x = (1, 2)."""
    x = pt.tensor("x", shape=(2,), dtype="float32")
    outputs = {"value": pt.tanh(pt.outer(x, x)).sum()}
    try:
        value = float(backend.function({"x": x}, outputs)({"x": np.array([1, 2], np.float32)})["value"])
    except InputError as error:
        return f"fails: {error}"
    except Exception as error:  # whatever is wrong with an installation is what is asked here
        return f"fails: {type(error).__name__}: {reason(error)}"
    expected = np.tanh([1, 2, 2, 4]).sum()
    return "works" if abs(value - expected) < 1e-5 else f"computes wrongly: {value} for {expected}"


def _blas() -> dict[str, str]:
    found = {}
    for library in threadpoolctl.threadpool_info():
        if library["user_api"] == "blas":
            name = Path(library["filepath"]).name
            kernels = library.get("architecture", "unknown")
            found[library["prefix"]] = (
                f"{library['version']}, {kernels} kernels, {library['num_threads']} threads ({name})"
            )
    found["c links"] = blas.linked()
    return found


def _data(data_dir: Path | None) -> dict[str, str]:
    report = {}
    for name in DATASETS:
        try:
            report[name] = find(name, data_dir) or absence(name)
        except InputError as error:
            report[name] = str(error)
    return report
