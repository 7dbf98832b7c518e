"""The store: what goes in comes out, whole runs only, and anything else is told plainly."""

import contextlib
import json
import math
import os
import shutil
import sqlite3
import tempfile
import threading
from pathlib import Path

import pytest
from invented import CONFIG, make_run, same

from t1t2_pt.cli import main as cli
from t1t2_pt.config import replace
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore, insert
from t1t2_pt.runs.store_file import StoreFile
from t1t2_pt.system.errors import InputError

OTHERS = [replace(CONFIG, seed=seed) for seed in (1, 2)]


def change(store: RunStore, statement: str, *parameters) -> None:
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(statement, parameters)


def test_round_trip(store):
    run = make_run()
    assert store.get(CONFIG) is None
    store.put([run])
    assert same(store.get(CONFIG), run)
    assert same(RunStore(store.path).all()[0], run)
    assert same(StoredRun.from_dict(run.as_dict()), run)
    assert store.get(replace(CONFIG, seed=1)) is None


def test_numbers_survive_exactly(store):
    store.put([make_run()])
    assert store.get(CONFIG).history["input_noise"] == [0.5, 0.1 + 0.2, 1 / 3]


def test_find_by_beginning(store):
    runs = [make_run(replace(CONFIG, seed=seed)) for seed in range(20)]
    store.put(runs)
    assert [same(store.read(found), runs[3]) for found in store.find(runs[3].digest[:20])] == [True]
    assert len(store.find("")) == 20
    assert store.find("%") == []


def test_put_is_all_or_nothing(store):
    store.put([make_run()])
    bad = make_run(replace(CONFIG, seed=1))
    bad.provenance["data"] = math.inf  # cannot be written
    with pytest.raises(ValueError, match="JSON"):
        store.put([make_run(replace(CONFIG, seed=2)), bad])
    assert len(store.all()) == 1
    refused = replace(CONFIG, seed=3).digest()
    change(
        store,
        f"CREATE TRIGGER t BEFORE INSERT ON runs WHEN NEW.digest = '{refused}' BEGIN SELECT RAISE(FAIL, 'no'); END",
    )
    with pytest.raises(InputError, match="no; give another file"):
        store.put([make_run(replace(CONFIG, seed=seed)) for seed in (2, 3)])
    assert len(store.all()) == 1


def test_nothing_is_made_before_the_first_run(tmp_path):
    store = RunStore(tmp_path / "deep" / "runs.sqlite")
    assert store.all() == []
    assert list(tmp_path.iterdir()) == []
    store.put([make_run()])
    assert store.path.is_file()


def test_stores_opened_together_do_not_clash(tmp_path):
    """Eight threads make and fill one new store."""
    errors = []

    def work(seed):
        try:
            RunStore(tmp_path / "runs.sqlite").put([make_run(replace(CONFIG, seed=seed))])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(RunStore(tmp_path / "runs.sqlite").all()) == 8


class TestWrongFiles:
    def check(self, path, problem):
        before = path.read_bytes()
        with pytest.raises(InputError, match=f"store = .*: {problem}.*; give another file by --store"):
            RunStore(path)
        assert path.read_bytes() == before

    def test_not_a_database(self, tmp_path):
        path = tmp_path / "runs.sqlite"
        path.write_text("hello, I am not a database at all, and long enough to be read as one" * 20)
        self.check(path, "file is not a database")

    def test_another_database(self, tmp_path):
        path = tmp_path / "runs.sqlite"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE songs (name TEXT)")
        connection.close()
        self.check(path, "is not a run store")

    def test_newer_version(self, store):
        store.put([make_run()])
        connection = sqlite3.connect(store.path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        self.check(store.path, r"was written by a newer version of t1t2_pt \(schema 99\)")

    def test_a_folder(self, tmp_path):
        with pytest.raises(InputError, match=r"store = .* is a folder"):
            RunStore(tmp_path)

    def test_below_a_file(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match=r"store = .* is not a folder"):
            RunStore(tmp_path / "file" / "runs.sqlite")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_no_permission(self, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(InputError, match=r"store = .* no permission"):
            RunStore(tmp_path / "runs.sqlite")


class TestSharing:
    """Locks are waited for, and are all that processes share."""

    def test_nothing_but_the_file_and_its_journal(self, store):
        store.put([make_run()])
        with store.writing() as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
            connection.execute("DELETE FROM runs")
            assert {path.name for path in store.path.parent.iterdir()} == {"runs.sqlite", "runs.sqlite-journal"}
        assert [path.name for path in store.path.parent.iterdir()] == ["runs.sqlite"]

    @staticmethod
    @contextlib.contextmanager
    def locked(path: Path, *statements: str, seconds: float = 0.4):
        """Another connection holds the file for a while, and then gives it up."""
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for statement in statements:
            connection.execute(statement).fetchall()
        timer = threading.Timer(seconds, connection.close)
        timer.start()
        yield
        timer.join()

    @pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
    @pytest.mark.parametrize("made", [False, True], ids=["new", "made"])
    def test_a_writer_waits(self, store, made, lock):
        if made:
            store.put([make_run(OTHERS[0])])
        with self.locked(store.path, lock):
            store.put([make_run()])
        assert store.get(CONFIG) is not None

    def test_a_reader_waits(self, store):
        store.put([make_run()])
        with self.locked(store.path, "BEGIN EXCLUSIVE"):
            assert len(store.all()) == 1

    def test_locked_for_long_is_told(self, store, monkeypatch):
        monkeypatch.setattr(StoreFile, "patience", 0.1)
        store.put([make_run()])
        with (
            self.locked(store.path, "BEGIN EXCLUSIVE"),
            pytest.raises(InputError, match="has been locked by another process for a minute"),
        ):
            store.put([make_run(OTHERS[0])])


class TestLogOfOld:
    """A store that an earlier version made has a write-ahead log; the next that writes does away with it."""

    @pytest.fixture
    def old(self, store):
        store.put([make_run(OTHERS[0])])
        change(store, "PRAGMA journal_mode = WAL")
        return store

    @staticmethod
    def mode(store):
        with contextlib.closing(sqlite3.connect(store.path)) as connection:
            return connection.execute("PRAGMA journal_mode").fetchone()[0]

    def test_is_left_when_written_not_when_read(self, old):
        assert len(RunStore(old.path).all()) == 1
        assert self.mode(old) == "wal"
        RunStore(old.path).put([make_run()])
        assert self.mode(old) == "delete"
        assert len(old.all()) == 2
        assert [path.name for path in old.path.parent.iterdir()] == ["runs.sqlite"]

    def test_what_only_the_log_holds_is_kept(self, old, tmp_path):
        """As a killed process leaves it."""
        with contextlib.closing(sqlite3.connect(old.path)) as connection, connection:
            insert(connection, [make_run(OTHERS[1])])
            connection.commit()
            (tmp_path / "killed").mkdir()
            for name in ("runs.sqlite", "runs.sqlite-wal"):
                shutil.copy(tmp_path / name, tmp_path / "killed" / name)
        killed = RunStore(tmp_path / "killed" / "runs.sqlite")
        killed.put([make_run()])
        assert self.mode(killed) == "delete"
        assert {run.config for run in killed.all()} == {CONFIG, *OTHERS}

    def test_whoever_has_it_open_is_waited_for(self, old):
        with TestSharing.locked(old.path, "SELECT count(*) FROM runs"):
            assert self.mode(old) == "wal"
            old.put([make_run()])
        assert self.mode(old) == "delete"

    def test_open_for_long_is_told(self, old, monkeypatch):
        monkeypatch.setattr(StoreFile, "patience", 0.1)
        with (
            TestSharing.locked(old.path, "SELECT count(*) FROM runs"),
            pytest.raises(InputError, match="has been locked by another process for a minute"),
        ):
            old.put([make_run()])
        assert len(old.all()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else for a moment")
def test_half_a_transaction_is_not_read(store):
    """A process was killed while it wrote, and whoever reads may not undo that: told, not read as if it were whole."""
    store.put([make_run(replace(CONFIG, seed=seed)) for seed in range(40)])
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA cache_size = 1")  # writes to the file before the end
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE runs SET status = 'half', finished = finished || ?", ("." * 1000,))
            for ending in ("", "-journal"):
                shutil.copy(f"{store.path}{ending}", folder / f"runs.sqlite{ending}")
        for path in (*folder.iterdir(), folder):
            path.chmod(0o555 if path == folder else 0o444)
        os.seteuid(65534)
        try:
            with pytest.raises(InputError, match=r"store = .* is read-only|unable to open"):
                RunStore(folder / "runs.sqlite").all()
        finally:
            os.seteuid(0)
        folder.chmod(0o755)
        assert len(RunStore(folder / "runs.sqlite").all()) == 40  # as root


def test_a_store_that_vanishes_is_told_and_not_made_anew(tmp_path):
    store = RunStore(tmp_path / "disk" / "runs.sqlite")
    store.put([make_run()])
    shutil.rmtree(store.path.parent)
    for use in (store.all, lambda: store.put([make_run(OTHERS[0])]), store.check_there):
        with pytest.raises(InputError, match=r"store = .*: was removed while it was in use; put it back"):
            use()
    assert list(tmp_path.iterdir()) == []


# What may happen to a run in a store, and what is said of it.
SPOILT = {
    "cut short": ("history = substr(history, 1, 40)", "is damaged: run .* cannot be read"),
    "not UTF-8": (
        "provenance = CAST(CAST(provenance AS BLOB) || x'ff' AS TEXT)",
        "is damaged: run .* cannot be read",
    ),
    "a word that is not UTF-8": ("finished = CAST(x'ff' AS TEXT)", "is damaged: run .* cannot be read"),
    "no text": ("finished = x'00'", "is damaged: run .* cannot be read"),
    "deep": ("final = printf('%.100000c', '[')", "is damaged: run .* cannot be read"),
    "half": ("final = '{}'", "is damaged: run .* cannot be read .its final epoch"),
    "of another config": ("config = replace(config, '\"seed\": 0', '\"seed\": 9')", "digest does not fit"),
    "newer": (
        "config = replace(config, '{', '{\"dropout\": 0.5, ')",
        "run .* cannot be read: its field 'dropout' is not known to this version of t1t2_pt; update t1t2_pt",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
class TestARunThatCannotBeRead:
    @pytest.fixture
    def spoilt(self, store, kind):
        """A store of three runs, of which the first cannot be read."""
        store.put([make_run(config) for config in (CONFIG, *OTHERS)])
        change(store, f"UPDATE runs SET {SPOILT[kind][0]} WHERE digest = ?", CONFIG.digest())
        return store

    def test_the_others_are(self, spoilt, kind):
        told = []
        assert {run.config for run in spoilt.all(skip=told.append)} == set(OTHERS)
        assert len(told) == 1
        assert set(spoilt.get_all(OTHERS)) == set(OTHERS)
        with pytest.raises(InputError, match=SPOILT[kind][1]) as problem:
            spoilt.get(CONFIG)
        assert CONFIG.digest()[:10] in str(problem.value)
        assert str(problem.value) == str(told[0])
        with pytest.raises(InputError, match=SPOILT[kind][1]):
            spoilt.all()

    def test_commands(self, spoilt, kind, tmp_path, capsys):
        """Of the others all is done, the one is named in a line, and the exit code is 1; importing it mends it."""

        def ask(*arguments):
            code = cli.main(["runs", *arguments, "--store", str(spoilt.path)])
            return code, *capsys.readouterr()

        for command in (["list"], ["list", "--json"], ["export", str(tmp_path / "a.jsonl")]):
            code, out, err = ask(*command)
            assert code == 1
            assert len(err.splitlines()) == 1
            assert err.startswith("t1t2: store = ")
            assert CONFIG.digest()[:10] in err
            assert command[0] == "export" or all(config.digest()[:10] in out for config in OTHERS)
        assert out.startswith("2 runs written")
        code, out, err = ask("show", CONFIG.digest())
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert ask("show", OTHERS[0].digest())[0] == 0
        (tmp_path / "b.jsonl").write_text(json.dumps(make_run().as_dict()))
        assert ask("import", str(tmp_path / "b.jsonl"))[1].startswith("1 runs added")
        assert ask("list")[0] == 0
