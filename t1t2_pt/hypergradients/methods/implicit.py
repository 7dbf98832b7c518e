"""Eq. 4: the hypergradient where training has converged, by the implicit function theorem.

    g_lambda = dC2/d lambda - (grad_theta C2)^T H^-1 (d grad_theta C1~ / d lambda),   H = the Hessian of C1~ by theta

(Larsen et al., 1998; Bengio, 2000; Foo et al., 2008). The methods differ in how they solve H x = grad C2; with H = I
it is T1-T2's Eq. 3.
"""

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.method import EQ3, Arrays, Expense, Memory, Method, Step
from t1t2_pt.hypergradients.methods.t1t2 import T1T2
from t1t2_pt.hypergradients.problem import Problem, at_least, one_of, positive
from t1t2_pt.hypergradients.products import hessian
from t1t2_pt.hypergradients.solvers import MOST_IN_STEP, conjugate_gradients, exact, neumann, nystrom
from t1t2_pt.hypergradients.vectors import Vector, plus, zeros
from t1t2_pt.ops.arguments import as_gradients
from t1t2_pt.system.errors import InputError

Solver = Literal["exact", "conjugate_gradients", "neumann", "nystrom", "identity"]
SOLVERS = ("exact", "conjugate_gradients", "neumann", "nystrom", "identity")
GOLDEN = (np.sqrt(5) - 1) / 2


@dataclasses.dataclass(frozen=True)
class Implicit(Method):
    """Eq. 4, as if the parameters were at a minimum of C1~; not per unit of any step size.

    Parameters
    ----------
    solver
        `exact`: the dense Hessian and a direct solution, for up to some thousands of params.
        `conjugate_gradients` (Pedregosa, 2016): for a Hessian that is positive definite, by `damping` if need be.
        `neumann` (Lorraine et al., 2020): so many terms of its series.
        `nystrom` (Hataya and Yamada, 2023): from some columns of the Hessian.
        `identity`: the Hessian taken for I, Eq. 3.
    iterations
        Of conjugate gradients and of the Neumann series; one product with the Hessian each.
    tolerance
        Conjugate gradients stop at a residual of this share of the validation gradient, as a norm.
    scale
        Of the Neumann series; must be below 2 / the largest eigenvalue of the Hessian.
    damping
        Added to the diagonal of the Hessian; Nystrom's must be above 0.
    rank
        How many columns Nystrom takes.
    seed
        Of the choice of these columns.
    warm
        In training, start each solution at that of the hyperparameter step before.
    """

    name: ClassVar[str] = "implicit"
    chosen: ClassVar[tuple[str, ...]] = (
        *("solver", "iterations", "tolerance", "scale", "damping", "rank", "seed", "warm"),
    )

    solver: Solver = "conjugate_gradients"
    iterations: int = 20
    tolerance: float = 1e-10
    scale: float = 0.1
    damping: float = 0.0
    rank: int = 10
    seed: int = 0
    warm: bool = True

    def __post_init__(self) -> None:
        one_of("solver", self.solver, SOLVERS)
        for option in ("iterations", "rank"):
            at_least(option, getattr(self, option), 1, whole=True)
        at_least("seed", self.seed, 0, whole=True)
        positive("scale", self.scale)
        for option in ("tolerance", "damping"):
            at_least(option, getattr(self, option), 0)
        if self.solver == "nystrom" and not self.damping > 0:
            raise ValueError(f"damping = {self.damping}: solver nystrom divides by it; give a number above 0")

    def __call__(self, problem: Problem) -> list[TensorVariable]:
        """The hypergradients of a problem."""
        return self._computed(problem, T1T2(), zeros(problem.params), self._offset(None))[0]

    def expense(self, params: int, hyperparams: int) -> Expense:
        """Eq. 3's, and a product with the Hessian for each iteration, or for each column of it."""
        dense = {"exact": params, "nystrom": self.rank, "identity": 0}
        products, copies = dense.get(self.solver, self.iterations), dense.get(self.solver, 3)
        return Expense(EQ3 + 2.0 * products, float(copies))

    def initial_memory(self, params: Arrays, hyperparams: Arrays) -> dict[str, npt.NDArray[np.float32]]:
        """The solution, where it is the start of the next one: 0."""
        unknowns = sum(value.size for value in params)
        if self.solver == "exact" and unknowns > MOST_IN_STEP:
            raise InputError(
                "method",
                f"implicit(solver={self.solver})",
                f"would make and solve a dense matrix of all {unknowns} parameters in each step, "
                f"and at most {MOST_IN_STEP} are sensible",
                "give implicit(solver=conjugate_gradients)",
            )
        if self.solver == "nystrom" and self.rank > unknowns:
            text = f"implicit(solver=nystrom, rank={self.rank})"
            raise InputError("method", text, f"the network has {unknowns} parameters", f"give at most rank={unknowns}")
        return {f"solution_{place}": np.zeros_like(value) for place, value in enumerate(params) if self._keeps}

    def in_step(self, problem: Problem, step: Step) -> tuple[list[TensorVariable], Memory]:
        """As outside a step, from where the last solution was."""
        eq3 = T1T2(step.train_gradients, step.next_params, step.max_norm)
        names = [f"solution_{place}" for place in range(len(problem.params))]
        start = [step.memory[name] for name in names] if self._keeps else zeros(problem.params)
        gradients, solution = self._computed(problem, eq3, start, self._offset(step.count))
        return gradients, dict(zip(names, solution, strict=True)) if self._keeps else {}

    @property
    def _keeps(self) -> bool:
        return self.warm and self.solver in ("conjugate_gradients", "neumann")

    def _computed(
        self, problem: Problem, eq3: T1T2, start: Vector, offset: TensorVariable
    ) -> tuple[list[TensorVariable], Vector]:
        solution = self._solved(problem, eq3, start, offset)
        found = eq3.pulled_back(problem, solution)
        if problem.direct():
            of_c2 = pt.grad(problem.val_cost, list(problem.hyperparams), disconnected_inputs="ignore")
            found = plus(found, as_gradients(of_c2))
        return found, solution

    def _solved(self, problem: Problem, eq3: T1T2, start: Vector, offset: TensorVariable) -> Vector:
        b = eq3.validation_gradients(problem)
        if self.solver == "identity":
            return b
        damping = 0.0 if self.solver == "nystrom" else self.damping
        product = hessian(eq3.gradients(problem), list(problem.params), damping)
        if self.solver == "exact":
            return exact(product, b)
        if self.solver == "neumann":
            return neumann(product, b, start, self.iterations, self.scale)
        if self.solver == "nystrom":
            return nystrom(product, b, self.rank, self.damping, offset)
        return conjugate_gradients(product, b, start, self.iterations, self.tolerance)

    def _offset(self, count: TensorVariable | None) -> TensorVariable:
        """Which column of each part Nystrom takes: others in each step."""
        first = np.random.default_rng(self.seed).random(self.rank)
        if count is None:
            return pt.constant(first)
        moved = pt.constant(first) + pt.cast(count, "float64") * np.float64(GOLDEN)
        return moved - pt.floor(moved)


METHOD = Implicit
