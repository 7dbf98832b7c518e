"""The derivative of C2 after K elementary updates in forward mode, for few hyperparameters.

    Z_{k+1} = (d theta_{k+1} / d theta_k) Z_k + d theta_{k+1} / d lambda,    g_lambda = (grad C2(theta_K) Z_K) / eta

(Franceschi et al., 2017): the same number as `unrolled`, with memory that does not grow with K but with the number of
hyperparameters, as does the time.
"""

import dataclasses
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.inner import Batches, StepSize, check_batches, check_optimizer, inner, per_unit, update
from t1t2_pt.hypergradients.method import Arrays, Expense, Memory, Method, Step
from t1t2_pt.hypergradients.problem import Problem, at_least, share, step_sizes_of
from t1t2_pt.hypergradients.trajectories import forwards
from t1t2_pt.system.errors import InputError

MOST = 1000  # hyperparameters, each of which is carried along as a copy of all parameters


@dataclasses.dataclass(frozen=True)
class Forward(Method):
    """The derivative through K elementary updates, in forward mode.

    Parameters
    ----------
    steps
        K, how many updates.
    optimizer
        Rule of the updates, one of `t1t2_pt.optimizers.OPTIMIZERS`; in training the run's.
    step_size
        eta, a number or a scalar, or one for each of params in a list; in training the run's. They may be computed from
        hyperparameters, and from what `batches` gives, as in rates[number]; the results are then whole derivatives.
    momentum
        Coefficient of the rules that have one; in training the run's.
    batches
        As of `unrolled`.
    fresh
        As of `unrolled`.
    """

    name: ClassVar[str] = "forward"
    chosen: ClassVar[tuple[str, ...]] = ("steps", "fresh")

    steps: int = 10
    optimizer: str = "sgd"
    step_size: StepSize = 0.1
    momentum: float = 0.9
    batches: Batches | None = None
    fresh: bool = True

    def __post_init__(self) -> None:
        at_least("steps", self.steps, 1, whole=True)
        check_optimizer(self.optimizer)
        step_sizes_of(self.step_size)
        share("momentum", self.momentum)

    @property
    def beside(self) -> list[TensorVariable]:
        """Step sizes that are graphs."""
        return step_sizes_of(self.step_size)

    def __call__(self, problem: Problem) -> list[TensorVariable]:
        """The hypergradients of a problem."""
        check_batches(self.batches or {}, problem, self.steps)
        how = inner(problem, self.optimizer, self.step_size, self.momentum, self.batches)
        return per_unit(forwards(update(problem, how), self.steps, None), how.rate)

    def expense(self, params: int, hyperparams: int) -> Expense:
        """For each hyperparameter and update an R-op of the gradient, which is two L-ops of it."""
        return Expense(self.steps * (1 + 4.0 * hyperparams) + 1, float(hyperparams))

    def initial_memory(self, params: Arrays, hyperparams: Arrays) -> dict[str, npt.NDArray[np.float32]]:
        """Nothing; but tells where there are too many hyperparameters."""
        count = sum(value.size for value in hyperparams)
        if count > MOST:
            problem = f"carries a copy of all parameters for each of {count} hyperparameters; at most {MOST} will do"
            raise InputError("method", "forward", problem, "give unrolled")
        return {}

    def in_step(self, problem: Problem, step: Step) -> tuple[list[TensorVariable], Memory]:
        """Through the run's next updates."""
        if step.inner is None:
            return self(problem), {}
        how = step.updates(self.steps, self.fresh)
        return per_unit(forwards(update(problem, how), self.steps, step.max_norm), how.rate), {}


METHOD = Forward
