"""The IDX format of MNIST: a header of big-endian sizes, then bytes."""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from t1t2_pt.errors import InputError

_UNSIGNED_BYTE = 0x08
REMEDY = "delete it to have it fetched again, or restore it from version control"


def read_idx(path: Path, shape: tuple[int, ...], sha256: str | None = None) -> np.ndarray:
    """Read a gzipped IDX file of unsigned bytes and check all of it.

    Parameters
    ----------
    shape
        The dimensions that the file must have.
    sha256
        Digest (hex) of the uncompressed file; None skips this check.

    Returns
    -------
    uint8 array of that shape.

    Raises
    ------
    InputError
        Naming the file and what is wrong with it.
    """
    try:
        with gzip.open(path) as stream:
            # One byte more than expected is enough to see that there is too much.
            content = stream.read(4 + 4 * len(shape) + int(np.prod(shape)) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError("data file", str(path), f"cannot be read ({error})", REMEDY) from None
    problem = _problem(content, shape, sha256)
    if problem:
        raise InputError("data file", str(path), problem, REMEDY)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def _problem(content: bytes, shape: tuple[int, ...], sha256: str | None) -> str | None:
    magic = bytes((0, 0, _UNSIGNED_BYTE, len(shape)))
    if content[:4] != magic:
        return f"starts with {content[:4].hex() or 'nothing'}, where IDX of {len(shape)} dimensions has {magic.hex()}"
    header = 4 + 4 * len(shape)
    sizes = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4))
    if sizes != shape:
        return f"has dimensions {sizes}, where {shape} are expected"
    expected = header + int(np.prod(shape))
    if len(content) != expected:
        return f"holds {'more' if len(content) > expected else 'fewer'} than the expected {expected} bytes"
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        return "has a wrong SHA-256 checksum"
    return None
