"""What names a data set's content, found without reading it where that can be.

Files that must be the published ones have the fingerprint of those. That of others is kept in the user's cache,
with what the system says of the files: it is compared again with what is read before anything is trained on it.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from t1t2_pt.datasets.dataset import Dataset, Source
from t1t2_pt.datasets.sources import Place
from t1t2_pt.system.code_digest import CODE
from t1t2_pt.system.files import keep, user_cache


def fingerprint_of(source: Source, place: Place | None, load: Callable[[], Dataset]) -> str:
    """The fingerprint of the data set at a place.

    Parameters
    ----------
    place
        Where it lies; None: it has to be fetched, which `load` does.
    load
        Reads it, and should `note` what was read.

    Raises
    ------
    InputError
        If it has to be read, and cannot be.
    """
    if place is None:
        return load().fingerprint
    published = _published(source, place)
    if published is not None:
        return published
    try:
        found = _note(place).read_text()
    except (OSError, UnicodeDecodeError):
        found = ""
    return found if re.fullmatch("[0-9a-f]{32}", found) else load().fingerprint


def note(source: Source, place: Place, dataset: Dataset) -> None:
    """Keep the fingerprint of what was read from a place, where it is not known without reading it."""
    if _published(source, place) is None:
        keep(_note(place), lambda path: path.write_text(dataset.fingerprint))


def _published(source: Source, place: Place) -> str | None:
    """The fingerprint of files that must be the published ones, where it is known."""
    return source.fingerprint if place.declared is None else None


def _note(place: Place) -> Path:
    """Where the fingerprint of these files is kept, as long as they and the code that reads them are what they are."""
    files = [[str(path), *_status(path)] for path in place.files.values()]
    state = hashlib.sha256(json.dumps([CODE, str(place.path), place.declared, files]).encode()).hexdigest()
    return user_cache() / "fingerprints" / f"{state[:32]}.txt"


def _status(path: os.PathLike) -> list[int]:
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
