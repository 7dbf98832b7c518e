"""Convolutional networks: hypergradients, training on every backend, hyperparameters per map."""

import numpy as np
import pytest
from conftest import each_backend, grouped, need
from problems import Problem, by_finite_differences, eq3_by_hand

from t1t2_pt.backends import BACKENDS
from t1t2_pt.config import run_config
from t1t2_pt.datasets import Split
from t1t2_pt.networks import layers
from t1t2_pt.networks import network as networks
from t1t2_pt.networks.network import Convolution, MaxPool, Network
from t1t2_pt.runs.record import finished_run
from t1t2_pt.sweeps.reruns import rerun_config
from t1t2_pt.training.loop import train

SMALL = (Convolution(3, 2, padding="full"), MaxPool(), Convolution(2, 2, stride=2))


def small_problem(kinds, levels, batch_norm):
    network = Network((4, 3, 2), SMALL, 3, batch_norm, "leaky-relu")
    return Problem(kinds, levels, network, seed=1, samples=3)


CASES = [
    pytest.param(
        *(kinds, levels, batch_norm),
        id=f"{'+'.join(kinds)}-{levels}-{'batchnorm' if batch_norm else 'plain'}",
        marks=[pytest.mark.slow] if levels == "layer" else [],
    )
    for kinds, batch_norm in ((("noise",), True), (("noise", "l2"), False))
    for levels in ("tied", "layer", "map")
]


@pytest.mark.parametrize(("kinds", "levels", "batch_norm"), CASES)
def test_hypergradient_equals_finite_differences(kinds, levels, batch_norm):
    problem = small_problem(kinds, levels, batch_norm)
    # Steps so small that no unit is carried over the kink of its rectifier, nor another into a maximum.
    expected = by_finite_differences(problem, eta=1e-4, delta=1e-4)
    for ours, theirs in zip(problem.hypergradient(), expected, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6 * np.abs(theirs).max())


def by_hand_in_jax(problem):
    """The same network with jax.lax, and Eq. 3."""
    import jax
    import jax.numpy as jnp

    last = ("NHWC", "HWIO", "NHWC")

    def normalise(z):
        if not problem.network.batch_norm:
            return z
        return (z - z.mean((0, 1, 2))) / jnp.sqrt(z.var((0, 1, 2)) + layers.EPSILON)

    def rectify(z):
        return jnp.where(z > 0, z, 0.01 * z)

    def forward(theta, x, hyper=None):
        def perturb(i, h):
            if hyper is None or "input_noise" not in hyper:
                return h
            hidden = hyper["hidden_noise"]
            level = hyper["input_noise"] if i == 0 else problem.of_layer(hidden, problem.hidden_maps, i - 1)
            return h + level * problem.noise[i]

        def conv(h, i, stride, padding):
            w = theta[f"weights_{i}"]
            return jax.lax.conv_general_dilated(h, w, (stride, stride), padding, dimension_numbers=last)

        h = conv(perturb(0, x), 0, 1, ((1, 1), (1, 1)))
        h = rectify(normalise(h) + theta["bias_0"])
        h = jax.lax.reduce_window(
            perturb(1, h), -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), ((0, 0), (0, 1), (0, 0), (0, 0))
        )
        h = normalise(h) + theta.get("bias_1", 0)
        h = rectify(normalise(conv(perturb(2, h), 2, 2, "VALID")) + theta["bias_2"])
        return (conv(perturb(3, h), 3, 1, "VALID") + theta["bias_3"]).mean((1, 2))

    return eq3_by_hand(problem, forward)


@pytest.mark.parametrize(("kinds", "levels", "batch_norm"), CASES)
def test_hypergradient_equals_a_program_by_hand(kinds, levels, batch_norm):
    problem = small_problem(kinds, levels, batch_norm)
    for ours, theirs in zip(problem.hypergradient(), by_hand_in_jax(problem), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def make_split(shape, samples=(60, 30, 40)):
    """Three patterns in noise."""
    rng = np.random.default_rng(2)
    patterns = rng.standard_normal((3, *shape))
    arrays = {}
    for name, size in zip(("t1", "t2", "test"), samples, strict=True):
        labels = rng.integers(0, 3, size).astype("int32")
        arrays[f"{name}_inputs"] = (patterns[labels] + rng.standard_normal((size, *shape))).astype("float32")
        arrays[f"{name}_labels"] = labels
    return Split(arrays, 3, "three patterns in noise, made by the tests")


def make_config(**values):
    common = {"dataset": "cifar10", "t1_samples": 60, "t2_samples": 30, "batch_size": 10, "epochs": 2, "interval": 3}
    return run_config(**{**common, "network": "all-cnn-c", **values})


TUNED = {"input_noise": 0.2, "hidden_noise": 0.1, "tune": ("input_noise", "hidden_noise")}


@pytest.fixture
def small(monkeypatch):
    """A network of two convolutions and a pool under the name of a large one."""
    monkeypatch.setitem(networks.CONVOLUTIONAL, "all-cnn-c", lambda width: SMALL)


@pytest.mark.parametrize("name", [grouped(name, pytest.mark.slow) for name in ("numba", "c")])  # minutes to compile
def test_training_agrees_with_jax(name, small):
    """A small network with every kind of level: the same history on the same noise."""
    config = make_config(**TUNED, l2=1e-4, per_unit=("hidden_noise",), activation="leaky-relu")
    split = make_split((7, 6, 2))
    (reference,) = train([config], split, need("jax"))
    (ours,) = train([config], split, need(name))
    assert ours.final.keys() == reference.final.keys()
    for column in ours.final:
        if column not in ("seconds", "epoch"):
            assert ours.final[column] == pytest.approx(reference.final[column], rel=2e-4, abs=2e-5), column


@pytest.mark.slow
def test_evaluation_in_chunks_is_the_same(small, monkeypatch):
    """On JAX, where a small evaluation is one compiled program and a large one many."""
    from t1t2_pt.steps import evaluation
    from t1t2_pt.training import loop as training

    need("jax")
    split = make_split((7, 6, 2))
    results = []
    for chunk in (evaluation.CHUNK, 7 * 6 * 3 * 16):
        monkeypatch.setattr(evaluation, "CHUNK", chunk)
        monkeypatch.setattr(training, "_programs", {})
        (run,) = train([make_config(**TUNED)], split, BACKENDS["jax"])
        results.append(run.final)
    for name in results[0]:
        if name.startswith(("t1_", "t2_", "test_")):
            assert results[1][name] == pytest.approx(results[0][name], rel=1e-4), name


@pytest.mark.xdist_group("jax")
def test_levels_per_map_are_reported_and_rerun(small):
    config = make_config(**TUNED, per_unit=("hidden_noise",), noise_before_softmax="fixed", batch_norm=False)
    split = make_split((7, 6, 2))
    (trained,) = train([config], split, need("jax"))
    run = finished_run(trained, BACKENDS["jax"], split.provenance)
    levels = run.final_level("hidden_noise")
    assert len(levels) == 3 + 3 + 2
    assert len(set(levels[:6])) > 3
    # The history has the mean of each layer, the result every map.
    assert run.history["hidden_noise_1"][-1] == pytest.approx(np.mean(levels[:3]), rel=1e-6)
    assert run.final["hidden_noise_2_1"] == levels[4]
    again = rerun_config(run)
    assert again.tune == ()
    assert again.hidden_noise == (*levels[:6], 0.1, 0.1)
    (rerun,) = train([again], split, BACKENDS["jax"])
    kept = finished_run(rerun, BACKENDS["jax"], "").final_level("hidden_noise")
    np.testing.assert_allclose(kept, again.hidden_noise, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["all-cnn-c", "ladder-baseline"])
@pytest.mark.parametrize("name", each_backend())
def test_the_papers_networks_train_on_every_backend(name, network):
    split = make_split((22, 21, 3))
    config = make_config(network=network, width=0.04, epochs=4, learning_rate=0.01, **TUNED)
    (ours,) = train([config], split, need(name))
    assert ours.diverged_at is None
    costs = ours.history["train_cost"][1:]
    assert costs[-1] < costs[0] - 0.01
    assert ours.final["hidden_noise"] != 0.1
    (reference,) = train([config], split, need("jax"))
    for column in ("train_cost", "hidden_noise", "input_noise", "validation_cost", "test_cost"):
        assert ours.final[column] == pytest.approx(reference.final[column], rel=1e-3), column
