"""Hypergradients: how a change of the regularisation changes the validation cost.

One function per method, all with one signature, looked up by `hypergradient(..., method=...)`. They
work on any PyTensor graph: the two costs may come from a model that this package knows nothing of.

With C1~ the regularised training cost, C2 the validation cost, theta the elementary parameters and
lambda the hyperparameters, the paper's Eq. 3 is

    g_lambda = -(grad_theta C2)^T (d grad_theta C1~ / d lambda)

which is one L-op (pullback) through the graph of the training gradient, never a Jacobian. When the
graph is compiled, `t1t2_pt.rewrites` orders its matrix products so that grad_theta C2 is not formed.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad, pullback
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

import t1t2_pt.rewrites  # noqa: F401  registers the re-association of products, from which the L-op gains most


def hypergradient(
    train_cost: TensorVariable,
    val_cost: TensorVariable,
    params: Sequence[TensorVariable],
    hyperparams: Sequence[TensorVariable],
    *,
    method: str = "t1t2",
    **options,
) -> list[TensorVariable]:
    """Gradient of the validation cost with respect to the hyperparameters.

    Parameters
    ----------
    train_cost
        Scalar C1~: the training cost with its noise and penalties, a function of `params` and
        `hyperparams`.
    val_cost
        Scalar C2: the validation cost, usually of the model without regularisation.
    params
        Elementary parameters, any shapes, floating point.
    hyperparams
        Continuous hyperparameters, any shapes, floating point.
    method
        Name of the method; `"t1t2"` is the paper's Eq. 3.
    **options
        Options of that method, see the function of the same name in `METHODS`.

    Returns
    -------
    For each hyperparameter a tensor of its shape, per unit of the elementary step size: for small
    eta2, `lambda - eta2 * g` lowers C2 after the next elementary step. Not clipped.

    Raises
    ------
    ValueError
        For an unknown method, a cost that is not a scalar, a variable that is not floating point,
        or a hyperparameter or parameter that does not influence `train_cost`; each named.
    """
    if method not in METHODS:
        raise ValueError(f"method = {method!r}: unknown; the methods are {', '.join(METHODS)}")
    params, hyperparams = list(params), list(hyperparams)
    _check(train_cost, val_cost, params, hyperparams)
    return METHODS[method](train_cost, val_cost, params, hyperparams, **options)


def t1t2(
    train_cost: TensorVariable,
    val_cost: TensorVariable,
    params: list[TensorVariable],
    hyperparams: list[TensorVariable],
    *,
    train_gradients: Sequence[TensorVariable] | None = None,
    next_params: Sequence[TensorVariable] | None = None,
    max_norm: float | None = None,
) -> list[TensorVariable]:
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
    """
    if train_gradients is None:
        train_gradients = pt.grad(train_cost, params)
    val_gradients = pt.grad(val_cost, params, disconnected_inputs="ignore")
    if next_params is not None:
        if len(next_params) != len(params):
            raise ValueError(f"next_params has {len(next_params)} tensors for {len(params)} params; give one for each")
        val_gradients = clone_replace(val_gradients, replace=dict(zip(params, next_params, strict=True)))
    if max_norm is not None:
        val_gradients = [rescale(g, max_norm) for g in val_gradients]
    cotangents = [-disconnected_grad(g) for g in val_gradients]
    return pullback(list(train_gradients), hyperparams, cotangents, disconnected_inputs="ignore")


METHODS: dict[str, Callable[..., list[TensorVariable]]] = {"t1t2": t1t2}


def rescale(gradient: TensorVariable, max_norm: float, square: TensorVariable | None = None) -> TensorVariable:
    """The gradient, shrunk to a Euclidean norm of at most `max_norm` where it is larger.

    `square` is the norm's square, where the caller has it already.
    """
    limit = np.asarray(max_norm, dtype=gradient.dtype)
    square = pt.sum(gradient * gradient) if square is None else square
    return gradient * pt.switch(square > limit * limit, limit / pt.sqrt(square), np.ones_like(limit))


def _name(variable: TensorVariable, position: int, role: str) -> str:
    return variable.name or f"{role}[{position}] (unnamed)"


def _check(train_cost, val_cost, params, hyperparams) -> None:
    for role, cost in (("train_cost", train_cost), ("val_cost", val_cost)):
        if not isinstance(cost, TensorVariable) or cost.type.ndim != 0:
            raise ValueError(f"{role} = {cost}: is not a scalar tensor; reduce it, for example with .mean()")
    if not params:
        raise ValueError("params = []: is empty; give the elementary parameters that training updates")
    influences = set(ancestors([train_cost]))
    for role, variables in (("params", params), ("hyperparams", hyperparams)):
        for position, variable in enumerate(variables):
            name = _name(variable, position, role)
            if not np.issubdtype(np.dtype(variable.dtype), np.floating):
                raise ValueError(f"{role}: {name} has dtype {variable.dtype}; gradients need a floating-point tensor")
            if variable not in influences:
                raise ValueError(
                    f"{role}: {name} does not influence train_cost; use it in the training cost or leave it out"
                )
    if not set(params) & set(ancestors([val_cost])):
        raise ValueError("val_cost: depends on none of params; build it from the same elementary parameters")
