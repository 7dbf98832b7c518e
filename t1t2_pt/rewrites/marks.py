"""Which part of a graph may have its products reordered: what lies behind a mark, and nothing else.

A mark is an identity in the graph. `hypergradient` puts one on each of its results, and anybody may put
one on an expression of their own; functions without a mark are compiled as if this package were not there.
"""

from pytensor.compile.ops import TypeCastingOp
from pytensor.graph.basic import Apply
from pytensor.tensor.basic import as_tensor_variable
from pytensor.tensor.variable import TensorVariable

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

    def __init__(self, precision: str):
        self.precision = precision

    def make_node(self, x):
        x = as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def infer_shape(self, *arguments):
        return arguments[-1]  # after the node; PyTensor 3.2 puts the graph before both

    def pullback(self, inputs, outputs, cotangents):
        return list(cotangents)

    def pushforward(self, inputs, outputs, tangents):
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
    return Mark(precision)(x)
