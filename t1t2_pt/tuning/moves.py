"""T1 and T1+T2 steps as updates of shared variables, from two costs of any graph."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients import METHODS, Method, Problem, Step, hypergradients_in_step, method_named, rescale
from t1t2_pt.hypergradients.problem import positive, shown
from t1t2_pt.ops.arguments import as_gradients
from t1t2_pt.optimizers import OPTIMIZERS, Optimizer
from t1t2_pt.rewrites import FAST, PRECISIONS
from t1t2_pt.system.errors import InputError
from t1t2_pt.tuning.constraints import Constraint
from t1t2_pt.tuning.generators import next_states

COUNT, HYPER_COUNT = "steps", "hyper_steps"  # of updates so far
METHOD = "method/"  # how the names of what a hypergradient method keeps begin

Shared = Mapping[str, SharedVariable]
Changes = dict[SharedVariable, Variable]


class Updates(dict[SharedVariable, Variable]):
    """New values of shared variables after a T1+T2 step: a dictionary for `pytensor.function`.

    Attributes
    ----------
    t1
        Those of a T1 step, in which the hyperparameters stay; the optimisers' memory is the same in both.
    memory
        Shared variables that the optimisers and the method keep, by name, with the number of steps so far.
    """

    def __init__(self, both: Changes, t1: Changes, memory: Shared) -> None:
        super().__init__(both)
        self.t1, self.memory = t1, dict(memory)


@dataclasses.dataclass(frozen=True)
class Rules:
    """How a step moves what.

    Parameters
    ----------
    constraints
        By hyperparameter.
    max_norm
        Largest Euclidean norm of each gradient and hypergradient, or None.
    products
        In which precision products may be reordered, see `hypergradient`.
    """

    optimizer: Optimizer
    hyper_optimizer: Optimizer
    method: Method
    constraints: Mapping[str, Constraint]
    max_norm: float | None = None
    products: str = FAST

    @classmethod
    def read(
        cls, optimizer: Any, hyper_optimizer: Any, method: Any, constraints: Mapping[str, Constraint], **options: Any
    ) -> "Rules":
        """Rules by the names of what they take.

        Raises
        ------
        InputError
            For what is unknown.
        """
        elementary, hyper = _optimizer("optimizer", optimizer), _optimizer("hyper_optimizer", hyper_optimizer)
        rules = cls(elementary, hyper, _method(method), constraints, **options)
        if rules.max_norm is not None:
            positive("max_norm", rules.max_norm)
        if rules.products not in PRECISIONS:
            raise InputError("products", rules.products, "is unknown", f"give {' or '.join(PRECISIONS)}")
        return rules


@dataclasses.dataclass(frozen=True)
class Rates:
    """Step sizes: numbers, or scalars of a graph; those of the hyperparameters by name."""

    elementary: Any
    hyper: Mapping[str, Any]


def _optimizer(option: str, given: Any) -> Optimizer:
    if isinstance(given, Optimizer):
        return given
    if not isinstance(given, str) or given not in OPTIMIZERS:
        raise InputError(option, given, "is unknown", f"give {', '.join(OPTIMIZERS)}")
    return OPTIMIZERS[given]


def _method(given: Any) -> Method:
    if isinstance(given, Method):
        return given
    if not isinstance(given, str):
        raise InputError("method", shown(given), "is no method", f"give {', '.join(METHODS)}, or an object of theirs")
    try:
        return method_named(given)
    except ValueError as error:
        raise InputError("method", given, str(error), "see t1t2_pt.hypergradients") from None


def new_memory(params: Shared, hyperparams: Shared, rules: Rules) -> dict[str, SharedVariable]:
    """What is kept between steps, at its start, by name."""
    found = {name: pytensor.shared(np.zeros((), "int64"), name=name) for name in (COUNT, HYPER_COUNT)}

    def keep(name: str, value: np.ndarray) -> None:
        found[name] = pytensor.shared(np.asarray(value), name=name)

    moved = [(params, rules.optimizer), (hyperparams, rules.hyper_optimizer)]
    for variables, optimizer in moved:
        for name, variable in variables.items():
            for memory in optimizer.memory:
                keep(f"{name}/{memory}", np.zeros_like(_value(variable)))
    trained, tuned = ([_value(variable) for variable in variables.values()] for variables in (params, hyperparams))
    for name, value in rules.method.initial_memory(trained, tuned).items():
        keep(METHOD + name, value)
    return found


def _value(variable: SharedVariable) -> np.ndarray:
    return np.asarray(variable.get_value(borrow=True))


def build_updates(
    costs: tuple[TensorVariable, TensorVariable],
    params: Mapping[str, Any],
    hyperparams: Mapping[str, Any],
    memory: Mapping[str, Any],
    rules: Rules,
    rates: Rates,
    others: Mapping[Any, Any],
) -> Updates:
    """The updates, from C1~ and C2; shared variables by name.

    Parameters
    ----------
    others
        Further updates of T1 steps, by shared variable.

    Raises
    ------
    ValueError, TypeError
        As `hypergradient` does.
    """
    problem = Problem(*costs, list(params.values()), list(hyperparams.values()), rules.method.beside)
    found = as_gradients(pt.grad(problem.train_cost, list(params.values())))
    # Of a float32 parameter in a cost that is float64 somewhere, PyTensor gives a float64 gradient.
    gradients = [pt.cast(g, param.dtype) for g, param in zip(found, params.values(), strict=True)]
    t1: Changes = {**next_states([problem.train_cost, *others.values()]), **others}
    t1[memory[COUNT]] = count = memory[COUNT] + np.int64(1)
    for (name, param), gradient in zip(params.items(), gradients, strict=True):
        limited = _limited(gradient, rules)
        t1 |= _moved(rules.optimizer, name, param, limited, rates.elementary, count, memory)
    if not hyperparams:
        return Updates(t1, t1, memory)
    both: Changes = {**t1, **next_states([*costs, *others.values()]), **others}
    both[memory[HYPER_COUNT]] = hyper_count = memory[HYPER_COUNT] + np.int64(1)
    own_limit = getattr(rules.method, "max_norm", None)
    at_hand = Step(
        train_gradients=gradients,
        next_params=None,
        max_norm=own_limit if rules.max_norm is None else rules.max_norm,
        count=pt.cast(hyper_count, problem.train_cost.dtype),
        memory={name.removeprefix(METHOD): kept for name, kept in memory.items() if name.startswith(METHOD)},
    )
    moves, kept = hypergradients_in_step(rules.method, problem, at_hand, rules.products)
    both |= {memory[METHOD + name]: value for name, value in kept.items()}
    for (name, hyperparam), hypergradient in zip(hyperparams.items(), moves, strict=True):
        limited = _limited(pt.cast(hypergradient, hyperparam.dtype), rules)
        constraint = rules.constraints[name]
        slope = constraint.slope(hyperparam)
        both |= _moved(
            rules.hyper_optimizer,
            name,
            hyperparam,
            limited if slope is None else limited * slope,
            rates.hyper[name],
            hyper_count,
            memory,
            constraint,
        )
    return Updates(both, t1, memory)


def _limited(gradient: TensorVariable, rules: Rules) -> TensorVariable:
    return gradient if rules.max_norm is None else rescale(gradient, rules.max_norm)


def _moved(
    optimizer: Optimizer,
    name: str,
    variable: Any,
    gradient: TensorVariable,
    rate: Any,
    count: TensorVariable,
    memory: Mapping[str, Any],
    constraint: Constraint | None = None,
) -> Changes:
    """A variable and the optimiser's memory of it after an update."""
    dtype = variable.dtype
    kept = {key: memory[f"{name}/{key}"] for key in optimizer.memory}
    start = variable if constraint is None else constraint.inward(variable)
    step_size = pt.cast(pt.as_tensor_variable(rate), dtype)
    moved, new = optimizer(start, pt.cast(gradient, dtype), kept, step_size, pt.cast(count, dtype))
    if constraint is not None:
        moved = constraint.outward(moved)
    return {variable: pt.cast(moved, dtype), **{kept[key]: pt.cast(value, dtype) for key, value in new.items()}}
