"""Optimisers as pure functions: (parameter, gradient, memory, rate, count, momentum) -> (parameter, memory).

All take the same, so that a caller need not know which of them uses what:

    parameter, gradient     tensors of one shape and dtype
    memory                  tensors of that shape by the names that the optimiser declares; all start at zero
    rate                    the step size, a scalar of that dtype
    count                   the number of this update, from 1, a scalar of that dtype
    momentum                the momentum coefficient, in [0, 1): a symbolic scalar of that dtype where it is
                            scheduled, or a number; None is 0.9

and return the updated parameter and the new memory, with the names of the old. A function under `optimizer` is in
`OPTIMIZERS` by its own name, and that is all that it takes to add one.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable as Tensor

Memory = dict[str, Tensor]
Update = tuple[Tensor, Memory]

MOMENTUM = 0.9
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
DECAY = 0.9  # of RMSprop's mean square


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """A rule of updates, with what it declares; called as its function is.

    Parameters
    ----------
    rule
        The function.
    memory
        Names of the tensors that it keeps between updates.
    uses
        What it makes something of beside step size and count: `("momentum",)`, or nothing.
    """

    rule: Callable[..., Update]
    memory: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    def __call__(
        self,
        parameter: Tensor,
        gradient: Tensor,
        memory: Memory,
        rate: Tensor,
        count: Tensor,
        momentum: Tensor | float | None = None,
    ) -> Update:
        """The updated parameter and the new memory, see the module."""
        if not isinstance(momentum, Variable):
            momentum = pt.constant(_like(MOMENTUM if momentum is None else momentum, parameter))
        return self.rule(parameter, gradient, memory, rate, count, momentum)


OPTIMIZERS: dict[str, Optimizer] = {}
MEMORY: dict[str, tuple[str, ...]] = {}  # of each of them, as version 0.1 told it


def optimizer(memory: tuple[str, ...] = (), uses: tuple[str, ...] = ()) -> Callable[[Callable[..., Update]], Optimizer]:
    """Make a rule an `Optimizer` with this memory, found in `OPTIMIZERS` by the function's name."""

    def register(rule: Callable[..., Update]) -> Optimizer:
        OPTIMIZERS[rule.__name__] = Optimizer(rule, memory, uses)
        MEMORY[rule.__name__] = memory
        return OPTIMIZERS[rule.__name__]

    return register


@optimizer()
def sgd(parameter: Tensor, gradient: Tensor, memory: Memory, rate: Tensor, count: Tensor, momentum: Tensor) -> Update:
    """p - rate * g."""
    return parameter - rate * gradient, {}


@optimizer()
def sign(parameter: Tensor, gradient: Tensor, memory: Memory, rate: Tensor, count: Tensor, momentum: Tensor) -> Update:
    """p - rate * sign(g), of one size whatever the gradient's (the authors' program, for hyperparameters)."""
    return parameter - rate * pt.sign(gradient), {}


@optimizer(memory=("velocity",), uses=("momentum",))
def momentum(
    parameter: Tensor, gradient: Tensor, memory: Memory, rate: Tensor, count: Tensor, momentum: Tensor
) -> Update:
    """Polyak's heavy ball: v <- momentum * v + g, p <- p - rate * v."""
    velocity = momentum * memory["velocity"] + gradient
    return parameter - rate * velocity, {"velocity": velocity}


@optimizer(memory=("velocity",), uses=("momentum",))
def nesterov(
    parameter: Tensor, gradient: Tensor, memory: Memory, rate: Tensor, count: Tensor, momentum: Tensor
) -> Update:
    """Nesterov's momentum: v <- momentum * v + g, p <- p - rate * (g + momentum * v).

    The parameter is the point at which the gradient is taken, ahead of the one in Sutskever et al., 2013, by the
    momentum; with a constant coefficient and step size the two are the same.
    """
    velocity = momentum * memory["velocity"] + gradient
    return parameter - rate * (gradient + momentum * velocity), {"velocity": velocity}


@optimizer(memory=("mean_square",))
def rmsprop(
    parameter: Tensor, gradient: Tensor, memory: Memory, rate: Tensor, count: Tensor, momentum: Tensor
) -> Update:
    """RMSprop (Tieleman and Hinton, 2012): s <- 0.9 s + 0.1 g^2, p <- p - rate * g / (sqrt(s) + 1e-8)."""
    one, decay, epsilon = (_like(value, parameter) for value in (1, DECAY, EPSILON))
    mean_square = decay * memory["mean_square"] + (one - decay) * gradient * gradient
    return parameter - rate * gradient / (pt.sqrt(mean_square) + epsilon), {"mean_square": mean_square}


@optimizer(memory=("first_moment", "second_moment"))
def adam(parameter: Tensor, gradient: Tensor, memory: Memory, rate: Tensor, count: Tensor, momentum: Tensor) -> Update:
    """Adam with bias correction (Kingma and Ba, 2015, Algorithm 1; its defaults).

    The corrections multiply the step size, and epsilon is added to the uncorrected root, as at the
    end of Section 2 of that paper.
    """
    difference, moments = _adam_step(gradient, memory, rate, count)
    return parameter - difference, moments


@optimizer(memory=("first_moment", "second_moment", "velocity"), uses=("momentum",))
def adam_momentum(
    parameter: Tensor, gradient: Tensor, memory: Memory, rate: Tensor, count: Tensor, momentum: Tensor
) -> Update:
    """Momentum on top of Adam's steps d, as in the authors' program: v <- momentum * v + d, p <- p - v."""
    difference, moments = _adam_step(gradient, memory, rate, count)
    velocity = momentum * memory["velocity"] + difference
    return parameter - velocity, {**moments, "velocity": velocity}


def _adam_step(gradient: Tensor, memory: Memory, rate: Tensor, count: Tensor) -> Update:
    """What Adam subtracts from a parameter, and its new moments."""
    one, beta1, beta2 = (_like(value, gradient) for value in (1, BETA1, BETA2))
    first = beta1 * memory["first_moment"] + (one - beta1) * gradient
    second = beta2 * memory["second_moment"] + (one - beta2) * gradient * gradient
    corrected = rate * pt.sqrt(one - beta2**count) / (one - beta1**count)
    difference = corrected * first / (pt.sqrt(second) + _like(EPSILON, gradient))
    return difference, {"first_moment": first, "second_moment": second}


def _like(value: float, tensor: Tensor) -> np.ndarray:
    return np.asarray(value, dtype=tensor.dtype)
