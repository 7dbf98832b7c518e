"""Searches through Optuna: what they train, what they choose by, and that the store is their memory."""

import importlib.util

import numpy as np
import pytest

from t1t2_pt.cli.main import main
from t1t2_pt.config import run_config
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.searches import proposing
from t1t2_pt.searches.proposing import grid_points
from t1t2_pt.searches.searching import Plan, best, search
from t1t2_pt.searches.space import Dimension, Space
from t1t2_pt.system.errors import InputError

needs_optuna = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="optuna is an extra")
BASE = run_config(hidden=(8,), t1_samples=200, t2_samples=100, epochs=9)
SPACE = Space(BASE, [Dimension("input_noise", 0.0, 1.0), Dimension("l2", 1e-5, 1e-2, log=True)])
FOUND = {"input_noise": 0.25, "l2": 1e-3}  # where T1-T2 is said to end, and the lowest error lies


class Known:
    """A sweep whose runs are known: T2's error is the distance from `FOUND`, the test error the opposite."""

    def __init__(self, shift=0.0):
        self.shift, self.asked = shift, []

    def run(self, configs):
        self.asked += configs
        return [self._run(config) for config in configs]

    def _run(self, config):
        levels = dict(FOUND) if config.tune else {name: getattr(config, name) for name in FOUND}
        far = abs(levels["input_noise"] - FOUND["input_noise"] - self.shift)
        far += abs(np.log10(levels["l2"] / FOUND["l2"])) / 4
        final = {**levels, "t2_error": far + 0.1 / config.epochs, "t2_cost": far, "test_error": 1 - far}
        return StoredRun(config, "finished", final, {}, {}, "")


@needs_optuna
@pytest.mark.parametrize("sampler", ["random", "grid", "tpe"])
def test_a_search_given_again_asks_for_the_same_runs(sampler):
    """So that those that are in the store are not trained again; other results lead elsewhere only where it learns."""
    plan = Plan(sampler=sampler, trials=16, population=4)
    sweeps = [Known(), Known(), Known(shift=0.5)]
    for sweep in sweeps:
        search(SPACE, plan, sweep)
    first, again, other = ([config.digest() for config in sweep.asked] for sweep in sweeps)
    assert len(set(first)) == 16
    assert again == first
    assert (other == first) == (sampler != "tpe")


@needs_optuna
def test_the_best_is_chosen_by_t2():
    trials = search(SPACE, Plan(sampler="random", trials=12), Known())
    chosen = best(trials, "t2_error").run
    assert chosen.final["t2_error"] == min(trial.run.final["t2_error"] for trial in trials)
    assert chosen.final["test_error"] == max(trial.run.final["test_error"] for trial in trials)


@needs_optuna
def test_t1t2_before_gives_the_first_trials_and_after_goes_on_from_the_best():
    sweep = Known()
    told = []
    trials = search(SPACE, Plan(trials=6, population=3, before="t1t2", after="t1t2"), sweep, told.append)
    kinds = [trial.kind for trial in trials]
    assert kinds == ["t1t2"] * 3 + ["trial"] * 6 + ["t1t2", "rerun"]
    assert [config.tune for config in sweep.asked[:3]] == [("input_noise", "l2")] * 3
    for config in sweep.asked[3:6]:
        assert {name: getattr(config, name) for name in FOUND} == pytest.approx(FOUND)
    start = best([trial for trial in trials if trial.kind == "trial"], "t2_error").run.config
    tuned, rerun = sweep.asked[-2:]
    assert [getattr(tuned, name) for name in FOUND] == [getattr(start, name) for name in FOUND]
    assert tuned.tune == ("input_noise", "l2")
    assert rerun.tune == ()
    assert "T1-T2 from the best trial" in told[-1]


@needs_optuna
def test_pruned_trials_are_short_runs_of_their_own():
    sweep = Known()
    trials = search(SPACE, Plan(sampler="random", trials=18, population=6, pruner="halving"), sweep)
    epochs = [config.epochs for config in sweep.asked]
    assert epochs.count(1) == 18 > epochs.count(3) > epochs.count(9) > 0
    assert sum(trial.kind == "pruned" for trial in trials) == 18 - epochs.count(9)
    assert best(trials, "t2_error").run.config.epochs == 9


@needs_optuna
def test_each_layer_is_searched_by_itself():
    space = Space(run_config(hidden=(8,), l2=(1e-4, 1e-4)), [Dimension("l2", 1e-5, 1e-2, log=True)])
    assert list(space.places) == ["l2_0", "l2_1"]
    assert space.config({"l2_0": 1e-3, "l2_1": 1e-5}).l2 == (1e-3, 1e-5)


def test_a_grid_has_both_bounds():
    points = grid_points(SPACE.places, 11, seed=0)
    assert len(points) == 9
    np.testing.assert_allclose(np.unique([point["input_noise"] for point in points]), [0, 0.5, 1])
    np.testing.assert_allclose(sorted(point["l2"] for point in points)[::4], [1e-5, 10**-3.5, 1e-2])


@needs_optuna
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--space", "l2=1:0"], "--space = 'l2=1:0': has no room between its bounds"),
        (["--space", "l2=0:1:log"], "has no logarithm at its lower bound"),
        (["--space", "lr=0:1"], "'lr': is no number of a run"),
        (["--space", "l2"], "has the wrong form; write NAME=LOW:HIGH"),
        ([], "--space = '': is empty"),
        (["--space", "l2=0:1", "--by", "test_error"], "chooses by the test set, which then tests nothing"),
        (["--space", "l2=0:1", "--sampler", "bayes"], "--sampler = 'bayes': is unknown; give one of random, grid, tpe"),
        (["--space", "learning_rate=0:1", "--after", "t1t2"], "can tune none of learning_rate"),
        (["--space", "l2=0:1", "--space", "input_noise=0:1", "--sampler", "grid", "--trials", "3"], "give at least 4"),
        (["--space", "input_dropout=0:3"], "input_dropout = 3"),
    ],
)
def test_what_is_wrong_is_told_before_training(options, told, capsys):
    assert main(["search", *options]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("absent", "sampler", "told"),
    [
        ("optuna", "tpe", "'optuna': is not installed; install it (`pip install 't1t2_pt[search]'`)"),
        pytest.param("torch", "gp", "needs PyTorch, which is not installed", marks=needs_optuna),
    ],
)
def test_what_is_not_installed_is_told(absent, sampler, told, capsys, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(proposing.importlib.util, "find_spec", lambda name: None if name == absent else found(name))
    assert main(["search", "--space", "l2=0:1", "--sampler", sampler]) == 2
    assert told in capsys.readouterr().err


def test_errors_name_the_option():
    with pytest.raises(InputError, match="population"):
        Plan(population=0).check(SPACE)
