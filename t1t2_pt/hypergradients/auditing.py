"""An audit of hypergradients on the user's own graph and data: what is wrong, and what a cheap method leaves out.

Nothing is refused: all that is found is named, and what can be computed nevertheless is compared.
"""

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.connections import Reach
from t1t2_pt.hypergradients.findings import Array, Finding, of_given, of_gradients, of_graph, of_results, of_values
from t1t2_pt.hypergradients.method import Expense, Method
from t1t2_pt.hypergradients.methods import method_named, method_text
from t1t2_pt.hypergradients.methods.implicit import Implicit
from t1t2_pt.hypergradients.methods.t1t2 import T1T2
from t1t2_pt.hypergradients.methods.unrolled import Unrolled
from t1t2_pt.hypergradients.problem import Problem, name_of, shown
from t1t2_pt.ops.arguments import as_gradients

EXACTLY = 500  # params up to which the exact solution is by a dense Hessian; beyond, by conjugate gradients
ITERATIONS = 50

Compute = Callable[[Sequence[TensorVariable], Mapping[Variable, Array]], Sequence[Array]]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A method beside the cheap one.

    Parameters
    ----------
    method
        Its name, with its options.
    gradients
        Its hypergradients, one array for each hyperparameter.
    cosine
        Of the angle between the cheap hypergradient and this one, over all hyperparameters; NaN where one is 0.
    relative_error
        Norm of their difference by that of this one.
    backpropagations
        What it costs, in gradients of a cost by the parameters; a product with the Hessian is two.
    copies
        How often the parameters are in memory beyond what a gradient takes.
    """

    method: str
    gradients: tuple[Array, ...]
    cosine: float
    relative_error: float
    backpropagations: float
    copies: float

    def __str__(self) -> str:
        return (
            f"{self.method:<44} cosine {self.cosine:8.5f}  relative error {self.relative_error:9.3g}  "
            f"{self.backpropagations:g} backpropagations  {self.copies:g} copies of the parameters"
        )


@dataclasses.dataclass(frozen=True)
class Audit:
    """What an audit found; its text has a line for each.

    Parameters
    ----------
    findings
        What is wrong or may be; empty where nothing was found.
    comparisons
        The cheap method itself, K updates, and the implicit function theorem; empty where no hypergradient is left.
    """

    findings: tuple[Finding, ...]
    comparisons: tuple[Comparison, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, (*self.findings, *self.comparisons))) or "nothing found"


def audit(
    train_cost: TensorVariable,
    val_cost: TensorVariable,
    params: Sequence[TensorVariable],
    hyperparams: Sequence[TensorVariable],
    *,
    values: Mapping[TensorVariable, Any] | None = None,
    method: str | Method = "t1t2",
    steps: int = 10,
    step_size: float = 0.01,
    optimizer: str = "sgd",
    train_gradients: Sequence[TensorVariable] | None = None,
    hypergradients: Sequence[Any] | None = None,
    compute: Compute | None = None,
) -> Audit:
    """Look for what makes hypergradients wrong, and compare a cheap method with costlier ones.

    Parameters
    ----------
    train_cost, val_cost, params, hyperparams
        As of `hypergradient`; lists whatever is wrong with them.
    values
        Arrays for the inputs of the graphs that are no shared variables: data, parameters, hyperparameters.
    method
        The cheap method, by name or as an object.
    steps, step_size, optimizer
        Of the updates that it is compared with, see the method `unrolled`.
    train_gradients
        Gradients of `train_cost` that the user computed, to be checked.
    hypergradients
        Hypergradients that the user computed, arrays or graphs, to be checked against those of `method`.
    compute
        What computes graphs from values; None: NumPy, without compiling anything.

    Returns
    -------
    Its `findings` name what is detached, zero, not finite, not differentiable, random, direct (a hyperparameter inside
    C2), unseen by C2, of whole numbers, without an inverse Hessian (singular), cut to float32, stale or of the
    wrong sign.

    Raises
    ------
    TypeError, ValueError
        If the costs are no scalars, or an input of the graphs has no value.
    """
    given: dict[Variable, Array] = {variable: np.asarray(value) for variable, value in (values or {}).items()}
    compute = compute or _by_numpy
    _check_values([train_cost, val_cost], given)
    findings = of_graph(train_cost, val_cost, params, hyperparams)
    findings += of_values([train_cost, val_cost], given)
    reached, of_c2 = Reach([train_cost]), Reach([val_cost])
    sound = [p for p in params if p in reached and reached.cut(p) is None and of_c2.cut(p) is None]
    tuned = [(i, h) for i, h in enumerate(hyperparams) if h in reached and reached.cut(h) is None]
    if train_gradients is not None and len(sound) == len(params):
        own = as_gradients(pt.grad(train_cost, list(params)))
        names = [name_of(p, place, "params") for place, p in enumerate(params)]
        numbers = compute([*train_gradients, *own], given)
        findings += of_given("its gradient in train_gradients", names, numbers[: len(own)], numbers[len(own) :])
    if sound:
        of_c1 = compute(as_gradients(pt.grad(train_cost, sound)), given)
        names = [name_of(p, place, "params") for place, p in enumerate(sound)]
        findings += of_gradients(names, of_c1)
    if not sound or not tuned or not any(p in of_c2 for p in sound):
        return Audit(tuple(findings), ())
    cheap = method_named(method) if isinstance(method, str) else method
    problem = Problem(train_cost, val_cost, sound, [h for _, h in tuned], cheap.beside)
    if isinstance(cheap, T1T2) and cheap.step_size is None and problem.direct():
        cheap = dataclasses.replace(cheap, step_size=step_size)
    graphs = cheap(problem)
    names = [name_of(h, place, "hyperparams") for place, h in tuned]
    found = compute(graphs, given)
    findings += of_results(names, found)
    if hypergradients is not None:
        theirs = [hypergradients[place] for place, _ in tuned]
        numbers = [compute([x], given)[0] if isinstance(x, TensorVariable) else np.asarray(x) for x in theirs]
        findings += of_given("the hypergradient given for it", names, numbers, found)
    size = sum(int(np.size(x)) for x in compute(sound, given))
    through = Unrolled(steps=steps, step_size=step_size, optimizer=optimizer)
    exact = Implicit(solver="exact") if size <= EXACTLY else Implicit(iterations=ITERATIONS)
    levels = sum(int(np.size(x)) for x in found)
    comparisons = [_compared(cheap, found, found, cheap.expense(size, levels))]
    # Nothing can be compared with what is not finite, and no system be solved.
    for other in (through, exact) if all(bool(np.isfinite(x).all()) for x in (*of_c1, *found)) else ():
        try:
            numbers = compute(other(problem), given)
        except np.linalg.LinAlgError:
            text = "the Hessian of train_cost has no inverse: Eq. 4 has no meaning here; penalise what is undetermined"
            findings.append(Finding("singular", "train_cost", text))
        else:
            comparisons.append(_compared(other, found, numbers, other.expense(size, levels)))
    return Audit(tuple(findings), tuple(comparisons))


def _check_values(costs: Sequence[TensorVariable], given: Mapping[Variable, Array]) -> None:
    for cost in costs:
        if not isinstance(cost, TensorVariable) or cost.type.ndim:
            raise ValueError(f"cost = {shown(cost)}: is not a scalar tensor; reduce it, for example with .mean()")
    for variable in ancestors(list(costs), blockers=list(given)):
        if variable.owner is None and not isinstance(variable, Constant | SharedVariable) and variable not in given:
            raise ValueError(f"values: {shown(variable)} has none; give an array for it")


def _by_numpy(graphs: Sequence[TensorVariable], values: Mapping[Variable, Array]) -> Sequence[Array]:
    with pytensor.config.change_flags(cxx=""), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of overflow and of ill-conditioned matrices, which the results show
        function = pytensor.function(
            list(values),
            list(graphs),
            mode=Mode(linker="py", optimizer="fast_compile"),
            on_unused_input="ignore",
            allow_input_downcast=True,
        )
        return function(*values.values())


def similarity(found: Sequence[Array], exact: Sequence[Array]) -> tuple[float, float]:
    """The cosine of the angle between hypergradients, and the norm of their difference by that of the second.

    NaN where they are undefined.
    """
    a, b = (np.concatenate([np.ravel(x).astype("float64") for x in one]) for one in (found, exact))
    lengths, norm = np.linalg.norm(a) * np.linalg.norm(b), np.linalg.norm(b)
    cosine = float(a @ b / lengths) if lengths > 0 else float("nan")
    return cosine, float(np.linalg.norm(a - b) / norm) if norm > 0 else float("nan")


def _compared(method: Method, cheap: Sequence[Array], found: Sequence[Array], expense: Expense) -> Comparison:
    return Comparison(_text(method), tuple(found), *similarity(cheap, found), *dataclasses.astuple(expense))


def _text(method: Method) -> str:
    """Its name with its options, and with the updates of those that have some."""
    fields = {field.name: field.default for field in dataclasses.fields(method)}
    if "optimizer" not in fields:
        return method_text(method)
    chosen = [n for n in method.chosen if n == "steps" or getattr(method, n) != fields[n]]
    options = ", ".join(f"{name}={getattr(method, name)}" for name in (*chosen, "optimizer", "step_size"))
    return f"{method.name}({options})"
