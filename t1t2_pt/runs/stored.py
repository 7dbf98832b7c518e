"""Stored runs as commands take them: all that can be read, or the one that a digest names."""

from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.streams import log


def readable_runs(store: RunStore) -> tuple[list[StoredRun], int]:
    """The runs that can be read, and the exit code; the others are logged."""
    unreadable: list[InputError] = []
    runs = store.all(skip=unreadable.append)
    for error in unreadable:
        log(f"t1t2: {error}")
    return runs, 1 if unreadable else 0


def find(store: RunStore, digest: str) -> StoredRun:
    """The only run whose digest begins so.

    Raises
    ------
    InputError
        If there is none, or more than one.
    """
    found = store.find(digest)
    if len(found) == 1:
        return store.read(found[0])
    problem = f"fits {len(found)} runs" if found else "fits no stored run"
    raise InputError("digest", digest, problem, "give one that `t1t2 runs list` shows, in full if need be")
