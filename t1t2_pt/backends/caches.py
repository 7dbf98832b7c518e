"""What others keep on disk of compiled functions, without entries that are not whole.

A full disk or a crash cuts an entry short, and none of its owners replaces it: at every start JAX tells of it
and compiles again, and PyTensor fails, with Numba as with C. So whatever has changed since the last look is
looked at before it is used, once in a process.
"""

import contextlib
import functools
import hashlib
import os
import pickletools
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

import pytensor

from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import keep, user_cache
from t1t2_pt.system.reading import open_file

ROOM = 16 << 20  # bytes that must be free before anything more is kept
REMEDY = "let HOME, or base_compiledir in PYTENSOR_FLAGS, name a folder that you can write to, or give --backend jax"
_PIECE = 1 << 20


@functools.cache
def prepare_numba() -> None:
    """Make PyTensor's folder fit for use with Numba.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    folder = pytensor.config.base_compiledir / "numba"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, f"cannot be made ({reason(error)})") from None
    remove_damaged(folder, "*.nb[ci]", is_whole_function, Path.unlink)


@functools.cache
def prepare_c() -> None:
    """Make PyTensor's folder fit for use with C, which is compiled in it.

    Raises
    ------
    InputError
        If it cannot be made or written.
    """
    try:
        folder = pytensor.config.compiledir
    except (OSError, ValueError):
        raise _unusable(pytensor.config.base_compiledir, "cannot be made or written") from None
    if not usable(folder):
        raise _unusable(folder, f"cannot be written, or has less than {ROOM >> 20} MiB left")
    remove_damaged(folder, "*/*.so", is_whole_library, _remove_library)


def _remove_library(path: Path) -> None:
    from pytensor.compile.compilelock import lock_ctx

    with lock_ctx(path.parents[1]):  # another process may have been compiling it
        if _holds(is_whole_library, path):
            return
        if (path.parent / "key.pkl").exists():
            shutil.rmtree(path.parent)
        else:
            path.unlink()


def _unusable(folder: Path, problem: str) -> InputError:
    return InputError("base_compiledir", str(folder), f"{problem}, and PyTensor compiles there", REMEDY)


def usable(folder: Path) -> bool:
    """Whether something more can be kept in a folder, which is made where it is not there."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        return shutil.disk_usage(folder).free >= ROOM
    return False


def remove_damaged(folder: Path, pattern: str, whole: Callable[[Path], bool], remove: Callable[[Path], object]) -> None:
    """Remove what is not whole among the entries that changed since this was last done."""
    notes = user_cache() / "checked" / hashlib.sha256(f"{folder}/{pattern}".encode()).hexdigest()[:16]
    known, here = _read_notes(notes), {_state(path): path for path in folder.glob(pattern)}
    for state in here.keys() - known:
        if not _holds(whole, here[state]):
            with contextlib.suppress(OSError):
                remove(here.pop(state))
    if here.keys() != known:
        keep(notes, lambda partial: partial.write_text("\n".join(sorted(here))))


def _read_notes(path: Path) -> set[str]:
    """The entries that were whole when they were last looked at."""
    with contextlib.suppress(OSError, ValueError), open_file(path) as stream:
        return set(stream.read().decode().splitlines())
    return set()


def _state(path: Path) -> str:
    """An entry and when it was last written or renamed, on the clock of its disk, which no program can set back."""
    try:
        return f"{path.lstat().st_ctime_ns} {path}"
    except OSError:
        return f"? {path}"


def _holds(whole: Callable[[Path], bool], path: Path) -> bool:
    try:
        return whole(path)
    except FileNotFoundError:
        return True  # gone meanwhile
    except OSError:
        return False


def is_whole_program(path: Path) -> bool:
    """Whether a file is what JAX keeps of a program: one stream of zlib, or of Zstandard."""
    with open_file(path) as stream:
        start = stream.read(4)
        stream.seek(0)
        if start == b"\x28\xb5\x2f\xfd":
            return _ends_well(stream, _zstandard())
        return _ends_well(stream, zlib.decompressobj())


class _Inflater(Protocol):
    """What inflates a stream piece by piece."""

    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def _zstandard() -> _Inflater | None:
    """What JAX inflates with where there is Zstandard; None where it uses none and reads no such entry."""
    with contextlib.suppress(ImportError):
        from compression import zstd

        return zstd.ZstdDecompressor()
    with contextlib.suppress(ImportError):
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj()
    return None


def _ends_well(stream: BinaryIO, inflate: _Inflater | None) -> bool:
    if inflate is None:
        return True
    try:
        while piece := stream.read(_PIECE):
            inflate.decompress(piece)
    except Exception:  # each library has errors of its own
        return False
    return inflate.eof


def is_whole_function(path: Path) -> bool:
    """Whether a file is what Numba keeps of a function: one pickle, after a first of its version in an index.

    They are read as far as where they end; nothing is loaded.
    """
    with open_file(path) as stream:
        try:
            for _ in range(2 if path.suffix == ".nbi" else 1):
                for _ in pickletools.genops(stream):
                    pass
        except Exception:  # whatever `pickletools` says of what is no pickle
            return False
        return not stream.read(1)


def is_whole_library(path: Path) -> bool:
    """Whether a file is as long as its ELF header says: the table of its sections comes last."""
    with open_file(path) as stream:
        head = stream.read(64)
        size = os.fstat(stream.fileno()).st_size
    if head[:4] != b"\x7fELF" or len(head) < 64:
        return sys.platform != "linux" and bool(head)  # of another system, of which less is known
    if head[4:6] != b"\x02\x01":  # 64 bits, the lowest byte first
        return True
    (sections,) = struct.unpack_from("<Q", head, 0x28)
    length, count = struct.unpack_from("<HH", head, 0x3A)
    return size >= sections + length * count
