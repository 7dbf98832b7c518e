"""Stores and files of version 0.1 are read, and their runs found, by this one."""

import contextlib
import dataclasses
import gzip
import json
import sqlite3
from pathlib import Path

import pytest

from t1t2_pt.config import replace
from t1t2_pt.datasets import DATASETS
from t1t2_pt.runs.exchange import read_runs
from t1t2_pt.runs.migrations import UNKNOWN, _digest, migrated
from t1t2_pt.runs.record import NotARunError, StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.runs.store_file import APPLICATION_ID, SCHEMA_VERSION
from t1t2_pt.steps.columns import EVALUATION
from t1t2_pt.system.errors import InputError

OLD_RUNS = Path(__file__).parent / "version_0_1" / "runs.jsonl.gz"  # as version 0.1 exported them
ROWS = [json.loads(line) for line in gzip.decompress(OLD_RUNS.read_bytes()).splitlines()]
COLUMNS = ("digest", "config", "status", "final", "history", "provenance", "finished")
IN_JSON = ("config", "final", "history", "provenance")


def write_old_store(path: Path) -> None:
    """A store as version 0.1 wrote it: a write-ahead log, schema 1, times that were measured."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"CREATE TABLE runs ({', '.join(f'{name} TEXT NOT NULL' for name in COLUMNS)})")
        connection.execute("CREATE UNIQUE INDEX by_digest ON runs (digest)")
        connection.execute("CREATE TABLE timings (digest TEXT PRIMARY KEY, timing TEXT NOT NULL)")
        connection.execute("PRAGMA user_version = 1")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for row in ROWS:
            values = [json.dumps(row[name]) if name in IN_JSON else row[name] for name in COLUMNS]
            connection.execute(f"INSERT INTO runs VALUES ({','.join('?' * len(COLUMNS))})", values)


@pytest.fixture
def old(tmp_path) -> Path:
    write_old_store(tmp_path / "runs.sqlite")
    return tmp_path / "runs.sqlite"


def version(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def test_exported_runs():
    runs = read_runs(OLD_RUNS)
    assert [run.config.dataset for run in runs] == ["mnist", "mnist", "digits-on-photos"]
    for run, row in zip(runs, ROWS, strict=True):
        assert run.config.data == DATASETS[run.config.dataset].fingerprint
        assert run.config.algorithm == 1
        assert run.final == {name: row["final"][name] for name in run.final}
        assert "0.1" in run.provenance["migrated"]


def test_a_store_is_brought_to_this_version(old):
    store = RunStore(old)
    assert version(old) == SCHEMA_VERSION
    runs = {run.digest: run for run in store.all()}
    assert set(runs) == {run.digest for run in read_runs(OLD_RUNS)}
    assert not set(runs) & {row["digest"] for row in ROWS}
    for run in runs.values():
        assert store.get(run.config).final["test_error"] == run.final["test_error"]
    assert store.rows("timings", ("digest",), ["any"]) == []
    assert len(RunStore(old).all()) == len(ROWS)


def test_the_same_request_finds_its_run(old):
    """What that version did not know is filled in; what does nothing does not matter."""
    config = read_runs(OLD_RUNS)[1].config
    assert not config.tune
    assert RunStore(old).get(replace(config, interval=7)) is not None


def test_a_damaged_run_stays_and_is_told(old):
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("UPDATE runs SET history = '{' WHERE digest = ?", (ROWS[0]["digest"],))
    store, told = RunStore(old), []
    assert len(store.all(skip=told.append)) == len(ROWS) - 1
    assert ROWS[0]["digest"][:10] in str(told[0])
    assert version(old) == SCHEMA_VERSION


def test_a_config_that_is_refused_today(old):
    """Kept, and named for what it is."""
    row = next(row for row in ROWS if row["config"]["tune"])
    config = {**row["config"], "interval": 10**6}
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as connection:
        values = json.dumps(config), _digest(config), row["digest"]
        connection.execute("UPDATE runs SET config = ?, digest = ? WHERE digest = ?", values)
    store, told = RunStore(old), []
    assert len(store.all(skip=told.append)) == len(ROWS) - 1
    assert "of version 0.1 cannot be read: its config is refused: interval = 1000000 is longer than" in str(told[0])
    assert "damaged" not in str(told[0])


def test_a_store_that_cannot_be_written(old, monkeypatch):
    def refuse(self, connection):
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(RunStore, "_make", refuse)
    with pytest.raises(InputError, match=r"is of an earlier version, .*read-only; copy it to where you can write"):
        RunStore(old)
    assert version(old) == 1


def test_data_of_unknown_content():
    """The numbers are kept; no request finds them."""
    row = {**ROWS[0], "provenance": {**ROWS[0]["provenance"], "data": "digits of my own (content 0123456789ab)"}}
    assert StoredRun.from_dict(row).config.data == UNKNOWN


def test_a_run_in_which_a_nan_may_have_become_0():
    """On JAX; on other backends it stayed one."""
    history = {**ROWS[0]["history"], "repaired_gradients": [None, *[2.0] * (len(ROWS[0]["history"]["epoch"]) - 1)]}
    final = {**ROWS[0]["final"], "repaired_gradients": 2.0}
    row = {**ROWS[0], "history": history, "final": final}
    assert StoredRun.from_dict(row).config.data == UNKNOWN
    row["provenance"] = {**row["provenance"], "backend": "numba"}
    assert StoredRun.from_dict(row).config.data != UNKNOWN


def test_unknown_data_answer_no_request(store):
    """Not even where the data are absent."""
    run = read_runs(OLD_RUNS)[0]
    store.put([dataclasses.replace(run, config=replace(run.config, data=UNKNOWN))])
    assert store.contents("mnist") == []


@pytest.mark.parametrize(
    "change", [{"digest": "0" * 64}, {"config": {**ROWS[0]["config"], "epochs": 3}}, {"config": {"tune": []}}]
)
def test_what_is_not_such_a_run(change):
    with pytest.raises(NotARunError):
        StoredRun.from_dict({**ROWS[0], **change})


def test_nothing_else_changes():
    row = migrated(ROWS[0])
    assert {name: row["config"][name] for name in ROWS[0]["config"]} == ROWS[0]["config"]
    assert row["history"] == ROWS[0]["history"]
    assert set(EVALUATION) <= set(row["final"])
