"""Every method on a ridge regression, where it has a closed form, and against each other."""

import inspect
from typing import ClassVar

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from bilevel import FEATURES, HOST, Ridge, evaluated
from conftest import need
from hypothesis import given, settings
from hypothesis import strategies as st
from one_step import FREE, OneStep

from t1t2_pt import hypergradient
from t1t2_pt.config import run_config
from t1t2_pt.hypergradients.inner import inner
from t1t2_pt.hypergradients.methods.t1t2 import T1T2
from t1t2_pt.hypergradients.reversible import reversed_exactly
from t1t2_pt.steps import step
from t1t2_pt.system.errors import InputError

RIDGE = Ridge()
UPDATE = {"step_size": 0.05, "optimizer": "momentum", "momentum": 0.9}


class TestImplicit:
    @pytest.mark.parametrize(
        "options",
        [
            {"solver": "exact"},
            {"solver": "conjugate_gradients"},
            {"solver": "neumann", "iterations": 500, "scale": 0.2},
        ],
        ids=lambda options: options["solver"],
    )
    def test_is_eq4(self, options):
        np.testing.assert_allclose(RIDGE.found(method="implicit", **options), RIDGE.eq4(), rtol=1e-9)

    def test_damping(self):
        for options in ({"solver": "exact"}, {"solver": "nystrom", "rank": FEATURES + 1}):
            found = RIDGE.found(method="implicit", damping=0.3, **options)
            np.testing.assert_allclose(found, RIDGE.eq4(0.3), rtol=1e-9)

    def test_few_columns_are_their_own_approximation(self):
        columns = RIDGE.hessian[[0, 2]]  # one of each half, by this seed
        low = columns.T @ np.linalg.solve(columns[:, [0, 2]], columns) + 0.3 * np.eye(FEATURES + 1)
        expected = -np.linalg.solve(low, RIDGE.val_gradient(RIDGE.theta)) * 2 * RIDGE.theta
        found = RIDGE.found(method="implicit", solver="nystrom", rank=2, damping=0.3, seed=2)
        np.testing.assert_allclose(found, expected, rtol=1e-9)

    def test_terms_of_the_neumann_series(self):
        shrunk = np.eye(FEATURES + 1) - 0.1 * RIDGE.hessian
        series = 0.1 * sum(np.linalg.matrix_power(shrunk, power) for power in range(3))
        found = RIDGE.found(method="implicit", solver="neumann", iterations=3, scale=0.1)
        np.testing.assert_allclose(found, -(series @ RIDGE.val_gradient(RIDGE.theta)) * 2 * RIDGE.theta, rtol=1e-9)

    def test_identity_is_t1t2(self):
        np.testing.assert_array_equal(RIDGE.found(method="implicit", solver="identity"), RIDGE.found())


class TestGaussNewton:
    @pytest.mark.parametrize("solver", ["exact", "conjugate_gradients"])
    def test_from_anywhere_it_is_eq4_at_the_minimum(self, solver):
        """An update by the exact Gauss-Newton matrix ends there, whatever lambda is."""
        expected = -np.linalg.solve(RIDGE.hessian, RIDGE.val_gradient(RIDGE.minimum)) * 2 * RIDGE.minimum
        found = RIDGE.found(method="gauss-newton", outputs=RIDGE.outputs, solver=solver)
        np.testing.assert_allclose(found, expected, rtol=1e-9)

    def test_of_a_curved_model_it_is_the_derivative_of_its_update(self):
        x, y = np.random.default_rng(1).standard_normal((2, 9, 2))
        w, s = pt.tensor("w", shape=(2,)), pt.scalar("s")
        outputs = pt.tanh(x @ w)
        train = pt.sqr(outputs - y[:, 0]).sum() + s * (w**2).sum()
        val = pt.sqr(pt.sin(w) - 0.3).sum()
        (g,) = evaluated(
            hypergradient(train, val, [w], [s], method="gauss-newton", outputs=outputs, damping=0.1),
            [w, s],
            [np.array([0.3, -0.2]), 0.4],
        )

        def after(level):
            at = np.array([0.3, -0.2])
            t = np.tanh(x @ at)
            jacobian = (1 - t**2)[:, None] * x
            gradient = 2 * jacobian.T @ (t - y[:, 0]) + 2 * level * at
            matrix = 2 * jacobian.T @ jacobian + (2 * level + 0.1) * np.eye(2)
            return np.square(np.sin(at - np.linalg.solve(matrix, gradient)) - 0.3).sum()

        assert g == pytest.approx((after(0.4 + 1e-5) - after(0.4 - 1e-5)) / 2e-5, rel=1e-7)

    def test_needs_its_outputs(self):
        with pytest.raises(ValueError, match="outputs = None: gauss-newton needs what train_cost is a convex"):
            RIDGE.found(method="gauss-newton")
        with pytest.raises(ValueError, match="train_cost is not computed from params through it"):
            RIDGE.found(method="gauss-newton", outputs=pt.sqr(RIDGE.w))


class TestUnrolled:
    @pytest.mark.parametrize("storage", ["plain", "checkpoints"])
    @pytest.mark.parametrize("steps", [1, 7, 9])
    def test_through_momentum(self, storage, steps):
        found = RIDGE.found(method="unrolled", steps=steps, storage=storage, **UPDATE)
        np.testing.assert_allclose(found, RIDGE.unrolled(steps, 0.05, 0.9), rtol=1e-9)

    def test_in_whole_numbers(self):
        found = RIDGE.found(method="unrolled", steps=7, storage="reversible", **UPDATE)
        np.testing.assert_allclose(found, RIDGE.unrolled(7, 0.05, 0.9), rtol=1e-9)

    def test_forward_mode(self):
        found = RIDGE.found(method="forward", steps=7, **UPDATE)
        np.testing.assert_allclose(found, RIDGE.unrolled(7, 0.05, 0.9), rtol=1e-9)

    def test_one_step_of_gradient_descent_is_t1t2(self):
        moved = [p - 0.05 * g for p, g in zip(RIDGE.params, pt.grad(RIDGE.train, RIDGE.params), strict=True)]
        t1t2 = RIDGE.found(method=T1T2(next_params=moved))
        for name in ("unrolled", "forward"):
            found = RIDGE.found(method=name, steps=1, step_size=0.05)
            np.testing.assert_allclose(found, t1t2, rtol=1e-12)

    @settings(max_examples=3)
    @given(optimizer=st.sampled_from(["nesterov", "rmsprop", "adam", "adam_momentum"]), seed=st.integers(0, 99))
    def test_through_any_optimiser_both_modes_agree(self, optimizer, seed):
        options = {"steps": 4, "step_size": 0.05, "optimizer": optimizer}
        ridge = Ridge(seed)
        back = ridge.found(method="unrolled", **options)
        np.testing.assert_allclose(ridge.found(method="forward", **options), back, rtol=1e-9)


class TestOnePass:
    def test_of_gradient_descent_is_t1t2(self):
        found = RIDGE.found(method="one-pass", optimizer="sgd", step_size=0.05)
        np.testing.assert_allclose(found, RIDGE.eq3(), rtol=1e-12)

    def test_terms(self):
        shrunk = np.eye(FEATURES + 1) - 0.05 * RIDGE.hessian
        series = sum(np.linalg.matrix_power(shrunk, power) for power in range(4))
        found = RIDGE.found(method="one-pass", optimizer="sgd", step_size=0.05, terms=3)
        np.testing.assert_allclose(found, -(series @ RIDGE.val_gradient(RIDGE.theta)) * 2 * RIDGE.theta, rtol=1e-9)

    def test_of_adam_is_the_derivative_of_its_update(self):
        found = RIDGE.found(method="one-pass", step_size=0.01, at="next")

        def after(lam):
            g = RIDGE.train_gradient(RIDGE.theta) + 2 * (lam - RIDGE.lam) * RIDGE.theta
            first, second = 0.1 * g, 0.001 * g**2
            moved = RIDGE.theta - 0.01 * np.sqrt(0.001) / 0.1 * first / (np.sqrt(second) + 1e-8)
            return np.square(RIDGE.b @ moved - RIDGE.u).mean()

        for place, ours in enumerate(found):
            d = 1e-3 * np.eye(FEATURES + 1)[place]
            expected = (after(RIDGE.lam + d) - after(RIDGE.lam - d)) / 2e-3 / 0.01
            assert ours == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_a_gradient_that_others_are_computed_from_counts_whole():
    """Here the gradient by b is a factor of that by w; PyTensor's `pullback` by itself loses what goes through it."""
    w, b, s = pt.tensor("w", shape=(2,)), pt.tensor("b", shape=(2,)), pt.scalar("s")
    train = (pt.tanh(w * s * np.array([1.0, -1.0]) + b) ** 2).sum()
    (g,) = evaluated(
        hypergradient(train, pt.sqr(w - b).sum(), [w, b], [s]), [w, b, s], [np.array([1.0, 2.0]), np.full(2, 0.5), 0.3]
    )

    def product(s):
        w, b, sign = np.array([1.0, 2.0]), 0.5, np.array([1.0, -1.0])
        t = np.tanh(w * s * sign + b)
        by_b = 2 * t * (1 - t**2)
        return (by_b * s * sign * 2 * (w - b)).sum() - (by_b * 2 * (w - b)).sum()

    assert g == pytest.approx(-(product(0.3 + 1e-5) - product(0.3 - 1e-5)) / 2e-5, rel=1e-8)


class TestInAStep:
    """In training: the run's own updates, from where it is."""

    SGD: ClassVar = {**FREE, "optimizer": "sgd", "batch_norm": False, "validation_gradient_at": "next"}

    @pytest.mark.parametrize(
        "method", ["unrolled(steps=1)", "forward(steps=1)", "one-pass", "implicit(solver=identity)"]
    )
    def test_one_update_is_eq3(self, method):
        with pytensor.config.change_flags(**HOST):
            expected = OneStep(**self.SGD).moved()
            np.testing.assert_allclose(OneStep(**self.SGD, method=method).moved(), expected, rtol=1e-8)

    def test_one_pass_divides_as_adam_does(self):
        with pytensor.config.change_flags(**HOST):
            one = OneStep(**FREE, batch_norm=False, method="one-pass")
            for name in one.network.shapes():
                one.state[f"{name}/second_moment"] = np.abs(one.state[f"{name}/second_moment"]) + 0.04
            moved = [one.new_state[name] for name in one.network.shapes()]
            seeds = [pt.constant(v) for v in one.value(*pt.grad(one.c2, one.theta))]
            expected = one.value(*(g / 0.1 for g in pytensor.gradient.pullback(moved, one.hyper, seeds)))
            np.testing.assert_allclose(one.moved(), expected, rtol=1e-8)

    def test_solutions_are_kept(self):
        one = OneStep(**FREE, batch_norm=False, method="implicit(iterations=1, solver=neumann, scale=0.5)")
        rng = np.random.default_rng(0)
        names = [f"method/solution_{place}" for place in range(len(one.theta))]
        for name in names:
            one.state[name] = rng.standard_normal(one.state[name].shape)
        start = [one.symbols[name] for name in names]
        with pytensor.config.change_flags(**HOST):
            product = pytensor.gradient.pullback(one.done.gradients, one.theta, start)
            gradients = pt.grad(one.c2, one.theta)
            after = [x + 0.5 * (b - h) for x, b, h in zip(start, gradients, product, strict=True)]
            for ours, theirs in zip(one.value(*(one.new_state[n] for n in names)), one.value(*after), strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-8)

    @pytest.mark.parametrize(
        "method",
        ["implicit(solver=exact)", "gauss-newton(solver=exact)", "implicit(solver=nystrom, damping=1, rank=60000)"],
    )
    def test_what_a_step_cannot_hold_is_told(self, method):
        config = run_config(hidden=(50,), input_noise=0.3, tune=("input_noise",), method=method)
        with pytest.raises(InputError, match=r"method = .*; (give .*solver=conjugate_gradients|give at most rank=)"):
            step.initial_state(config, step.make_network(config, (784,), 10))


def test_whole_numbers_come_back_after_a_thousand_updates():
    """To the last bit, on the backend that loops fastest; and memory does not grow with their number."""
    import jax

    memory = {}
    for steps in (100, 1000):
        found = reversed_exactly(RIDGE.problem, inner(RIDGE.problem, "momentum", 0.02, 0.9), steps, None)
        outputs = [*found.start, *found.back, *found.end, *found.totals]
        inputs = {x.name: x for x in RIDGE.inputs}
        function = need("jax").function(inputs, {str(i): x for i, x in enumerate(outputs)})
        values = dict(zip(inputs, RIDGE.values, strict=True))
        result = [function(values)[str(i)] for i in range(len(outputs))]
        for start, back, end in zip(result[:2], result[2:4], result[4:6], strict=True):
            np.testing.assert_array_equal(start, back)
            assert np.all(start != end)
        ours = np.append(result[6], result[7]) / 0.02
        np.testing.assert_allclose(ours, RIDGE.unrolled(steps, 0.02, 0.9), rtol=1e-7)
        compiled = inspect.getclosurevars(function).nonlocals["compiled"]
        with jax.enable_x64(True):
            memory[steps] = compiled.lower(values).compile().memory_analysis().temp_size_in_bytes
    # Of each of 4 parameters two more whole numbers, where 900 more states would be 2 * 900.
    assert memory[1000] - memory[100] < 4 * 8 * 2 * 12
