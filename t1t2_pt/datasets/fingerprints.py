"""What names a data set's content, found without reading it where that can be.

Files that must be the published ones have the fingerprint of those. That of others is kept in the user's cache,
with what the system says of the files: it is compared again with what is read before anything is trained on it.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable

from t1t2_pt.datasets.base import Dataset, Source
from t1t2_pt.datasets.sources import Place
from t1t2_pt.files import keep, user_cache


def fingerprint_of(source: Source, place: Place | None, load: Callable[[], Dataset]) -> str:
    """The fingerprint of the data set at a place.

    Parameters
    ----------
    place
        Where it lies; None: it has to be fetched, which `load` does.
    load
        Reads it.

    Raises
    ------
    InputError
        If it has to be read, and cannot be.
    """
    if place is None:
        return load().fingerprint
    if source.fingerprint is not None and place.declared is None:
        return source.fingerprint
    kept = user_cache() / "fingerprints" / f"{_state(place)}.txt"
    try:
        found = kept.read_text()
    except (OSError, UnicodeDecodeError):
        found = ""
    if re.fullmatch("[0-9a-f]{32}", found):
        return found
    found = load().fingerprint
    keep(kept, lambda path: path.write_text(found))
    return found


def _state(place: Place) -> str:
    """Whose files they are and when they were written, in a few letters."""
    files = [[str(path), *_status(path)] for path in place.files.values()]
    return hashlib.sha256(json.dumps([str(place.path), place.declared, files]).encode()).hexdigest()[:32]


def _status(path: os.PathLike) -> list[int]:
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
