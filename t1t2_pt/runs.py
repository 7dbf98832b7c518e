"""The run store: every finished run once, in one SQLite file, under the digest of its config.

A run is written when it is complete, in one transaction; figures and tables only read. Columns hold
JSON, so that any SQLite client can look inside. NaN and infinity are stored as null.
"""

import contextlib
import dataclasses
import datetime
import functools
import importlib.metadata
import itertools
import json
import math
import os
import platform
import re
import sqlite3
import subprocess
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from t1t2_pt.backends import Backend
from t1t2_pt.config import RunConfig, replace, run_config
from t1t2_pt.errors import InputError, printable, reason
from t1t2_pt.files import check_can_write
from t1t2_pt.training import History, Trained, layer_columns

REPOSITORY = Path(__file__).resolve().parents[1]
APPLICATION_ID = 0x54315432  # "T1T2"
SCHEMA_VERSION = 1
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


@dataclasses.dataclass(frozen=True)
class StoredRun:
    """A run as the store has it.

    Parameters
    ----------
    status
        `finished`, or `diverged` when a cost was not finite.
    final
        Last row of the history, every level per map (`map_columns`), and `diverged_at` for a diverged run.
    provenance
        What produced it: backend, versions, device, commit, data; why it `diverged`; where it was `resumed`.
    """

    config: RunConfig
    status: str
    final: dict[str, float]
    history: History
    provenance: dict[str, Any]
    finished: str

    @property
    def digest(self) -> str:
        return self.config.digest()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with null for what is not finite."""
        return {
            "digest": self.digest,
            "config": self.config.as_dict(),
            "status": self.status,
            "final": _to_json(self.final),
            "history": _to_json(self.history),
            "provenance": self.provenance,
            "finished": self.finished,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "StoredRun":
        """The inverse of `as_dict`.

        Raises
        ------
        ValueError, KeyError, TypeError, AttributeError, InputError
            If the values are not those of a run.
        """
        final, history, provenance = (values[name] for name in ("final", "history", "provenance"))
        status, finished = values["status"], values["finished"]
        texts = [status, finished, *provenance, *provenance.values()]
        if not (all(isinstance(text, str) for text in texts) and all(map(_is_number, final.values()))):
            raise ValueError("a text or a number is something else")
        columns = list(history.values())
        if not all(isinstance(column, list) and len(column) == len(columns[0]) >= 1 for column in columns):
            raise ValueError("the columns of the history differ in length")
        if not all(_is_number(value) for column in columns for value in column):
            raise ValueError("the history has something else than numbers")
        config = run_config(**values["config"])
        provenance = {printable(name): printable(text) for name, text in provenance.items()}
        return cls(config, printable(status), _from_json(final), _from_json(history), provenance, printable(finished))


def untuned(config: RunConfig) -> RunConfig:
    """The same run with its hyperparameters fixed at their initial values."""
    return replace(config, tune=())


def rerun_config(run: StoredRun) -> RunConfig:
    """A new run from the start with the hyperparameters fixed at those that T1-T2 ended with (Section 3)."""
    config = run.config
    levels = {name: final_level(run, name) for name in config.tune}
    if config.noise_before_softmax == "fixed" and "hidden_noise" in levels:
        levels["hidden_noise"] = _with_initial_last_layer(run, levels["hidden_noise"])
    return replace(untuned(config), **levels)


def _with_initial_last_layer(run: StoredRun, final) -> tuple[float, ...]:
    """Hidden noise per layer, or per map, of which the last layer kept its initial level."""
    config = run.config
    initial = config.hidden_noise if isinstance(config.hidden_noise, tuple) else (config.hidden_noise,)
    if "hidden_noise" not in config.per_map:
        hidden = final if isinstance(final, tuple) else (final,) * len(config.hidden_layers)
        return (*hidden[:-1], initial[-1])
    last = len(_map_columns(run, "hidden_noise", layer=len(config.hidden_layers)))
    kept = initial[-last:] if len(initial) == len(final) else initial[-1:] * last
    return (*final[:-last], *kept)


def final_level(run: StoredRun, name: str) -> float | tuple[float, ...]:
    """Where a hyperparameter ended: a number where tied, else one per layer or per map."""
    level = getattr(run.config, name)
    if name in run.config.per_map:
        columns = _map_columns(run, name)
    elif isinstance(level, tuple):
        columns = layer_columns(name, len(level))
    else:
        return run.final[name]
    return tuple(run.final[column] for column in columns)


def _map_columns(run: StoredRun, name: str, layer: int | None = None) -> list[str]:
    """The columns of `map_columns` that a run has, of all layers or of one, in their order."""
    found = (re.fullmatch(rf"{name}_(\d+)_(\d+)", column) for column in run.final)
    places = sorted((int(match[1]), int(match[2])) for match in found if match)
    return [f"{name}_{at}_{number}" for at, number in places if layer in (None, at)]


def default_store() -> Path:
    """The store used where none is named: `data/runs.sqlite` in a checkout, else in the current folder."""
    folder = REPOSITORY / "data"
    return (folder if folder.is_dir() else Path.cwd()) / "runs.sqlite"


def finished_run(trained: Trained, backend: Backend, data: str, **more: str) -> StoredRun:
    """Wrap a trained run with what produced it: backend and machine, its data, and what more there is to say."""
    final = dict(trained.final)
    data_and_more = {"data": data, **more}
    if trained.diverged_at is not None:
        final["diverged_at"] = float(trained.diverged_at)
        data_and_more["diverged"] = trained.reason
    return StoredRun(
        config=trained.config,
        status="finished" if trained.diverged_at is None else "diverged",
        final=final,
        history=trained.history,
        provenance={**environment(backend), **data_and_more},
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def environment(backend: Backend) -> dict[str, str]:
    """What computes here: backend and device, versions, commit, machine."""
    packages = {name: importlib.metadata.version(name) for name in ("pytensor", "numpy")}
    return {
        "backend": backend.name,
        **backend.versions(),
        **packages,
        "python": platform.python_version(),
        "t1t2_pt": importlib.metadata.version("t1t2_pt"),
        "commit": _commit(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


class RunStore:
    """Runs by digest in an SQLite file, made when it is first needed.

    Raises
    ------
    InputError
        If the file cannot be opened or written, is not a run store, is damaged, or is from a newer version.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        if self._exists():
            with self._reading() as connection:
                self._check(connection)
        else:
            check_can_write("store", self.path)

    def get(self, config: RunConfig) -> StoredRun | None:
        """The stored run of this config, or None."""
        return self.get_all([config]).get(config)

    def get_all(self, configs: Iterable[RunConfig]) -> dict[RunConfig, StoredRun]:
        """Those of these configs that are stored."""
        found = {}
        by_digest = {config.digest(): config for config in configs}
        for some in itertools.batched(by_digest, 500):
            for run in self._select(f"WHERE digest IN ({','.join('?' * len(some))})", some):
                found[by_digest[run.digest]] = run
        return found

    def find(self, digest: str) -> list[StoredRun]:
        """Runs whose digest begins so."""
        return self._select("WHERE substr(digest, 1, ?) = ? ORDER BY digest", (len(digest), digest))

    def all(self) -> list[StoredRun]:
        """Every run, the oldest first."""
        return self._select("ORDER BY finished, digest", ())

    def timings(self, digest: str) -> list[str]:
        """The text of the stored timing of this digest, if there is one; see `timing.py`."""
        if not self._exists():
            return []
        with self._reading() as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'timings'").fetchall():
                return []
            return [text for (text,) in connection.execute("SELECT timing FROM timings WHERE digest = ?", (digest,))]

    def put(self, runs: Iterable[StoredRun]) -> None:
        """Write runs, all or none, replacing those with the same digest."""
        rows = [
            (
                run.digest,
                json.dumps(run.config.as_dict(), sort_keys=True),
                run.status,
                json.dumps(_to_json(run.final), allow_nan=False),
                json.dumps(_to_json(run.history), allow_nan=False),
                json.dumps(run.provenance, allow_nan=False),
                run.finished,
            )
            for run in runs
        ]
        with self.writing() as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection to the store, which is made where there is none.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._error(f"its folder cannot be made ({error.strerror})") from None
        with self._told():
            connection = sqlite3.connect(self.path, timeout=60)
            with contextlib.closing(connection):
                self._make(connection)
                yield connection

    def _exists(self) -> bool:
        return os.path.isfile(self.path) and os.path.getsize(self.path) > 0

    def _select(self, condition: str, parameters: tuple) -> list[StoredRun]:
        if not self._exists():
            return []
        with self._reading() as connection:
            rows = connection.execute(f"{_SELECT} {condition}", parameters).fetchall()
        return [self._run(row) for row in rows]

    def _run(self, row: tuple) -> StoredRun:
        try:
            digest, *columns = row
            run = _from_row(columns)
            fits = run.digest == digest
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError) as error:
            raise self._error(f"is damaged: a run in it cannot be read ({reason(error)})") from None
        if not fits:
            raise self._error(f"is damaged: run {str(digest)[:10]} does not fit its config")
        return run

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._told(), contextlib.closing(self._open()) as connection:
            yield connection

    def _open(self) -> sqlite3.Connection:
        """A connection for reading, also where nothing may be written, not even what SQLite keeps beside."""
        connection = sqlite3.connect(self.path, timeout=60)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            log = self.path.with_name(self.path.name + "-wal")
            signs = ("readonly", "unable to open", "disk I/O error", "is full")
            if not any(sign in str(error) for sign in signs) or (log.is_file() and log.stat().st_size):
                raise
            path = urllib.parse.quote(str(self.path.absolute()))
            return sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as the user's."""
        try:
            yield
        except UnicodeDecodeError:
            raise self._error("is damaged") from None
        except sqlite3.Error as error:
            problem = str(error)
            for sign, (told, remedy) in _TOLD.items():
                if sign in problem:
                    raise InputError("store", str(self.path), told, remedy) from None
            raise self._error(problem) from None

    def _check(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")  # one view of all three, while another process may be making the store
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application == APPLICATION_ID and version > SCHEMA_VERSION:
            raise self._error(f"was written by a newer version of t1t2_pt (schema {version})")
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        connection.execute("COMMIT")
        if application != APPLICATION_ID and tables:
            raise self._error("is not a run store")

    def _make(self, connection: sqlite3.Connection) -> None:
        """Make the table in a new file."""
        if connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,):
            return
        connection.execute("PRAGMA journal_mode = WAL")
        with connection:
            connection.execute("BEGIN IMMEDIATE")  # another process may be making it
            if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                connection.execute(_SCHEMA)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _error(self, problem: str) -> InputError:
        return InputError("store", str(self.path), problem, "give another file by --store")


_NO_ROOM = "make room or give another file by --store, then run it again: finished runs are kept"
_TOLD = {
    "is full": ("cannot be written: the disk is full", _NO_ROOM),
    "disk I/O error": ("cannot be written or read: the disk is full or failing", _NO_ROOM),
    "readonly": ("is read-only", "give a file that you can write to by --store"),
    "locked": ("has been locked by another process for a minute", "wait for it or stop it, then run it again"),
    "malformed": ("is damaged", "give another file by --store, or put back a copy of it"),
}

_SELECT = "SELECT digest, config, status, final, history, provenance, finished FROM runs"


def _from_row(row: Sequence[str]) -> StoredRun:
    config, status, final, history, provenance, finished = row
    return StoredRun.from_dict(
        {
            "config": json.loads(config),
            "status": status,
            "final": json.loads(final),
            "history": json.loads(history),
            "provenance": json.loads(provenance),
            "finished": finished,
        }
    )


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _to_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _from_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    return math.nan if value is None else value


@functools.cache  # asked for every run, while the code that runs is the one imported
def _commit() -> str:
    """The checkout's commit, marked where files differ from it; `unknown` outside a checkout."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
