"""Reading files that come from outside: nothing is waited for, and nothing is inflated beyond what is expected.

A pipe or a device in a file's place would keep its reader waiting for ever, and a small compressed file may
claim to hold more than any memory.
"""

import contextlib
import errno
import gzip
import io
import math
import os
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Buffer, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

PIECE = 1 << 20  # bytes
MOST_PIXELS = 50_000_000  # of a picture: 200 MB in memory
PNG = b"\x89PNG\r\n\x1a\n"


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading bytes; `OSError` also where there is something else than a file."""
    return open(path, "rb", opener=_plain_file)


def _plain_file(path: str, flags: int) -> int:
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is not a plain file", str(path))
    return handle


class Readable(Protocol):
    """Whatever bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""


class TooLargeError(OSError):
    """A file holds more than is expected."""

    def __init__(self, most: int) -> None:
        super().__init__(errno.EFBIG, f"holds more than {most:,} bytes")


class Limited(io.RawIOBase):
    """A stream of which at most so many bytes are read; `TooLargeError` where there are more."""

    def __init__(self, stream: Readable, most: int) -> None:
        self._stream, self._most, self._left = stream, most, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        into = memoryview(buffer)
        content = self._stream.read(min(len(into), self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise TooLargeError(self._most)
        into[: len(content)] = content
        return len(content)


def read_file(path: Path, most: int) -> bytes:
    """All of a file, inflated where its name ends in `.gz`.

    Raises
    ------
    OSError
        If it cannot be read, is something else than a file, or holds more than so many bytes.
    """
    with open_file(path) as stream:
        if Path(path).suffix != ".gz":
            return _all_of(stream, most)
        try:
            with gzip.GzipFile(fileobj=stream) as inflated:
                return _all_of(inflated, most)
        except (EOFError, zlib.error) as error:
            raise OSError(errno.EINVAL, str(error)) from None


def _all_of(stream: Readable, most: int) -> bytes:
    content = io.BytesIO()
    limited = Limited(stream, most)
    while piece := limited.read(PIECE):
        content.write(piece)
    return content.getvalue()


def read_arrays(stream: BinaryIO, most: int | None = None) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file as `np.savez` writes it, without pickles.

    Parameters
    ----------
    most
        Bytes that it may hold when inflated; None: it must be uncompressed.

    Raises
    ------
    ValueError
        If it is something else, or claims to hold more than it does or may.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            claimed = sum(member.file_size for member in members)
            if most is not None and claimed > most:
                raise ValueError(f"it claims to hold {claimed:,} bytes")
            if most is None and any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ValueError("it is compressed")
            if most is None and claimed > stream.seek(0, io.SEEK_END):
                raise ValueError("it claims to hold more than it does")
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
    except ValueError:
        raise
    except Exception as error:  # a damaged archive makes zipfile and NumPy raise nearly anything
        raise ValueError(str(error)) from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    content = io.BytesIO(archive.read(member))  # which compares checksums
    version = np.lib.format.read_magic(content)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = header(content)
    values = bytearray(content.read())
    if dtype.hasobject or len(values) != dtype.itemsize * math.prod(shape):
        raise ValueError("its arrays are not plain numbers of the shapes that it gives")
    return np.frombuffer(values, dtype).reshape(shape, order="F" if by_columns else "C")


@contextlib.contextmanager
def open_picture(path: Path) -> Iterator:
    """A PNG as Pillow opens it, of at most `MOST_PIXELS` pixels.

    Raises
    ------
    OSError, ValueError, SyntaxError
        If it cannot be read or is something else; Pillow adds to this list when the picture is decoded.
    """
    from PIL import Image  # slow to import, and needed for this alone

    with open_file(path) as stream:
        head = stream.read(24)
        if len(head) < 24 or head[:8] != PNG or head[12:16] != b"IHDR":
            raise ValueError("is not a PNG picture")
        width, height = struct.unpack(">II", head[16:])
        if width * height > MOST_PIXELS:
            raise ValueError(f"claims to have {width:,} x {height:,} pixels")
        stream.seek(0)
        with Image.open(stream, formats=("PNG",)) as image:
            yield image


@contextlib.contextmanager
def open_image(path: Path) -> Iterator:
    """A picture of any kind that Pillow knows, of at most `MOST_PIXELS` pixels.

    Raises
    ------
    OSError, ValueError
        If it cannot be read or is something else; Pillow adds to this list when the picture is decoded.
    """
    from PIL import Image  # slow to import, and needed for this alone

    with open_file(path) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # of a larger limit than ours
        image = Image.open(stream)
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"claims to have {image.width:,} x {image.height:,} pixels")
        yield image
