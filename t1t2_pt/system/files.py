"""Writing files whole or not at all."""

import contextlib
import errno
import glob
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from t1t2_pt.system.errors import InputError, reason


def user_cache() -> Path:
    """The folder for what can be fetched or made again."""
    import pooch  # slow to import

    return Path(pooch.os_cache("t1t2_pt"))


def compiled_cache() -> Path | None:
    """Where what the code of this package was made into is kept; None where the user wants none."""
    if os.environ.get("T1T2_NO_CACHE", "0") not in ("", "0"):
        return None
    return user_cache() / "compiled"


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file of the user's cache; one that cannot be written costs time only."""
    with contextlib.suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            write(partial)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new file beside `path`; when the block ends well it takes the place of `path`.

    Raises
    ------
    InputError
        If the file cannot be written, whether for its folder, a full disk or a limit.
    """
    path = Path(path)
    partial = path.with_name(f"{_partial_prefix(path)}{secrets.token_hex(4)}{path.suffix}")
    try:
        # Not by `tempfile`, whose files are their owner's alone: these get the permissions of any new file.
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield partial
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None


def unwritable(path: Path, error: OSError) -> InputError:
    """What is told when a file cannot be written: no room, no permission, no such folder."""
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        remedy = "make room or give another place, then run it again: what was there is as it was"
    else:
        remedy = "give a folder that you can write to"
    return InputError("file", str(path), f"cannot be written ({reason(error)})", remedy)


def half_written(path: Path) -> list[Path]:
    """What processes that were killed left of `path`, or are writing."""
    with contextlib.suppress(OSError):
        return [*path.parent.glob(f"{glob.escape(_partial_prefix(path))}*{path.suffix}")]
    return []


def _partial_prefix(path: Path) -> str:
    stem = path.stem.encode()[:200].decode(errors="ignore")  # short enough where the name is just short enough
    return f".{stem}-"


def check_can_write(field: str, path: Path) -> None:
    """Check that a file could be made at `path`, whose folders need not exist yet; leaves nothing there.

    Raises
    ------
    InputError
        Naming `field`.
    """
    remedy = "give a place that you can write to"
    path = Path(path).absolute()
    try:
        above = next(folder for folder in path.parents if os.path.exists(folder))
        for part in path.relative_to(above).parts:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.stat(above / part)  # the system's own limit on the length of each name
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        raise InputError(field, str(path), f"cannot be written ({reason(error)})", remedy) from None
    else:
        if stat.S_ISDIR(mode):
            raise InputError(field, str(path), "is a folder", "give the name of a file")
        if not stat.S_ISREG(mode):
            raise InputError(field, str(path), "is a pipe or a device, not a file", "give the name of a file")
    if not above.is_dir():
        raise InputError(field, str(path), f"lies below {above}, which is not a folder", remedy)
    try:
        tempfile.TemporaryFile(dir=above).close()  # what permissions say, a read-only disk may refuse
    except PermissionError:
        raise InputError(field, str(path), f"cannot be written: no permission in {above}", remedy) from None
    except OSError as error:
        raise InputError(field, str(path), f"cannot be written: {reason(error)}, in {above}", remedy) from None
