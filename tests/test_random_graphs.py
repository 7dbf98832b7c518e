"""Every method on random graphs, against finite differences of what it claims to differentiate."""

import dataclasses

import numpy as np
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from random_graphs import CONVEX, RULES, SHAPES, RandomProblem, joined

from t1t2_pt import hypergradient
from t1t2_pt.hypergradients import METHODS
from t1t2_pt.hypergradients.methods.averaged import Averaged
from t1t2_pt.hypergradients.methods.finite_difference import FiniteDifference
from t1t2_pt.hypergradients.methods.forward import Forward
from t1t2_pt.hypergradients.methods.gauss_newton import GaussNewton
from t1t2_pt.hypergradients.methods.implicit import Implicit
from t1t2_pt.hypergradients.methods.one_pass import OnePass
from t1t2_pt.hypergradients.methods.t1t2 import T1T2
from t1t2_pt.hypergradients.methods.unrolled import Unrolled
from t1t2_pt.optimizers import OPTIMIZERS

STEPS, RATE = 3, 0.05
CLOSE = {"rtol": 1e-6, "atol": 1e-8}


def found(problem, methods, theta=None):
    """Hypergradients by several methods, a row each."""
    given_to_all = problem.train, problem.val, problem.params, problem.hyperparams
    graphs = [g for method in methods for g in hypergradient(*given_to_all, method=method)]
    return problem.value(graphs, theta).reshape(len(methods), -1)


@settings(max_examples=2)
@given(SHAPES)
def test_one_step(shape):
    """Eq. 3 where C2 is taken before the update, by every method that claims it; and after it."""
    problem = RandomProblem(shape)
    seeds = problem.val_gradient(problem.theta)
    eq3 = problem.differences(lambda lam: -joined(problem.gradient(problem.theta, lam)) @ joined(seeds))
    moved = [p - RATE * g for p, g in zip(problem.params, pt.grad(problem.train, problem.params), strict=True)]
    after = problem.differences(lambda lam: problem.val_cost(problem.after(lam, "sgd", 1, RATE))) / RATE
    one = {"optimizer": "sgd", "step_size": RATE}
    before = [T1T2(), Averaged(), OnePass(**one), Implicit(solver="identity"), FiniteDifference(step=1e-4)]
    both = found(problem, [*before, T1T2(next_params=moved), OnePass(**one, at="next")])
    for ours in both[: len(before)]:
        np.testing.assert_allclose(ours, eq3, **CLOSE)
    for ours in both[len(before) :]:
        np.testing.assert_allclose(ours, after, **CLOSE)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_through_steps_of_each_optimiser(optimizer):
    @settings(max_examples=1)
    @given(SHAPES)
    def check(shape):
        problem = RandomProblem(dataclasses.replace(shape, hidden=1))  # deeper ones compile longer
        options = {"optimizer": optimizer, "step_size": RATE}
        expected = problem.differences(lambda lam: problem.val_cost(problem.after(lam, optimizer, STEPS, RATE))) / RATE
        first = problem.differences(lambda lam: problem.val_cost(problem.after(lam, optimizer, 1, RATE))) / RATE
        kinds = ("plain", "checkpoints", "reversible") if optimizer == "momentum" else ("plain",)
        methods = [Unrolled(steps=STEPS, storage=kind, **options) for kind in kinds]
        *through, one = found(problem, [*methods, Forward(steps=STEPS, **options), OnePass(**options, at="next")])
        for ours in through:
            np.testing.assert_allclose(ours, expected, **CLOSE)
        np.testing.assert_allclose(one, first, **CLOSE)

    assert set(RULES) == set(OPTIMIZERS)
    check()


@settings(max_examples=2)
@given(CONVEX)
def test_at_the_minimum_of_convex_ones(shape):
    """Eq. 4 there, and an update by Gauss and Newton from anywhere, which leads there."""
    problem = RandomProblem(shape)
    expected = problem.differences(lambda lam: problem.val_cost(problem.minimum(lam)))
    solvers = [Implicit(solver="exact"), Implicit(), Implicit(solver="neumann", iterations=500, scale=0.1)]
    for ours in found(problem, solvers, problem.minimum(problem.lam)):
        np.testing.assert_allclose(ours, expected, **CLOSE)
    (ours,) = found(problem, [GaussNewton(outputs=problem.outputs)])
    np.testing.assert_allclose(ours, expected, **CLOSE)


def test_no_method_is_left_out():
    tried = {T1T2, Averaged, OnePass, Implicit, FiniteDifference, Unrolled, Forward, GaussNewton}
    assert tried == set(METHODS.values())
