"""Options of commands and scripts: how values are written, and how a wrong one is told."""

import argparse
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from t1t2_pt.backends import BACKENDS, get_backend
from t1t2_pt.cli.plain_options import Options, absolute_path, add_data_dir, add_store, names_of, show_value
from t1t2_pt.config import (
    DESCRIPTIONS,
    FIELDS,
    FORMER_NAMES,
    OPTIONS,
    USUAL,
    RunConfig,
    field_info,
    fields,
    named_config,
    own_config,
)
from t1t2_pt.datasets import Dataset
from t1t2_pt.datasets.own_data import TEST_SHARE
from t1t2_pt.datasets.own_files import OwnFile
from t1t2_pt.runs.checkpoints import Every
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.places import Place
from t1t2_pt.sweeps.reports import Watcher
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.sweeps.worker_processes import WorkerProcesses
from t1t2_pt.system.errors import InputError

GROUPS = {
    "data": "what is trained on",
    "network": "the model",
    "regularisation": "hyperparameters: a number (tied over layers), one per layer separated by commas, or none; "
    "those in --per-unit have one for every unit",
    "training": "the elementary parameters",
    "tuning": "the hyperparameters named in --tune, moved by T1-T2",
    "measurement": "seed and evaluations",
}


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """An option for each field of `RunConfig` that a user chooses, and the program; `config_from` reads them."""
    add_program(parser)
    groups = {name: parser.add_argument_group(name, text) for name, text in GROUPS.items()}
    for name in OPTIONS:
        info = field_info(name)
        groups[info["group"]].add_argument(
            *_flags(name),
            dest=name,
            metavar=metavar(name),
            default=argparse.SUPPRESS,
            help=f"{info['description']} (default: {_default(name)})".replace("%", "%%"),
        )


def config_from(options: argparse.Namespace) -> RunConfig:
    """The run that the options of `add_run_options` describe.

    Sizes of T1 and T2 that are not given fit into the data set that is on this machine.

    Raises
    ------
    InputError
        If one of them is wrong, or they do not fit together.
    """
    given = {name: read_field(name, text) for name, text in vars(options).items() if name in OPTIONS}
    own = own_data(options)
    if own is not None:
        return own_config(own[0], options.program, **given)
    return named_config(options.program, options.data_dir, **given)


def add_own_data(parser: Options) -> None:
    """The options that name data of one's own; `own_data` reads them."""
    parser.add_argument(
        "--data",
        type=absolute_path,
        metavar="FILE",
        help="data of your own: a .npz file with the arrays x and y, and x_test and y_test if there are; a .csv or "
        ".parquet file with --target; or a folder of pictures with a folder a class",
    )
    parser.add_argument("--target", metavar="COLUMN", help="column of a table that has the labels")
    parser.add_argument(
        "--drop", type=names_of, default=(), metavar="COLUMN,..", help="columns of a table that are left out"
    )
    parser.add_argument("--test-data", type=absolute_path, metavar="FILE", help="test set of --data, likewise")
    parser.add_argument(
        "--test-share",
        type=float,
        default=TEST_SHARE,
        metavar="X",
        help=f"share of each class of --data that is the test set where there is none (default: {TEST_SHARE:g})",
    )


def own_data(options: argparse.Namespace) -> tuple[Dataset, OwnFile] | None:
    """The data that the options of `add_own_data` name, read once; None where they name none.

    Raises
    ------
    InputError
        If they cannot be read or trained on.
    """
    if "own" not in options:
        options.own = _own_data(options)
    return options.own


def _own_data(options: argparse.Namespace) -> tuple[Dataset, OwnFile] | None:
    path = getattr(options, "data", None)  # scripts have no such option
    if path is None:
        for name in ("target", "drop", "test_data"):
            if getattr(options, name, None):
                option = f"--{name.replace('_', '-')}"
                raise InputError(option, str(getattr(options, name)), "is given without --data", "give --data FILE")
        return None
    file = OwnFile(path, options.target, options.drop, options.test_data, options.test_share)
    return file.read(), file


def add_program(parser: Options, default: str | None = None, **more: str) -> None:
    """The option that names a program, or one of `more`, by their descriptions."""
    programs = "; ".join(f"{name}, {text}" for name, text in (DESCRIPTIONS | more).items())
    usual = "none of them" if default is None else default
    parser.add_argument(
        "--program",
        metavar="NAME",
        default=default,
        help=f"choices for what is not given: {programs} (default: {usual}; docs/programs.md has them)",
    )


def _flags(name: str) -> list[str]:
    """Names of a field's option; the sizes of T1 and T2 have short ones, too, and what was renamed its old one."""
    short = [f"--{name.removesuffix('_samples')}"] if name.endswith("_samples") else []
    former = [FORMER_NAMES[name]] if name in FORMER_NAMES else []
    return [f"--{one.replace('_', '-')}" for one in (name, *former)] + short


def _default(name: str) -> str:
    """A field's default, and what is usual instead for some data sets and networks."""
    default = fields.default(name, RunConfig)
    others = {
        choice: values[name]
        for choices in USUAL.values()
        for choice, values in choices.items()
        if values.get(name, default) != default
    }
    return "; ".join([show_value(default), *(f"{choice}: {show_value(value)}" for choice, value in others.items())])


def read_field(name: str, text: str) -> object:
    """The value of a `RunConfig` field as written on the command line.

    Raises
    ------
    InputError
        If the text is not of the field's type.
    """
    kinds = _kinds(FIELDS[name].type)
    if text.lower() == "none" and (type(None) in kinds or kinds.get(tuple) is str):
        return None if type(None) in kinds else ()
    try:
        item = kinds.get(tuple)
        if item is not None and ("," in text or not kinds.keys() & {float, str}):
            return tuple(item(part.strip()) for part in text.split(",") if part.strip())
        if bool in kinds:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        if int in kinds:
            return int(text)
        return float(text) if float in kinds else text
    except (ValueError, KeyError):
        raise InputError(name, text, "has the wrong form", field_info(name)["remedy"]) from None


def _kinds(annotation: Any) -> dict[type, type | None]:
    """The plain types in an annotation; for a tuple, the type of its items."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _kinds(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return {kind: item for part in typing.get_args(annotation) for kind, item in _kinds(part).items()}
    if origin is tuple:
        (item,) = _kinds(typing.get_args(annotation)[0])
        return {tuple: item}
    return {str: None} if origin is typing.Literal else {annotation: None}


def metavar(name: str) -> str:
    """What `--help` shows for the value of a field."""
    kinds = _kinds(FIELDS[name].type)
    if tuple in kinds:
        return "NAME|A,B,.." if str in kinds else "A,B,.." if float not in kinds else "X|X,Y,.."
    return {bool: "BOOL", int: "N", float: "X"}.get(next(iter(kinds)), "NAME")


def add_sweep_options(parser: Options) -> None:
    """The options that say where and how runs are trained; `sweep_from` reads them."""
    parser.add_argument(
        "--backend",
        default="auto",
        help=f"what compiles the graphs: auto, {', '.join(BACKENDS)} (default: auto, the fastest installed); "
        "stored runs count whatever trained them",
    )
    add_store(parser)
    add_data_dir(parser)
    parser.add_argument("--recompute", action="store_true", help="train again what the store has")
    parser.add_argument(
        "--checkpoint-every",
        metavar="N|TIME",
        default="5m",
        help="write checkpoints within runs after so many epochs (5) or so much time (30s, 5m, 1h), or none; "
        "they lie beside the store and go when their runs are stored (default: 5m)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="start N worker processes here, which share the cores")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="send the work to this Dask scheduler, as tcp://host:8786"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def sweep_from(options: argparse.Namespace, watchers: Sequence[Watcher] = (), model: Path | None = None) -> Sweep:
    """The sweep that the options of `add_sweep_options` ask for; `watchers` and `model` as of `Sweep`.

    Raises
    ------
    InputError
        If the store cannot be used, the backend is not installed, or an option has a bad value.
    """
    backend, every = get_backend(options.backend), Every.read(options.checkpoint_every)
    place: Callable[[Callable[[str], None]], Place] | None = None
    if options.workers is not None and options.scheduler is not None:
        raise InputError("--workers", options.workers, "starts workers here, but --scheduler has its own", "give one")
    if options.workers is not None:
        place = WorkerProcesses.asked(options.workers)
    elif options.scheduler is not None:
        from t1t2_pt.sweeps.cluster import Scheduler  # takes Dask along, which others need not wait for

        place = Scheduler.asked(options.scheduler)
    return Sweep(
        store=RunStore(options.store),
        backend=backend,
        data_dir=options.data_dir,
        recompute=options.recompute,
        quiet=options.quiet,
        every=every,
        place=place,
        own=own_data(options),
        watchers=watchers,
        model=model,
    )
