"""A graph with the shapes that its inputs have: of shared variables as they are, of batches as the first are.

With ordinary shared variables and inputs no size is known while the graph is compiled. Matrix products then stay in
their order, JAX refuses what needs a size (`pt.arange(y.shape[0])`), and loops are compiled for any size.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import graph_inputs
from pytensor.tensor.type import TensorType

from t1t2_pt.system.errors import InputError, reason


@dataclasses.dataclass(frozen=True)
class Fixed:
    """A graph whose inputs have static shapes.

    Parameters
    ----------
    outputs
        Those of the graph, in their order.
    inputs
        What stands in its place, for each variable that was replaced. A shared variable's stand-in has the very
        values of the other, before and after any step.
    """

    outputs: list[Any]
    inputs: Mapping[Variable, Any]

    def of(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The stand-ins of variables by name, or those themselves."""
        return {name: self.inputs.get(variable, variable) for name, variable in variables.items()}


def fixed(outputs: Sequence[Variable], also: Sequence[SharedVariable], shapes: Mapping[Variable, Any]) -> Fixed:
    """A graph with the shapes of its shared variables, of further ones, and of symbolic inputs as given.

    Raises
    ------
    InputError
        If the graph cannot have these shapes.
    """
    shared = [variable for variable in graph_inputs(outputs) if isinstance(variable, SharedVariable)]
    stand_ins: dict[Variable, Any] = {v: stand_in for v in [*shared, *also] if (stand_in := _with_shape(v)) is not None}
    for variable, shape in shapes.items():
        stand_ins[variable] = variable.type.clone(shape=shape)(name=variable.name)
    if not stand_ins:
        return Fixed(list(outputs), {})
    try:
        return Fixed(clone_replace(list(outputs), replace=stand_ins, rebuild_strict=False), stand_ins)
    except Exception as error:  # each Op has its own
        raise misfit(shapes, error) from None


def misfit(shapes: Mapping[Variable, Any], error: BaseException) -> InputError:
    """What is told of batches that the graph cannot take."""
    told = ", ".join(f"{variable.name or variable} {tuple(shape)}" for variable, shape in shapes.items())
    remedy = "give arrays of the shapes that the costs are built for"
    return InputError("batch", told, f"does not fit the graph ({reason(error)})", remedy)


def shape_of(shared: SharedVariable) -> tuple[int, ...]:
    """The shape that a shared variable's value has now; of a generator nothing."""
    return np.shape(shared.container.storage[0]) if isinstance(shared.type, TensorType) else ()


def _with_shape(shared: SharedVariable) -> SharedVariable | None:
    if not isinstance(shared.type, TensorType) or None not in shared.type.shape:
        return None
    stand_in = shared.clone()  # with the same container
    stand_in.type = shared.type.clone(shape=shape_of(shared))
    return stand_in
