"""Writing files whole or not at all."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pooch

from t1t2_pt.errors import InputError


def user_cache() -> Path:
    """The folder for what can be fetched or made again."""
    return Path(pooch.os_cache("t1t2_pt"))


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file of the user's cache; one that cannot be written costs time only."""
    with contextlib.suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            write(beside)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new file beside `path`; when the block ends well it takes the place of `path`.

    Raises
    ------
    InputError
        If the file cannot be written, whether for its folder, a full disk or a limit.
    """
    path = Path(path)
    beside = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        beside = Path(name)
        yield beside
        with open(beside, "rb+") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        beside.chmod(0o666 & ~umask)
        beside.replace(path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> InputError:
    """What is told when a file cannot be written: no room, no permission, no such folder."""
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        remedy = "make room or give another place, then run it again: what was there is as it was"
    else:
        remedy = "give a folder that you can write to"
    return InputError("file", str(path), f"cannot be written ({error.strerror or error})", remedy)


def check_can_write(field: str, path: Path) -> None:
    """Check that a file could be made at `path`, whose folders need not exist yet; writes nothing.

    Raises
    ------
    InputError
        Naming `field`.
    """
    remedy = "give a place that you can write to"
    path = Path(path).absolute()
    if path.is_dir():
        raise InputError(field, str(path), "is a folder", "give the name of a file")
    above = next(folder for folder in path.parents if folder.exists())
    if not above.is_dir():
        raise InputError(field, str(path), f"lies below {above}, which is not a folder", remedy)
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(field, str(path), f"cannot be written: no permission in {above}", remedy)
