"""Networks that share hyperparameters: their hypergradient, the squared loss, and padding that changes nothing."""

import dataclasses
import functools

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from t1t2_pt.networks import costs
from t1t2_pt.sklearn.design import CLASSIFICATION, REGRESSION, Design, length, presence
from t1t2_pt.sklearn.graphs import step_graphs

CLASSES = Design(CLASSIFICATION, 3, 4, (5,), "tanh", 3, 6, 7, dtype="float64")
NUMBERS = Design(REGRESSION, 3, 2, (5, 4), "tanh", 3, 6, 7, ("input_noise", "l2"), dtype="float64")
DESIGNS = pytest.mark.parametrize("design", [CLASSES, NUMBERS], ids=["classes", "numbers, per feature"])
PLAIN = pytensor.compile.mode.Mode(linker="py", optimizer="merge")


def values_of(graphs, seed=0):
    """Something for every input."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, x in graphs.inputs.items():
        if x.dtype == "int32":
            found[name] = rng.integers(0, 4, x.type.shape).astype("int32")
        else:
            found[name] = rng.standard_normal(x.type.shape)
    found |= {name: np.ones(graphs.inputs[name].type.shape) for name in ("features", "outputs", "moves", "steps")}
    for name in ("t1_weights", "t2_weights"):
        found[name] = rng.uniform(0.1, 1, found[name].shape)
    found["levels"] = rng.uniform(-2, 0, found["levels"].shape)
    found |= {f"{of}/second_moment": np.abs(found[f"{of}/second_moment"]) for of in ("theta", "levels")}
    bounds = {"lowest": -100.0, "highest": 100.0}
    found |= {name: np.full(found["levels"].shape, value) for name, value in bounds.items()}
    return found | {"step": np.array(3.0), "hyper_step": np.array(2.0), "steps": np.array(50.0)}


@functools.cache
def compiled(design):
    """The graphs of a design, and a function from values by name to all that the tests ask for."""
    graphs = step_graphs(design)
    of_theta = pt.grad(graphs.problem["validation"].mean(), graphs.state["theta"])
    wanted = {name: graphs.problem[name] for name in ("hypergradient", "gradient")}
    wanted |= {"along": -(of_theta * graphs.problem["gradient"]).sum(), "cost": graphs.problem["train_cost"]}
    wanted |= {"theta": graphs.new_t1t2["theta"], "levels": graphs.new_t1t2["levels"], **graphs.metrics}
    names = list(graphs.inputs)
    function = pytensor.function(
        list(graphs.inputs.values()), list(wanted.values()), mode=PLAIN, on_unused_input="ignore"
    )
    return graphs, lambda values: dict(zip(wanted, function(*(values[name] for name in names)), strict=True))


@DESIGNS
def test_shared_hypergradient_is_the_mean_of_each_networks_own(design):
    graphs, together = compiled(design)
    alone, by_itself = compiled(dataclasses.replace(design, networks=1))
    values = values_of(graphs)
    each = []
    for place in range(design.networks):
        one = {
            name: value[place : place + 1] if alone.inputs[name].type.shape != value.shape else value
            for name, value in values.items()
        }
        each.append(by_itself(one)["hypergradient"])
    np.testing.assert_allclose(together(values)["hypergradient"], np.mean(each, axis=0), rtol=1e-10)
    assert np.ptp(each, axis=0).min() > 0


@DESIGNS
def test_hypergradient_is_the_derivative_after_one_step(design):
    """By the logarithms of the levels, against central differences of -(grad C2) . (grad C1~)."""
    graphs, function = compiled(design)
    values = values_of(graphs)
    found = function(values)["hypergradient"]
    assert found.shape == (length(design.levels),)
    for place in range(len(found)):
        moves = np.eye(len(found))[place] * 1e-5
        above, below = (function({**values, "levels": values["levels"] + m})["along"] for m in (moves, -moves))
        assert found[place] == pytest.approx((above - below) / 2e-5, rel=1e-6, abs=1e-10)


@DESIGNS
def test_gradient_is_the_derivative_of_the_training_cost(design):
    graphs, function = compiled(design)
    values = values_of(graphs)
    gradient = function(values)["gradient"]
    for seed in range(3):
        moves = 1e-6 * np.random.default_rng(seed).standard_normal(gradient.shape)
        above, below = (function({**values, "theta": values["theta"] + m})["cost"] for m in (moves, -moves))
        assert (gradient * moves).sum() == pytest.approx((above - below) / 2, rel=1e-6)


def test_squared_errors_are_sums_over_outputs():
    outputs, targets = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[0.0, 4.0], [0.5, -1.0]])
    found = costs.squared_errors(pt.constant(outputs), pt.constant(targets)).eval(mode=PLAIN)
    np.testing.assert_array_equal(found, [5, 0.25])


@pytest.mark.parametrize("task", [CLASSIFICATION, REGRESSION])
def test_padding_changes_nothing(task):
    """A step with 3 features and 2 outputs is the same within 5 features, 4 outputs and longer batches."""
    small = Design(task, 3, 2, (5,), "relu", 2, 4, 4, ("input_noise",), dtype="float64")
    large = Design(task, 5, 4, (5,), "relu", 2, 6, 7, ("input_noise",), dtype="float64")
    (graphs, new), (wide, new_wide) = compiled(small), compiled(large)
    values = values_of(graphs)
    if task == CLASSIFICATION:
        values |= {f"{of}_targets": values[f"{of}_targets"] % 2 for of in ("t1", "t2")}
    padded = values_of(wide, seed=1)
    for name, value in values.items():
        target = np.zeros_like(padded[name])
        target[tuple(slice(n) for n in value.shape)] = value
        padded[name] = target
    for of in ("t1", "t2"):
        padded[f"{of}_weights"][:, 4:] = 0
    padded |= {"features": presence(3, 5, "float64"), "outputs": presence(2, 4, "float64")}
    padded |= {name: _scattered(small, large, values[name], padded[name]) for name in values if "theta" in name}
    for name in [name for name in values if name.startswith("levels") or name in ("moves", "lowest", "highest")]:
        padded[name] = _scattered_levels(small, large, values[name])
    # Noise on padded features must not matter.
    padded["t1_noise_0"][..., 3:] = 7.0
    step, wide_step = new(values), new_wide(padded)
    theta = _scattered(small, large, step["theta"], np.zeros_like(wide_step["theta"]))
    np.testing.assert_allclose(wide_step["theta"], theta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(wide_step["levels"], _scattered_levels(small, large, step["levels"]), rtol=1e-9)
    for name in ("train_cost", "validation_cost"):
        assert wide_step[name] == pytest.approx(step[name], rel=1e-9)


def _scattered(small, large, theta, like):
    """Parameters of the small design among zeros."""
    found = np.zeros_like(like)
    for name, (place, shape) in small.parameters.items():
        at, wide = large.parameters[name]
        for row in range(len(theta)):
            target = np.zeros(wide)
            target[tuple(slice(n) for n in shape)] = theta[row, place].reshape(shape)
            found[row, at] = target.reshape(-1)
    return found


def _scattered_levels(small, large, levels):
    found = np.zeros(length(large.levels))
    for name, place in small.levels.items():
        start = large.levels[name].start
        found[start : start + place.stop - place.start] = levels[place]
    return found
