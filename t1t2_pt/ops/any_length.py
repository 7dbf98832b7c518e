"""The identity that hides a length of 1, for Ops that take an axis of any length and refuse one of length 1.

PyTensor tells an axis of length 1 from all others, as it may be broadcast: a scan that was built for axes of any
length is not built again for such an axis.
"""

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt
from pytensor.compile.ops import TypeCastingOp
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor import TensorLike
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.ops.arguments import output, tensors


class AnyLength(TypeCastingOp):
    """The identity, whose result has no static length along some axes."""

    __props__ = ("axes",)

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def make_node(self, *inputs: TensorLike) -> Apply:
        (x,) = map(pt.as_tensor_variable, inputs)
        shape = tuple(None if axis in self.axes else length for axis, length in enumerate(x.type.shape))
        return Apply(self, [x], [x.type.clone(shape=shape)()])

    def infer_shape(self, *arguments: Any) -> Sequence[tuple[Variable, ...]]:
        return arguments[-1]  # after the node; PyTensor 3.2 puts the graph before both

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """The cotangent, of the input's lengths again."""
        (x,), (g,) = tensors(inputs), tensors(cotangents)
        return [pt.specify_shape(g, x.type.shape)]

    def pushforward(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], tangents: Sequence[Variable]
    ) -> list[Variable]:
        return [output(self, *tensors(tangents))]


def any_length(x: TensorVariable, axes: Sequence[int]) -> TensorVariable:
    """x, without a static length along some axes."""
    return output(AnyLength(tuple(axes)), x) if axes else x
