"""Reservations: which process trains which run, so that no two that share a store train the same.

They lie in a table of the store. A process renews its own while it lives; those of a process that has died lapse
at once where that can be known (`processes.py`), and anywhere else when they have not been renewed for a minute.
That minute is the observer's own: it sees that a reservation stays as it was, and compares no clock with another.
A process that could not renew its reservations (stopped, suspended) may lose them to another one; what it
finished meanwhile is not stored.
"""

import contextlib
import dataclasses
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore, insert
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.processes import Process, is_dead, this_process

LAPSE = 60.0  # seconds without renewal
RENEW = 15.0
_HELD = ("owner", "machine", "process", "started", "until")
# `until` is a time of the owner's clock, for people and for version 0.1; here it counts only whether it changes.
_TABLE = """
CREATE TABLE IF NOT EXISTS reservations (
    digest TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    machine TEXT NOT NULL,
    process INTEGER NOT NULL,
    started REAL NOT NULL,
    until REAL NOT NULL
)
"""


@dataclasses.dataclass(frozen=True)
class _Watch:
    """Since when a reservation of another process has been as it is: seconds that were watched, and the last look."""

    sign: tuple[str, float]
    seconds: float
    looked: float


class Reservations:
    """This process's reservations in a store; a context in which they are renewed, and given up at its end.

    Parameters
    ----------
    clock
        Seconds of this process's own, of which only differences count.
    """

    def __init__(self, store: RunStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self.owner = uuid.uuid4().hex
        self._process = this_process()
        self._mine: set[str] = set()
        self._lost: set[str] = set()
        self._watched: dict[str, _Watch] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Reservations":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        with contextlib.suppress(InputError):  # they lapse by themselves
            self.release(list(self._mine))

    def take(self, digests: Iterable[str]) -> set[str]:
        """Reserve runs; those that another living process has reserved are left out.

        Raises
        ------
        InputError
            If the store cannot be written.
        """
        digests = list(digests)
        held = {digest: row for digest, *row in self._store.rows("reservations", ("digest", *_HELD), digests)}
        wanted = [digest for digest in digests if self._is_free(digest, held.get(digest))]
        if not wanted:
            return set()
        with self._writing() as connection:
            select = f"SELECT {','.join(_HELD)} FROM reservations WHERE digest = ?"
            taken = {d for d in wanted if self._is_free(d, connection.execute(select, (d,)).fetchone())}
            mine = (self.owner, *dataclasses.astuple(self._process), time.time() + LAPSE)
            rows = [(digest, *mine) for digest in taken]
            connection.executemany("INSERT OR REPLACE INTO reservations VALUES (?, ?, ?, ?, ?, ?)", rows)
        with self._lock:
            self._mine |= taken
            self._lost -= taken
        if self._thread is None and taken:
            self._thread = threading.Thread(target=self._renew_always, name="reservations", daemon=True)
            self._thread.start()
        return taken

    def put(self, runs: Sequence[StoredRun]) -> list[StoredRun]:
        """Store runs and give them up, but for those that another process has taken over; returns what was stored.

        Raises
        ------
        InputError
            If the store cannot be written.
        """
        self._forget(run.digest for run in runs)
        with self._writing() as connection:
            owner = "SELECT 1 FROM reservations WHERE digest = ? AND owner = ?"
            kept = [run for run in runs if connection.execute(owner, (run.digest, self.owner)).fetchone()]
            insert(connection, kept)
            self._delete(connection, (run.digest for run in kept))
        return kept

    def release(self, digests: Iterable[str]) -> None:
        """Give up reservations."""
        digests = list(digests)
        if digests:
            self._forget(digests)
            with self._writing() as connection:
                self._delete(connection, digests)

    def held(self, digests: Iterable[str]) -> set[str]:
        """Those runs that are reserved here still."""
        rows = self._store.rows("reservations", ("digest", "owner"), digests)
        return {digest for digest, owner in rows if owner == self.owner}

    def lost(self, digests: Iterable[str]) -> bool:
        """Whether all of these were reserved here and are another's now, as far as is known: asks nobody."""
        with self._lock:
            return self._lost.issuperset(digests)

    def _is_free(self, digest: str, held: Sequence[Any] | None) -> bool:
        if held is None or held[0] == self.owner:
            return True
        owner, machine, process, started, until = held
        return is_dead(Process(machine, process, started)) or self._unchanged(digest, (owner, until)) >= LAPSE

    def _unchanged(self, digest: str, sign: tuple[str, float]) -> float:
        """Seconds for which a reservation was seen to stay as it is.

        Between two looks no more than `RENEW` counts: who was stopped together with us has the time to renew.
        """
        now, watch = self._clock(), self._watched.get(digest)
        if watch is None or watch.sign != sign:
            watch = _Watch(sign, 0.0, now)
        self._watched[digest] = _Watch(sign, watch.seconds + min(now - watch.looked, RENEW), now)
        return self._watched[digest].seconds

    def _renew_always(self) -> None:
        while not self._over.wait(RENEW):
            with contextlib.suppress(InputError):  # a store that is busy or full now may not be so the next time
                self._renew()

    def _renew(self) -> None:
        with self._lock:
            mine = list(self._mine)
        with self._writing() as connection:
            # A clock that was set back must not make it the same again.
            renew = "UPDATE reservations SET until = max(?, until + 0.001) WHERE digest = ? AND owner = ?"
            until = time.time() + LAPSE
            gone = {d for d in mine if not connection.execute(renew, (until, d, self.owner)).rowcount}
        with self._lock:
            self._lost |= self._mine & gone
            self._mine -= gone

    def _forget(self, digests: Iterable[str]) -> None:
        with self._lock:
            self._mine -= set(digests)

    def _delete(self, connection: sqlite3.Connection, digests: Iterable[str]) -> None:
        rows = [(digest, self.owner) for digest in digests]
        connection.executemany("DELETE FROM reservations WHERE digest = ? AND owner = ?", rows)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._store.writing() as connection:
            connection.execute(_TABLE)
            yield connection
