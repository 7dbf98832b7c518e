"""`updates`: a T1+T2 step as a dictionary for one's own `pytensor.function`."""

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients import Method
from t1t2_pt.hypergradients.problem import shown
from t1t2_pt.optimizers import Optimizer
from t1t2_pt.rewrites import FAST
from t1t2_pt.system.errors import InputError
from t1t2_pt.tuning.constraints import read_constraints
from t1t2_pt.tuning.moves import Rates, Rules, Updates, build_updates, new_memory
from t1t2_pt.tuning.variables import HYPERPARAMS, PARAMS, check_apart, named

LEARNING_RATE, HYPER_LEARNING_RATE = 1e-3, 1e-2


def updates(
    train_cost: TensorVariable,
    val_cost: TensorVariable,
    params: Sequence[SharedVariable],
    hyperparams: Sequence[SharedVariable],
    *,
    optimizer: str | Optimizer = "adam",
    learning_rate: float | TensorVariable = LEARNING_RATE,
    hyper_optimizer: str | Optimizer = "adam",
    hyper_learning_rate: float | TensorVariable | Mapping[str, Any] = HYPER_LEARNING_RATE,
    method: str | Method = "t1t2",
    transforms: str | Mapping[Any, str] | None = None,
    bounds: Mapping[Any, tuple[float, float]] | None = None,
    max_norm: float | None = None,
    updates: Mapping[SharedVariable, Variable] | None = None,
    products: str = FAST,
) -> Updates:
    """New values of everything that a T1+T2 step changes, by shared variable, for `pytensor.function`.

    The elementary parameters go down C1~ and the hyperparameters down C2, both from the values before the step.
    Beside them are the optimisers' memory, the number of steps, what the method keeps, and the next state of every
    shared generator that the costs draw from.

        both = updates(train_cost, val_cost, [w], [l2], learning_rate=0.1)
        t1t2 = pytensor.function([x, y, v, u], [train_cost, val_cost], updates=both)
        t1 = pytensor.function([x, y], train_cost, updates=both.t1)

    Give `x` and the others static shapes (`pt.matrix(shape=(100, 784))`), or let `Tuner` do so: else matrix products
    stay in their order, and a step can take twice as long.

    Parameters
    ----------
    train_cost, val_cost
        Scalars C1~ and C2, as for `hypergradient`.
    params, hyperparams
        Shared variables, floating point, any shapes, with names of their own.
    optimizer, hyper_optimizer
        Names in `t1t2_pt.optimizers.OPTIMIZERS`, or objects from there.
    learning_rate, hyper_learning_rate
        Step sizes, numbers or scalars (a shared variable can be changed later); of the hyperparameters one for all
        or a dictionary by name.
    method
        Name of a hypergradient method, with its options as in `"averaged(rule=adam)"`, or an object.
    transforms
        By hyperparameter, or one for all: `"nonnegative"` (default; put back to 0 where it is below), `"log"` or
        `"logit"` (moved on that scale), `"none"`.
    bounds
        (low, high) by hyperparameter, to which it is put back; under `"logit"` its two ends, 0 and 1 unless given.
        Without a transform of its own a hyperparameter with bounds has no others.
    max_norm
        Largest Euclidean norm of each parameter's gradient of C1~ and C2 and of each hypergradient; larger ones are
        rescaled to it. None: unlimited.
    updates
        Further updates of each step, such as running averages, or a generator's next state where the graph
        does not return it.
    products
        Precision in which matrix products may be reordered, `"fast"` or `"exact"`, see `t1t2_pt.rewrites.reassociated`.

    Returns
    -------
    A dictionary of the T1+T2 step, with that of the T1 step as its attribute `t1`.

    Raises
    ------
    InputError
        For a variable that is not shared or not named apart, a first value out of its bounds, unknown options.
    TypeError, ValueError
        As `hypergradient` does: for costs that are no scalars, whole numbers, and variables without influence.
    """
    trained, tuned = named(PARAMS, params), named(HYPERPARAMS, hyperparams)
    check_apart(trained, tuned)
    constraints = read_constraints(tuned, transforms, bounds)
    rules = Rules.read(optimizer, hyper_optimizer, method, constraints, max_norm=max_norm, products=products)
    rates = Rates(
        read_rate("learning_rate", learning_rate), read_hyper_rates(hyper_learning_rate, tuned, HYPER_LEARNING_RATE)
    )
    others = read_updates(updates, {**trained, **tuned})
    memory = new_memory(trained, tuned, rules)
    return build_updates((train_cost, val_cost), trained, tuned, memory, rules, rates, others)


def read_rate(option: str, given: Any) -> Any:
    """A step size: a number of at least 0, or a scalar tensor.

    Raises
    ------
    InputError
        For anything else.
    """
    if isinstance(given, Variable):
        if isinstance(given, TensorVariable) and given.type.ndim == 0:
            return given
    elif isinstance(given, numbers.Real) and not isinstance(given, bool) and 0 <= float(given) < np.inf:
        return float(given)
    raise InputError(option, shown(given), "is no step size", "give a number such as 0.001")


def read_hyper_rates(given: Any, hyperparams: Mapping[str, Any], usual: float) -> dict[str, Any]:
    """A step size for each hyperparameter.

    Raises
    ------
    InputError
        For an unknown name, or what is no step size.
    """
    if not isinstance(given, Mapping):
        return dict.fromkeys(hyperparams, read_rate("hyper_learning_rate", given))
    for name in given:
        if name not in hyperparams:
            remedy = f"give {', '.join(hyperparams)}"
            raise InputError("hyper_learning_rate", str(name), "is no hyperparameter", remedy)
    return {
        name: read_rate(f"hyper_learning_rate[{name!r}]", given[name]) if name in given else usual
        for name in hyperparams
    }


def read_updates(given: Any, moved: Mapping[str, SharedVariable]) -> dict[SharedVariable, Variable]:
    """Further updates by shared variable.

    Raises
    ------
    InputError
        For what is no dictionary of these, or for a variable that is moved already.
    """
    if not isinstance(given, Mapping | None):
        raise InputError("updates", shown(given), f"is a {type(given).__name__}", "give {shared variable: new value}")
    for shared, value in (given or {}).items():
        if not isinstance(shared, SharedVariable) or not isinstance(value, Variable):
            raise InputError("updates", shown(shared), "is no update", "give {shared variable: expression}")
        if value is shared:
            raise InputError("updates", shown(shared), "stays as it is", "give its new value, or leave it out")
        for name, variable in moved.items():
            if variable is shared:
                raise InputError("updates", name, "is moved by the optimiser already", f"leave {name} out")
    return dict(given or {})
