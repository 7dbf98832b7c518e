"""The IDX format of MNIST: a header of big-endian sizes, then bytes."""

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np

from t1t2_pt.datasets.sources import bad_file, check_md5
from t1t2_pt.system.errors import reason
from t1t2_pt.system.reading import open_file

_UNSIGNED_BYTE = 0x08
_GZIP = b"\x1f\x8b"


def read_idx(
    path: Path, shape: tuple[int, ...], sha256: str | None = None, part: bool = False, md5: str | None = None
) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzipped or not, and check all of it.

    Parameters
    ----------
    shape
        The dimensions that the file must have.
    sha256
        Digest (hex) of the uncompressed file; None skips this check.
    part
        Whether the first dimension may be smaller, but not 0.
    md5
        What that of the file as it is must be (`md5:...`); None skips this check.

    Returns
    -------
    uint8 array of that shape.

    Raises
    ------
    InputError
        Naming the file and what is wrong with it.
    """
    header = 4 + 4 * len(shape)
    # One byte more than expected is enough to see that there is too much.
    content = _start(path, header + math.prod(shape) + 1, md5)
    found = _dimensions(path, content, len(shape))
    if found != shape and not (part and found[1:] == shape[1:] and 1 <= found[0] <= shape[0]):
        raise bad_file(path, f"has dimensions {found}, where {shape} are expected", declarable=not part)
    expected = header + math.prod(found)
    if len(content) != expected:
        raise bad_file(
            path, f"holds {'more' if len(content) > expected else 'fewer'} than the expected {expected} bytes"
        )
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise bad_file(path, "has a wrong SHA-256 checksum", declarable=True)
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(found)


def count(path: Path, dimensions: int) -> int:
    """How many samples a file says that it has.

    Raises
    ------
    InputError
        If it is no IDX file of so many dimensions.
    """
    return _dimensions(path, _start(path, 4 + 4 * dimensions), dimensions)[0]


def _start(path: Path, length: int, md5: str | None = None) -> bytes:
    """The first bytes of a file, inflated where it is gzipped, whatever its name."""
    try:
        with open_file(path) as stream:
            if md5 is not None:
                check_md5(path, stream, md5)
            start = stream.read(2)
            stream.seek(0)
            if start == _GZIP or (path.suffix == ".gz" and start != bytes(2)):
                with gzip.GzipFile(fileobj=stream) as inflated:
                    return inflated.read(length)
            return stream.read(length)
    except (OSError, EOFError, zlib.error) as error:
        raise bad_file(path, f"cannot be read ({reason(error)})") from None


def _dimensions(path: Path, content: bytes, count: int) -> tuple[int, ...]:
    magic = bytes((0, 0, _UNSIGNED_BYTE, count))
    if content[:4] != magic:
        problem = f"starts with {content[:4].hex() or 'nothing'}, where IDX of {count} dimensions has {magic.hex()}"
        raise bad_file(path, problem)
    return tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, 4 + 4 * count, 4))
