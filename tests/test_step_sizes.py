"""Step sizes as hyperparameters: schedules through K updates, and hypergradient descent, against plain NumPy."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from bilevel import FEATURES, Ridge, evaluated
from problems import PLAIN

from t1t2_pt import hypergradient, updates
from t1t2_pt.hypergradients.methods.one_pass import OnePass

RIDGE, STEPS = Ridge(), 5
RATES = np.random.default_rng(3).uniform(0.02, 0.08, (STEPS, 2))  # of the weights and of the bias, in each update


def after(rates, momentum):
    """C2 after the updates, in NumPy."""
    theta, velocity = RIDGE.theta, np.zeros(FEATURES + 1)
    for of_weights, of_bias in rates:
        velocity = momentum * velocity + RIDGE.train_gradient(theta)
        theta = theta - np.append(np.full(FEATURES, of_weights), of_bias) * velocity
    return np.square(RIDGE.b @ theta - RIDGE.u).mean()


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("unrolled", {"optimizer": "momentum", "momentum": 0.8, "storage": "plain"}),
        ("unrolled", {"optimizer": "momentum", "momentum": 0.8, "storage": "checkpoints"}),
        ("unrolled", {"optimizer": "momentum", "momentum": 0.8, "storage": "reversible"}),
        ("forward", {"optimizer": "sgd"}),
    ],
)
def test_schedules_of_each_parameter(method, options):
    rates, number = pt.tensor("rates", shape=RATES.shape, dtype="float64"), pt.lscalar("number")
    (found,) = evaluated(
        hypergradient(
            RIDGE.train,
            RIDGE.val,
            RIDGE.params,
            [rates],
            method=method,
            steps=STEPS,
            step_size=[rates[number, 0], rates[number, 1]],
            batches={number: pt.arange(STEPS)},
            **options,
        ),
        [*RIDGE.inputs, rates],
        [*RIDGE.values, RATES],
    )
    momentum, expected = options.get("momentum", 0.0), np.zeros_like(RATES)
    for place in np.ndindex(*RATES.shape):
        step = np.zeros_like(RATES)
        step[place] = 1e-5
        expected[place] = (after(RATES + step, momentum) - after(RATES - step, momentum)) / 2e-5
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_a_step_size_that_tunes_itself_is_hypergradient_descent():
    """SGD-HD (Baydin et al., 2018): alpha grows by beta <g, g before>, from one batch to the next."""
    rng = np.random.default_rng(0)
    batches, targets = rng.standard_normal((5, 6, 3)), rng.standard_normal((5, 6))
    alpha, w = pytensor.shared(0.05, name="alpha"), pytensor.shared(np.full(3, 0.5), name="w")
    x, v, y, u = pt.dmatrix(), pt.dmatrix(), pt.dvector(), pt.dvector()

    def cost(inputs, outputs):
        return pt.sqr(inputs @ w - outputs).mean()

    method = OnePass(optimizer="sgd", step_size=alpha, at="next")
    options = {"learning_rate": alpha, "hyper_learning_rate": 1e-3, "hyper_optimizer": "sgd", "optimizer": "sgd"}
    both = updates(cost(x, y), cost(v, u), [w], [alpha], method=method, **options)
    step = pytensor.function([x, y, v, u], [], updates=both, mode=PLAIN)
    theta, rate, before = np.full(3, 0.5), 0.05, np.zeros(3)
    for number in range(4):
        step(batches[number], targets[number], batches[number + 1], targets[number + 1])
        gradient = 2 * batches[number].T @ (batches[number] @ theta - targets[number]) / 6
        rate, before = rate + 1e-3 * gradient @ before, gradient
        theta = theta - rate * gradient
    np.testing.assert_allclose(w.get_value(), theta, rtol=1e-10)


def test_wrong_ones_are_told():
    rate = pt.scalar("rate")
    wrong = {
        "has 1 for 2 params; give one for each": [0.1],
        "is computed from params": RIDGE.w.sum(),
    }
    for problem, step_size in wrong.items():
        with pytest.raises(ValueError, match=f"step_size: {problem}"):
            RIDGE.found(method="unrolled", step_size=step_size)
    with pytest.raises(ValueError, match="rate does not influence train_cost"):
        hypergradient(RIDGE.train, RIDGE.val, RIDGE.params, [rate], method="unrolled", step_size=0.1)
