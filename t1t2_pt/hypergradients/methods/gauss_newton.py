"""The derivative of a Gauss-Newton update (Chen and Hagan, 1999), the method that T1-T2 came from.

    theta' = theta - G^-1 grad C1~,    g_lambda = dC2/d lambda - (G^-1 grad C2(theta'))^T d(grad C1~ - G s) / d lambda

with G the Gauss-Newton matrix J' H J + the Hessian of the penalties, and s = G^-1 grad C1~ held constant in the
derivative. Two systems are solved, where T1-T2 solves none.
"""

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.method import EQ3, Arrays, Expense, Memory, Method, Step
from t1t2_pt.hypergradients.methods.t1t2 import T1T2
from t1t2_pt.hypergradients.problem import Problem, at_least, one_of
from t1t2_pt.hypergradients.products import Product, gauss_newton, pulled
from t1t2_pt.hypergradients.solvers import MOST_IN_STEP, conjugate_gradients, exact
from t1t2_pt.hypergradients.vectors import Vector, plus, times, zeros
from t1t2_pt.ops.arguments import as_gradients
from t1t2_pt.system.errors import InputError


@dataclasses.dataclass(frozen=True)
class GaussNewton(Method):
    """The derivative of C2 after one Gauss-Newton update; not per unit of any step size.

    Parameters
    ----------
    outputs
        What of the model C1~ is a convex function of, such as predictions, residuals or logits, a tensor in the graph
        of `train_cost`; in training the logits.
    solver
        `conjugate_gradients`, or `exact` for up to some thousands of params.
    iterations
        Of conjugate gradients.
    tolerance
        They stop at a residual of this share, as a norm.
    damping
        Added to the diagonal of the matrix (Levenberg and Marquardt).
    at
        Where the gradient of C2 is taken: after the Gauss-Newton update (`next`) or before it (`current`).
    """

    name: ClassVar[str] = "gauss-newton"
    chosen: ClassVar[tuple[str, ...]] = ("solver", "iterations", "tolerance", "damping", "at")

    outputs: TensorVariable | None = None
    solver: Literal["conjugate_gradients", "exact"] = "conjugate_gradients"
    iterations: int = 20
    tolerance: float = 1e-10
    damping: float = 0.0
    at: Literal["next", "current"] = "next"

    def __post_init__(self) -> None:
        one_of("solver", self.solver, ("conjugate_gradients", "exact"))
        one_of("at", self.at, ("next", "current"))
        at_least("iterations", self.iterations, 1, whole=True)
        for option in ("tolerance", "damping"):
            at_least(option, getattr(self, option), 0)

    def __call__(self, problem: Problem) -> list[TensorVariable]:
        """The hypergradients of a problem."""
        return self._computed(problem, T1T2())

    def expense(self, params: int, hyperparams: int) -> Expense:
        """Two gradients, a product and the L-op; two solutions: for each iteration or column an R-op and an L-op."""
        products = params if self.solver == "exact" else self.iterations
        return Expense(EQ3 + 2.0 + 6.0 * products, float(params if self.solver == "exact" else 3))

    def initial_memory(self, params: Arrays, hyperparams: Arrays) -> dict[str, npt.NDArray[np.float32]]:
        """Nothing; but tells where a dense matrix would be too large."""
        unknowns = sum(value.size for value in params)
        if self.solver == "exact" and unknowns > MOST_IN_STEP:
            raise InputError(
                "method",
                "gauss-newton(solver=exact)",
                f"would make and solve a dense matrix of all {unknowns} parameters in each step, "
                f"and at most {MOST_IN_STEP} are sensible",
                "give gauss-newton(solver=conjugate_gradients)",
            )
        return {}

    def in_step(self, problem: Problem, step: Step) -> tuple[list[TensorVariable], Memory]:
        """As outside a step, whatever update the run makes, with the logits as outputs."""
        own = dataclasses.replace(self, outputs=step.outputs if self.outputs is None else self.outputs)
        return own._computed(problem, T1T2(step.train_gradients, None, step.max_norm)), {}

    def _computed(self, problem: Problem, eq3: T1T2) -> list[TensorVariable]:
        if self.outputs is None:
            raise ValueError(
                "outputs = None: gauss-newton needs what train_cost is a convex function of; give the predictions, "
                "residuals or logits in its graph"
            )
        params, hyperparams = list(problem.params), list(problem.hyperparams)
        product = gauss_newton(problem, self.outputs, self.damping)
        gradients = eq3.gradients(problem)
        step = [disconnected_grad(s) for s in self._solved(product, gradients)]
        moved = plus(params, step, -1.0)
        eq3 = dataclasses.replace(eq3, next_params=moved if self.at == "next" else None)
        by_c2 = [disconnected_grad(x) for x in self._solved(product, eq3.validation_gradients(problem))]
        residual = plus(gradients, product(step), -1.0)
        found = times(-1.0, pulled(residual, hyperparams, by_c2))
        if problem.direct():
            of_c2 = as_gradients(pt.grad(problem.val_cost, hyperparams, disconnected_inputs="ignore"))
            found = plus(found, eq3.moved(problem, of_c2))
        return found

    def _solved(self, product: Product, b: Vector) -> Vector:
        if self.solver == "exact":
            return exact(product, b)
        return conjugate_gradients(product, b, zeros(b), self.iterations, self.tolerance)


METHOD = GaussNewton
