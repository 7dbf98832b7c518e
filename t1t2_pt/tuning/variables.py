"""Shared variables by name: those that are trained, and those that are tuned."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable

from t1t2_pt.hypergradients.problem import shown, variables
from t1t2_pt.system.errors import InputError

PARAMS, HYPERPARAMS = "params", "hyperparams"


def named(role: str, given: Any) -> dict[str, SharedVariable]:
    """Shared variables by name, or by place where one has no name.

    Raises
    ------
    TypeError, ValueError
        As `hypergradients.problem.variables` does.
    InputError
        For a variable that is not shared, whose values are not finite, or whose name another one has.
    """
    listed = given if isinstance(given, Variable | Mapping | str) or not isinstance(given, Iterable) else [*given]
    if isinstance(listed, list):
        for place, variable in enumerate(listed):
            if isinstance(variable, Variable) and not isinstance(variable, SharedVariable):
                remedy = f"make it one, as in pytensor.shared(value, name={variable.name or 'w'!r})"
                raise InputError(f"{role}[{place}]", shown(variable), "is no shared variable", remedy)
    found: dict[str, SharedVariable] = {}
    unnamed = 0
    for place, variable in enumerate(variables(role, listed)):
        unnamed += variable.name is None
        if role == HYPERPARAMS and unnamed > 1:
            remedy = "give each a name, as in pytensor.shared(0.1, name='l2')"
            raise InputError(f"{role}[{place}]", shown(variable), "is the second without a name", remedy)
        name = variable.name or f"{role}[{place}]"
        if name in found:
            remedy = "give each its own name, as results and states go by names"
            raise InputError(f"{role}[{place}]", name, "is the name of another one, too", remedy)
        assert isinstance(variable, SharedVariable)
        if not np.isfinite(variable.get_value(borrow=True)).all():
            raise InputError(name, "NaN or infinity", "is among its first values", "give finite numbers")
        found[name] = variable
    return found


def check_apart(params: Mapping[str, SharedVariable], hyperparams: Mapping[str, SharedVariable]) -> None:
    """Check that no variable is a parameter and a hyperparameter, and no two have one name.

    Raises
    ------
    InputError
        Naming it.
    """
    for name, variable in hyperparams.items():
        if any(variable is param for param in params.values()):
            raise InputError(HYPERPARAMS, name, "is among params, too", "a variable is one or the other")
        if name in params:
            raise InputError(HYPERPARAMS, name, "is also the name of one of params", "give each its own name")
