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
from pytensor.graph.traversal import graph_inputs, toposort
from pytensor.scan.op import Scan
from pytensor.tensor.type import TensorType

from t1t2_pt.ops.any_length import any_length


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

    An operation that cannot have these shapes raises whatever it does.
    """
    shared = [variable for variable in graph_inputs(outputs) if isinstance(variable, SharedVariable)]
    stand_ins: dict[Variable, Any] = {v: stand_in for v in [*shared, *also] if (stand_in := _with_shape(v)) is not None}
    for variable, shape in shapes.items():
        stand_ins[variable] = variable.type.clone(shape=shape)(name=variable.name)
    if not stand_ins:
        return Fixed(list(outputs), {})
    return Fixed(_rebuilt(outputs, stand_ins), stand_ins)


def _rebuilt(outputs: Sequence[Variable], stand_ins: Mapping[Variable, Variable]) -> list[Variable]:
    """The same expressions of other inputs, each node made anew from the types that it now has."""
    new = dict(stand_ins)
    for node in toposort(outputs):
        given = [new.get(variable, variable) for variable in node.inputs]
        if all(now is before for now, before in zip(given, node.inputs, strict=True)):
            continue
        if isinstance(node.op, Scan):
            given = [_as_wide(now, before) for now, before in zip(given, node.inputs, strict=True)]
        made = node.clone_with_new_inputs(given, strict=False)
        new |= dict(zip(node.outputs, made.outputs, strict=True))
    return [new.get(variable, variable) for variable in outputs]


def _as_wide(now: Any, before: Any) -> Any:
    """A tensor without the axes of length 1 that another has no static length of.

    What a scan repeats was built for any length, and PyTensor refuses a length of 1 there.
    """
    if not isinstance(now.type, TensorType):
        return now
    pairs = enumerate(zip(now.type.shape, before.type.shape, strict=True))
    return any_length(now, [axis for axis, (length, known) in pairs if length == 1 and known is None])


def shape_of(shared: SharedVariable) -> tuple[int, ...]:
    """The shape that a shared variable's value has now; of a generator nothing."""
    return np.shape(shared.container.storage[0]) if isinstance(shared.type, TensorType) else ()


def _with_shape(shared: SharedVariable) -> SharedVariable | None:
    if not isinstance(shared.type, TensorType) or None not in shared.type.shape:
        return None
    stand_in = shared.clone()  # with the same container
    stand_in.type = shared.type.clone(shape=shape_of(shared))
    return stand_in
