"""Optimisers as pure functions: (parameter, gradient, memory, step size, count) -> (parameter, memory).

The memory is a dictionary of tensors of the parameter's shape, its names listed in `MEMORY`; all
start at zero. `count` is the number of this update, from 1, a float scalar.
"""

from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

Memory = dict[str, TensorVariable]
Update = tuple[TensorVariable, Memory]

MEMORY: dict[str, tuple[str, ...]] = {
    "sgd": (),
    "momentum": ("velocity",),
    "adam": ("first_moment", "second_moment"),
}

MOMENTUM = 0.9
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def sgd(parameter, gradient, memory: Memory, rate, count) -> Update:
    """p - rate * g."""
    return parameter - rate * gradient, {}


def momentum(parameter, gradient, memory: Memory, rate, count) -> Update:
    """Polyak's heavy ball: v <- 0.9 v + g, p <- p - rate * v."""
    velocity = _like(MOMENTUM, parameter) * memory["velocity"] + gradient
    return parameter - rate * velocity, {"velocity": velocity}


def adam(parameter, gradient, memory: Memory, rate, count) -> Update:
    """Adam with bias correction (Kingma and Ba, 2015, Algorithm 1; its defaults).

    The corrections multiply the step size, and epsilon is added to the uncorrected root, as at the
    end of Section 2 of that paper.
    """
    one, beta1, beta2 = (_like(value, parameter) for value in (1, BETA1, BETA2))
    first = beta1 * memory["first_moment"] + (one - beta1) * gradient
    second = beta2 * memory["second_moment"] + (one - beta2) * gradient * gradient
    corrected = rate * pt.sqrt(one - beta2**count) / (one - beta1**count)
    updated = parameter - corrected * first / (pt.sqrt(second) + _like(EPSILON, parameter))
    return updated, {"first_moment": first, "second_moment": second}


OPTIMIZERS: dict[str, Callable[..., Update]] = {"sgd": sgd, "momentum": momentum, "adam": adam}


def _like(value: float, tensor: TensorVariable) -> np.ndarray:
    return np.asarray(value, dtype=tensor.dtype)
