"""What every method is given: two costs and what they depend on, checked."""

import dataclasses
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.hypergradients.connections import Reach, influences


@dataclasses.dataclass(frozen=True)
class Problem:
    """The two costs, the elementary parameters and the hyperparameters.

    Parameters
    ----------
    train_cost, val_cost
        Scalars C1~ and C2.
    params, hyperparams
        Floating-point tensors.
    beside
        What updates depend on beside C1~, such as their step sizes: hyperparameters may be in there only.

    Raises
    ------
    ValueError, TypeError
        In one line that names what is wrong; see `hypergradient`.
    """

    train_cost: TensorVariable
    val_cost: TensorVariable
    params: Sequence[TensorVariable]
    hyperparams: Sequence[TensorVariable]
    beside: Sequence[TensorVariable] = ()

    def __post_init__(self) -> None:
        for role in ("train_cost", "val_cost"):
            _check_cost(role, getattr(self, role))
        for role in ("params", "hyperparams"):
            object.__setattr__(self, role, variables(role, getattr(self, role)))
        if not self.params:
            raise ValueError("params = []: is empty; give the elementary parameters that training updates")
        for position, variable in enumerate(self.hyperparams):
            if variable in self.params:
                name = name_of(variable, position, "hyperparams")
                raise ValueError(f"hyperparams: {name} is among params, too; a variable is one or the other")
        self._check_connections()

    def _check_connections(self) -> None:
        for role, beside in (("params", ()), ("hyperparams", self.beside)):
            influence, reach = influences([self.train_cost, *beside]), Reach([self.train_cost, *beside])
            for position, variable in enumerate(getattr(self, role)):
                name = name_of(variable, position, role)
                if variable not in influence:
                    raise ValueError(
                        f"{role}: {name} does not influence train_cost; use it in the training cost or leave it out"
                    )
                _check_uncut(role, name, variable, reach, "train_cost")
        influence, reach = influences([self.val_cost]), Reach([self.val_cost])
        if not influence.intersection(self.params):
            raise ValueError("val_cost: depends on none of params; build it from the same elementary parameters")
        for position, variable in enumerate(self.params):
            if variable in influence:
                _check_uncut("params", name_of(variable, position, "params"), variable, reach, "val_cost")

    def direct(self) -> list[str]:
        """Names of the hyperparameters that the validation cost itself has a derivative by."""
        reach = Reach([self.val_cost])
        return [name_of(v, i, "hyperparams") for i, v in enumerate(self.hyperparams) if v in reach]

    def check_indirect(self, method: str) -> None:
        """Check that the validation cost has no derivative of its own by a hyperparameter.

        Raises
        ------
        ValueError
            Naming one that it has a derivative by, which the method would leave out.
        """
        direct = self.direct()
        if direct:
            raise ValueError(
                f"hyperparams: {direct[0]} influences val_cost, too, and {method} leaves that derivative out; "
                "build val_cost without it, or give method 't1t2' with step_size"
            )


def _check_uncut(role: str, name: str, variable: Variable, reach: Reach, cost: str) -> None:
    cut = reach.cut(variable)
    if cut is not None:
        raise ValueError(f"{role}: {name} influences {cost} through {cut}; {cut.remedy}")


def _check_cost(role: str, cost: object) -> None:
    if not isinstance(cost, TensorVariable) or cost.type.ndim != 0:
        raise ValueError(f"{role} = {shown(cost)}: is not a scalar tensor; reduce it, for example with .mean()")
    if not np.issubdtype(np.dtype(cost.dtype), np.floating):
        raise ValueError(f"{role}: has dtype {cost.dtype}; gradients need a floating-point cost")


def variables(role: str, given: object) -> list[TensorVariable]:
    """A list of floating-point tensors, each once.

    Raises
    ------
    TypeError
        For what is no list of variables.
    ValueError
        For constants, for what is not floating point, and for a variable that is there twice.
    """
    if isinstance(given, Variable):
        raise TypeError(f"{role} = {shown(given)}: is a variable; put it into a list")
    if isinstance(given, Mapping):
        raise TypeError(f"{role} = {shown(given)}: is a dictionary; give list({role}.values())")
    if isinstance(given, str | bytes | np.ndarray | set | frozenset) or not isinstance(given, Iterable):
        raise TypeError(f"{role} = {shown(given)}: is a {type(given).__name__}; give a list of PyTensor variables")
    found: list[TensorVariable] = []
    for position, variable in enumerate(given):
        if not isinstance(variable, TensorVariable):
            kind = type(variable).__name__
            raise TypeError(
                f"{role}[{position}] = {shown(variable)}: is a {kind}, no tensor variable; make one by pytensor.shared"
            )
        name = name_of(variable, position, role)
        if isinstance(variable, Constant):
            raise ValueError(f"{role}[{position}] = {shown(variable)}: is a constant; make it a pytensor.shared")
        if not np.issubdtype(np.dtype(variable.dtype), np.floating):
            raise ValueError(f"{role}: {name} has dtype {variable.dtype}; gradients need a floating-point tensor")
        if variable in found:
            raise ValueError(f"{role}: {name} is there twice; give it once")
        found.append(variable)
    return found


def tensors_like(option: str, given: object, params: Sequence[TensorVariable]) -> list[TensorVariable]:
    """A tensor for each of params, with its rank and dtype.

    Raises
    ------
    TypeError, ValueError
        Naming the option.
    """
    if isinstance(given, Variable | Mapping | str) or not isinstance(given, Iterable):
        raise TypeError(
            f"{option} = {shown(given)}: is a {type(given).__name__}; give a list with a tensor for each param"
        )
    found = list(given)
    if len(found) != len(params):
        raise ValueError(f"{option} has {len(found)} tensors for {len(params)} params; give one for each")
    for position, (tensor, param) in enumerate(zip(found, params, strict=True)):
        name = f"{option}[{position}], of {name_of(param, position, 'params')},"
        if not isinstance(tensor, TensorVariable):
            raise TypeError(f"{name} is a {type(tensor).__name__}, no tensor variable; give an expression")
        if tensor.dtype != param.dtype:
            raise ValueError(f"{name} has dtype {tensor.dtype}, where {param.dtype} is needed; cast it")
        if tensor.type.ndim != param.type.ndim:
            raise ValueError(f"{name} has {tensor.type.ndim} dimensions, where {param.type.ndim} are needed")
        sizes = zip(tensor.type.shape, param.type.shape, strict=True)
        if any(None not in pair and pair[0] != pair[1] for pair in sizes):
            raise ValueError(f"{name} has shape {tensor.type.shape}, where {param.type.shape} is needed")
    return found


def positive(option: str, value: object) -> None:
    """Check that an option is a finite number above 0.

    Raises
    ------
    TypeError, ValueError
        Naming the option.
    """
    if not 0 < _real(option, value, "a number above 0") < np.inf:
        raise ValueError(f"{option} = {value}: is out of range; give a number above 0")


def step_sizes_of(value: object) -> list[TensorVariable]:
    """Check a step size, or a list of those of all params; returns those that are graphs.

    Raises
    ------
    TypeError, ValueError
        Naming the option `step_size`.
    """
    sizes = list(value) if isinstance(value, list | tuple) else [value]
    for size in sizes:
        step_size_of(size)
    return [size for size in sizes if isinstance(size, TensorVariable)]


def step_size_of(value: object) -> None:
    """Check that a step size is a number above 0, or a scalar tensor.

    Raises
    ------
    TypeError, ValueError
        Naming the option `step_size`.
    """
    if not isinstance(value, Variable):
        positive("step_size", value)
    elif not isinstance(value, TensorVariable) or value.type.ndim:
        raise TypeError(f"step_size = {value}: is no scalar; give a number or a scalar tensor")


def share(option: str, value: object) -> None:
    """Check that an option is a number from 0 to less than 1.

    Raises
    ------
    TypeError, ValueError
        Naming the option.
    """
    if not 0 <= _real(option, value, "a number from 0 to less than 1") < 1:
        raise ValueError(f"{option} = {value}: give a number from 0 to less than 1")


def at_least(option: str, value: object, least: float, *, whole: bool = False) -> None:
    """Check that an option is a finite number, or a whole one, and not below some number.

    Raises
    ------
    TypeError, ValueError
        Naming the option.
    """
    wanted = f"a {'whole ' if whole else ''}number of {least} or more"
    if not least <= _real(option, value, wanted) < np.inf or (whole and not isinstance(value, int | np.integer)):
        raise ValueError(f"{option} = {value}: give {wanted}")


def one_of(option: str, value: object, choices: Sequence[str]) -> None:
    """Check that an option is one of some texts.

    Raises
    ------
    ValueError
        Naming the option.
    """
    if value not in choices:
        raise ValueError(f"{option} = {shown(value)}: is unknown; give {' or '.join(choices)}")


def _real(option: str, value: Any, wanted: str) -> Any:
    """The value, which is a real number; their abstract type has no comparisons that mypy knows."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{option} = {shown(value)}: is a {type(value).__name__}; give {wanted}")
    return value


def name_of(variable: Variable, position: int, role: str) -> str:
    """A variable's name, or its place where it has none."""
    return variable.name or f"{role}[{position}] (unnamed)"


def shown(value: object) -> str:
    """A value in at most 60 characters of one line."""
    text = " ".join((str(value) if isinstance(value, Variable) else repr(value)).split())
    return text if len(text) <= 60 else text[:57] + "..."
