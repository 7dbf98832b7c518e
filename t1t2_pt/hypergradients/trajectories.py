"""Derivatives through K elementary updates, backwards, with what is stored of the way, and forwards.

One loop goes through the updates; another goes back through what was stored of it, and pulls the gradient of C2 back
through one update after the other (Domke, 2012; Maclaurin et al., 2015; Franceschi et al., 2017).
"""

import math
from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.inner import Update, validation_gradients
from t1t2_pt.hypergradients.loops import alike, looped, mapped
from t1t2_pt.hypergradients.products import pulled, pushed
from t1t2_pt.hypergradients.vectors import Vector, places, plus, size, unit, zeros

Integer = int | TensorVariable


def last(one: Update, steps: int) -> Vector:
    """The parameters after the updates."""
    return _states(one, one.initial, 0, steps)[1][: len(one.params)]


def stored(one: Update, steps: int, max_norm: float | None) -> Vector:
    """The whole derivative of C2 after the updates by the hyperparameters; every state on the way is stored."""
    starts, end = _states(one, one.initial, 0, steps)
    seeds, direct = _seeds(one, end, max_norm)
    _, totals = _back(one, starts, 0, steps, seeds, zeros(one.given))
    return plus(totals, direct)


def checkpointed(one: Update, steps: int, max_norm: float | None) -> Vector:
    """The same, with every sqrt(steps)-th state stored, and those between computed once more on the way back."""
    length = math.isqrt(steps)
    segments, rest = divmod(steps, length)
    head = _states(one, one.initial, 0, rest) if rest else ([], one.initial)
    # A segment is a loop on symbols: the states where it starts, and the number of its first update.
    states, first = [tensor.type() for tensor in one.before], pt.lscalar("first")
    _, following = _states(one, states, first, length)
    numbers = pt.constant(rest + length * np.arange(segments))
    traces = looped(following, states, head[1], segments, {first: numbers}, one.fixed)
    starts, end = _with_first(head[1], traces), [trace[-1] for trace in traces]
    seeds, direct = _seeds(one, end, max_norm)
    adjoints, totals = [tensor.type() for tensor in one.before], [tensor.type() for tensor in one.hyperparams]
    inside, _ = _states(one, states, first, length)
    back = _back(one, inside, first, length, adjoints, totals)
    each = {**dict(zip(states, _reversed(starts), strict=True)), first: numbers[::-1]}
    none = zeros(one.given)
    found = looped([*back[0], *back[1]], [*adjoints, *totals], [*seeds, *none], segments, each, one.fixed)
    so_far = [trace[-1] for trace in found]
    adjoints, totals = so_far[: len(one.before)], so_far[len(one.before) :]
    if rest:
        _, totals = _back(one, head[0], 0, rest, adjoints, totals)
    return plus(totals, direct)


def forwards(one: Update, steps: int, max_norm: float | None) -> Vector:
    """The same in forward mode: the derivative of the state by each hyperparameter goes along with it."""
    given = one.given
    count = size(given)
    at, number = places(one.hyperparams), pt.lscalar("hyperparameter")
    symbols = [tensor.type() for tensor in one.before]
    tangents = pushed(one.after, [*one.before, *one.hyperparams], [*symbols, *unit(at, one.hyperparams, number)])
    stacks = [pt.tensor(dtype=tensor.dtype, shape=(None, *tensor.type.shape)) for tensor in one.before]
    every = pt.arange(count, dtype="int64")
    moved = mapped(tangents, count, {number: every, **dict(zip(symbols, stacks, strict=True))})
    start = [pt.zeros((count, *(_lengths(tensor))), dtype=tensor.dtype) for tensor in one.initial]
    found = looped(
        [*one.after, *moved],
        [*one.before, *stacks],
        [*one.initial, *start],
        steps,
        {one.number: _numbers(0, steps)},
        one.fixed,
    )
    ends = [trace[-1] for trace in found]
    end, tangents = ends[: len(one.before)], ends[len(one.before) :]
    seeds, direct = _seeds(one, end, max_norm)
    total = sum(
        (tangent * seed).sum(axis=tuple(range(1, tangent.type.ndim))) if tangent.type.ndim > 1 else tangent * seed
        for tangent, seed in zip(tangents[: len(one.params)], seeds, strict=False)
    )
    along = [pt.cast(total[place], h.dtype) for place, h in zip(places(given), given, strict=True)]
    return plus(along, direct)


def _seeds(one: Update, end: Vector, max_norm: float | None) -> tuple[Vector, Vector]:
    """Derivatives of C2 by the last state, 0 by what the optimiser keeps; and by the hyperparameters themselves."""
    params = len(one.params)
    by_params, direct = validation_gradients(one, end[:params], max_norm)
    return [*by_params, *zeros(end[params:])], direct


def _states(one: Update, initial: Sequence[TensorVariable], first: Integer, steps: int) -> tuple[Vector, Vector]:
    """The states before each update, along a first axis; and the last."""
    traces = looped(one.after, one.before, initial, steps, {one.number: _numbers(first, steps)}, one.fixed)
    return _with_first(initial, traces), [trace[-1] for trace in traces]


def _with_first(initial: Sequence[TensorVariable], traces: Sequence[TensorVariable]) -> Vector:
    firsts = [alike(value[None], trace) for value, trace in zip(initial, traces, strict=True)]
    return [pt.concatenate([first, trace[:-1]], axis=0) for first, trace in zip(firsts, traces, strict=True)]


def _back(
    one: Update, starts: Vector, first: Integer, steps: int, seeds: Vector, totals: Vector
) -> tuple[Vector, Vector]:
    """Derivatives by the state before the first update, and totals of those by the hyperparameters."""
    adjoints, sums = [tensor.type() for tensor in one.before], [tensor.type() for tensor in one.hyperparams]
    found = pulled(one.after, [*one.before, *one.hyperparams], adjoints)
    outputs = [*found[: len(adjoints)], *plus(sums, found[len(adjoints) :])]
    each = {**dict(zip(one.before, _reversed(starts), strict=True)), one.number: _numbers(first, steps)[::-1]}
    traces = looped(outputs, [*adjoints, *sums], [*seeds, *totals], steps, each, one.fixed)
    ends = [trace[-1] for trace in traces]
    return ends[: len(adjoints)], ends[len(adjoints) :]


def _reversed(stacks: Sequence[TensorVariable]) -> Vector:
    return [stack[::-1] for stack in stacks]


def _numbers(first: Integer, steps: int) -> TensorVariable:
    numbers = pt.constant(np.arange(steps))
    return numbers if isinstance(first, int) and first == 0 else numbers + first


def _lengths(tensor: TensorVariable) -> list[Integer]:
    known = tensor.type.shape
    return [tensor.shape[axis] if known[axis] is None else known[axis] for axis in range(tensor.type.ndim)]
