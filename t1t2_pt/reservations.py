"""Reservations: which process trains which run, so that no two that share a store train the same.

They lie in a table of the store. A process renews its own while it lives; those of a process that has
died lapse at once on the same machine, and within a minute from any other.
"""

import contextlib
import os
import platform
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable

import psutil

from t1t2_pt.errors import InputError
from t1t2_pt.runs import RunStore

LAPSE = 60.0  # seconds without renewal
RENEW = 15.0
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


class Reservations:
    """This process's reservations in a store; a context in which they are renewed, and given up at its end."""

    def __init__(self, store: RunStore):
        self._store = store
        self._owner = uuid.uuid4().hex
        self._machine = platform.node()
        self._mine: set[str] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Reservations":
        return self

    def __exit__(self, *_) -> None:
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
        with self._store.writing() as connection:
            connection.execute(_TABLE)
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                taken = set()
                for digest in digests:
                    row = connection.execute(
                        "SELECT owner, machine, process, started, until FROM reservations WHERE digest = ?", (digest,)
                    ).fetchone()
                    if row is None or row[0] == self._owner or self._lapsed(*row[1:]):
                        connection.execute(
                            "INSERT OR REPLACE INTO reservations VALUES (?, ?, ?, ?, ?, ?)", self._row(digest)
                        )
                        taken.add(digest)
        with self._lock:
            self._mine |= taken
        if self._thread is None and taken:
            self._thread = threading.Thread(target=self._renew, name="reservations", daemon=True)
            self._thread.start()
        return taken

    def release(self, digests: Iterable[str]) -> None:
        """Give up reservations."""
        digests = list(digests)
        if not digests:
            return
        with self._store.writing() as connection, connection:
            connection.executemany(
                "DELETE FROM reservations WHERE digest = ? AND owner = ?", [(digest, self._owner) for digest in digests]
            )
        with self._lock:
            self._mine -= set(digests)

    def _row(self, digest: str) -> tuple:
        process = os.getpid()
        return digest, self._owner, self._machine, process, psutil.Process(process).create_time(), time.time() + LAPSE

    def _lapsed(self, machine: str, process: int, started: float, until: float) -> bool:
        if until < time.time():
            return True
        if machine != self._machine:
            return False
        try:
            return abs(psutil.Process(process).create_time() - started) > 1
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False

    def _renew(self) -> None:
        while not self._over.wait(RENEW):
            with self._lock:
                mine = [(time.time() + LAPSE, digest, self._owner) for digest in self._mine]
            # A store that is busy or full now may not be so the next time.
            with contextlib.suppress(InputError, sqlite3.Error), self._store.writing() as connection, connection:
                connection.executemany("UPDATE reservations SET until = ? WHERE digest = ? AND owner = ?", mine)
