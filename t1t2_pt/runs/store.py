"""The run store: every finished run once, in one SQLite file, under the digest of its config.

A run is written when it is complete, in one transaction; figures and tables only read. Columns hold JSON, so
that any SQLite client can look inside. Several processes may use a store, also of several machines that share
its disk: so it has a rollback journal, whose locks are all that they must share, and no write-ahead log,
which needs memory in common.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator

from t1t2_pt.config import RunConfig
from t1t2_pt.runs.migrations import UNKNOWN
from t1t2_pt.runs.record import NewerRunError, NotARunError, RefusedRunError, StoredRun
from t1t2_pt.runs.store_file import (
    APPLICATION_ID,
    DAMAGED,
    SCHEMA_VERSION,
    Row,
    Skip,
    StoreFile,
    decoded,
)
from t1t2_pt.system.errors import InputError

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
_INDICES = (
    "CREATE INDEX IF NOT EXISTS listing ON runs (finished, digest, config, status, final, provenance)",
    f"CREATE INDEX IF NOT EXISTS damaged ON runs (digest) WHERE {DAMAGED}",
)
_COLUMNS = ("digest", "config", "status", "final", "history", "provenance", "finished")
_JSON = ("config", "final", "history", "provenance")


class RunStore(StoreFile):
    """Runs by digest in an SQLite file, made when it is first needed.

    Methods that read runs take `skip`, called with the error of each run that cannot be read (cut short, of a newer
    version); without it such a run is an error.

    Raises
    ------
    InputError
        If the file cannot be opened or written, is not a run store, is damaged, or is from a newer version.
    """

    def get(self, config: RunConfig) -> StoredRun | None:
        """The stored run of this config, or None."""
        return self.get_all([config]).get(config)

    def get_all(self, configs: Iterable[RunConfig], skip: Skip | None = None) -> dict[RunConfig, StoredRun]:
        """Those of these configs that are stored."""
        by_digest = {config.digest(): config for config in configs}
        rows = self.rows("runs", _COLUMNS, by_digest)
        return {by_digest[run.digest]: run for run in self._runs(rows, skip)}

    def read(self, digest: str) -> StoredRun:
        """The run of a digest that is stored."""
        (run,) = self._runs(self.rows("runs", _COLUMNS, [digest]), None)
        return run

    def all(self, skip: Skip | None = None) -> list[StoredRun]:
        """Every run, the oldest first."""
        return self._runs(self._select("runs", _COLUMNS, "ORDER BY finished, digest", ()), skip)

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
        end = time.monotonic() + self.patience
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
                connection.text_factory = decoded
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


def insert(connection: sqlite3.Connection, runs: Iterable[StoredRun]) -> None:
    """Write runs within a transaction (`RunStore.writing`), replacing those with the same digest."""
    rows = []
    for run in runs:
        values = run.as_dict()
        values |= {name: json.dumps(values[name], sort_keys=name == "config", allow_nan=False) for name in _JSON}
        rows.append([values[name] for name in _COLUMNS])
    places = ",".join("?" * len(_COLUMNS))
    connection.executemany(f"INSERT OR REPLACE INTO runs ({','.join(_COLUMNS)}) VALUES ({places})", rows)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise NotARunError("a text in it is something else")
    value.encode()  # fails for what was not UTF-8
    return value


def _shown(digest: object) -> str:
    """Enough of a digest to find it by, whatever it is."""
    return ascii(digest)[1:11] if isinstance(digest, str) else repr(digest)[:10]
