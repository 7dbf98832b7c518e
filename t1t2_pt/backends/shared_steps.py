"""Steps of any graph whose state lies in shared variables, and their loop of one call a step on PyTensor's linkers."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable

from t1t2_pt.steps.regularization import Tensors

Values = dict[str, Any]  # arrays by name


@dataclasses.dataclass(frozen=True, eq=False)
class SharedStep:
    """What a step computes, and what it changes.

    Parameters
    ----------
    inputs
        Symbolic inputs by name.
    outputs
        Results by name.
    updates
        New values of shared variables, tensors or generators; all are computed from the values before the step.
    """

    inputs: Tensors
    outputs: Tensors
    updates: Mapping[SharedVariable, Variable]


class SharedSteps(Protocol):
    """Takes steps, each compiled when it is first taken; shared variables of one container are one."""

    def __call__(self, step: SharedStep, values: Values) -> Values:
        """The outputs, from values of the inputs, which have their types' shapes and dtypes."""

    def write_back(self, wanted: Collection[SharedVariable]) -> None:
        """Let shared variables have the values after the last step, as NumPy's.

        One that was given another value since the last step is read again at the next.
        """


class HostSteps:
    """Functions of PyTensor's; shared variables are current at all times.

    Parameters
    ----------
    compiled
        Makes a function that takes a step's inputs in their order and returns its outputs by name.
    """

    def __init__(self, compiled: Callable[[SharedStep], Callable[..., Values]]) -> None:
        self._compiled = compiled
        self._functions: dict[SharedStep, Callable[..., Values]] = {}

    def __call__(self, step: SharedStep, values: Values) -> Values:
        if step not in self._functions:
            self._functions[step] = self._compiled(step)
        return self._functions[step](*(values[name] for name in step.inputs))

    def write_back(self, wanted: Collection[SharedVariable]) -> None:
        """Nothing is to be done."""
