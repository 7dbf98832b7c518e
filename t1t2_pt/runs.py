"""The run store: every finished run once, in one SQLite file, under the digest of its config.

A run is written when it is complete, in one transaction; figures and tables only read. Columns hold
JSON, so that any SQLite client can look inside. NaN and infinity are stored as null.
"""

import contextlib
import dataclasses
import datetime
import functools
import importlib.metadata
import json
import math
import platform
import re
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from t1t2_pt.backends import Backend
from t1t2_pt.config import RunConfig, replace, run_config
from t1t2_pt.errors import InputError
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
        `finished`, or `diverged` when the training cost stopped being finite.
    final
        Last row of the history, every level per map (`map_columns`), and `diverged_at` for a diverged run.
    provenance
        What produced it: backend, versions, device, commit, data.
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
        """The inverse of `as_dict`."""
        return cls(
            config=run_config(**values["config"]),
            status=values["status"],
            final=_from_json(values["final"]),
            history=_from_json(values["history"]),
            provenance=dict(values["provenance"]),
            finished=values["finished"],
        )


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


def finished_run(trained: Trained, backend: Backend, data: str) -> StoredRun:
    """Wrap a trained run with what produced it."""
    final = dict(trained.final)
    if trained.diverged_at is not None:
        final["diverged_at"] = float(trained.diverged_at)
    return StoredRun(
        config=trained.config,
        status="finished" if trained.diverged_at is None else "diverged",
        final=final,
        history=trained.history,
        provenance={**environment(backend), "data": data},
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
        If the file cannot be opened or written, is not a run store, or is from a newer version.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        if self._exists():
            with self._connect() as connection:
                self._check(connection)
        else:
            check_can_write("store", self.path)

    def get(self, config: RunConfig) -> StoredRun | None:
        """The stored run of this config, or None."""
        found = self._select("WHERE digest = ?", (config.digest(),))
        return found[0] if found else None

    def find(self, digest: str) -> list[StoredRun]:
        """Runs whose digest begins so."""
        return self._select("WHERE substr(digest, 1, ?) = ? ORDER BY digest", (len(digest), digest))

    def all(self) -> list[StoredRun]:
        """Every run, the oldest first."""
        return self._select("ORDER BY finished, digest", ())

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
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connect() as connection:
            self._make(connection)
            with connection:
                connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _exists(self) -> bool:
        return self.path.is_file() and self.path.stat().st_size > 0

    def _select(self, condition: str, parameters: tuple) -> list[StoredRun]:
        if not self._exists():
            return []
        with self._connect() as connection:
            rows = connection.execute(f"{_SELECT} {condition}", parameters).fetchall()
        return [_from_row(row) for row in rows]

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self.path, timeout=60)
        except sqlite3.Error as error:
            raise self._error(str(error)) from None
        try:
            yield connection
        except sqlite3.Error as error:
            raise self._error(str(error)) from None
        finally:
            connection.close()

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
        connection.execute("PRAGMA journal_mode = WAL")
        with connection:
            connection.execute("BEGIN IMMEDIATE")  # another process may be making it
            if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                connection.execute(_SCHEMA)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _error(self, problem: str) -> InputError:
        return InputError("store", str(self.path), problem, "give another file by --store")


_SELECT = "SELECT config, status, final, history, provenance, finished FROM runs"


def _from_row(row: tuple[str, ...]) -> StoredRun:
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
