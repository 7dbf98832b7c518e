"""The store: what goes in comes out, whole runs only, and anything else is told plainly."""

import math
import os
import sqlite3
import threading

import pytest
from conftest import TINY

from t1t2_pt.backends import get_backend
from t1t2_pt.config import replace, run_config
from t1t2_pt.errors import InputError
from t1t2_pt.exchange import export_runs, read_runs
from t1t2_pt.runs import RunStore, StoredRun, finished_run, rerun_config, untuned
from t1t2_pt.training import Trained

TWO_LAYERS = {**TINY, "hidden": (6, 5)}
CONFIG = run_config(**TWO_LAYERS, input_noise=0.5, l2=(0.1, 0.2, 0.3), tune=("input_noise", "l2"))


def make_run(config=CONFIG, diverged_at=None) -> StoredRun:
    names = ("l2_0", "l2_1", "l2_2") if isinstance(config.l2, tuple) else ("l2",)
    history = {"epoch": [0, 1, 2], "input_noise": [0.5, 0.1 + 0.2, 1 / 3], "test_error": [math.nan, math.nan, 0.25]}
    history |= {name: [0.1, 0.2, 0.3] for name in names}
    return finished_run(Trained(config, history, diverged_at), get_backend("auto"), "made by the tests")


def same(a: StoredRun, b: StoredRun) -> bool:
    return repr(a) == repr(b)  # NaN differs from itself, its text does not


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


def test_provenance_says_what_produced_it():
    provenance = make_run().provenance
    assert {"backend", "device", "pytensor", "numpy", "python", "t1t2_pt", "commit", "machine", "data"} <= set(
        provenance
    )
    assert provenance["data"] == "made by the tests"


def test_divergence_is_a_status(store):
    store.put([make_run(diverged_at=2)])
    run = store.get(CONFIG)
    assert run.status == "diverged"
    assert run.final["diverged_at"] == 2


def test_find_by_beginning(store):
    runs = [make_run(replace(CONFIG, seed=seed)) for seed in range(20)]
    store.put(runs)
    assert [same(found, runs[3]) for found in store.find(runs[3].digest[:20])] == [True]
    assert len(store.find("")) == 20
    assert store.find("%") == []


def test_put_is_all_or_nothing(store):
    store.put([make_run()])
    bad = make_run(replace(CONFIG, seed=1))
    bad.provenance["data"] = math.inf  # cannot be written
    with pytest.raises(ValueError, match="JSON"):
        store.put([make_run(replace(CONFIG, seed=2)), bad])
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


class TestExchange:
    def test_round_trip(self, tmp_path):
        runs = [make_run(), make_run(replace(CONFIG, l2=0.5), diverged_at=1)]
        for name in ("a.jsonl", "a.jsonl.gz"):
            export_runs(runs, tmp_path / "new" / name)
            assert [same(a, b) for a, b in zip(read_runs(tmp_path / "new" / name), runs, strict=True)] == [True, True]

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"nonsense", "line 1 is not a run"),
            (b"{}", "line 1 is not a run"),
            (b"[]", "line 1 is not a run"),
            (bytes((255,)), "cannot be read"),
        ],
    )
    def test_not_runs(self, tmp_path, content, problem):
        (tmp_path / "a.jsonl").write_bytes(content)
        with pytest.raises(InputError, match=rf"file = '.*a\.jsonl': {problem}"):
            read_runs(tmp_path / "a.jsonl")

    def test_altered_run(self, tmp_path):
        export_runs([make_run()], tmp_path / "a.jsonl")
        text = (tmp_path / "a.jsonl").read_text()
        (tmp_path / "a.jsonl").write_text(text.replace('"seed": 0', '"seed": 1'))
        with pytest.raises(InputError, match=r"line 1 has a digest that does not fit its config"):
            read_runs(tmp_path / "a.jsonl")


class TestRerun:
    def test_fixes_what_was_found(self):
        again = rerun_config(make_run())
        assert again.tune == ()
        assert again.input_noise == 1 / 3
        assert again.l2 == (0.3, 0.3, 0.3)
        assert replace(again, input_noise=0.5, l2=CONFIG.l2, tune=CONFIG.tune) == CONFIG

    def test_keeps_the_softmax_noise_that_was_held(self):
        config = run_config(**TWO_LAYERS, hidden_noise=0.7, tune=("hidden_noise",), noise_before_softmax="fixed")
        run = make_run(replace(config, l2=0.1))
        run.final["hidden_noise"] = 0.2
        assert rerun_config(run).hidden_noise == (0.2, 0.7)

    def test_untuned(self):
        assert untuned(CONFIG) == replace(CONFIG, tune=())
