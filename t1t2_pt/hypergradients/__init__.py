"""Hypergradients: how a change of the regularisation changes the validation cost.

One file per method in `methods`, each a small frozen object that holds its options, looked up by
`hypergradient(..., method=...)`. They work on any PyTensor graph: the two costs may come from a model
that this package knows nothing of.

With C1~ the regularised training cost, C2 the validation cost, theta the elementary parameters and
lambda the hyperparameters, the paper's Eq. 3 is

    g_lambda = -(grad_theta C2)^T (d grad_theta C1~ / d lambda)

When the graph is compiled, `t1t2_pt.rewrites` orders its matrix products so that grad_theta C2 is not
formed.

Imports `rewrites`, `optimizers`, `ops` and `system`.
"""

import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any

from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.limits import rescale
from t1t2_pt.hypergradients.method import Memory, Method, Step
from t1t2_pt.hypergradients.methods import METHODS, method_named, method_text
from t1t2_pt.hypergradients.methods.t1t2 import T1T2
from t1t2_pt.hypergradients.problem import Problem
from t1t2_pt.rewrites import EXACT, PRECISIONS, reassociated

__all__ = [
    "METHODS",
    "T1T2",
    "Method",
    "Problem",
    "Step",
    "hypergradient",
    "hypergradients_in_step",
    "method_named",
    "method_text",
    "rescale",
]


def hypergradient(
    train_cost: TensorVariable,
    val_cost: TensorVariable,
    params: Sequence[TensorVariable],
    hyperparams: Sequence[TensorVariable],
    *,
    method: str | Method = "t1t2",
    products: str = EXACT,
    **options: Any,
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
        Name of the method, or an object with its options; `"t1t2"` is the paper's Eq. 3.
    products
        In which precision matrix products may be computed in another order than the graph has, `"exact"`
        or `"fast"`; see `t1t2_pt.rewrites.reassociated`.
    **options
        Options of a method that is given by name; they are listed below.

    Returns
    -------
    For each hyperparameter a tensor of its shape, per unit of the elementary step size: for small
    eta2, `lambda - eta2 * g` lowers C2 after the next elementary step. Not clipped.

    Raises
    ------
    TypeError
        For params or hyperparams that are no list of variables, or an option of a wrong type or name.
    ValueError
        For an unknown method, a cost that is not a scalar, a variable that is not floating point, or is
        there twice; for a hyperparameter or parameter that does not influence `train_cost`, or only through
        what has no derivative (rounding, comparisons, argmax, random variables, disconnected_grad), or
        parameters cut off from `val_cost` so; for a hyperparameter that influences `val_cost` itself. Each
        in one line that names the variable and what to do.
    """
    if isinstance(method, str):
        if method not in METHODS:
            raise ValueError(f"method = {method!r}: unknown; the methods are {', '.join(METHODS)}")
        known = [field.name for field in dataclasses.fields(METHODS[method])]
        for option in options:
            if option not in known:
                raise TypeError(f"{option}: is no option of {method!r}; its options are {', '.join(known)}")
        method = METHODS[method](**options)
    elif options:
        raise TypeError(f"{', '.join(options)}: given beside a method object; give options to the object itself")
    elif not callable(method) or isinstance(method, type):
        raise TypeError(f"method = {method!r}: is no method; give a name, or an object such as T1T2(max_norm=3.0)")
    if products not in PRECISIONS:
        raise ValueError(f"products = {products!r}: is unknown; give {' or '.join(PRECISIONS)}")
    beside = getattr(method, "beside", ())  # any callable is a method
    results = method(Problem(train_cost, val_cost, params, hyperparams, beside))
    return [reassociated(result, products) for result in results]


def hypergradients_in_step(
    method: Method, problem: Problem, step: Step, products: str
) -> tuple[list[TensorVariable], Memory]:
    """As `hypergradient`, in a training step: with what the method keeps between steps."""
    results, memory = method.in_step(problem, step)
    return [reassociated(result, products) for result in results], memory


def _options() -> str:
    """The methods' own words on their options, for `help`."""
    texts = []
    for name, method in METHODS.items():
        lines = inspect.cleandoc(method.__doc__ or "").splitlines()
        if "Parameters" not in lines:
            continue
        start = lines.index("Parameters") + 2
        title = f"Options of {name!r}"
        texts.append("\n".join(["", title, "-" * len(title), *lines[start:]]))
    return "\n".join(texts)


hypergradient.__doc__ = inspect.cleandoc(hypergradient.__doc__ or "") + "\n" + _options()
