"""The Euclidean norm, of any tensor, whatever the size of its elements.

The square of a number beyond 1.8e19 is infinite in float32, and that of one below 1e-23 is 0; the norm of
either is an ordinary number. NaN in, NaN out; infinity in, infinity out.
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

from t1t2_pt.ops.arguments import output, tensors

SMALLEST, LARGEST = 1e-20, 1e30  # sums of squares between these have lost nothing, also in float32


def norm(x: TensorLike) -> TensorVariable:
    """The square root of the sum of squares of a tensor: a scalar of its dtype.

    Its derivative is x / norm, and 0 where the norm is 0.

    Raises
    ------
    TypeError
        If x is not floating point.
    """
    return output(Norm(), x)


class Norm(Op):
    """See `norm`."""

    __props__ = ()

    def make_node(self, *inputs: TensorLike) -> Apply:
        (x,) = map(pt.as_tensor_variable, inputs)
        if not np.issubdtype(np.dtype(x.dtype), np.floating):
            raise TypeError(f"norm: x has dtype {x.dtype}; cast it to a floating-point dtype first")
        return Apply(self, [x], [pt.scalar(dtype=x.dtype)])

    def infer_shape(self, *arguments: object) -> list[tuple[Variable, ...]]:
        return [()]

    def perform(self, node: Apply, inputs: Sequence[npt.NDArray[np.floating]], output_storage: Storage) -> None:
        (x,) = inputs
        output_storage[0][0] = np.asarray(euclidean(x.ravel(order="K")), dtype=x.dtype)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        return [_direction(*tensors((inputs[0], outputs[0]))) * cotangents[0]]

    def pushforward(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], tangents: Sequence[Variable]
    ) -> list[Variable]:
        if isinstance(tangents[0].type, DisconnectedType):
            return [disconnected_type()]
        slope = _direction(*tensors((inputs[0], outputs[0])))
        return [(slope * tangents[0]).sum(dtype=inputs[0].type.dtype)]


def _direction(x: TensorVariable, length: TensorVariable) -> TensorVariable:
    one = np.ones((), x.dtype)
    return x / pt.switch(pt.eq(length, 0), one, length)


def euclidean(flat: npt.NDArray[np.floating]) -> float:
    """The norm of a vector: by the BLAS, and once more with care where that overflowed or underflowed."""
    with np.errstate(all="ignore"):
        square = float(np.dot(flat, flat))
        if SMALLEST < square < LARGEST or flat.size == 0:
            return np.sqrt(square)
        largest = float(np.abs(flat).max())
        if largest == 0 or not np.isfinite(largest):
            return largest
        scaled = flat.astype(np.float64) / largest
        return largest * np.sqrt(np.dot(scaled, scaled))
