"""The steps of a tuner, compiled for the shapes of the first batches."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.backends import Backend
from t1t2_pt.backends.shared_steps import SharedStep
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.tuning.feeding import Arrays, Inputs
from t1t2_pt.tuning.fixing import fixed, shape_of
from t1t2_pt.tuning.moves import Rates, Rules, Updates, build_updates

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Parts:
    """What steps are made of, by name.

    Parameters
    ----------
    train_cost, val_cost
        C1~ on the inputs of T1, and C2 on those of T2.
    rates
        Shared variables, of the elementary parameters and by hyperparameter.
    others
        Further updates of T1 steps.
    """

    train_cost: TensorVariable
    val_cost: TensorVariable
    t1: Inputs
    t2: Inputs
    params: Mapping[str, SharedVariable]
    hyperparams: Mapping[str, SharedVariable]
    memory: Mapping[str, SharedVariable]
    rates: Rates
    others: Mapping[SharedVariable, Variable]

    def updates(self, rules: Rules) -> Updates:
        """Updates of the graph as it is."""
        costs = self.train_cost, self.val_cost
        return build_updates(costs, self.params, self.hyperparams, self.memory, rules, self.rates, self.others)

    def fixed(self, shapes: Mapping[Variable, Shape]) -> "Parts":
        """The same with static shapes."""
        also = [*self.memory.values(), *self.others]
        graph = fixed([self.train_cost, self.val_cost, *self.others.values()], also, shapes)
        train_cost, val_cost, *new = graph.outputs
        t1, t2 = (dataclasses.replace(each, variables=graph.of(each.variables)) for each in (self.t1, self.t2))
        others = {graph.inputs.get(shared, shared): value for shared, value in zip(self.others, new, strict=True)}
        params, hyperparams, memory = (graph.of(each) for each in (self.params, self.hyperparams, self.memory))
        return Parts(train_cost, val_cost, t1, t2, params, hyperparams, memory, self.rates, others)


class Stepper:
    """Takes T1 and T1+T2 steps on batches that are arrays by name.

    Parameters
    ----------
    static
        Whether the graph is compiled for the shapes of the first batches, which all others must then have.
    """

    def __init__(self, parts: Parts, rules: Rules, backend: Backend, static: bool) -> None:
        self._parts, self._rules, self._backend, self._static = parts, rules, backend, static
        self._steps = backend.steps()
        self._made: dict[bool, SharedStep] = {}  # by whether the hyperparameters move
        self._shapes: dict[str, Shape] = {}  # of the batches that it is made for
        variables = {**parts.params, **parts.hyperparams}
        self._start = {name: shape_of(shared) for name, shared in variables.items()}

    def __call__(self, t1: Arrays, t2: Arrays | None) -> dict[str, float]:
        """Take a step: `train_cost`, and with a T2 batch `val_cost`, before the step.

        Raises
        ------
        InputError
            For batches of other shapes than the first had, or that the graph cannot take; for a backend that lacks
            an operation of the graph.
        """
        given = {f"{self._parts.t1.batch}: {name}": array for name, array in t1.items()}
        if t2 is not None:
            given |= {f"{self._parts.t2.batch}: {name}": array for name, array in t2.items()}
        self._check_shapes(given)
        tunes = t2 is not None
        if tunes not in self._made:
            self._made[tunes] = self._step(given, tunes)
        try:
            outputs = self._steps(self._made[tunes], given)
        except InputError:
            raise
        except NotImplementedError as error:
            remedy = "give backend='numba' or backend='c'"
            name = self._backend.name
            raise InputError("backend", name, f"lacks an operation of the graph ({reason(error)})", remedy) from error
        except Exception as error:  # each backend has its own
            raise _misfit(given, error) from error
        return {name: float(value) for name, value in outputs.items()}

    def write_back(self, wanted: Collection[SharedVariable]) -> None:
        """Let shared variables have the values after the last step."""
        self._steps.write_back(wanted)

    def _check_shapes(self, given: Arrays) -> None:
        for name, array in given.items():
            known = self._shapes.setdefault(name, array.shape) if self._static else array.shape
            if array.shape != known:
                remedy = "give batches of one shape, or build Tuner(..., static=False)"
                raise InputError(name, f"shape {array.shape}", f"the first batch had {known}", remedy)
        for name, shared in {**self._parts.params, **self._parts.hyperparams}.items():
            if shape_of(shared) != self._start[name]:
                problem = f"was {self._start[name]} when the Tuner was made"
                raise InputError(name, f"shape {shape_of(shared)}", problem, "make another Tuner")

    def _named_shapes(self, given: Arrays) -> dict[Variable, Shape]:
        """Shapes by the variables of the graph, for those that a step has."""
        variables = {
            f"{inputs.batch}: {name}": variable
            for inputs in (self._parts.t1, self._parts.t2)
            for name, variable in inputs.variables.items()
        }
        return {variables[name]: np.shape(array) for name, array in given.items()}

    def _step(self, given: Arrays, tunes: bool) -> SharedStep:
        try:
            parts = self._parts.fixed(self._named_shapes(given) if self._static else {})
        except Exception as error:  # each Op has its own
            raise _misfit(given, error) from None
        if not tunes:
            parts = dataclasses.replace(parts, hyperparams={})
        updates = parts.updates(self._rules)
        inputs: dict[str, Any] = {f"{parts.t1.batch}: {name}": v for name, v in parts.t1.variables.items()}
        outputs = {"train_cost": parts.train_cost}
        if tunes:
            inputs |= {f"{parts.t2.batch}: {name}": v for name, v in parts.t2.variables.items()}
            outputs["val_cost"] = parts.val_cost
        return SharedStep(inputs, outputs, dict(updates))


def _misfit(given: Arrays, error: BaseException) -> InputError:
    """What is told of batches that the graph cannot take."""
    told = ", ".join(f"{name} {np.shape(array)}" for name, array in given.items())
    remedy = "give arrays of the shapes that the costs are built for"
    return InputError("batch", told, f"does not fit the graph ({reason(error)})", remedy)
