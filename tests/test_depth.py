"""A continuous depth: its graph and derivatives, its training, and how its runs are kept."""

import dataclasses
import math

import numpy as np
import pytensor.tensor as pt
import pytest
from conftest import each_backend, make_tiny_split

from t1t2_pt.backends import get_backend
from t1t2_pt.networks.depth import DEPTH, DepthNetwork, contributions
from t1t2_pt.steps.depth_step import depth_t1_step, depth_t1t2_step, initial_depth_state
from t1t2_pt.steps.step import Batch, Rates, state_inputs
from t1t2_pt.sweeps import depth_sweep, work
from t1t2_pt.sweeps.depth_sweep import DEPTH_RUNS, DepthRun, DepthSweep
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.system.errors import InputError
from t1t2_pt.training.depth_training import DepthConfig, DepthProgram, train_depth

NETWORK = DepthNetwork(5, (6, 4, 7), 3)
SAMPLES, RATE = 8, 0.2
CONFIG = DepthConfig((6, 5), 60, 30, epochs=3, mean=1.3, log_spread=0.4, batch_size=10)
TUNED = dataclasses.replace(CONFIG, tune=DEPTH)


def values(dtype, seed=0):
    """A state that is nowhere 0, two batches, step sizes and the number of the update."""
    rng = np.random.default_rng(seed)
    state = {name: array.astype(dtype) for name, array in initial_depth_state(NETWORK, 1.7, 0.7, seed).items()}
    for name in NETWORK.shapes():
        state[name] = (0.6 * rng.standard_normal(state[name].shape)).astype(dtype)
        state[f"{name}/velocity"] = (0.1 * rng.standard_normal(state[name].shape)).astype(dtype)
    found = {**state, "rate": np.asarray(RATE, dtype), "hyper": np.asarray(0.01, dtype), "count": np.asarray(1, dtype)}
    for name in ("t1", "t2"):
        found[f"{name}_inputs"] = rng.standard_normal((SAMPLES, NETWORK.features)).astype(dtype)
        found[f"{name}_labels"] = rng.integers(0, NETWORK.classes, SAMPLES).astype("int32")
    return found


def steps(dtype):
    """Inputs by name, and the outputs of the T1 step and of the T1+T2 step."""
    state = state_inputs(initial_depth_state(NETWORK, 0, 0, 0), dtype)
    inputs = {**state, **{name: pt.scalar(name, dtype=dtype) for name in ("rate", "hyper", "count")}}
    batches = []
    for name in ("t1", "t2"):
        x = pt.tensor(f"{name}_inputs", shape=(SAMPLES, NETWORK.features), dtype=dtype)
        y = pt.tensor(f"{name}_labels", shape=(SAMPLES,), dtype="int32")
        inputs |= {f"{name}_inputs": x, f"{name}_labels": y}
        batches.append(Batch(x, y))
    rates = Rates(inputs["rate"], dict.fromkeys(DEPTH, inputs["hyper"]))
    t1 = depth_t1_step(NETWORK, state, batches[0], rates, inputs["count"])
    t1t2 = depth_t1t2_step(NETWORK, state, *batches, rates, inputs["count"])
    return inputs, [{**new_state, **metrics} for new_state, metrics in (t1, t1t2)]


def logits(state, x):
    """By NumPy."""
    h, total = x, state["readout_bias"]
    for i in range(1, len(NETWORK.hidden) + 1):
        h = np.maximum(0, h @ state[f"weights_{i}"] + state[f"bias_{i}"])
        weight = math.exp(-((i - state["mean"]) ** 2) / math.exp(state["log_spread"]))
        total = total + weight * (h @ state[f"readout_{i}"])
    return total


def cost(state, x, y):
    z = logits(state, x)
    z = z - z.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]))


def difference(function, at, name, epsilon=1e-5):
    """Central difference of a function of a dictionary by one of its scalars."""
    above, below = (function({**at, name: np.asarray(at[name] + by)}) for by in (epsilon, -epsilon))
    return (above - below) / (2 * epsilon)


def test_contributions_are_the_bump():
    mean, log_spread = pt.dscalars("mean", "log_spread")
    found = contributions(4, mean, log_spread).eval({mean: 2.5, log_spread: math.log(0.7)})
    np.testing.assert_allclose(found, [math.exp(-((i - 2.5) ** 2) / 0.7) for i in (1, 2, 3, 4)])


def test_narrow_bump_reads_one_layer():
    """With v near 0 and m = i the network is the one of depth i."""
    at = values("float64")
    x = pt.dmatrix("x")
    state = {name: pt.constant(at[name]) for name in (*NETWORK.shapes(), *DEPTH)}
    for i in (1, 2, 3):
        depth_of_i = {"mean": pt.constant(float(i)), "log_spread": pt.constant(-20.0)}
        found = NETWORK.logits(state | depth_of_i, x).eval({x: at["t1_inputs"]})
        h = at["t1_inputs"]
        for j in range(1, i + 1):
            h = np.maximum(0, h @ at[f"weights_{j}"] + at[f"bias_{j}"])
        np.testing.assert_allclose(found, h @ at[f"readout_{i}"] + at["readout_bias"])


@pytest.mark.parametrize("backend", each_backend(slow=["numba", "c"]), indirect=True)
def test_derivatives_are_those_by_finite_differences(backend):
    """The whole derivative, and its direct part, of C2 after an update with momentum, in float64."""
    inputs, (_, outputs) = steps("float64")
    step, at = backend.function(inputs, outputs), values("float64")
    found = step(at)

    def updated_cost(of):
        """C2 at the parameters that the update leads to, which depend on m and v."""
        moved = step(of)
        return cost({**of, **{name: moved[name] for name in NETWORK.shapes()}}, of["t2_inputs"], of["t2_labels"])

    held = {**at, **{name: np.asarray(found[name]) for name in NETWORK.shapes()}}
    for name in DEPTH:
        whole = difference(updated_cost, at, name)
        direct = difference(lambda of: cost(of, at["t2_inputs"], at["t2_labels"]), held, name)
        assert found[f"{name}/direct"] == pytest.approx(direct, rel=1e-6)
        assert found[f"{name}/through"] == pytest.approx(whole - direct, rel=1e-4, abs=1e-8)
        assert abs(found[f"{name}/through"]) > 1e-4
        assert np.asarray(found[name]) == pytest.approx(at[name] - 0.01 * np.sign(whole), rel=1e-5)  # Adam's first step


@pytest.mark.parametrize("backend", each_backend(slow=["numba"]), indirect=True)
def test_update_of_the_parameters_is_gradient_descent_with_momentum(backend):
    """The same in both steps, with the gradient by finite differences."""
    inputs, outputs = steps("float64")
    at = values("float64")
    t1, t1t2 = (backend.function(inputs, some)(at) for some in outputs)
    assert t1["train_cost"] == pytest.approx(cost(at, at["t1_inputs"], at["t1_labels"]))
    assert set(t1) == {"train_cost", *(name for name in outputs[0] if name.split("/")[0] in NETWORK.shapes())}
    for name, place in (("weights_1", (2, 3)), ("readout_2", (1, 2)), ("bias_3", (4,)), ("readout_bias", (0,))):

        def moved(by, name=name, place=place):
            changed = at[name].copy()
            changed[place] += by
            return cost({**at, name: changed}, at["t1_inputs"], at["t1_labels"])

        gradient = (moved(1e-6) - moved(-1e-6)) / 2e-6
        velocity = 0.9 * at[f"{name}/velocity"][place] + gradient
        for found in (t1, t1t2):
            assert found[name][place] == pytest.approx(at[name][place] - RATE * velocity, rel=1e-6)
            assert found[f"{name}/velocity"][place] == pytest.approx(velocity, rel=1e-5)


@pytest.fixture(scope="module")
def program():
    return DepthProgram(CONFIG, make_tiny_split(), get_backend("auto"))


def test_training_learns_and_is_the_same_again(program):
    epochs = []
    fixed, again = (train_depth(CONFIG, program, lambda: epochs.append(1)) for _ in range(2))
    assert len(epochs) == 6
    assert fixed == again
    assert fixed.history == {}
    assert fixed.final["mean"] == pytest.approx(1.3)
    assert fixed.final["test_cost"] < math.log(3)
    state = initial_depth_state(program.network, 1.3, 0.4, 0)
    assert np.ptp(np.asarray(state["readout_1"])) == 0


def test_tuned_run_moves_its_depth(program):
    trained = train_depth(TUNED, program, lambda: None)
    assert trained.history["epoch"] == [0, 1, 2, 3]
    assert trained.history["mean"][0] == pytest.approx(1.3)
    assert trained.history["mean"][-1] == trained.final["mean"] != pytest.approx(1.3)
    assert trained.history["log_spread"][-1] != pytest.approx(0.4)
    for name in ("validation_cost", "mean/direct", "mean/through", "log_spread/direct", "log_spread/through"):
        assert math.isnan(trained.history[name][0])
        assert all(value > 0 for value in trained.history[name][1:])


@pytest.fixture
def sweep(store, monkeypatch):
    monkeypatch.setattr(work, "make_split", lambda *key: make_tiny_split())
    return Sweep(store, get_backend("auto"), quiet=True)


class TestKept:
    def test_stored_runs_are_not_trained_again(self, sweep, monkeypatch):
        parts = {"a": [CONFIG, TUNED], "b": [CONFIG], "none": []}
        first = DepthSweep().train(parts, sweep, again=False)
        assert [run.config.tune for run in first["a"]] == [(), DEPTH]
        assert first["b"] == first["a"][:1]
        assert first["none"] == []
        provenance = first["a"][0].provenance
        assert provenance["backend"] == sweep.backend.name
        assert provenance["data"] == "three blurred classes made by the tests"
        monkeypatch.setattr(depth_sweep, "train_depth", None)  # would fail if called
        assert repr(DepthSweep().train(parts, sweep, again=False)) == repr(first)
        with pytest.raises(TypeError):
            DepthSweep().train(parts, sweep, again=True)

    def test_what_is_finished_when_it_is_stopped_is_kept(self, sweep, monkeypatch):
        trained = []

        def stopped(config, *more):
            if trained:
                raise KeyboardInterrupt
            trained.append(config)
            return train_depth(config, *more)

        monkeypatch.setattr(depth_sweep, "train_depth", stopped)
        with pytest.raises(KeyboardInterrupt):
            DepthSweep().train({"a": [CONFIG, TUNED]}, sweep, again=False)
        settled = [dataclasses.replace(config, data=trained[0].data) for config in (CONFIG, TUNED)]
        assert list(DEPTH_RUNS.stored(settled, sweep.store)) == trained == settled[:1]

    def test_divergence_is_a_result(self, sweep, tmp_path):
        wild = dataclasses.replace(TUNED, learning_rate=1e30)
        (run,) = DepthSweep().train({"a": [wild]}, sweep, again=False)["a"]
        assert run.status == "diverged"
        assert len(run.history["epoch"]) < 4
        path = DepthSweep().export([run, run], tmp_path)
        assert [repr(one) for one in DEPTH_RUNS.read(path)] == [repr(run)]

    def test_damaged_store_is_told(self, store):
        run = DepthRun(CONFIG, {}, {"t2_cost": 1.0}, {}, "")
        DEPTH_RUNS.store([run], store)
        assert DEPTH_RUNS.stored([CONFIG, TUNED], store) == {CONFIG: run}
        with store.writing() as connection:
            connection.execute("UPDATE depths SET run = '{}'")
        with pytest.raises(InputError, match="is damaged: a run of continuous depth in it cannot be read"):
            DEPTH_RUNS.stored([CONFIG], store)

    @pytest.mark.parametrize("content", [b"{}\n", b"\xff", b'{"config": {}, "history": [], "final": 3}\n'])
    def test_file_of_something_else_is_told(self, tmp_path, content):
        (tmp_path / "a.jsonl").write_bytes(content)
        with pytest.raises(InputError, match=r"a.jsonl': is no file of runs of continuous depth"):
            DEPTH_RUNS.read(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("hidden", ()), ("hidden", (3, 0)), ("tune", ("mean",)), ("mean", math.inf), ("log_spread", math.nan)),
        *(("learning_rate", -1.0), ("depth_learning_rate", math.inf), ("batch_size", 31), ("epochs", 0)),
    ],
)
def test_bad_config_is_told(field, value):
    with pytest.raises(InputError, match=f"^{field} = "):
        dataclasses.replace(CONFIG, **{field: value})


def test_digest_names_every_choice():
    digests = {CONFIG.digest(), TUNED.digest(), dataclasses.replace(CONFIG, data="a").digest()}
    digests |= {dataclasses.replace(CONFIG, **{name: 0.5}).digest() for name in ("mean", "log_spread", "learning_rate")}
    assert len(digests) == 6
    assert CONFIG.digest() == dataclasses.replace(CONFIG).digest()
