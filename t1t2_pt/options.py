"""Options of commands and scripts: how values are written, and how a wrong one is told."""

import argparse
import signal
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path

from t1t2_pt.backends import BACKENDS, get_backend
from t1t2_pt.checkpoints import Every
from t1t2_pt.config import FIELDS, field_info
from t1t2_pt.errors import CODE_OF_SIGNAL, InputError
from t1t2_pt.interrupts import Interrupted
from t1t2_pt.store import RunStore, default_store
from t1t2_pt.sweep import Sweep

STORE_HELP = (
    "run store (default: %(default)s); several processes may use it at once, also on several machines, if it lies on "
    "a shared disk whose locks hold between them (NFS 4, SMB, Lustre with flock; not sshfs)"
)
LONGEST = 500  # characters of a message


class OneLineParser(argparse.ArgumentParser):
    """Tells a wrong option in one line, as other wrong input is told."""

    def error(self, message: str):
        message = " ".join(message.split())
        message = message if len(message) <= LONGEST else message[: LONGEST - 3] + "..."
        print(f"{self.prog}: {message}; try {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def told(name: str, command: Callable[[], int], stopped: str = "stopped") -> int:
    """Run a command; what ends it early is told in one line after its name.

    Parameters
    ----------
    stopped
        What is told when Ctrl-C came while nothing was trained.

    Returns
    -------
    The exit code: the command's own, 2 for unusable input, 130 for Ctrl-C, 143 for SIGTERM.
    """
    try:
        return command()
    except InputError as error:
        text, code = error, 2
    except Interrupted as stop:
        text, code = stop, stop.code
    except KeyboardInterrupt:
        text, code = stopped, CODE_OF_SIGNAL + signal.SIGINT
    print(f"{name}: {text}", file=sys.stderr)
    return code


def read_field(name: str, text: str):
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
        if tuple in kinds and ("," in text or float not in kinds):
            item = kinds[tuple]
            return tuple(item(part.strip()) for part in text.split(",") if part.strip())
        if bool in kinds:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        if int in kinds:
            return int(text)
        return float(text) if float in kinds else text
    except (ValueError, KeyError):
        raise InputError(name, text, "has the wrong form", field_info(name)["remedy"]) from None


def _kinds(annotation) -> dict[type, type | None]:
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
        return "A,B,.." if float not in kinds else "X|X,Y,.."
    return {bool: "BOOL", int: "N", float: "X"}.get(next(iter(kinds)), "NAME")


def show_value(value) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def add_sweep_options(parser) -> None:
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


def add_store(parser) -> None:
    """The option that names the run store."""
    parser.add_argument("--store", type=Path, default=default_store(), help=STORE_HELP)


def sweep_from(options: argparse.Namespace) -> Sweep:
    """The sweep that the options of `add_sweep_options` ask for.

    Raises
    ------
    InputError
        If the store cannot be used, the backend is not installed, or an option has a bad value.
    """
    backend, every = get_backend(options.backend), Every.read(options.checkpoint_every)
    place = None
    if options.workers is not None and options.scheduler is not None:
        raise InputError("--workers", options.workers, "starts workers here, but --scheduler has its own", "give one")
    if options.workers is not None or options.scheduler is not None:
        from t1t2_pt.cluster import LocalWorkers, Scheduler  # takes Dask along, which others need not wait for

        asked = options.workers is not None
        place = LocalWorkers.asked(options.workers) if asked else Scheduler.asked(options.scheduler)
    return Sweep(
        store=RunStore(options.store),
        backend=backend,
        data_dir=options.data_dir,
        recompute=options.recompute,
        quiet=options.quiet,
        every=every,
        place=place,
    )


def add_data_dir(parser) -> None:
    """The option that names the folder of the data sets."""
    parser.add_argument("--data-dir", type=Path, help="folder that holds data sets (default: T1T2_DATA, data/, cache)")
