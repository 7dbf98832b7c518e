"""Products with the Hessian and its like, as pullbacks of the graph of the gradient."""

from collections.abc import Callable, Sequence
from typing import cast

import pytensor.tensor as pt
from pytensor.gradient import pullback
from pytensor.tensor.basic import tensor_copy
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.connections import influences
from t1t2_pt.hypergradients.loops import replaced
from t1t2_pt.hypergradients.problem import Problem
from t1t2_pt.hypergradients.vectors import Vector, plus, zeros
from t1t2_pt.ops.arguments import as_gradients

Product = Callable[[Sequence[TensorVariable]], Vector]


def pulled(
    outputs: Sequence[TensorVariable], inputs: Sequence[TensorVariable], cotangents: Sequence[TensorVariable]
) -> Vector:
    """The L-op: cotangents pulled back to the inputs; 0 where there is no way.

    PyTensor's `pullback` loses what goes through one output to another. It is given copies, of which that is not so.
    """
    outputs = apart(outputs)
    cotangents = [pt.cast(c, o.dtype) for c, o in zip(cotangents, outputs, strict=True)]
    return as_gradients(pullback(list(outputs), list(inputs), cotangents, disconnected_inputs="ignore"))


def apart(outputs: Sequence[TensorVariable]) -> Vector:
    """The outputs, as copies where one of them is computed from another, or there twice."""
    before = influences([x for output in outputs if output.owner is not None for x in output.owner.inputs])
    if before.isdisjoint(outputs) and len(set(outputs)) == len(outputs):
        return list(outputs)
    return [cast(TensorVariable, tensor_copy(output)) for output in outputs]


def pushed(
    outputs: Sequence[TensorVariable], inputs: Sequence[TensorVariable], tangents: Sequence[TensorVariable]
) -> Vector:
    """The R-op, as the pullback of a pullback (Townsend, 2017): all that our Ops need is a pullback."""
    cotangents = [pt.zeros_like(output) for output in outputs]
    return pulled(pulled(outputs, inputs, cotangents), cotangents, tangents)


def hessian(gradients: Sequence[TensorVariable], params: Sequence[TensorVariable], damping: float = 0.0) -> Product:
    """The product of a vector with the Hessian, whose gradient this is, plus `damping` times the identity."""

    def product(vector: Sequence[TensorVariable]) -> Vector:
        found = pulled(gradients, params, vector)
        return plus(found, vector, damping) if damping else found

    return product


def gauss_newton(problem: Problem, outputs: TensorVariable, damping: float = 0.0) -> Product:
    """The product with J' H J + the Hessian of what of C1~ is beside `outputs`.

    J is the Jacobian of `outputs` by the parameters, H the Hessian of C1~ by `outputs`: what the Hessian of C1~ is
    without the curvature of the model (Schraudolph, 2002).

    Raises
    ------
    ValueError
        If C1~ is not computed from `outputs`, or these not from the parameters.
    """
    params = list(problem.params)
    if outputs not in influences([problem.train_cost]) or influences([outputs]).isdisjoint(params):
        raise ValueError(
            f"outputs = {outputs}: train_cost is not computed from params through it; give the predictions or "
            "residuals in the graph of train_cost"
        )
    held = outputs.type("outputs")
    (cost,) = replaced([problem.train_cost], {outputs: held})
    (by_outputs,) = as_gradients(_by(cost, [held]))
    beside = as_gradients(_by(cost, params))

    def product(vector: Sequence[TensorVariable]) -> Vector:
        (tangent,) = pushed([outputs], params, vector)
        symbol = held.type("tangent")
        curved = pulled([by_outputs], [held], [symbol])
        (cotangent,) = replaced(curved, {held: outputs, symbol: tangent})
        found = pulled([outputs], params, [cotangent])
        if any(held_back in influences([cost]) for held_back in params):
            penalty = replaced(pulled(beside, params, vector), {held: outputs})
            found = plus(found, penalty)
        return plus(found, vector, damping) if damping else found

    return product


def _by(cost: TensorVariable, variables: Sequence[TensorVariable]) -> Vector:
    found = pt.grad(cost, list(variables), disconnected_inputs="ignore")
    return [x if x is not None else zero for x, zero in zip(as_gradients(found), zeros(variables), strict=True)]
