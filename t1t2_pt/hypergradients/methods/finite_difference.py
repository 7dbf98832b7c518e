"""Eq. 3 by finite differences: the penalised training cost's derivatives by lambda, beside theta along grad C2.

    g_lambda ~ -(d C1~/d lambda (theta + h v) - d C1~/d lambda (theta - h v)) / (2 h),   v = grad_theta C2

needs two first-order passes and no second derivatives (the authors' program has it, as has DARTS, Liu et al., 2019).
"""

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.method import Expense, Memory, Method, Step
from t1t2_pt.hypergradients.methods.t1t2 import T1T2
from t1t2_pt.hypergradients.problem import Problem, one_of, positive
from t1t2_pt.ops.arguments import as_gradients, tensors

TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class FiniteDifference(Method):
    """The mixed derivative by a difference along the validation gradient.

    Parameters
    ----------
    step
        How far theta is moved, as a Euclidean norm over all parameters.
    points
        `central`: on both sides, an error of order step**2. `forward`: on one side and at theta, of order step.
    """

    name: ClassVar[str] = "finite-difference"
    chosen: ClassVar[tuple[str, ...]] = ("step", "points")

    step: float = 1e-2
    points: Literal["central", "forward"] = "central"

    def __post_init__(self) -> None:
        positive("step", self.step)
        one_of("points", self.points, ("central", "forward"))

    def __call__(self, problem: Problem) -> list[TensorVariable]:
        """The hypergradients of a problem."""
        problem.check_indirect(self.name)
        return self._differences(problem, T1T2())

    def in_step(self, problem: Problem, step: Step) -> tuple[list[TensorVariable], Memory]:
        """As outside a step, along the gradient of C2 where and as limited as the step says."""
        return self._differences(problem, T1T2(step.train_gradients, step.next_params, step.max_norm)), {}

    def expense(self, params: int, hyperparams: int) -> Expense:
        """Two gradients, and two derivatives by lambda, which are as dear."""
        return Expense(4, 2 if self.points == "central" else 1)

    def _differences(self, problem: Problem, eq3: T1T2) -> list[TensorVariable]:
        params, hyperparams = list(problem.params), list(problem.hyperparams)
        directions = [disconnected_grad(g) for g in eq3.validation_gradients(problem)]
        squares = [pt.sqr(direction).sum() for direction in directions]
        total = sum(squares[1:], squares[0])
        length = pt.cast(
            np.asarray(self.step, total.dtype) / (pt.sqrt(total) + np.asarray(TINY, total.dtype)), total.dtype
        )
        by_hyperparams = as_gradients(pt.grad(problem.train_cost, hyperparams))

        def displaced(sign: int) -> list[TensorVariable]:
            moved: dict[Variable, Variable] = {
                p: p + pt.cast(sign * length, p.dtype) * d for p, d in zip(params, directions, strict=True)
            }
            return list(tensors(clone_replace(by_hyperparams, replace=moved)))

        above = displaced(1)
        below = displaced(-1) if self.points == "central" else by_hyperparams
        width = (2 if self.points == "central" else 1) * length
        return [-(a - b) / pt.cast(width, a.dtype) for a, b in zip(above, below, strict=True)]


METHOD = FiniteDifference
