"""The run store: every finished run once, in one SQLite file, under the digest of its config.

A run is written when it is complete, in one transaction; figures and tables only read. Columns hold JSON, so
that any SQLite client can look inside. Several processes may use a store, also of several machines that share
its disk: so it has a rollback journal, whose locks are all that they must share, and no write-ahead log,
which needs memory in common.
"""

import contextlib
import itertools
import json
import os
import sqlite3
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from t1t2_pt.config import RunConfig
from t1t2_pt.runs.migrations import UNKNOWN
from t1t2_pt.runs.provenance import REPOSITORY
from t1t2_pt.runs.record import NewerRunError, NotARunError, RefusedRunError, StoredRun
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.files import check_can_write

APPLICATION_ID = 0x54315432  # "T1T2"
SCHEMA_VERSION = 2  # since runs are named by the content of their data and the algorithm, too
PATIENCE = 60.0  # seconds that a store which another process has locked is waited for
_SCHEMA = """
CREATE TABLE runs (
    digest TEXT PRIMARY KEY,
    config TEXT NOT NULL,
    status TEXT NOT NULL,
    final TEXT NOT NULL,
    history TEXT NOT NULL,
    provenance TEXT NOT NULL,
    finished TEXT NOT NULL
)
"""
# All that a list of runs needs lies in an index: histories, nearly all of a store, are not read for it. What is
# wrong with them is known by a second one.
_LISTED = ("digest", "config", "status", "final", "provenance", "finished")
_DAMAGED = "NOT json_valid(history)"
_INDICES = (
    "CREATE INDEX IF NOT EXISTS listing ON runs (finished, digest, config, status, final, provenance)",
    f"CREATE INDEX IF NOT EXISTS damaged ON runs (digest) WHERE {_DAMAGED}",
)
_COLUMNS = ("digest", "config", "status", "final", "history", "provenance", "finished")
_JSON = ("config", "final", "history", "provenance")

Skip = Callable[[InputError], object]
Row = tuple[Any, ...]  # of a table


def default_store() -> Path:
    """The store used where none is named: `data/runs.sqlite` in a checkout, else in the current folder."""
    folder = REPOSITORY / "data"
    return (folder if folder.is_dir() else Path.cwd()) / "runs.sqlite"


class RunStore:
    """Runs by digest in an SQLite file, made when it is first needed.

    Methods that read runs take `skip`, called with the error of each run that cannot be read (cut short, of a newer
    version); without it such a run is an error.

    Raises
    ------
    InputError
        If the file cannot be opened or written, is not a run store, is damaged, or is from a newer version.
    """

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

    def get(self, config: RunConfig) -> StoredRun | None:
        """The stored run of this config, or None."""
        return self.get_all([config]).get(config)

    def get_all(self, configs: Iterable[RunConfig], skip: Skip | None = None) -> dict[RunConfig, StoredRun]:
        """Those of these configs that are stored."""
        by_digest = {config.digest(): config for config in configs}
        rows = self.rows("runs", _COLUMNS, by_digest)
        return {by_digest[run.digest]: run for run in self._runs(rows, skip)}

    def find(self, digest: str) -> list[str]:
        """Digests of stored runs that begin so."""
        condition = "WHERE substr(digest, 1, ?) = ? ORDER BY digest"
        return [str(found) for (found,) in self._select("runs", ("digest",), condition, (len(digest), digest))]

    def read(self, digest: str) -> StoredRun:
        """The run of a digest that is stored."""
        (run,) = self._runs(self.rows("runs", _COLUMNS, [digest]), None)
        return run

    def all(self, skip: Skip | None = None) -> list[StoredRun]:
        """Every run, the oldest first."""
        return self._runs(self._select("runs", _COLUMNS, "ORDER BY finished, digest", ()), skip)

    def without_histories(self) -> list[Row]:
        """Of every run, the oldest first: digest, config, status, final, provenance and finished."""
        return self._select("runs", _LISTED, "ORDER BY finished, digest", ())

    def damaged_histories(self) -> set[str]:
        """Digests of the runs whose histories are not JSON."""
        return {str(digest) for (digest,) in self._select("runs", ("digest",), f"WHERE {_DAMAGED}", ())}

    def delete(self, digests: Iterable[str]) -> int:
        """Remove runs, all or none; returns how many there were."""
        with self.writing() as connection:
            counts = (connection.execute("DELETE FROM runs WHERE digest = ?", (digest,)).rowcount for digest in digests)
            return sum(counts)

    def contents(self, dataset: str) -> list[str]:
        """What names the contents of a data set that stored runs were trained on (`RunConfig.data`)."""
        of = "CASE WHEN json_valid(config) THEN json_extract(config, '$.{}') END"
        columns = (f"DISTINCT {of.format('data')} AS content",)
        known = f"WHERE {of.format('dataset')} = ? AND content NOT IN ('', ?)"
        found = self._select("runs", columns, known, (dataset, UNKNOWN))
        return [str(content) for (content,) in found]

    def samples(self, dataset: str) -> int:
        """How many training samples of a data set the largest stored run used; 0: there is none."""
        of = "CASE WHEN json_valid(config) THEN json_extract(config, '$.{}') ELSE 0 END"
        columns = (f"coalesce(max({of.format('t1_samples')} + {of.format('t2_samples')}), 0) AS samples",)
        ((largest,),) = self._select("runs", columns, f"WHERE {of.format('dataset')} = ?", (dataset,))
        return int(largest)

    def rows(self, table: str, columns: Iterable[str], digests: Iterable[str]) -> list[Row]:
        """What a table of the store, which need not be there, holds of some digests."""
        found = []
        for batch in itertools.batched(digests, 500):
            found += self._select(table, columns, f"WHERE digest IN ({','.join('?' * len(batch))})", batch)
        return found

    def put(self, runs: Iterable[StoredRun]) -> None:
        """Write runs, all or none, replacing those with the same digest."""
        with self.writing() as connection:
            insert(connection, runs)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction on the store, which is made where there is none; undone when the block ends in an error.

        Raises
        ------
        InputError
            If it cannot be written, or was there before and is not any more.
        """
        self.check_there()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._error(f"its folder cannot be made ({error.strerror})") from None
        with self._problems_of_sqlite(), contextlib.closing(self._connect_to_write()) as connection, connection:
            # Taken at once, the lock is waited for; a transaction that read before it wrote would be refused.
            connection.execute("BEGIN IMMEDIATE")
            self._make(connection)
            yield connection
        self._was_there = True

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
            connection.text_factory = _decoded
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchall():
                return []
            return connection.execute(f"SELECT {','.join(columns)} FROM {table} {condition}", parameters).fetchall()

    def _runs(self, rows: Iterable[Row], skip: Skip | None) -> list[StoredRun]:
        runs = []
        for row in rows:
            try:
                runs.append(self._run(row))
            except InputError as error:
                if skip is None:
                    raise
                skip(error)
        return runs

    def _run(self, row: Row) -> StoredRun:
        again = "give another file by --store, or train it again with --recompute"
        try:
            values = {name: _text(value) for name, value in zip(_COLUMNS, row, strict=True)}
            values |= {name: json.loads(values[name]) for name in _JSON}
            return StoredRun.from_dict(values)
        except NewerRunError as error:
            problem, remedy = f"run {_shown(row[0])} cannot be read: {error}", f"update t1t2_pt, or {again}"
        except RefusedRunError as error:
            problem, remedy = f"run {_shown(row[0])} of version 0.1 cannot be read: {error}", "leave it: it is kept"
        except (NotARunError, ValueError, RecursionError) as error:
            problem, remedy = f"is damaged: run {_shown(row[0])} cannot be read ({error})", again
        raise InputError("store", str(self.path), problem, remedy)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._problems_of_sqlite(), contextlib.closing(self._connect_to_read()) as connection:
            yield connection

    def _connect(self, timeout: float | None = None) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=PATIENCE if timeout is None else timeout, isolation_level=None)

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

    def _connect_to_write(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            with_log = connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        except sqlite3.Error:
            connection.close()
            raise
        if not with_log:
            return connection
        connection.close()
        self._leave_log()
        return self._connect()

    def _leave_log(self) -> None:
        """Give a store of an earlier version, which had a write-ahead log, a rollback journal.

        Whoever has it open holds a lock that SQLite does not wait for here.
        """
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.closing(self._connect(timeout=0)) as connection:
                try:
                    connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # reads the log without common memory
                    connection.execute("PRAGMA journal_mode = DELETE").fetchone()
                    return
                except sqlite3.OperationalError as error:
                    if "locked" not in str(error) or time.monotonic() > end:
                        raise
            time.sleep(0.05)

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

    def _migrate(self, version: int) -> None:
        """Bring a store of an earlier version to this one, all or nothing; what cannot be read stays as it is.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        try:
            with self.writing() as connection:
                if connection.execute("PRAGMA user_version").fetchone() != (version,):
                    return  # another process has done it meanwhile
                connection.text_factory = _decoded
                rows = connection.execute(f"SELECT {','.join(_COLUMNS)} FROM runs ORDER BY finished").fetchall()
                runs = {row[0]: run for row in rows for run in self._runs([row], skip=lambda error: None)}
                connection.executemany("DELETE FROM runs WHERE digest = ?", [(digest,) for digest in runs])
                insert(connection, runs.values())
                connection.execute("DROP TABLE IF EXISTS timings")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except InputError as error:
            problem = f"is of an earlier version, and cannot be brought to this one: {error.problem}"
            raise InputError(
                "store", str(self.path), problem, "copy it to where you can write, and name the copy"
            ) from None

    def _make(self, connection: sqlite3.Connection) -> None:
        """Make the table in a new file, and the index of what is listed where there is none."""
        if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for index in _INDICES:
            connection.execute(index)

    def _error(self, problem: str) -> InputError:
        return InputError("store", str(self.path), problem, "give another file by --store")


def insert(connection: sqlite3.Connection, runs: Iterable[StoredRun]) -> None:
    """Write runs within a transaction (`RunStore.writing`), replacing those with the same digest."""
    rows = []
    for run in runs:
        values = run.as_dict()
        values |= {name: json.dumps(values[name], sort_keys=name == "config", allow_nan=False) for name in _JSON}
        rows.append([values[name] for name in _COLUMNS])
    places = ",".join("?" * len(_COLUMNS))
    connection.executemany(f"INSERT OR REPLACE INTO runs ({','.join(_COLUMNS)}) VALUES ({places})", rows)


def _decoded(content: bytes) -> str:
    """A text of the file; one that is not UTF-8 spoils its own run, not the reading of all."""
    return content.decode(errors="surrogateescape")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise NotARunError("a text in it is something else")
    value.encode()  # fails for what was not UTF-8
    return value


def _shown(digest: object) -> str:
    """Enough of a digest to find it by, whatever it is."""
    return ascii(digest)[1:11] if isinstance(digest, str) else repr(digest)[:10]


_NO_ROOM = "make room or give another file by --store, then run it again: finished runs are kept"
_PROBLEMS = {
    "is full": ("cannot be written: the disk is full", _NO_ROOM),
    "disk I/O error": ("cannot be written or read: the disk is full, failing or without locks", _NO_ROOM),
    "readonly": ("is read-only", "give a file that you can write to by --store"),
    "locked": ("has been locked by another process for a minute", "wait for it or stop it, then run it again"),
    "malformed": ("is damaged", "give another file by --store, or put back a copy of it"),
}
