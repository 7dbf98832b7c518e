"""Optimisers and schedules against plain NumPy, written down independently."""

import inspect

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from conftest import each_backend, need
from problems import PLAIN
from pytensor.graph.basic import equal_computations
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.graph.traversal import ancestors

from t1t2_pt.optimizers import (
    MEMORY,
    OPTIMIZERS,
    SCHEDULES,
    Optimizer,
    ScheduleOptions,
    between,
    optimizer,
    rules,
    schedule,
    schedules,
)


def sgd(p, grads, rates, momenta):
    for g, rate in zip(grads, rates, strict=True):
        p = p - rate * g
        yield p


def sign(p, grads, rates, momenta):
    for g, rate in zip(grads, rates, strict=True):
        p = np.where(g > 0, p - rate, np.where(g < 0, p + rate, p))
        yield p


def momentum(p, grads, rates, momenta):
    """torch.optim.SGD, momentum=..."""
    buffer = np.zeros_like(p)
    for g, rate, mu in zip(grads, rates, momenta, strict=True):
        buffer = mu * buffer + g
        p = p - rate * buffer
        yield p


def nesterov(p, grads, rates, momenta):
    """torch.optim.SGD, nesterov=True."""
    buffer = np.zeros_like(p)
    for g, rate, mu in zip(grads, rates, momenta, strict=True):
        buffer = mu * buffer + g
        p = p - rate * (g + mu * buffer)
        yield p


def rmsprop(p, grads, rates, momenta):
    """torch.optim.RMSprop, alpha=0.9; optax.rmsprop, eps_in_sqrt=False."""
    average = np.zeros_like(p)
    for g, rate in zip(grads, rates, strict=True):
        average = 0.9 * average + 0.1 * g**2
        p = p - rate * g / (np.sqrt(average) + 1e-8)
        yield p


def adam_steps(p, grads, rates):
    first = second = np.zeros_like(p)
    for count, (g, rate) in enumerate(zip(grads, rates, strict=True), start=1):
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        root = np.sqrt(1 - 0.999**count)
        yield rate * root / (1 - 0.9**count) * first / (np.sqrt(second) + 1e-8)


def adam(p, grads, rates, momenta):
    for step in adam_steps(p, grads, rates):
        p = p - step
        yield p


def adam_momentum(p, grads, rates, momenta):
    """The last update, times the momentum, is added to each."""
    update = np.zeros_like(p)
    for step, mu in zip(adam_steps(p, grads, rates), momenta, strict=True):
        update = mu * update - step
        p = p + update
        yield p


REFERENCES = {f.__name__: f for f in (sgd, sign, momentum, nesterov, rmsprop, adam, adam_momentum)}


def compiled(name, shape, dtype="float64", scheduled=True, mode=PLAIN):
    """The optimiser as a function of arrays, with the momentum as an input or left out."""
    p, g = pt.tensor("p", shape=shape, dtype=dtype), pt.tensor("g", shape=shape, dtype=dtype)
    memory = {key: pt.tensor(key, shape=shape, dtype=dtype) for key in OPTIMIZERS[name].memory}
    rate, count, mu = (pt.scalar(s, dtype=dtype) for s in ("rate", "count", "mu"))
    new, new_memory = OPTIMIZERS[name](p, g, memory, rate, count, *([mu] if scheduled else []))
    assert list(new_memory) == list(memory)
    assert all(tensor.type == p.type for tensor in (new, *new_memory.values()))
    inputs = [p, g, *memory.values(), rate, count, mu]
    return pytensor.function(inputs, [new, *new_memory.values()], mode=mode, on_unused_input="ignore")


class TestOptimizers:
    def test_all_are_here(self):
        assert set(OPTIMIZERS) >= set(REFERENCES)
        assert {name: one.memory for name, one in OPTIMIZERS.items()} == MEMORY

    @pytest.mark.parametrize("scheduled", [False, True])
    @pytest.mark.parametrize("shape", [(), (5,), (3, 2, 2, 4)], ids=str)
    @pytest.mark.parametrize("name", list(OPTIMIZERS))
    def test_twelve_steps(self, name, shape, scheduled):
        """Step sizes and momentum change from step to step; where none is given, momentum is 0.9."""
        if name not in REFERENCES:
            pytest.skip("its formula in NumPy is not among REFERENCES")
        rng = np.random.default_rng(0)
        p, grads = rng.standard_normal(shape), rng.standard_normal((12, *shape)) * 10.0 ** rng.integers(-3, 3)
        rates, momenta = rng.uniform(0.01, 0.2, 12), rng.uniform(0.3, 0.99, 12) if scheduled else [0.9] * 12
        function = compiled(name, shape, scheduled=scheduled)
        state = [p, *(np.zeros(shape) for _ in OPTIMIZERS[name].memory)]
        for number, expected in enumerate(REFERENCES[name](p, grads, rates, momenta)):
            now = rates[number], number + 1, momenta[number]
            state = function(state[0], grads[number], *state[1:], *now)
            np.testing.assert_allclose(state[0], expected, rtol=1e-12, atol=1e-14)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("shape", [(), (0,), (2, 3)], ids=str)
    @pytest.mark.parametrize("name", list(OPTIMIZERS))
    def test_state_keeps_shape_and_dtype(self, name, shape, dtype):
        memory = [np.zeros(shape, dtype)] * len(OPTIMIZERS[name].memory)
        ones, scalars = np.ones(shape, dtype), np.array([0.1, 1.0, 0.5], dtype)
        for value in compiled(name, shape, dtype)(ones, ones, *memory, *scalars):
            assert value.shape == shape
            assert value.dtype == dtype
            assert np.isfinite(value).all()

    @pytest.mark.parametrize("name", list(OPTIMIZERS))
    def test_says_whether_it_uses_momentum(self, name):
        p, g, rate, count, mu = (pt.scalar(s, dtype="float64") for s in ("p", "g", "rate", "count", "mu"))
        new, memory = OPTIMIZERS[name](p, g, {key: pt.scalar(key) for key in MEMORY[name]}, rate, count, mu)
        assert (mu in ancestors([new, *memory.values()])) == ("momentum" in OPTIMIZERS[name].uses)

    @pytest.mark.parametrize("name", list(OPTIMIZERS))
    def test_no_gradient_moves_nothing_from_rest(self, name):
        zeros = [np.zeros(3)] * (1 + len(MEMORY[name]))
        np.testing.assert_array_equal(compiled(name, (3,))(np.arange(3.0), *zeros, 0.1, 1.0, 0.5)[0], np.arange(3.0))

    def test_nesterov_is_the_look_ahead_of_sutskever(self):
        """v <- mu v - rate grad(x + mu v), x <- x + v, seen at x + mu v."""
        rng = np.random.default_rng(1)
        matrix = np.diag(rng.uniform(0.1, 3, 4))
        x, velocity = rng.standard_normal(4), np.zeros(4)
        p, buffer, function = x.copy(), np.zeros(4), compiled("nesterov", (4,))
        for number in range(30):
            np.testing.assert_allclose(p, x + 0.8 * velocity, rtol=1e-10, atol=1e-12)
            velocity = 0.8 * velocity - 0.2 * matrix @ (x + 0.8 * velocity)
            x = x + velocity
            p, buffer = function(p, matrix @ p, buffer, 0.2, number + 1, 0.8)

    def test_old_rules_are_the_same_graphs(self):
        """What version 0.1 wrote, node by node."""
        p, g, u, v = (pt.matrix(s, dtype="float32") for s in "pguv")
        rate, count = pt.scalar("rate", dtype="float32"), pt.scalar("count", dtype="float32")
        nine, one, beta1, beta2, epsilon = (np.asarray(x, dtype="float32") for x in (0.9, 1, 0.9, 0.999, 1e-8))
        velocity = nine * v + g
        first, second = beta1 * u + (one - beta1) * g, beta2 * v + (one - beta2) * g * g
        corrected = rate * pt.sqrt(one - beta2**count) / (one - beta1**count)
        for name, memory, old in [
            ("sgd", {}, [p - rate * g]),
            ("momentum", {"velocity": v}, [p - rate * velocity, velocity]),
            (
                "adam",
                {"first_moment": u, "second_moment": v},
                [p - corrected * first / (pt.sqrt(second) + epsilon), first, second],
            ),
        ]:
            new, new_memory = OPTIMIZERS[name](p, g, memory, rate, count)
            assert equal_computations([new, *new_memory.values()], old)

    def test_momentum_as_a_number(self):
        p, g, v, rate = (pt.vector(s, dtype="float32") for s in ("p", "g", "v", "rate"))
        given = OPTIMIZERS["momentum"](p, g, {"velocity": v}, rate, rate, 0.9)[0]
        left = OPTIMIZERS["momentum"](p, g, {"velocity": v}, rate, rate)[0]
        other = OPTIMIZERS["momentum"](p, g, {"velocity": v}, rate, rate, 0.8)[0]
        assert equal_computations([given], [left])
        assert not equal_computations([other], [left])

    def test_adding_one_is_adding_a_function(self, monkeypatch):
        monkeypatch.setattr(rules, "OPTIMIZERS", {})
        monkeypatch.setattr(rules, "MEMORY", {})

        @optimizer(memory=("sum",))
        def mine(parameter, gradient, memory, rate, count, momentum):
            return parameter - rate * memory["sum"], {"sum": memory["sum"] + gradient}

        assert isinstance(mine, Optimizer)
        assert {"mine": mine} == rules.OPTIMIZERS
        assert rules.MEMORY == {"mine": ("sum",)}
        assert mine.uses == ()


HOLD, HALF_LIFE = 0.3, 0.2

FACTORS = {
    "constant": lambda t: 1,
    "linear": lambda t: 1 - t,
    "hold_then_linear": lambda t: np.interp(t, [0, HOLD, 1], [1, 1, 0]),
    "zero_then_linear": lambda t: np.interp(t, [0, HOLD, 1], [0, 0, 1]),
    "exponential": lambda t: np.exp(-np.log(2) * t / HALF_LIFE),
    "inverse_time": lambda t: HALF_LIFE / (HALF_LIFE + t),
    "zero_then_one": lambda t: 0 if t < HALF_LIFE else 1,
    "steps": lambda t: 1 if t < 1 / 3 else 0.1 if t < 2 / 3 else 0.01,
    "four_steps": lambda t: 1 if t < 0.5 else 0.1 if t < 0.7 else 0.01 if t < 0.85 else 0.001,
    "zero_one_zero": lambda t: 1 if 1 / 6 <= t < 5 / 6 else 0,
    "trapezoid": lambda t: np.interp(t, [0, 1 / 2, 3 / 4, 1], [0, 1, 1, 0]),
    "zero_trapezoid": lambda t: np.interp(t, [0, 1 / 8, 1 / 2, 3 / 4, 1], [0, 0, 1, 1, 0]),
    "sine_squared": lambda t: (1 - np.cos(2 * np.pi * t)) / 2,
    "periodic": lambda t: max(0, np.sin(10 * np.pi * t + np.pi)),
}
STEPS = 600  # every border of a phase is a whole number of steps
OPTIONS = ScheduleOptions(hold=HOLD, half_life=HALF_LIFE)


def factors_of(backend, dtype):
    """Every schedule's factor at every step and after the last, computed in one function."""
    step, steps = pt.tensor("step", shape=(STEPS + 1,), dtype=dtype), pt.scalar("steps", dtype=dtype)
    outputs = {name: one(step, steps, OPTIONS) for name, one in SCHEDULES.items()}
    assert {tensor.dtype for tensor in outputs.values()} == {dtype}
    values = {"step": np.arange(STEPS + 1, dtype=dtype), "steps": np.asarray(STEPS, dtype=dtype)}
    return backend.function({"step": step, "steps": steps}, outputs)(values)


class TestSchedules:
    def test_all_are_here(self):
        assert set(SCHEDULES) == set(FACTORS)

    @pytest.mark.parametrize("name", each_backend())
    @pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-6)])
    def test_every_step(self, name, dtype, tolerance):
        """At the borders of phases, too, where a factor jumps."""
        computed = factors_of(need(name), dtype)
        for schedule_name, expected in FACTORS.items():
            wanted = [expected(number / STEPS) for number in range(STEPS + 1)]
            np.testing.assert_allclose(computed[schedule_name], wanted, rtol=0, atol=tolerance, err_msg=schedule_name)
            assert computed[schedule_name].min() >= 0
            assert computed[schedule_name].max() <= 1

    @pytest.mark.parametrize("steps", [3, 7, 30, 599, 30_000, 99_999])
    def test_phases_change_at_the_step_in_float32(self, steps):
        """Even where a share is computed as a product with a rounded 1 / steps."""
        step = pt.vector("step", dtype="float32")
        factor = SCHEDULES["steps"](step, pt.constant(np.float32(steps)), OPTIONS)
        numbers = np.arange(steps)
        found = factor.eval({step: numbers.astype("float32")}, mode=PLAIN)
        phases = [np.float32(phase) for phase in (1, 0.1, 0.01)]
        np.testing.assert_array_equal(found, np.choose(3 * numbers // steps, phases))

    @pytest.mark.parametrize("name", list(SCHEDULES))
    def test_says_what_it_uses(self, name):
        step, steps = pt.scalar("step", dtype="float64"), pt.scalar("steps", dtype="float64")
        for option, other in {"hold": ScheduleOptions(0.5, HALF_LIFE), "half_life": ScheduleOptions(HOLD, 0.5)}.items():
            same = equal_computations([SCHEDULES[name](step, steps, OPTIONS)], [SCHEDULES[name](step, steps, other)])
            assert same == (option not in SCHEDULES[name].uses)

    def test_old_schedules_are_the_same_graphs(self):
        """What version 0.1 wrote, node by node; the constant once PyTensor has simplified it."""
        step, steps = pt.scalar("step", dtype="float32"), pt.scalar("steps", dtype="float32")
        zero, one, rest = (np.asarray(x, dtype="float32") for x in (0, 1, 1 - HOLD))
        remaining = one - step / steps
        assert equal_computations([SCHEDULES["linear"](step, steps, OPTIONS)], [pt.maximum(remaining, zero)])
        held = SCHEDULES["hold_then_linear"](step, steps, OPTIONS)
        assert equal_computations([held], [pt.clip(remaining / rest, zero, one)])
        rate = pt.scalar("rate", dtype="float32")
        old, new = (rate * ones for ones in (pt.ones_like(step), SCHEDULES["constant"](step, steps, OPTIONS)))
        assert equal_computations([rewrite_graph(old)], [rewrite_graph(new)])
        assert step not in ancestors([rewrite_graph(new)])

    @pytest.mark.parametrize("field", ["hold", "half_life"])
    @pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
    def test_options_out_of_bounds(self, field, value):
        with pytest.raises(ValueError, match=f"^{field} = {value}: .*; give "):
            ScheduleOptions(**{field: value})

    def test_options_at_their_bounds(self):
        assert ScheduleOptions(hold=0).hold == 0
        with pytest.raises(ValueError, match="hold = 1: "):
            ScheduleOptions(hold=1)
        with pytest.raises(ValueError, match="half_life = 0: "):
            ScheduleOptions(half_life=0)

    def test_between(self):
        """Of a momentum that follows a schedule: its two ends, given as numbers or as tensors."""
        factor = pt.vector("factor", dtype="float32")
        expected = np.float32([0.5, 0.7, 0.9])
        ends = [pt.constant(np.float32(x)) for x in (0.9, 0.5)]
        for largest, smallest in ((0.9, 0.5), ends):
            coefficient = between(largest, smallest, factor)
            assert coefficient.dtype == "float32"
            found = coefficient.eval({factor: np.float32([0, 0.5, 1])}, mode=PLAIN)
            np.testing.assert_allclose(found, expected, rtol=1e-6)

    def test_adding_one_is_adding_a_function(self, monkeypatch):
        monkeypatch.setattr(schedules, "SCHEDULES", {})

        @schedule("hold")
        def mine(share, options):
            return share * options.hold

        assert {"mine": mine} == schedules.SCHEDULES
        assert mine.uses == ("hold",)
        ten, forty = pt.constant(10.0), pt.constant(40.0)
        assert mine(ten, forty, ScheduleOptions(hold=0.5)).eval(mode=PLAIN) == 0.125


@pytest.mark.parametrize("registered", [*OPTIMIZERS.values(), *SCHEDULES.values()])
def test_each_is_documented(registered):
    assert inspect.getdoc(registered.rule if isinstance(registered, Optimizer) else registered.function)
