"""Sealed `.npz` files: arrays without pickle and a header, whose last bytes tell whether all before are as written.

These bytes (the comment of the zip archive) are the SHA-256 of all before, so that a file that was cut short or
altered is known before it is parsed.
"""

import hashlib
import io
import json
import re
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from t1t2_pt.system.reading import read_arrays

HEADER = "header"  # name of the array that holds it, as bytes of JSON
_DIGITS = 64  # of a SHA-256, in hexadecimal

Arrays = dict[str, npt.NDArray[Any]]


def with_header(header: Any, arrays: Arrays) -> Arrays:
    """Arrays, and a header that JSON can hold among them."""
    return {**arrays, HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8)}


def sealed(arrays: Arrays) -> bytes:
    """The content of a file."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"0" * _DIGITS
    content = buffer.getbuffer()
    digest = hashlib.sha256(content[:-_DIGITS]).hexdigest().encode()
    content[-_DIGITS:] = digest
    return buffer.getvalue()


def broken_seal(content: bytes) -> str:
    """What is wrong with a file as a whole; nothing where it is as it was written."""
    body, digest = content[:-_DIGITS], content[-_DIGITS:]
    if hashlib.sha256(body).hexdigest().encode() == digest:
        return ""
    whole = re.fullmatch(rb"[0-9a-f]{64}", digest) and body[-22:-18] == b"PK\x05\x06"
    return "was altered: its checksum does not fit" if whole else "was cut short"


def opened(content: bytes) -> tuple[Any, Arrays]:
    """Header and arrays of a file.

    Raises
    ------
    ValueError, KeyError
        If it is something else.
    """
    arrays = read_arrays(io.BytesIO(content))
    return json.loads(arrays.pop(HEADER).tobytes()), arrays
