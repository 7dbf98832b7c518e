"""Options that need no other room: files and folders, names, the store; and how values are written."""

import argparse
from pathlib import Path

from t1t2_pt.runs.store_file import default_store

STORE_HELP = (
    "run store (default: %(default)s); several processes may use it at once, also on several machines, if it lies on "
    "a shared disk whose locks hold between them (NFS 4, SMB, Lustre with flock; not sshfs)"
)
type Options = argparse._ActionsContainer  # a parser, or a group of its options

SHOWN = 120  # characters of a name in a message


def names_of(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def show_value(value: object) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def usable_path(text: str) -> Path:
    """A file or folder as an option names it, there or not; a name that no file can have is told at once."""
    path = Path(text)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        shown = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
        raise argparse.ArgumentTypeError(f"{shown!r} cannot be used ({error.strerror})") from None
    return path


def absolute_path(text: str) -> Path:
    """As `usable_path`, from the root: the current folder of a worker is another."""
    try:
        return usable_path(text).absolute()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"there is no current folder ({error.strerror}): give it from /") from None


def add_store(parser: Options) -> None:
    """The option that names the run store."""
    parser.add_argument("--store", type=absolute_path, default=default_store(), help=STORE_HELP)


def add_data_dir(parser: Options) -> None:
    """The option that names the folder of the data sets."""
    parser.add_argument(
        "--data-dir", type=absolute_path, help="folder that holds data sets (default: T1T2_DATA, data/, cache)"
    )
