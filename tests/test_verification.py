"""`t1t2 verify` tells runs that are what the code computes from those that are not."""

import dataclasses
import json

import numpy as np
import pytest
from conftest import TINY, make_tiny_split, need

from t1t2_pt.cli import main as cli
from t1t2_pt.config import replace, run_config
from t1t2_pt.datasets import make_split
from t1t2_pt.runs.exchange import export_runs
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps import verification, work
from t1t2_pt.sweeps.one_run import train
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.sweeps.verification import check_of, early_epochs, sample, verify
from t1t2_pt.sweeps.work import Splits

TUNED = run_config(**{**TINY, "epochs": 4}, input_noise=0.5, tune=("input_noise",))
CONFIGS = [TUNED, replace(TUNED, seed=1), replace(TUNED, tune=()), replace(TUNED, hidden=(5, 4))]


@pytest.fixture(autouse=True)
def invented(monkeypatch):
    monkeypatch.setattr(work, "make_split", lambda *key: make_tiny_split())


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[StoredRun]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "make_split", lambda *key: make_tiny_split())
        store = RunStore(tmp_path_factory.mktemp("runs") / "runs.sqlite")
        return Sweep(store, need("jax"), quiet=True).run(CONFIGS)


def verdicts(runs, backend=None):
    return list(verify([check_of(run, backend) for run in runs], Splits(None), lambda steps: None))


def changed(run: StoredRun, column: str, epoch: int, by: float) -> StoredRun:
    """The same with one number changed, in what it ended with too."""
    values = list(run.history[column])
    values[epoch] += by
    return dataclasses.replace(run, history={**run.history, column: values}, final={**run.final, column: values[-1]})


def with_provenance(run: StoredRun, **changes: str) -> StoredRun:
    return dataclasses.replace(run, provenance={**run.provenance, **changes})


def test_what_was_just_trained_is_the_same_to_the_last_bit(runs):
    found = verdicts(runs)
    assert {one.check.run.digest for one in found} == {run.digest for run in runs}
    assert all(one.exact and not one.problem and not one.check.differing for one in found)


@pytest.mark.parametrize(("epoch", "by"), [(4, 1e-12), (1, 1e-12), (0, 1e-12)])
@pytest.mark.parametrize("column", ["test_cost", "input_noise"])
def test_the_last_bit_is_seen(runs, column, epoch, by):
    if column == "test_cost" and epoch == 0:
        pytest.skip("is not measured before the first epoch")
    (verdict,) = verdicts([changed(runs[0], column, epoch, by)])
    assert not verdict.exact
    assert verdict.problem.startswith(f"{column} of epoch {epoch} was ")


def test_of_other_code_rounding_may_differ(runs):
    other = with_provenance(changed(runs[0], "test_cost", 4, 1e-6), code="0.0 other")
    (verdict,) = verdicts([other])
    assert (verdict.exact, verdict.problem) == (False, "")
    assert "code was 0.0 other and is " in verdict.check.differing[0]
    (verdict,) = verdicts([changed(other, "test_cost", 2, 0.5)])
    assert verdict.problem.startswith("test_cost of epoch 2 was ")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"processor": "an abacus"}, "processor was an abacus and is "),
        ({"cores": "64"}, "cores was 64 and is "),
        ({"numpy": "1.0"}, "numpy was 1.0 and is "),
        ({"program": "?"}, "its company was not recorded"),
        ({"resumed": "after epoch 3"}, "it was resumed in another environment"),
    ],
)
def test_elsewhere_the_beginning_is_compared(runs, monkeypatch, changes, reason):
    monkeypatch.setattr(verification, "EARLY", 12)
    assert early_epochs(runs[0]) == 2
    later = with_provenance(changed(runs[0], "test_cost", 3, 0.5), **changes)
    (verdict,) = verdicts([later])
    assert (verdict.exact, verdict.problem) == (False, "")
    (said,) = verdict.check.differing
    assert said.startswith(reason)
    (verdict,) = verdicts([changed(later, "test_cost", 2, 0.5)])
    assert verdict.problem.startswith("test_cost of epoch 2 was ")


def test_a_run_that_diverged(tmp_path):
    """What was infinite is stored as what is no number."""
    broken = replace(TUNED, optimizer="sgd", gradient_norm=None, batch_norm=False, learning_rate=1e38)
    sound = replace(broken, learning_rate=1e-3)
    runs = Sweep(RunStore(tmp_path / "runs.sqlite"), need("jax"), quiet=True).run([broken, sound])
    assert [run.status for run in runs] == ["diverged", "finished"]
    stored = RunStore(tmp_path / "runs.sqlite").all()
    assert all(verdict.exact for verdict in verdicts(stored))
    assert all(verdict.exact for run in stored for verdict in verdicts([run]))


def test_of_other_code_a_run_must_end_alike(runs, monkeypatch):
    monkeypatch.setattr(verification, "EARLY", 12)
    other = with_provenance(changed(runs[0], "test_error", 4, 0.9), code="0.0 other")
    (verdict,) = verdicts([other])
    assert verdict.problem.startswith("final test_error was ")


@pytest.mark.slow
def test_another_backend(runs):
    """What JAX trained, on Numba."""
    (verdict,) = verdicts([runs[0]], need("numba"))
    assert verdict.problem == ""
    assert verdict.check.differing[0] == "backend was jax and is numba"


def test_what_cannot_be_trained_here(runs):
    other = dataclasses.replace(runs[0], config=replace(runs[0].config, data="0" * 32))
    old = dataclasses.replace(runs[1], config=replace(runs[1].config, algorithm=7))
    found = [verdict.problem for verdict in verdicts([other, old, runs[2]])]
    assert sum("is not the content of mnist here" in problem for problem in found) == 1
    assert sum("is of algorithm 7, where this code is" in problem for problem in found) == 1
    assert "" in found


def test_a_sample_has_every_kind(runs):
    assert {run.config.hidden for run in sample(runs, 3)} == {(6,), (5, 4)}
    assert {run.config.tune for run in sample(runs, 3)} == {(), ("input_noise",)}
    assert len(sample(runs, 99)) == 4


class TestCommand:
    def verify(self, capsys, *arguments) -> tuple[int, list[str]]:
        code = cli.main(["verify", "--quiet", *map(str, arguments)])
        return code, capsys.readouterr().out.splitlines()

    def test_a_file(self, runs, tmp_path, capsys):
        export_runs(runs, tmp_path / "runs.jsonl.gz")
        assert self.verify(capsys, tmp_path / "runs.jsonl.gz") == (0, ["4 of 4 runs are the same to the last bit"])

    def test_a_store_of_which_some_differ(self, runs, tmp_path, capsys):
        RunStore(tmp_path / "runs.sqlite").put([changed(runs[0], "t1_cost", 3, 1e-9), *runs[1:]])
        code, lines = self.verify(capsys, "--store", tmp_path / "runs.sqlite")
        assert code == 1
        assert lines[0].startswith(f"run {runs[0].digest[:10]} (mnist, input_noise, seed 0): t1_cost of epoch 3 was ")
        assert lines[1:] == [
            "3 of 4 runs are the same to the last bit",
            "1 are not what this code computes here",
        ]

    def test_data_of_ones_own(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(work, "make_split", make_split)
        rng = np.random.default_rng(0)
        for name in ("mine", "other"):
            np.savez(tmp_path / f"{name}.npz", x=rng.normal(size=(60, 3)), y=np.arange(60) % 2)
        np.savez(tmp_path / "grey.npz", x=rng.integers(0, 256, (60, 2, 2)).astype(np.uint8), y=np.arange(60) % 2)
        store = tmp_path / "runs.sqlite"
        train(tmp_path / "mine.npz", hidden=(3,), epochs=1, store=store)
        name, fitting = "is data of somebody's own, mine.npz", "; name its file by --data, with the options of its"
        for data, told in (
            ([], name + fitting),
            (["--data", tmp_path / "other.npz"], f"{name}, and not what --data has{fitting}"),
            (["--data", tmp_path / "grey.npz"], f"{name}, and not what --data has{fitting}"),
        ):
            code, lines = self.verify(capsys, "--store", store, *data)
            assert code == 1
            assert f"cannot be trained here: data = {RunStore(store).all()[0].config.data!r}: {told}" in lines[0]
            assert lines[1:] == ["0 of 1 runs are the same to the last bit", "1 cannot be trained here"]
        code, lines = self.verify(capsys, "--store", store, "--data", tmp_path / "mine.npz")
        assert (code, lines) == (0, ["1 of 1 runs are the same to the last bit"])

    def test_json_and_reasons(self, runs, tmp_path, capsys):
        export_runs(
            [with_provenance(changed(run, "t1_cost", 4, 1e-9), cores="64") for run in runs], tmp_path / "a.jsonl"
        )
        code, lines = self.verify(capsys, tmp_path / "a.jsonl", "--sample", 2)
        assert code == 0
        assert lines[1] == "2 are the same within tolerances at their beginning (`t1t2 verify --help`):"
        assert lines[2].startswith("  of 2 cores was 64 and is ")
        _, lines = self.verify(capsys, tmp_path / "a.jsonl", "--json")
        assert all(json.loads(line)["exact"] is False for line in lines)

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (("--sample", "0"), "--sample = 0: is no number of runs; give at least 1"),
            (("nowhere.jsonl",), "file = 'nowhere.jsonl': cannot be read"),
            (("--store", "nowhere.sqlite"), "nowhere.sqlite': does not exist"),
            (("--backend", "abacus"), "backend = 'abacus': is unknown"),
        ],
    )
    def test_wrong_use(self, capsys, arguments, problem):
        assert cli.main(["verify", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert problem in line
