"""What is wrong with a problem, as far as its graph tells, and its numbers: found all at once, and named.

`Problem` refuses at the first of these that makes a hypergradient wrong; here nothing is refused.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.scalar import basic as scalars
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.connections import Reach, influences
from t1t2_pt.hypergradients.problem import name_of

Array = npt.NDArray[Any]

ARITHMETIC = (scalars.Add, scalars.Sub, scalars.Mul, scalars.Pow, scalars.Sqr)
SAME = 1e-6  # numbers that differ by less, as a share, are the same: float32 has 7 digits


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that makes hypergradients wrong, or may.

    Parameters
    ----------
    kind
        `detached`, `not differentiable`, `random`, `direct`, `unseen`, `integer`, `float32`, `nan`, `zero`, `stale`,
        `wrong sign` or `singular`.
    name
        Of the variable that it is about.
    text
        What was found, and what to do.
    """

    kind: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}: {self.text}"


def of_graph(
    train_cost: TensorVariable,
    val_cost: TensorVariable,
    params: Sequence[TensorVariable],
    hyperparams: Sequence[TensorVariable],
) -> list[Finding]:
    """What the graphs of both costs tell."""
    found = []
    costs = {"train_cost": train_cost, "val_cost": val_cost}
    used = {name: influences([cost]) for name, cost in costs.items()}
    reach = {name: Reach([cost]) for name, cost in costs.items()}
    for role, variables in (("params", params), ("hyperparams", hyperparams)):
        for place, variable in enumerate(variables):
            name = name_of(variable, place, role)
            if not _is_floating(variable):
                text = f"has dtype {variable.type.dtype}, by which there is no derivative; make it floating point"
                found.append(Finding("integer", name, text))
                continue
            found += _of_training(name, role, variable, used, reach, params)
            if role == "hyperparams" and variable in reach["val_cost"] and variable in reach["train_cost"]:
                text = (
                    "is inside val_cost, too: Eq. 3 is without that derivative; give t1t2 a step_size to have it added"
                )
                found.append(Finding("direct", name, text))
            if role == "params" and variable not in used["val_cost"]:
                text = "val_cost does not depend on it: what it passes on is 0; see that val_cost is of the same model"
                found.append(Finding("unseen", name, text))
            elif role == "params":
                found += _cuts(name, variable, reach["val_cost"], "val_cost", params)
    return found + _of_types(costs, [*params, *hyperparams])


def _of_training(
    name: str,
    role: str,
    variable: Variable,
    used: Mapping[str, set[Variable]],
    reach: Mapping[str, Reach],
    params: Sequence[Variable],
) -> list[Finding]:
    if variable in used["train_cost"]:
        return _cuts(name, variable, reach["train_cost"], "train_cost", params)
    if role == "hyperparams" and variable in used["val_cost"]:
        text = "is in val_cost only: no update depends on it; give it to train_cost, or tune it by pt.grad(val_cost)"
        return [Finding("direct", name, text)]
    return [Finding("detached", name, "train_cost does not depend on it; use it there, or leave it out")]


def _cuts(name: str, variable: Variable, reach: Reach, cost: str, params: Sequence[Variable]) -> list[Finding]:
    """Where its derivatives end; beside another way, only at itself or at a function of hyperparameters alone.

    Others are in every model: the kink of a ReLU, the largest logit that a softmax is shifted by.
    """
    found = []
    for cut in reach.cuts(variable):
        way = f"reaches {cost} through {cut}"
        if variable in reach and not cut.is_random:
            if cut.input is not variable and not influences([cut.input]).isdisjoint(params):
                continue
            way += ", and by another way, of which alone there are derivatives"
        kind = "random" if cut.is_random else "detached" if "stops derivatives" in str(cut) else "not differentiable"
        found.append(Finding(kind, name, f"{way}; {cut.remedy}"))
    return list(dict.fromkeys(found))


def _of_types(costs: Mapping[str, TensorVariable], given: Sequence[TensorVariable]) -> list[Finding]:
    found = {}
    for cost, graph in costs.items():
        for variable in ancestors([graph]):
            node = variable.owner
            if node is None:
                continue
            inner = node.op.scalar_op if isinstance(node.op, Elemwise) else None
            types = [getattr(x.type, "dtype", "") for x in (*node.inputs, variable)]
            if isinstance(inner, scalars.Cast) and types == ["float64", "float32"]:
                names = [x.name for x in ancestors(node.inputs) if x.owner is None and x.name]
                text = f"float64 is cut to float32 in {cost}, computed from {', '.join(names[:3]) or 'constants'}"
                found[text] = Finding("float32", cost, f"{text}; keep one dtype, or expect 7 digits")
            whole = isinstance(inner, ARITHMETIC) or isinstance(node.op, Dot)
            if whole and types[-1][:3] in ("int", "uin") and variable.type.ndim:
                roots = [x for x in ancestors(node.inputs) if x.owner is None and getattr(x.type, "ndim", 0) > 0]
                roots = [x for x in roots if str(getattr(x.type, "dtype", "")).startswith(("int", "uint"))]
                if roots:
                    name = roots[0].name or "a constant"
                    text = f"{types[-1]} arithmetic in {cost}, which rounds and may overflow; cast it to floating point"
                    found[name + text] = Finding("integer", name, text)
    for place, variable in enumerate(given):
        for cost, graph in costs.items():
            if variable.dtype == "float64" and graph.dtype == "float32":
                text = f"is float64, and {cost} is float32: digits are lost between them; keep one dtype"
                name = name_of(variable, place, "params and hyperparams")
                found[name + text] = Finding("float32", name, text)
    return list(found.values())


def of_values(costs: Sequence[TensorVariable], values: Mapping[Variable, Array]) -> list[Finding]:
    """Numbers among the data, parameters and constants that are not finite."""
    found = []
    for variable in dict.fromkeys(ancestors(list(costs))):
        if variable in values:
            value, kind = values[variable], "an input"
        elif isinstance(variable, SharedVariable):
            value, kind = variable.get_value(borrow=True), "a shared variable"
        elif isinstance(variable, Constant):
            value, kind = variable.data, "a constant"
        else:
            continue
        value = np.asarray(value) if isinstance(value, np.ndarray | np.generic | float) else np.zeros(0)
        if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
            bad = np.argwhere(~np.isfinite(value))
            text = f"has {len(bad)} of {value.size} numbers that are not finite, the first at {tuple(map(int, bad[0]))}"
            name = variable.name or f"{kind} of shape {value.shape}"
            found.append(Finding("nan", name, f"{text}; leave those samples out"))
    return found


def of_given(what: str, names: Sequence[str], given: Sequence[Array], own: Sequence[Array]) -> list[Finding]:
    """How numbers that the user computed differ from ours."""
    found = []
    for name, theirs, ours in zip(names, given, own, strict=True):
        theirs, ours = np.asarray(theirs, "float64"), np.asarray(ours, "float64")
        size = np.linalg.norm(ours)
        if not np.isfinite(size) or np.linalg.norm(theirs - ours) <= SAME * size:
            continue
        if np.linalg.norm(theirs + ours) <= SAME * size:
            found.append(Finding("wrong sign", name, f"{what} is minus what it should be; give it the other sign"))
            continue
        share = np.linalg.norm(theirs - ours) / size if size else np.inf
        text = f"{what} is not that of this cost, but off by {share:.2g} of it; compute it anew by pt.grad"
        found.append(Finding("stale", name, text))
    return found


def of_gradients(names: Sequence[str], found: Sequence[Array]) -> list[Finding]:
    """Training gradients that are not finite."""
    text = "its gradient of train_cost is not finite; see the data, and what divides or takes logarithms in the cost"
    return [
        Finding("nan", name, text) for name, value in zip(names, found, strict=True) if not np.isfinite(value).all()
    ]


def of_results(names: Sequence[str], found: Sequence[Array]) -> list[Finding]:
    """Hypergradients that are not finite, or 0 throughout."""
    findings = []
    for name, value in zip(names, found, strict=True):
        if not np.isfinite(value).all():
            text = "its hypergradient is not finite; see the data, and what divides or takes logarithms in the costs"
            findings.append(Finding("nan", name, text))
        elif not np.any(value):
            text = "its hypergradient is 0 throughout: it would never move; give it a part in the training gradient"
            findings.append(Finding("zero", name, text))
    return findings


def _is_floating(variable: TensorVariable) -> bool:
    return np.issubdtype(np.dtype(variable.type.dtype), np.floating)
