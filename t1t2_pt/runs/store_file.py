"""The file of a run store as SQLite sees it: what it is, how it is opened and read, what is wrong with it.

Whoever only lists runs needs no more than this, and waits for no import of what trains them.
"""

import contextlib
import itertools
import os
import sqlite3
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from t1t2_pt.system.errors import InputError
from t1t2_pt.system.files import check_can_write
from t1t2_pt.system.repository import REPOSITORY

APPLICATION_ID = 0x54315432  # "T1T2"
SCHEMA_VERSION = 2  # since runs are named by the content of their data and the algorithm, too
LISTED = ("digest", "config", "status", "final", "provenance", "finished")  # all that a list of runs needs
DAMAGED = "NOT json_valid(history)"

Skip = Callable[[InputError], object]
Row = tuple[Any, ...]  # of a table


def default_store() -> Path:
    """The store used where none is named: `data/runs.sqlite` in a checkout, else in the current folder."""
    folder = REPOSITORY / "data"
    return (folder if folder.is_dir() else Path.cwd()) / "runs.sqlite"


class StoreFile:
    """A run store that is read; see `RunStore`, which writes it, too.

    Raises
    ------
    InputError
        If the file cannot be opened, is not a run store, is damaged, or is from a newer version.
    """

    patience: ClassVar[float] = 60.0  # seconds that a store which another process has locked is waited for

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._was_there = self._is_there()
        if self._has_content():
            with self._reading() as connection:
                version = self._check(connection)
            if version < SCHEMA_VERSION:
                self._migrate(version)
        else:
            check_can_write("store", self.path)

    def _migrate(self, version: int) -> None:
        """Bring a store of an earlier version to this one."""
        from t1t2_pt.runs.store import RunStore  # which writes

        RunStore(self.path)

    def find(self, digest: str) -> list[str]:
        """Digests of stored runs that begin so."""
        condition = "WHERE substr(digest, 1, ?) = ? ORDER BY digest"
        return [str(found) for (found,) in self._select("runs", ("digest",), condition, (len(digest), digest))]

    def without_histories(self) -> list[Row]:
        """Of every run, the oldest first: digest, config, status, final, provenance and finished."""
        return self._select("runs", LISTED, "ORDER BY finished, digest", ())

    def damaged_histories(self) -> set[str]:
        """Digests of the runs whose histories are not JSON."""
        return {str(digest) for (digest,) in self._select("runs", ("digest",), f"WHERE {DAMAGED}", ())}

    def rows(self, table: str, columns: Iterable[str], digests: Iterable[str]) -> list[Row]:
        """What a table of the store, which need not be there, holds of some digests."""
        found = []
        for batch in itertools.batched(digests, 500):
            found += self._select(table, columns, f"WHERE digest IN ({','.join('?' * len(batch))})", batch)
        return found

    def check_there(self) -> None:
        """Check that a store that was in use has not been removed.

        Raises
        ------
        InputError
            If it has.
        """
        if self._was_there and not self._is_there():
            remedy = "put it back and run this again, which trains what it lacks"
            raise InputError("store", str(self.path), "was removed while it was in use", remedy)

    def _is_there(self) -> bool:
        return os.path.isfile(self.path)  # unlike `Path.is_file`, false for whatever the reason

    def _has_content(self) -> bool:
        return self._is_there() and self.path.stat().st_size > 0

    def _select(self, table: str, columns: Iterable[str], condition: str, parameters: Sequence[object]) -> list[Row]:
        if not self._has_content():
            self.check_there()
            return []
        with self._reading() as connection:
            connection.text_factory = decoded
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchall():
                return []
            return connection.execute(f"SELECT {','.join(columns)} FROM {table} {condition}", parameters).fetchall()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._problems_of_sqlite(), contextlib.closing(self._connect_to_read()) as connection:
            yield connection

    def _connect(self, timeout: float | None = None) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=self.patience if timeout is None else timeout, isolation_level=None)

    def _connect_to_read(self) -> sqlite3.Connection:
        """A connection also where nothing may be written, not even what a write-ahead log of old keeps beside."""
        connection = self._connect()
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            signs = ("readonly", "unable to open", "disk I/O error", "is full")
            if not any(sign in str(error) for sign in signs) or self._has_unfinished():
                raise
            path = urllib.parse.quote(str(self.path.absolute()))
            return sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _has_unfinished(self) -> bool:
        """Whether something that was written is not in the file, or something in it is to be undone."""
        logs = [self.path.with_name(self.path.name + ending) for ending in ("-wal", "-journal")]
        return any(path.is_file() and path.stat().st_size for path in logs)

    @contextlib.contextmanager
    def _problems_of_sqlite(self) -> Iterator[None]:
        """SQLite's errors as the user's."""
        try:
            yield
        except UnicodeDecodeError:
            raise self._error("is damaged") from None
        except sqlite3.Error as error:
            problem = str(error)
            for sign, (shown, remedy) in _PROBLEMS.items():
                if sign in problem:
                    raise InputError("store", str(self.path), shown, remedy) from None
            raise self._error(problem) from None

    def _check(self, connection: sqlite3.Connection) -> int:
        """The version of the store's schema; this one for an empty file."""
        connection.execute("BEGIN")  # one view of all three, while another process may be making the store
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application == APPLICATION_ID and version > SCHEMA_VERSION:
            raise self._error(f"was written by a newer version of t1t2_pt (schema {version})")
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        connection.execute("COMMIT")
        if application != APPLICATION_ID and tables:
            raise self._error("is not a run store")
        return version if tables else SCHEMA_VERSION

    def _error(self, problem: str) -> InputError:
        return InputError("store", str(self.path), problem, "give another file by --store")


def existing[Store: StoreFile](path: Path, kind: type[Store]) -> Store:
    """The store in a file that is there.

    Raises
    ------
    InputError
        If it is not.
    """
    if not os.path.isfile(path):
        problem = "is not a file" if os.path.lexists(path) else "does not exist"
        raise InputError("store", str(path), problem, "train something first, or give another file by --store")
    return kind(path)


def decoded(content: bytes) -> str:
    """A text of the file; one that is not UTF-8 spoils its own run, not the reading of all."""
    return content.decode(errors="surrogateescape")


_NO_ROOM = "make room or give another file by --store, then run it again: finished runs are kept"
_PROBLEMS = {
    "is full": ("cannot be written: the disk is full", _NO_ROOM),
    "disk I/O error": ("cannot be written or read: the disk is full, failing or without locks", _NO_ROOM),
    "readonly": ("is read-only", "give a file that you can write to by --store"),
    "locked": ("has been locked by another process for a minute", "wait for it or stop it, then run it again"),
    "malformed": ("is damaged", "give another file by --store, or put back a copy of it"),
}
