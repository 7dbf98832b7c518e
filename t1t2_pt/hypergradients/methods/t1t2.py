"""T1-T2: one elementary update is seen to depend on the hyperparameters (Eq. 3).

    g_lambda = -(grad_theta C2)^T (d grad_theta C1~ / d lambda)

is one L-op (pullback) through the graph of the training gradient, never a Jacobian.
"""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import pytensor.tensor as pt
from pytensor.gradient import NullTypeGradError, disconnected_grad, pullback
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.connections import influences
from t1t2_pt.hypergradients.limits import rescale
from t1t2_pt.hypergradients.method import Memory, Method, Step
from t1t2_pt.hypergradients.problem import Problem, name_of, positive, step_size_of, tensors_like
from t1t2_pt.hypergradients.products import apart
from t1t2_pt.ops.arguments import as_gradients, tensors


@dataclasses.dataclass(frozen=True)
class T1T2(Method):
    """Eq. 3 by the L-op: only the last elementary update is seen to depend on lambda.

    Parameters
    ----------
    train_gradients
        The gradients of `train_cost` with respect to `params`, where the caller has them already.
    next_params
        theta_{t+1}, one tensor per parameter: take the validation gradient there, as Eq. 3 is
        written, and not at theta_t, where it shares the forward pass with the step.
    max_norm
        Rescale each parameter's validation gradient to at most this Euclidean norm.
    step_size
        eta, the step size of the elementary parameters, a number or a scalar. Needed where `val_cost`
        itself depends on a hyperparameter: its derivative, divided by eta, then joins the result, which
        is the whole derivative of C2 after the update, per unit of eta.
    """

    name: ClassVar[str] = "t1t2"

    train_gradients: Sequence[TensorVariable] | None = None
    next_params: Sequence[TensorVariable] | None = None
    max_norm: float | None = None
    step_size: float | TensorVariable | None = None

    def __post_init__(self) -> None:
        if self.max_norm is not None:
            positive("max_norm", self.max_norm)
        if self.step_size is not None:
            step_size_of(self.step_size)

    def __call__(self, problem: Problem) -> list[TensorVariable]:
        """The hypergradients of a problem."""
        direct = problem.direct()
        if direct and self.step_size is None:
            raise ValueError(
                f"hyperparams: {direct[0]} influences val_cost, too, and Eq. 3 leaves that derivative out; "
                "give step_size to have it added, or build val_cost without it"
            )
        gradients = self.pulled_back(problem, self.validation_gradients(problem))
        if direct:
            found = pt.grad(problem.val_cost, list(problem.hyperparams), disconnected_inputs="ignore")
            of_hyperparams = self.moved(problem, as_gradients(found))
            gradients = [
                g + pt.cast(d / self.step_size, g.dtype) for g, d in zip(gradients, of_hyperparams, strict=True)
            ]
        return gradients

    def in_step(self, problem: Problem, step: Step) -> tuple[list[TensorVariable], Memory]:
        """As outside a step, with what the step has already."""
        informed = dataclasses.replace(
            self, train_gradients=step.train_gradients, next_params=step.next_params, max_norm=step.max_norm
        )
        return informed(problem), {}

    def validation_gradients(self, problem: Problem) -> list[TensorVariable]:
        """The gradient of C2 with respect to each parameter, where it is to be taken, limited."""
        found = pt.grad(problem.val_cost, list(problem.params), disconnected_inputs="ignore")
        gradients = self.moved(problem, as_gradients(found))
        return gradients if self.max_norm is None else [rescale(g, self.max_norm) for g in gradients]

    def pulled_back(self, problem: Problem, val_gradients: Sequence[TensorVariable]) -> list[TensorVariable]:
        """Minus the L-op of these through the gradient of C1~."""
        cotangents = [-disconnected_grad(g) for g in val_gradients]
        return _pulled_back(self.gradients(problem), list(problem.hyperparams), cotangents)

    def moved(self, problem: Problem, found: list[TensorVariable]) -> list[TensorVariable]:
        if self.next_params is None:
            return found
        params = list(problem.params)
        moved: dict[Variable, Variable] = dict(
            zip(params, tensors_like("next_params", self.next_params, params), strict=True)
        )
        return list(tensors(clone_replace(found, replace=moved)))

    def gradients(self, problem: Problem) -> list[TensorVariable]:
        """The gradients of C1~, those given or new ones."""
        if self.train_gradients is None:
            return as_gradients(pt.grad(problem.train_cost, list(problem.params)))
        given = tensors_like("train_gradients", self.train_gradients, problem.params)
        used = influences(given)
        if used.issuperset(problem.hyperparams):
            return given
        own = influences(as_gradients(pt.grad(problem.train_cost, list(problem.params))))
        for position, variable in enumerate(problem.hyperparams):
            if variable in own and variable not in used:
                raise ValueError(
                    f"train_gradients: do not depend on {name_of(variable, position, 'hyperparams')}, as the gradients "
                    "of train_cost do; give pt.grad(train_cost, params) of this very cost, or leave them out"
                )
        return given


# What PyTensor says of an Op without a second derivative; TypeError of one that is made of a graph, as pytensor-ml's
# convolution, where it does not depend on what its derivative is taken by.
UNDERIVABLE = (NullTypeGradError, NotImplementedError, TypeError)


def _pulled_back(
    outputs: Sequence[TensorVariable], hyperparams: Sequence[TensorVariable], cotangents: Sequence[TensorVariable]
) -> list[TensorVariable]:
    """The L-op, and which hyperparameter is to blame where PyTensor has no derivative."""
    outputs = apart(outputs)
    try:
        return as_gradients(pullback(outputs, hyperparams, cotangents, disconnected_inputs="ignore"))
    except UNDERIVABLE:
        for position, variable in enumerate(hyperparams):
            try:
                pullback(outputs, [variable], cotangents, disconnected_inputs="ignore")
            except UNDERIVABLE as error:
                reason = " ".join(str(error).split())
                remedy = "compute the cost by other operations"
                if "untraced variable" in reason:  # a generator among the states of a scan
                    reason = "a scan draws random numbers"
                    remedy = "draw them before the scan, and give them as one of its sequences"
                name = name_of(variable, position, "hyperparams")
                raise ValueError(
                    f"hyperparams: {name}: the training gradient has no derivative by it ({reason[:200]}); {remedy}"
                ) from None
        raise


METHOD = T1T2
