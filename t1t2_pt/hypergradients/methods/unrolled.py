"""Eqs. 5 to 7: the derivative of C2 after K elementary updates, all of which are seen to depend on lambda.

    g_lambda = (d C2(theta_K, lambda) / d lambda) / eta

by reverse mode through the updates of any optimiser (Domke, 2012; Maclaurin et al., 2015; Franceschi et al., 2017);
eta is their step size. With K = 1 and plain gradient descent it is Eq. 3 with the gradient of C2 after the update.
"""

import dataclasses
from typing import ClassVar, Literal

from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.inner import (
    Batches,
    Inner,
    StepSize,
    check_batches,
    check_optimizer,
    inner,
    per_unit,
    update,
)
from t1t2_pt.hypergradients.method import Expense, Memory, Method, Step
from t1t2_pt.hypergradients.problem import Problem, at_least, one_of, share, step_sizes_of
from t1t2_pt.hypergradients.reversible import reversed_exactly
from t1t2_pt.hypergradients.trajectories import checkpointed, last, stored

STORAGE = ("plain", "checkpoints", "reversible")


@dataclasses.dataclass(frozen=True)
class Unrolled(Method):
    """The derivative through K elementary updates, in reverse mode.

    In training these are the run's next updates, by its own optimiser from where it is, of which only the first is
    made; each interval of tuning so takes about 3 K times as long as an update.

    Parameters
    ----------
    steps
        K, how many updates.
    storage
        What is stored of the way: `plain`: every state; `checkpoints`: one in sqrt(K), from which the others are
        computed once more; `reversible`: next to nothing, as the way is gone back in exact whole numbers, which takes
        optimizer `momentum`, 64-bit numbers (jax_enable_x64 in JAX) and twice the time (Maclaurin et al., 2015).
    optimizer
        Rule of the updates, one of `t1t2_pt.optimizers.OPTIMIZERS`; in training the run's.
    step_size
        eta, a number or a scalar, or one for each of params in a list; in training the run's. They may be computed from
        hyperparameters, and from what `batches` gives, as in rates[number]; the results are then whole derivatives.
    momentum
        Coefficient of the rules that have one; in training the run's.
    batches
        For inputs of `train_cost`, such as a batch, a tensor with what they are in each update along its first axis;
        otherwise all updates see the same.
    fresh
        In training: every update has a T1 batch and noise of its own, drawn for it; false: all have those at hand.
    """

    name: ClassVar[str] = "unrolled"
    chosen: ClassVar[tuple[str, ...]] = ("steps", "storage", "fresh")

    steps: int = 10
    storage: Literal["plain", "checkpoints", "reversible"] = "plain"
    optimizer: str = "sgd"
    step_size: StepSize = 0.1
    momentum: float = 0.9
    batches: Batches | None = None
    fresh: bool = True

    def __post_init__(self) -> None:
        at_least("steps", self.steps, 1, whole=True)
        one_of("storage", self.storage, STORAGE)
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
        return self._through(problem, how, None)

    def trained(self, problem: Problem) -> list[TensorVariable]:
        """The parameters after the updates, which C2 is taken at."""
        check_batches(self.batches or {}, problem, self.steps)
        how = inner(problem, self.optimizer, self.step_size, self.momentum, self.batches)
        return last(update(problem, how), self.steps)

    def in_step(self, problem: Problem, step: Step) -> tuple[list[TensorVariable], Memory]:
        """Through the run's next updates."""
        if step.inner is None:
            return self(problem), {}
        return self._through(problem, step.updates(self.steps, self.fresh), step.max_norm), {}

    def expense(self, params: int, hyperparams: int) -> Expense:
        """There and back through K updates, and what of the way is stored."""
        kept = {"plain": self.steps, "checkpoints": 2 * self.steps**0.5, "reversible": 4}[self.storage]
        again = {"plain": 1, "checkpoints": 2, "reversible": 4}[self.storage]
        return Expense(self.steps * (again + 2) + 1, float(kept))

    def _through(self, problem: Problem, how: Inner, max_norm: float | None) -> list[TensorVariable]:
        if self.storage == "reversible":
            totals = reversed_exactly(problem, how, self.steps, max_norm).totals
        else:
            through = stored if self.storage == "plain" else checkpointed
            totals = through(update(problem, how), self.steps, max_norm)
        return per_unit(totals, how.rate)


METHOD = Unrolled
