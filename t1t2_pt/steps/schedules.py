"""Annealing: the factor that a step size is multiplied by, as a symbolic function of the step.

Each schedule takes the number of the step (from 0) and the number of steps in the run, floating-point
scalars of one dtype, and returns a factor in [0, 1].
"""

from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable


def constant(step: TensorVariable, steps: TensorVariable, hold: float) -> TensorVariable:
    """1 throughout."""
    return pt.ones_like(step)


def linear(step: TensorVariable, steps: TensorVariable, hold: float) -> TensorVariable:
    """1 at the first step, falling linearly, 0 after the last."""
    return pt.maximum(_remaining(step, steps), _number(0, step))


def hold_then_linear(step: TensorVariable, steps: TensorVariable, hold: float) -> TensorVariable:
    """1 for the share `hold` of the steps, then linearly down to 0 (the authors' program: 0.86)."""
    return pt.clip(_remaining(step, steps) / _number(1 - hold, step), _number(0, step), _number(1, step))


def _remaining(step: TensorVariable, steps: TensorVariable) -> TensorVariable:
    return _number(1, step) - step / steps


def _number(value: float, like: TensorVariable) -> np.ndarray:
    return np.asarray(value, dtype=like.dtype)


SCHEDULES: dict[str, Callable[[TensorVariable, TensorVariable, float], TensorVariable]] = {
    "constant": constant,
    "linear": linear,
    "hold_then_linear": hold_then_linear,
}
