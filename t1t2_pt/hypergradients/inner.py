"""Elementary updates to come, as one graph that loops can take K times: by any optimiser, on any batches."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.connections import influences
from t1t2_pt.hypergradients.limits import rescale
from t1t2_pt.hypergradients.loops import replaced
from t1t2_pt.hypergradients.problem import Problem, shown
from t1t2_pt.hypergradients.vectors import Vector, times
from t1t2_pt.ops.arguments import as_gradients
from t1t2_pt.optimizers import OPTIMIZERS, Optimizer

Batches = Mapping[TensorVariable, TensorVariable]
StepSize = float | TensorVariable | Sequence[float | TensorVariable]


@dataclasses.dataclass(frozen=True)
class Inner:
    """How the elementary parameters are updated.

    Parameters
    ----------
    optimizer
        Its rule.
    rate
        Its step size, a scalar.
    momentum
        Its coefficient, a number or a scalar; None: 0.9.
    count
        Number of the first of these updates, from 1: a scalar.
    memory
        What the optimiser keeps of each parameter, before the first.
    max_norm
        Largest Euclidean norm of the gradient of each parameter, or None.
    batches
        For variables that C1~ is computed from, what they are in each update, along a first axis; others stay.
    constrained
        What is done to the updated parameters; None: nothing.
    rates
        The step size of each parameter, where they differ or are computed from hyperparameters; `rate` is then 1, the
        unit of the results.
    """

    optimizer: Optimizer
    rate: TensorVariable
    momentum: TensorVariable | float | None
    count: TensorVariable
    memory: Sequence[Mapping[str, TensorVariable]]
    max_norm: float | None = None
    batches: Batches = dataclasses.field(default_factory=dict)
    constrained: Callable[[Vector], Vector] | None = None
    rates: Sequence[TensorVariable] | None = None


def inner(
    problem: Problem,
    optimizer: str,
    step_size: StepSize,
    momentum: float,
    batches: Batches | None = None,
) -> Inner:
    """The updates of an optimiser that starts now, with an empty memory.

    Raises
    ------
    ValueError
        If there are not as many step sizes as params, or one is computed from params.
    """
    dtype = problem.train_cost.dtype
    memory = [{key: pt.zeros_like(p) for key in OPTIMIZERS[optimizer].memory} for p in problem.params]
    one = pt.constant(np.ones((), dtype))
    rates = _rates(problem, step_size, dict(batches or {}))
    rate = one if rates is not None else pt.cast(step_size, dtype)
    return Inner(OPTIMIZERS[optimizer], rate, momentum, one, memory, None, dict(batches or {}), None, rates)


def _rates(problem: Problem, step_size: StepSize, batches: Batches) -> Vector | None:
    """Step sizes of all params, where there is more to say than one number that all updates have in common."""
    given = list(step_size) if isinstance(step_size, Sequence) else [step_size] * len(problem.params)
    if len(given) != len(problem.params):
        raise ValueError(f"step_size: has {len(given)} for {len(problem.params)} params; give one for each")
    rates = [pt.as_tensor_variable(size).astype(p.dtype) for size, p in zip(given, problem.params, strict=True)]
    used = influences(rates)
    if not used.isdisjoint(problem.params):
        raise ValueError("step_size: is computed from params; compute it from hyperparams and batches only")
    return rates if isinstance(step_size, Sequence) or not used.isdisjoint([*problem.hyperparams, *batches]) else None


def check_optimizer(name: object) -> None:
    """Check that an option names an optimiser.

    Raises
    ------
    ValueError
        Naming the option.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer = {shown(name)}: is unknown; give one of {', '.join(OPTIMIZERS)}")


def check_batches(given: Batches, problem: Problem, steps: int) -> None:
    """Check that there is a batch for each step.

    Raises
    ------
    ValueError
        Naming the variable.
    """
    used = influences([problem.train_cost, *problem.beside])
    for variable, stacked in given.items():
        if variable not in used:
            raise ValueError(f"batches: {shown(variable)} influences neither train_cost nor step_size; leave it out")
        if not isinstance(stacked, TensorVariable) or stacked.type.ndim != variable.type.ndim + 1:
            raise ValueError(
                f"batches: what is given for {shown(variable)} needs {variable.type.ndim + 1} dimensions, "
                "the first over the steps; stack the batches by pt.stack"
            )
        length = stacked.type.shape[0]
        if length is not None and length < steps:
            raise ValueError(
                f"batches: {length} are given for {shown(variable)}, and there are {steps} steps; give more"
            )


@dataclasses.dataclass(frozen=True)
class Update:
    """One update as a graph on symbols.

    Parameters
    ----------
    before, after
        Symbols of the parameters and of all that the optimiser keeps, and what they are after the update.
    number
        Symbol of the number of the update, from 0.
    hyperparams
        Symbols of the hyperparameters.
    fixed, given
        What these are: by symbol, and in their order.
    initial
        What `before` is before the first update.
    params, gradients
        The symbols among `before` that are parameters, and the gradients of C1~ there, limited.
    val_cost
        C2 on the symbols.
    rates
        Step sizes of the parameters, on the symbols.
    """

    before: Vector
    after: Vector
    number: TensorVariable
    hyperparams: Vector
    fixed: dict[Variable, Variable]
    given: Vector
    initial: Vector
    params: Vector
    gradients: Vector
    val_cost: TensorVariable
    rates: Vector


def update(problem: Problem, how: Inner) -> Update:
    """The graph of the updates of a problem's parameters."""
    params = [p.type(p.name) for p in problem.params]
    hyperparams = [h.type(h.name) for h in problem.hyperparams]
    number = pt.lscalar("number")
    instead: dict[Variable, Variable] = dict(zip(problem.params, params, strict=True))
    instead |= dict(zip(problem.hyperparams, hyperparams, strict=True))
    (val_cost,) = replaced([problem.val_cost], instead)
    instead |= {variable: stacked[number].astype(variable.dtype) for variable, stacked in how.batches.items()}
    (cost,) = replaced([problem.train_cost], instead)
    gradients = as_gradients(pt.grad(cost, params))
    if how.max_norm is not None:
        gradients = [rescale(g, how.max_norm) for g in gradients]
    memories = [{key: p.type(key) for key in how.optimizer.memory} for p in params]
    rates = [pt.cast(how.rate, p.dtype) for p in params] if how.rates is None else replaced(how.rates, instead)
    moved, kept = [], []
    for p, g, rate, memory in zip(params, gradients, rates, memories, strict=True):
        count = pt.cast(how.count, p.dtype) + pt.cast(number, p.dtype)
        momentum = how.momentum if not isinstance(how.momentum, Variable) else pt.cast(how.momentum, p.dtype)
        new, new_memory = how.optimizer(p, g, memory, rate, count, momentum)
        moved.append(new)
        kept += [new_memory[key] for key in memory]
    if how.constrained is not None:
        moved = how.constrained(moved)
    return Update(
        before=[*params, *(symbol for memory in memories for symbol in memory.values())],
        after=[*moved, *kept],
        number=number,
        hyperparams=hyperparams,
        fixed=dict(zip(hyperparams, problem.hyperparams, strict=True)),
        given=list(problem.hyperparams),
        initial=[*problem.params, *(memory[key] for memory in how.memory for key in how.optimizer.memory)],
        params=params,
        gradients=gradients,
        val_cost=val_cost,
        rates=rates,
    )


def validation_gradients(one: Update, at: Sequence[TensorVariable], max_norm: float | None) -> tuple[Vector, Vector]:
    """The gradients of C2 by the parameters, at some, limited; and by the hyperparameters."""
    wanted = [*one.params, *one.hyperparams]
    found = as_gradients(pt.grad(one.val_cost, wanted, disconnected_inputs="ignore"))
    instead: dict[Variable, Variable] = {**dict(zip(one.params, at, strict=True)), **one.fixed}
    found = replaced(found, instead)
    by_params, direct = found[: len(one.params)], found[len(one.params) :]
    return by_params if max_norm is None else [rescale(g, max_norm) for g in by_params], direct


def per_unit(totals: Sequence[TensorVariable], rate: TensorVariable) -> Vector:
    """Per unit of the step size, as Eq. 3 is; whole where step sizes are tuned, of which 1 is the unit."""
    return times(1 / rate, totals)
