"""MATLAB files of level 5 (`.mat`, up to version 7): plain numeric arrays, in no more memory than they need.

A file is a row of variables, each compressed or not: its class, dimensions and name, then its numbers.
The caller sees the former before any of the latter is inflated. (MathWorks, MAT-File Format, 2019.)
"""

import math
import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

_MATRIX, _COMPRESSED = 14, 15
_CLASSES = (
    *("", "cell", "struct", "object", "char", "sparse", "double", "single", "int8", "uint8"),
    *("int16", "uint16", "int32", "uint32", "int64", "uint64"),
)
_BYTES = 2  # type of the numbers of a uint8 array
_LONGEST_NAME, _MOST_DIMENSIONS = 63, 32
_PIECE = 1 << 20

Accept = Callable[[str, tuple[int, ...], str], bool]


def read_bytes_arrays(stream: BinaryIO, accept: Accept) -> dict[str, np.ndarray]:
    """The uint8 arrays of a file, by name.

    Parameters
    ----------
    stream
        A file, which can seek.
    accept
        `accept(name, dimensions, class)` says whether a variable is wanted, before its numbers are read;
        it may raise. Only wanted variables of class uint8 can be read.

    Raises
    ------
    ValueError
        If the file is damaged or something else.
    """
    size = stream.seek(0, 2)
    stream.seek(0)
    head = _exactly(stream.read, 128)
    order = {b"IM": "<", b"MI": ">"}.get(head[126:])
    if order is None or struct.unpack(f"{order}H", head[124:126]) != (0x0100,):
        raise ValueError("it does not begin as a MATLAB file of level 5 does")
    found: dict[str, np.ndarray] = {}
    while stream.tell() < size:
        kind, length = struct.unpack(f"{order}II", _exactly(stream.read, 8))
        end = stream.tell() + length
        if kind not in (_MATRIX, _COMPRESSED) or end > size:
            raise ValueError("it is cut short, or has something else than variables")
        if kind == _COMPRESSED:
            inflated = _Inflated(stream, length)
            _exactly(inflated.read, 8)  # the type and length of what follows
            name, array = _Variable(inflated.read, order).read(accept)
            if array is not None:
                inflated.finish()
        else:
            name, array = _Variable(stream.read, order).read(accept)
        if name in found:
            raise ValueError(f"it has {name} twice")
        if stream.tell() > end:
            raise ValueError(f"its {name} is longer than it says")
        if array is not None:
            found[name] = array
        stream.seek(end)
    return found


class _Variable:
    """One variable, read element by element; each has a type, a length and so many bytes, padded to eight."""

    def __init__(self, read: Callable[[int], bytes], order: str):
        self._read, self._order = read, order

    def read(self, accept: Accept) -> tuple[str, np.ndarray | None]:
        """Its name, and its numbers where they are wanted."""
        (flags,) = struct.unpack(f"{self._order}I4x", self._element(8, 8))
        number = flags & 0xFF
        if not 0 < number < len(_CLASSES):
            return "", None  # of a class whose parts are others
        dimensions = self._element(8, 4 * _MOST_DIMENSIONS)
        shape = struct.unpack(f"{self._order}{len(dimensions) // 4}i", dimensions[: len(dimensions) // 4 * 4])
        name = self._element(0, _LONGEST_NAME).decode("latin-1")
        if not accept(name, shape, _CLASSES[number]):
            return name, None
        if _CLASSES[number] != "uint8" or flags & 0x0800 or min(shape) < 0:
            raise ValueError(f"its {name} is of another kind")
        kind, length, small = self._tag()
        if kind != _BYTES or length != math.prod(shape):
            raise ValueError(f"its {name} holds other data than its header says")
        content = small[:length] or _exactly(self._read, length)
        return name, np.frombuffer(content, np.uint8).reshape(shape, order="F")

    def _tag(self) -> tuple[int, int, bytes]:
        """Type and length of an element, and its bytes where they are so few that they stand beside them."""
        first, second = struct.unpack(f"{self._order}I4s", _exactly(self._read, 8))
        if first >> 16:
            if first >> 16 > len(second):
                raise ValueError("it is damaged")
            return first & 0xFFFF, first >> 16, second
        return first, *struct.unpack(f"{self._order}I", second), b""

    def _element(self, least: int, most: int) -> bytes:
        _, length, small = self._tag()
        if not least <= length <= most:
            raise ValueError("it is damaged")
        return small[:length] or _exactly(self._read, -(-length // 8) * 8)[:length]


class _Inflated:
    """What a compressed variable holds, a few bytes at a time."""

    def __init__(self, stream: BinaryIO, length: int):
        self._stream, self._left = stream, length
        self._inflate, self._waiting = zlib.decompressobj(), b""

    def read(self, count: int) -> bytes:
        """So many bytes, or fewer at its end."""
        content = bytearray()
        while len(content) < count and not self._inflate.eof:
            if not self._waiting:
                self._waiting = self._stream.read(min(_PIECE, self._left))
                self._left -= len(self._waiting)
            last = not self._waiting
            try:
                content += self._inflate.decompress(self._waiting, count - len(content))
            except zlib.error as error:
                raise ValueError(f"it is damaged: {error}") from None
            self._waiting = self._inflate.unconsumed_tail
            if last:
                break
        return bytes(content)

    def finish(self) -> None:
        """Check that what was read is all but padding, and whole."""
        if len(self.read(8)) > 7 or not self._inflate.eof:
            raise ValueError("it is cut short, or longer than it says")


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    content = read(count)
    if len(content) < count:
        raise ValueError("it is cut short")
    return content
