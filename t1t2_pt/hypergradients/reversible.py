"""Gradient descent with momentum that can be gone back exactly, in whole numbers (Maclaurin et al., 2015).

Parameters and velocities are multiples of 2^-44, held as 64-bit integers. Adding is exact and so can be undone; what
the multiplication of a velocity by the momentum n / d rounds away goes to a third integer, a store in which the digits
that are lost are the lowest ones of a number (their Algorithm 3). It grows by log2(d / n) bits an update, 0.15 at a
momentum of 0.9, and is set aside before it overflows: all that is kept of K updates are K / 400 or so integers for each
parameter, where storing them takes 2 K numbers.

The way there and the way back are one loop, in whose body one and the same graph computes the gradients of both: two
that a compiler has made could differ in the last bit. A first loop goes there by itself, for the gradient of C2 at the
turn: within the other it would be computed in every one of its turns.
"""

import dataclasses
import fractions
import math
from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.inner import Inner, Update, update, validation_gradients
from t1t2_pt.hypergradients.loops import looped, replaced
from t1t2_pt.hypergradients.problem import Problem
from t1t2_pt.hypergradients.products import pulled
from t1t2_pt.hypergradients.vectors import Vector, plus, zeros
from t1t2_pt.optimizers import MOMENTUM, OPTIMIZERS

BITS = 44  # behind the point; parameters must be below 2^18 in size
LARGEST_DENOMINATOR = 1000
LARGEST_STORE = 2**52  # times d, it is below 2^62


@dataclasses.dataclass(frozen=True)
class Reversed:
    """What came of it.

    Parameters
    ----------
    totals
        The whole derivatives of C2 after the updates, by the hyperparameters; NaN where the start was not found again.
    start, back, end
        The parameters before the first update, after going back, and after the last update, as integers.
    """

    totals: Vector
    start: Vector
    back: Vector
    end: Vector


def reversed_exactly(problem: Problem, how: Inner, steps: int, max_norm: float | None) -> Reversed:
    """Go through the updates and back.

    Raises
    ------
    ValueError
        For an optimiser other than `momentum`, or a momentum that is no number or near 0.
    """
    ratio = _ratio(how)
    held = dataclasses.replace(how, momentum=float(ratio))
    one = update(problem, held)
    count = len(one.params)
    longest, rows = _schedule(ratio, steps)
    theta, velocity, buffer, end = ([_integers(p.type.shape) for p in one.params] for _ in range(4))
    aside = [_integers((rows, *p.type.shape)) for p in one.params]
    by_theta, by_velocity = ([p.type() for p in one.params] for _ in range(2))
    sums = [h.type() for h in one.hyperparams]

    turn = pt.lscalar("turn")  # 1 on the way there, 0 on the way back
    forth, turning = pt.eq(turn, np.int64(1)), pt.lscalar("turning")
    rates = [pt.cast(rate, "float64") for rate in one.rates]
    origin = [pt.switch(forth, t, t + _move(r, v)) for t, r, v in zip(theta, rates, velocity, strict=True)]
    at: dict[Variable, Variable] = {p: _number(t, p) for p, t in zip(one.params, origin, strict=True)}
    gradients = replaced(one.gradients, at)
    force = [_whole(g) for g in gradients]

    # Where there are too many digits in the store, they are set aside after, and taken from there before.
    full = pt.eq(one.number % np.int64(longest), np.int64(longest - 1))
    row = one.number // np.int64(longest)
    new_velocity, new_buffer, new_aside = [], [], []
    for v, b, rest, f in zip(velocity, buffer, aside, force, strict=True):
        chosen = pt.eq(_rows(rest, rows), row) & full
        there, digits = _times(v, b, ratio)
        taken = pt.switch(full, pt.switch(chosen, rest, np.int64(0)).sum(axis=0, dtype="int64"), b)
        here, fewer = _times(v - f, taken, 1 / ratio)
        new_velocity.append(pt.switch(forth, there + f, here))
        new_buffer.append(pt.switch(forth, pt.switch(full, np.int64(0), digits), fewer))
        new_aside.append(pt.switch(chosen & forth, digits[None], rest))
    new_theta = [pt.switch(forth, t - _move(r, v), t) for t, r, v in zip(origin, rates, new_velocity, strict=True)]

    # On the way back the derivatives by theta and velocity go along; at the turn they are those of C2.
    ahead = _there(one, how, ratio, longest, steps)
    seeds, direct = validation_gradients(one, ahead, max_norm)
    first = pt.eq(turning, np.int64(1))
    outer = [pt.switch(first, seed, a) for seed, a in zip(seeds, by_theta, strict=True)]
    along = [b - r * o for b, r, o in zip(by_velocity, one.rates, outer, strict=True)]
    found = pulled(one.gradients, [*one.params, *one.hyperparams], along)
    found = replaced(found, at)
    by_rates = [-(o * _number(v, o)).sum() for o, v in zip(outer, velocity, strict=True)]
    found = [*found[:count], *plus(found[count:], pulled(one.rates, one.hyperparams, by_rates))]
    new_by_theta = plus(outer, found[:count])
    new_by_velocity = [np.asarray(float(ratio), a.dtype) * a for a in along]
    new_sums = plus(sums, found[count:])

    def back(new: Vector, old: Vector) -> Vector:
        return [pt.switch(forth, o, n) for n, o in zip(new, old, strict=True)]

    outputs = [*new_theta, *new_velocity, *new_buffer, *new_aside]
    outputs += [pt.switch(first, t, e) for t, e in zip(theta, end, strict=True)]
    outputs += [*back(new_by_theta, by_theta), *back(new_by_velocity, by_velocity), *back(new_sums, sums)]
    start = [_whole(p) for p in problem.params]
    starts = [*start, *(_whole(memory["velocity"]) for memory in how.memory), *zeros(start)]
    starts += [pt.zeros((rows, *_lengths(s)), dtype="int64") for s in start]
    starts += [*zeros(start), *zeros(problem.params), *zeros(problem.params), *zeros(problem.hyperparams)]
    way = np.arange(steps)
    each = {
        one.number: pt.constant(np.concatenate([way, way[::-1]])),
        turn: pt.constant(np.repeat([1, 0], steps)),
        turning: pt.constant((np.arange(2 * steps) == steps).astype("int64")),
    }
    symbols = [*theta, *velocity, *buffer, *aside, *end, *by_theta, *by_velocity, *sums]
    final = [trace[-1] for trace in looped(outputs, symbols, starts, 2 * steps, each, one.fixed)]
    returned, ended, totals = final[:count], final[4 * count : 5 * count], plus(final[7 * count :], direct)
    same = pt.constant(np.bool_(True))
    for now, then in zip(returned, start, strict=True):
        same = same & pt.eq(now, then).all()
    totals = [pt.switch(same, total, np.asarray(np.nan, total.dtype)) for total in totals]
    return Reversed(totals, start, returned, ended)


def _there(one: Update, how: Inner, ratio: fractions.Fraction, longest: int, steps: int) -> Vector:
    """The parameters after the updates, by a loop of its own, so that C2 need not be within the other's every turn."""
    theta, velocity, buffer = ([_integers(p.type.shape) for p in one.params] for _ in range(3))
    at: dict[Variable, Variable] = {p: _number(t, p) for p, t in zip(one.params, theta, strict=True)}
    full = pt.eq(one.number % np.int64(longest), np.int64(longest - 1))
    moved = [_times(v, b, ratio) for v, b in zip(velocity, buffer, strict=True)]
    after = [v + _whole(g) for (v, _), g in zip(moved, replaced(one.gradients, at), strict=True)]
    rates = [pt.cast(rate, "float64") for rate in one.rates]
    outputs = [t - _move(r, v) for t, r, v in zip(theta, rates, after, strict=True)]
    outputs += [*after, *(pt.switch(full, np.int64(0), digits) for _, digits in moved)]
    start = [_whole(p) for p in one.initial[: len(theta)]]
    starts = [*start, *(_whole(memory["velocity"]) for memory in how.memory), *zeros(start)]
    each = {one.number: pt.constant(np.arange(steps))}
    found = looped(outputs, [*theta, *velocity, *buffer], starts, steps, each, one.fixed)
    return [_number(trace[-1], p) for trace, p in zip(found, one.params, strict=False)]


def _ratio(how: Inner) -> fractions.Fraction:
    if how.optimizer is not OPTIMIZERS["momentum"]:
        raise ValueError(
            "storage = 'reversible': goes back the updates of optimizer 'momentum' only; give storage='checkpoints'"
        )
    value = MOMENTUM if how.momentum is None else how.momentum
    ratio = fractions.Fraction(0)
    if isinstance(value, int | float):
        ratio = fractions.Fraction(value).limit_denominator(LARGEST_DENOMINATOR)
    if ratio <= 0:
        raise ValueError(
            f"storage = 'reversible': needs a momentum that is a number above {1 / LARGEST_DENOMINATOR}, and it is "
            f"{value}; give storage='checkpoints'"
        )
    return ratio


def _schedule(ratio: fractions.Fraction, steps: int) -> tuple[int, int]:
    """After how many updates the store is set aside, and how often that is."""
    largest, longest = 0, 0
    while largest < LARGEST_STORE // ratio.denominator and longest < steps + 1:
        largest = (largest * ratio.denominator + ratio.denominator) // ratio.numerator
        longest += 1
    return longest, max(1, math.ceil(steps / longest))


def _times(
    value: TensorVariable, store: TensorVariable, ratio: fractions.Fraction
) -> tuple[TensorVariable, TensorVariable]:
    """value * n / d in whole numbers, and the store with what was lost; the same by d / n undoes it."""
    n, d = np.int64(ratio.numerator), np.int64(ratio.denominator)
    store = store * d + value % d
    return (value // d) * n + store % n, store // n


def _integers(shape: tuple[int | None, ...]) -> TensorVariable:
    return pt.tensor(dtype="int64", shape=shape)


def _whole(x: TensorVariable) -> TensorVariable:
    return pt.cast(pt.round(pt.cast(x, "float64") * np.float64(2.0**BITS)), "int64")


def _number(x: TensorVariable, like: TensorVariable) -> TensorVariable:
    return pt.cast(pt.cast(x, "float64") * np.float64(2.0**-BITS), like.dtype)


def _move(rate: TensorVariable, velocity: TensorVariable) -> TensorVariable:
    return pt.cast(pt.round(rate * pt.cast(velocity, "float64")), "int64")


def _rows(stack: TensorVariable, rows: int) -> TensorVariable:
    """The number of its row at each place of a stack."""
    return pt.constant(np.arange(rows).reshape(rows, *[1] * (stack.type.ndim - 1)))


def _lengths(x: TensorVariable) -> Sequence[int | TensorVariable]:
    return [x.shape[axis] if known is None else known for axis, known in enumerate(x.type.shape)]
