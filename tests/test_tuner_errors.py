"""What `Tuner` refuses: in one line that names the variable and the remedy, before compiling where it can be."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.tensor.random.type import random_generator_type
from tuned import FEATURES, T1, T2, Ridge

from t1t2_pt import Tuner, updates
from t1t2_pt.system.errors import InputError
from t1t2_pt.tuning import load_state, save_state

BATCH, VAL = (T1[0][:12], T1[1][:12]), (T2[0][:8], T2[1][:8])


def told(function, *arguments, **options) -> str:
    """The one line."""
    with pytest.raises((InputError, ValueError, TypeError)) as caught:
        function(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    return text


def shared(value, name=None, dtype="float64"):
    return pytensor.shared(np.asarray(value, dtype), name=name)


ridge = Ridge(noisy=False)
n = shared(1, "n", "int64")
GRAPHS = {
    "disconnected hyperparameter": (
        {"hyperparams": [ridge.l2, shared(1.0, "lost")]},
        ["lost does not influence train_cost", "use it in the training cost or leave it out"],
    ),
    "cut off hyperparameter": (
        {"train_cost": ridge.train_cost + pt.floor(ridge.noise), "hyperparams": [ridge.noise]},
        ["noise influences train_cost through floor", "use what comes before it"],
    ),
    "disconnected parameter": ({"params": [ridge.w, shared(1.0, "lost")]}, ["params: lost does not influence"]),
    "integer parameter": (
        {"train_cost": ridge.train_cost * n, "params": [ridge.w, n]},
        ["params: n has dtype int64", "floating-point"],
    ),
    "integer hyperparameter": (
        {"train_cost": ridge.train_cost * n, "hyperparams": [n]},
        ["hyperparams: n has dtype int64", "floating-point"],
    ),
    "cost of many numbers": ({"train_cost": ridge.w}, ["train_cost = w: is not a scalar tensor", ".mean()"]),
    "cost that is none": ({"val_cost": 3.0}, ["val_cost = 3.0: is not a scalar tensor"]),
    "no shared variable": (
        {"params": [pt.dvector("v")]},
        ["params[0] = 'v': is no shared", "pytensor.shared"],
    ),
    "no variable": ({"params": [np.ones(3)]}, ["params[0]", "is a ndarray, no tensor variable"]),
    "no list": ({"params": ridge.w}, ["params = w: is a variable; put it into a list"]),
    "no parameters": ({"params": []}, ["params = []: is empty"]),
    "no hyperparameters": ({"hyperparams": []}, ["hyperparams = '[]': is empty"]),
    "both": ({"hyperparams": [ridge.w]}, ["hyperparams = 'w': is among params, too"]),
    "one name": (
        {"hyperparams": [ridge.l2, shared(1.0, "l2")]},
        ["hyperparams[1] = 'l2': is the name of another one", "give each its own name"],
    ),
    "two without a name": (
        {"hyperparams": [shared(1.0), shared(1.0)]},
        ["hyperparams[1]", "is the second without a name", "pytensor.shared(0.1, name="],
    ),
    "a parameter's name": ({"hyperparams": [shared(1.0, "w")]}, ["hyperparams = 'w'", "name of one of params"]),
    "NaN at the start": ({"params": [shared(np.nan, "bad")]}, ["bad", "NaN or infinity", "give finite numbers"]),
    "negative": (
        {"hyperparams": [shared(-0.1, "l2")]},
        ["l2 = -0.1: starts outside of its bounds, 0 and inf", "transforms={'l2': 'none'}"],
    ),
    "below its bounds": (
        {"bounds": {"l2": (0.2, 1.0)}},
        ["l2 = 0.1: starts outside of its bounds, 0.2 and 1", "start between them"],
    ),
    "no logarithm": (
        {"hyperparams": [shared(0.0, "l2")], "transforms": "log"},
        ["l2 = 0.0: has no logarithm to start from", "start above 0"],
    ),
    "at an end": ({"hyperparams": [shared(1.0, "p")], "transforms": {"p": "logit"}}, ["p = 1.0", "both excluded"]),
    "unknown transform": ({"transforms": {"l2": "square"}}, ["transforms['l2'] = 'square': is unknown", "log"]),
    "transform of nothing": ({"transforms": {"l1": "log"}}, ["transforms = 'l1': is no hyperparameter; give l2"]),
    "no bounds": ({"bounds": {"l2": 3.0}}, ["bounds['l2'] = 3.0: are no bounds; give (low, high)"]),
    "bounds the other way": ({"bounds": {"l2": (1.0, 0.0)}}, ["bounds['l2'] = (1.0, 0.0): are no bounds"]),
    "unknown optimiser": ({"optimizer": "adamw"}, ["optimizer = 'adamw': is unknown; give sgd"]),
    "unknown method": ({"method": "exact"}, ["method = 'exact'", "the methods are t1t2"]),
    "unknown backend": ({"backend": "torch"}, ["backend = 'torch': is unknown; give auto, jax"]),
    "negative step size": ({"learning_rate": -1.0}, ["learning_rate = '-1.0': is no step size"]),
    "step size of nothing": ({"hyper_learning_rate": {"l1": 1.0}}, ["hyper_learning_rate = 'l1'", "give l2"]),
    "interval": ({"interval": 0}, ["interval = 0: is out of range; give a whole number of at least 1"]),
    "updates": ({"updates": {ridge.w: 2 * ridge.w}}, ["updates = 'w': is moved by the optimiser already"]),
    "a generator that stays": ({"updates": {ridge.rng: ridge.rng}}, ["updates = 'rng': stays as it is; give its new"]),
}


@pytest.mark.parametrize("case", GRAPHS)
def test_graphs_and_options(case):
    options, words = GRAPHS[case]
    if "hyperparams" in options and "train_cost" not in options and case != "disconnected hyperparameter":
        options = {"train_cost": sum((h.sum() for h in options["hyperparams"]), ridge.train_cost), **options}
    if case == "NaN at the start":
        options = {"train_cost": ridge.train_cost * options["params"][0], **options}
    text = told(ridge.tuner, **options)
    for word in words:
        assert word in text


def test_updates_refuses_the_same():
    text = told(updates, ridge.train_cost, ridge.val_cost, [ridge.w], [ridge.l2, shared(1.0, "lost")])
    assert "lost does not influence train_cost" in text
    assert "is no shared variable" in told(updates, ridge.train_cost, ridge.val_cost, [pt.dvector("v")], [ridge.l2])


INPUTS = {
    "missing": ([ridge.x], ["train_cost also depends on y", "add y to inputs, or make it a pytensor.shared"]),
    "missing in one": (([ridge.x, ridge.y], [ridge.x]), ["val_cost also depends on y"]),
    "not in the graph": ([ridge.x, ridge.y, pt.dvector("z")], ["inputs = 'z': influences neither"]),
    "not in its cost": (([ridge.x, ridge.y], [ridge.x, ridge.y, pt.dvector("z")]), ["'z': influences not val_cost"]),
    "a variable": (ridge.x, ["inputs = 'x': is a variable; put it into a list"]),
    "shared": ([ridge.x, ridge.y, ridge.w], ["inputs[2] = 'w': is a shared variable"]),
    "an expression": ([ridge.x + 1], ["is an expression; give the input"]),
    "twice": ([ridge.x, ridge.x, ridge.y], ["inputs[1] = 'x': is there twice"]),
    "mixed": ([ridge.x, [ridge.y]], ["neither a list of variables nor two of them"]),
    "arrays": ([np.ones(3)], ["inputs[0]", "is no symbolic tensor"]),
    "by name": ({"x": ridge.x}, ["is a dict; give a list of variables"]),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs(case):
    inputs, words = INPUTS[case]
    text = told(ridge.tuner, inputs=inputs)
    for word in words:
        assert word in text


@pytest.fixture(scope="module")
def used() -> Tuner:
    """A tuner that has had its first batches."""
    tuner = Ridge().tuner()
    tuner.step(BATCH, VAL)
    return tuner


X, Y = BATCH
WITH_NAN = np.where(np.arange(FEATURES) == 3, np.nan, X)
BATCHES = {
    "rows": ((X[:5], Y[:5]), ["t1_batch: x = 'shape (5, 6)': the first batch had (12, 6)", "static=False"]),
    "columns": ((X[:, :4], Y), ["t1_batch: x = 'shape (12, 4)'"]),
    "dimensions": ((X[0], Y), ["t1_batch: x", "has 1 dimensions, where the graph has 2"]),
    "too few": ((X,), ["t1_batch", "has 1 arrays for 2 inputs; give (x, y)"]),
    "no tuple": (X, ["is a ndarray, no tuple of arrays; give (x, y)"]),
    "names": ({"x": X, "z": Y}, ["lacks y and has z, which is no input; give x, y"]),
    "whole numbers": ((X, Y.astype(int)), ["t1_batch: y", "are whole numbers, where the graph has floating", "astype"]),
    "truth": ((X > 0, Y), ["t1_batch: x", "are true or false, where the graph has floating-point numbers"]),
    "text": ((X, Y.astype(str)), ["t1_batch: y", "no numbers"]),
    "nothing": ((X[:0], Y[:0]), ["t1_batch: x = 'shape (0, 6)': is empty; give samples"]),
    "more names": ({"x": X, "y": Y, "z": Y}, ["has z, which is no input; give x, y"]),
    "objects": ((X, [None] * 12), ["t1_batch: y", "no numbers"]),
    "ragged": (([[1.0], [1.0, 2.0]], Y), ["t1_batch: x", "is no array"]),
    "NaN": ((WITH_NAN, Y), ["t1_batch: x = nan: is not finite at (0, 3)", "take such samples out"]),
    "infinity": ((X, np.where(Y[4] == Y, np.inf, Y)), ["t1_batch: y = inf: is not finite at (4,)"]),
}


@pytest.mark.parametrize("case", BATCHES)
def test_batches(case, used):
    batch, words = BATCHES[case]
    before = used.state()
    for word in words:
        assert word in told(used.step, batch)
    for word in words:
        assert word.replace("t1_batch", "t2_batch") in told(used.step, BATCH, batch) or case in ("rows", "columns")
    after = used.state()
    assert all((after["arrays"][name] == value).all() for name, value in before["arrays"].items())


def test_a_first_batch_that_the_graph_cannot_take():
    text = told(Ridge().tuner().step, (X[:, :4], Y))
    assert "t1_batch: x (12, 4)" in text
    assert "does not fit the graph" in text


def test_a_generator_that_is_an_input():
    other = Ridge(noisy=False)
    generator = random_generator_type("generator")
    _, drawn = pt.random.normal(rng=generator, return_next_rng=True)
    other.train_cost += other.noise * drawn * other.b
    text = told(other.tuner)
    assert "train_cost also depends on generator; make generator a shared variable" in text


def test_a_cost_that_was_never_finite():
    ridge = Ridge()
    tuner = ridge.tuner()
    ridge.l2.set_value(np.full(FEATURES, np.nan))
    assert "is not finite in step 1; look for NaN in shared variables" in told(tuner.step, BATCH)


def test_whole_numbers_must_fit():
    x, y = pt.dmatrix("x"), pt.bvector("y")
    w, l2 = shared(np.ones(FEATURES), "w"), shared(0.1, "l2")
    val_cost = pt.sqr(x @ w - y).mean()
    tuner = Tuner(val_cost + l2 * pt.sqr(w).sum(), val_cost, [w], [l2], inputs=[x, y], backend="jax")
    assert "t1_batch: y = 'dtype int64': has numbers beyond int8" in told(tuner.step, (X, np.full(12, 300)))


def test_a_cost_that_is_not_finite():
    tuner = Ridge().tuner(optimizer="sgd", learning_rate=1e200)
    tuner.step(BATCH)
    text = told(lambda: [tuner.step(BATCH) for _ in range(3)])
    assert "train_cost" in text
    assert "give a smaller learning_rate than 1e+200" in text


RUNS = {
    "lengths": ((X, Y[:5]), {}, ["t1 = 'x 12, y 5': have different numbers of samples"]),
    "NaN": ((WITH_NAN, Y), {}, ["t1: x = nan: is not finite at (0, 3)"]),
    "batch size": (BATCH, {"batch_size": 13}, ["batch_size = 13: there are only 12 samples; give at most 12"]),
    "t2 batch size": (BATCH, {"t2_batch_size": 9}, ["t2_batch_size = 9: there are only 8"]),
    "epochs": (BATCH, {"epochs": -1}, ["epochs = -1: is out of range"]),
    "seed": (BATCH, {"seed": 1.5}, ["seed = 1.5: is out of range; give a whole number"]),
}


@pytest.mark.parametrize("case", RUNS)
def test_runs(case, used):
    data, options, words = RUNS[case]
    text = told(used.run, data, VAL, **{"epochs": 1, "progress": False, **options})
    for word in words:
        assert word in text


class TestStates:
    def test_of_another_tuner(self, used):
        state = used.state()
        other = Ridge(noisy=False).tuner()
        assert "generators" in told(other.restore, state) or "noise" in told(other.restore, state)
        assert "adam" not in told(Ridge().tuner(optimizer="sgd").restore, state)

    def test_of_another_shape(self, used):
        state = used.state()
        state["arrays"]["params/w"] = np.ones(3)
        text = told(used.restore, state)
        assert "params/w has float64 (3,), where the Tuner has float64 (6,)" in text

    @pytest.mark.parametrize("state", [None, {}, {"format": 1}, 3])
    def test_that_are_none(self, state, used):
        assert "give what Tuner.state gave" in told(used.restore, state)

    def test_files(self, tmp_path, used):
        path = tmp_path / "state.npz"
        assert "cannot be read" in told(load_state, path)
        path.write_bytes(b"PK nothing")
        assert "cannot be read" in told(load_state, path)
        save_state(path, used.state())
        path.write_bytes(path.read_bytes()[:-40])
        assert "cannot be read" in told(load_state, path)
        assert "cannot be written" in told(save_state, tmp_path / "none" / "state.npz", used.state())
