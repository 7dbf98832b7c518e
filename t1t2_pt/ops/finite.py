"""Sums of squares of the finite elements of tensors, and how many are not finite, in one fast pass.

A sum of squares that is finite has no NaN and no infinity in it, so in a healthy run nothing needs to
be looked at twice. Clipping a gradient and counting its repairs by element-wise operations takes three
passes over it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.graph.op import OutputStorageType as Storage
from pytensor.tensor import TensorLike
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.ops import arguments


def finite_squares(*tensors: TensorVariable) -> tuple[list[TensorVariable], TensorVariable]:
    """The sum of the squares of each tensor's finite elements, and the number of all others.

    Parameters
    ----------
    tensors
        Floating point, of one dtype and any shapes.

    Returns
    -------
    A float64 scalar for each tensor, as squares of float32 can be beyond float32, and the count, of the
    tensors' dtype. The count is not differentiable.

    Raises
    ------
    TypeError
        If the tensors are not floating point of one dtype.
    """
    *squares, count = arguments.outputs(FiniteSquares(len(tensors)), *tensors)
    return squares, count


class FiniteSquares(Op):
    """See `finite_squares`."""

    __props__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count

    def make_node(self, *inputs: TensorLike) -> Apply:
        tensors = [pt.as_tensor_variable(x) for x in inputs]
        dtypes = sorted({x.dtype for x in tensors})
        if len(dtypes) != 1 or not np.issubdtype(np.dtype(dtypes[0]), np.floating):
            raise TypeError(
                f"finite_squares: tensors of {', '.join(dtypes) or 'no dtype'}; give one floating-point dtype"
            )
        squares = [pt.scalar(dtype="float64") for _ in tensors]
        return Apply(self, tensors, [*squares, pt.scalar(dtype=dtypes[0])])

    def infer_shape(
        self, *arguments: object
    ) -> list[tuple[Variable, ...]]:  # PyTensor 3.2 puts the graph before node and shapes
        return [()] * (self.count + 1)

    def perform(self, node: Apply, inputs: Sequence[npt.NDArray[np.floating]], output_storage: Storage) -> None:
        bad = 0
        with np.errstate(over="ignore", invalid="ignore"):
            for x, storage in zip(inputs, output_storage, strict=False):
                flat = x.ravel(order="K")
                square = np.dot(flat, flat)
                if not np.isfinite(square):
                    finite = flat[np.isfinite(flat)].astype(np.float64)
                    square, bad = np.dot(finite, finite), bad + flat.size - finite.size
                storage[0] = np.asarray(square, dtype=np.float64)
        output_storage[-1][0] = np.asarray(bad, dtype=inputs[0].dtype)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        return [
            disconnected_type() if isinstance(g.type, DisconnectedType) else pt.cast(g * _slope(x), x.dtype)
            for g, x in zip(arguments.tensors(cotangents), arguments.tensors(inputs), strict=False)
        ]

    def pushforward(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], tangents: Sequence[Variable]
    ) -> list[Variable]:
        pushed = [
            disconnected_type() if isinstance(t.type, DisconnectedType) else (t * _slope(x)).sum(dtype="float64")
            for t, x in zip(arguments.tensors(tangents), arguments.tensors(inputs), strict=True)
        ]
        return [*pushed, disconnected_type()]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        n = len(node.inputs)
        return [[i == j for j in range(n)] + [False] for i in range(n)]


def _slope(x: TensorVariable) -> TensorVariable:
    """The derivative of the square of each element; 0 where it is not finite."""
    return 2.0 * pt.cast(pt.switch(pt.isnan(x) | pt.isinf(x), np.zeros((), dtype=x.dtype), x), "float64")
