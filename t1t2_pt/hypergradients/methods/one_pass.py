"""Eq. 3 with the optimiser's own preconditioner: the derivative of the update that is made, not of its gradient.

    g_lambda = sum_{j <= terms} (grad C2)^T (d theta' / d theta)^j (d theta' / d lambda) / eta,    theta' = theta - u

with u the optimiser's update (Clarke et al., 2022): Adam, say, divides the derivative by the root of its second moment
as it divides the gradient, which T1-T2 leaves out. The sum is what the implicit function theorem gives at a fixed
point of the updates, cut off; without further terms, and with plain gradient descent, it is Eq. 3.
"""

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.inner import (
    Inner,
    StepSize,
    Update,
    check_optimizer,
    inner,
    per_unit,
    update,
    validation_gradients,
)
from t1t2_pt.hypergradients.loops import looped, replaced
from t1t2_pt.hypergradients.method import EQ3, Expense, Memory, Method, Step
from t1t2_pt.hypergradients.problem import Problem, at_least, one_of, share, step_sizes_of
from t1t2_pt.hypergradients.products import pulled
from t1t2_pt.hypergradients.vectors import plus


@dataclasses.dataclass(frozen=True)
class OnePass(Method):
    """The derivative of the optimiser's own update.

    Parameters
    ----------
    terms
        How many terms of the series beyond the first: how many updates it looks back, as if theta had been here then.
    optimizer
        Rule of the update, one of `t1t2_pt.optimizers.OPTIMIZERS`, with an empty memory; in training the run's, with
        what it has.
    step_size
        eta, a number or a scalar, or one for each of params in a list; in training the run's. They may be computed from
        hyperparameters; the results are then whole derivatives: a step size that is tuned itself is hypergradient
        descent (Almeida et al., 1998; Baydin et al., 2018).
    momentum
        Coefficient of the rules that have one; in training the run's.
    at
        Where the gradient of C2 is taken: before the update (`current`) or after it (`next`); in training as the run
        says.
    """

    name: ClassVar[str] = "one-pass"
    chosen: ClassVar[tuple[str, ...]] = ("terms",)

    terms: int = 0
    optimizer: str = "adam"
    step_size: StepSize = 0.001
    momentum: float = 0.9
    at: Literal["current", "next"] = "current"

    def __post_init__(self) -> None:
        at_least("terms", self.terms, 0, whole=True)
        check_optimizer(self.optimizer)
        step_sizes_of(self.step_size)
        share("momentum", self.momentum)
        one_of("at", self.at, ("current", "next"))

    @property
    def beside(self) -> list[TensorVariable]:
        """Step sizes that are graphs."""
        return step_sizes_of(self.step_size)

    def __call__(self, problem: Problem) -> list[TensorVariable]:
        """The hypergradients of a problem."""
        how = inner(problem, self.optimizer, self.step_size, self.momentum)
        return self._pulled(update(problem, how), how, self.at == "next", None)

    def in_step(self, problem: Problem, step: Step) -> tuple[list[TensorVariable], Memory]:
        """By the update that the run makes."""
        if step.inner is None:
            return self(problem), {}
        at_next = step.next_params is not None
        return self._pulled(update(problem, step.inner), step.inner, at_next, step.max_norm), {}

    def expense(self, params: int, hyperparams: int) -> Expense:
        """Eq. 3's, and a product with the update's derivative for each further term."""
        return Expense(EQ3 + 2.0 * self.terms, 2.0 if self.terms else 0.0)

    def _pulled(self, one: Update, how: Inner, at_next: bool, max_norm: float | None) -> list[TensorVariable]:
        here: dict[Variable, Variable] = {**dict(zip(one.before, one.initial, strict=True)), **one.fixed}
        here[one.number] = pt.constant(np.int64(0))
        params = len(one.params)
        after = one.after[:params]
        now = replaced(after, here)
        seeds, direct = validation_gradients(one, now if at_next else one.initial[:params], max_norm)
        adjoints = [tensor.type() for tensor in one.params]
        total = seeds
        if self.terms:
            power, so_far = adjoints, [tensor.type() for tensor in one.params]
            raised = pulled(after, one.params, power)
            found = looped(
                [*raised, *plus(so_far, raised)], [*power, *so_far], [*seeds, *seeds], self.terms, fixed=here
            )
            total = [trace[-1] for trace in found[params:]]
        by_hyperparams = pulled(after, one.hyperparams, adjoints)
        held: dict[Variable, Variable] = dict(zip(adjoints, [disconnected_grad(x) for x in total], strict=True))
        found = replaced(by_hyperparams, {**here, **held})
        return per_unit(plus(found, direct), how.rate)


METHOD = OnePass
