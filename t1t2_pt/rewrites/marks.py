"""Which part of a graph may have its products reordered: what lies behind a mark, and nothing else.

A mark is an identity in the graph. `hypergradient` puts one on each of its results, and anybody may put
one on an expression of their own; functions without a mark are compiled as if this package were not there.
"""

from collections.abc import Sequence
from typing import Any

from pytensor.compile.ops import TypeCastingOp
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor import TensorLike, as_tensor_variable
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.ops.arguments import output

EXACT, FAST = "exact", "fast"
PRECISIONS = (EXACT, FAST)


class Mark(TypeCastingOp):
    """The identity, on an expression whose products may be reordered.

    Parameters
    ----------
    precision
        See `reassociated`.
    """

    __props__ = ("precision",)

    def __init__(self, precision: str) -> None:
        self.precision = precision

    def make_node(self, *inputs: TensorLike) -> Apply:
        (x,) = map(as_tensor_variable, inputs)
        return Apply(self, [x], [x.type()])

    def infer_shape(self, *arguments: Any) -> Sequence[tuple[Variable, ...]]:
        return arguments[-1]  # after the node; PyTensor 3.2 puts the graph before both

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        return list(cotangents)

    def pushforward(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], tangents: Sequence[Variable]
    ) -> list[Variable]:
        return list(tangents)


def reassociated(x: TensorVariable, precision: str = EXACT) -> TensorVariable:
    """x, with leave to compute the matrix products that it is made of in the cheapest order.

    Parameters
    ----------
    x
        Any tensor.
    precision
        `"exact"`: in a float32 graph, products in another order are computed in float64, so that x is at
        least as exact as in the order that is written. `"fast"`: in float32, where rounding errors are bounded
        as before, but can be some ten times larger where what a product sums up cancels later. Norms and inner
        products of products are computed in float64 in both. In a float64 graph the two are the same: chains
        are reordered, and what needs more than float64 is left alone.

    Raises
    ------
    ValueError
        For an unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision = {precision!r}: is unknown; give {' or '.join(PRECISIONS)}")
    return output(Mark(precision), x)
