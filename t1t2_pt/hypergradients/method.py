"""What a hypergradient method is: an object that holds its options, and may keep state between steps.

To add one, put a frozen dataclass that extends `Method` into a file of its own in `methods/`, and name it there
as `METHOD`; its fields are its options, its docstring says what they are.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.inner import Batches, Inner
from t1t2_pt.hypergradients.problem import Problem

Memory = dict[str, TensorVariable]
Arrays = Sequence[npt.NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class Step:
    """What a training step has at hand beside the problem.

    Parameters
    ----------
    train_gradients
        The gradients of C1~ with respect to the parameters.
    next_params
        The parameters after the update where C2's gradient is to be taken there; None: before it.
    max_norm
        Largest Euclidean norm of C2's gradient of each parameter, or None.
    count
        Number of this hyperparameter update, from 1: a float scalar.
    memory
        What the method kept, by the names of its `initial_memory`.
    inner
        How the run updates its elementary parameters, on the batch at hand; None where nobody says.
    batches
        For so many updates to come, what the training cost is computed from in each, as `Inner.batches`.
    outputs
        What of the model the training cost is a convex function of, such as logits.
    """

    train_gradients: Sequence[TensorVariable]
    next_params: Sequence[TensorVariable] | None
    max_norm: float | None
    count: TensorVariable
    memory: Mapping[str, TensorVariable]
    inner: Inner | None = None
    batches: Callable[[int], Batches] | None = None
    outputs: TensorVariable | None = None

    def updates(self, steps: int, fresh: bool) -> Inner:
        """The run's next updates, on batches of their own or on the one at hand."""
        assert self.inner is not None, "is asked for where it is known"
        if not fresh or self.batches is None:
            return self.inner
        return dataclasses.replace(self.inner, batches=self.batches(steps))


@dataclasses.dataclass(frozen=True)
class Expense:
    """What a hypergradient costs.

    Parameters
    ----------
    backpropagations
        Gradients of a cost by the parameters, with that of C1~, which a training step takes anyway; a product with
        the Hessian or with any second derivative is two.
    copies
        How often the parameters are in memory beyond what a gradient takes.
    """

    backpropagations: float
    copies: float


EQ3 = 4.0  # backpropagations: two gradients, and a product with a second derivative


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to compute hypergradients; a frozen dataclass whose fields are its options."""

    name: ClassVar[str]
    chosen: ClassVar[tuple[str, ...]] = ()  # options that a run may choose; the step gives the others

    @property
    def beside(self) -> Sequence[TensorVariable]:
        """What its updates depend on beside the training cost, in which hyperparameters may be."""
        return ()

    def __call__(self, problem: Problem) -> list[TensorVariable]:
        """The hypergradient of each hyperparameter, in its shape, per unit of the elementary step size."""
        raise NotImplementedError

    def initial_memory(self, params: Arrays, hyperparams: Arrays) -> dict[str, npt.NDArray[np.float32]]:
        """What is kept between hyperparameter steps, before the first, by name; nothing unless said.

        Parameters
        ----------
        params, hyperparams
            Initial values of what the problem will have, in its order.
        """
        return {}

    def expense(self, params: int, hyperparams: int) -> Expense:
        """What it costs with so many numbers in all parameters, and in all hyperparameters; Eq. 3's unless said."""
        return Expense(EQ3, 0)

    def in_step(self, problem: Problem, step: Step) -> tuple[list[TensorVariable], Memory]:
        """The hypergradients in a training step, and what is kept for the next."""
        return self(problem), {}
