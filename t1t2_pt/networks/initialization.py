"""Initial weights: the standard deviation of normal ones, by the fans of a layer.

The fan in is the number of inputs that a unit (or a position of a map) adds up, the fan out the number of units
that an input goes to; for a filter both count its positions. A function under `initialization` is one more to
choose. The softmax layer's weights are N(0, `SOFTMAX_SCALE`^2) whatever is chosen, and biases are 0.
"""

import math
from collections.abc import Callable

SOFTMAX_SCALE = 1e-5

Initialization = Callable[[int, int], float]

INITIALIZATIONS: dict[str, Initialization] = {}


def initialization(name: str) -> Callable[[Initialization], Initialization]:
    """Put a function from (fan in, fan out) to a standard deviation into `INITIALIZATIONS`."""

    def register(function: Initialization) -> Initialization:
        INITIALIZATIONS[name] = function
        return function

    return register


@initialization("fan-in")
def by_fan_in(fan_in: int, fan_out: int) -> float:
    """N(0, 1 / fan in): the authors' program when the paper's figures were drawn."""
    return math.sqrt(1 / fan_in)


@initialization("fan-in-out")
def by_both_fans(fan_in: int, fan_out: int) -> float:
    """N(0, 12 / (fan in + fan out)): the authors' program as it is now, and the default."""
    return math.sqrt(12 / (fan_in + fan_out))


@initialization("fan-in-out-tanh")
def by_both_fans_for_tanh(fan_in: int, fan_out: int) -> float:
    """N(0, 6 / (fan in + fan out)): the authors' program for tanh."""
    return math.sqrt(6 / (fan_in + fan_out))


@initialization("fan-in-out-sigmoid")
def by_both_fans_for_sigmoid(fan_in: int, fan_out: int) -> float:
    """N(0, 3 / 8 / (fan in + fan out)): the authors' program for sigmoids."""
    return math.sqrt(6 / (fan_in + fan_out)) / 4


@initialization("fan-in-out-linear")
def by_both_fans_for_linear(fan_in: int, fan_out: int) -> float:
    """N(0, 1 / (fan in + fan out)): the authors' program for linear layers."""
    return math.sqrt(1 / (fan_in + fan_out))


@initialization("he")
def he(fan_in: int, fan_out: int) -> float:
    """N(0, 2 / fan in), which keeps the size of what ReLUs pass on (He et al., 2015)."""
    return math.sqrt(2 / fan_in)


@initialization("glorot")
def glorot(fan_in: int, fan_out: int) -> float:
    """N(0, 2 / (fan in + fan out)), between the sizes of signals and of gradients (Glorot and Bengio, 2010)."""
    return math.sqrt(2 / (fan_in + fan_out))
