"""Sums of element-wise products of matrices, and norms, in the cheapest order.

They are traces, in which the factors may rotate:

    sum(W * (L @ R)) = trace(W^T L R) = sum((L^T @ W) * R)
    sum((L @ R) ** 2) = sum((L^T @ L) * (R @ R^T))

The first is the pullback of a weight penalty, the second the square of a gradient's norm. Where both
factors are products, what is summed may be small because both are, and the rotated sum has to be more
exact than they were: it is computed in float64 in a float32 graph, and left alone in a float64 one.
"""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar.basic import Add, Mul, Pow, Sqr
from pytensor.tensor.math import Sum
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.ops.arguments import tensors
from t1t2_pt.ops.norms import Norm
from t1t2_pt.rewrites.chains import (
    DTYPES,
    Scale,
    Term,
    is_elementwise,
    is_scalar,
    linear_form,
    node_count,
    opaque,
)
from t1t2_pt.rewrites.orders import DEARER, WIDER, Order, Orders
from t1t2_pt.rewrites.sizes import Count, Sizes, broadcast, sizes_of, total


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two terms that are multiplied element by element.

    Parameters
    ----------
    scale
        Multiplies the product by the scalars that stand beside both.
    square
        Whether it is a matrix with itself and nothing more, so that its sum is never negative.
    replaced
        Products of the graph that only they need.
    """

    left: Term
    right: Term
    scale: Scale
    square: bool
    replaced: frozenset[Apply]

    @property
    def both_are_products(self) -> bool:
        return min(len(self.left.chain), len(self.right.chain)) > 1


@dataclasses.dataclass(frozen=True)
class Summed:
    """Pairs whose element-wise products are summed together, over some of the axes; `op` sums up one of them."""

    pairs: tuple[Pair, ...]
    axes: tuple[int, ...]
    ndim: int
    op: Sum

    @property
    def over_rows(self) -> bool:
        return self.ndim - 2 in self.axes

    @property
    def over_columns(self) -> bool:
        return self.ndim - 1 in self.axes


def cheaper_sum(fgraph: FunctionGraph, node: Apply, wide: bool, exact: bool) -> TensorVariable | None:
    """What computes a sum or a norm with fewer multiplications, or None.

    Parameters
    ----------
    wide
        Whether float64 can be had where the graph is float32.
    exact
        Whether all that is reordered has to be computed in float64 there.
    """
    is_norm = isinstance(node.op, Norm)
    summed = _squared(fgraph, node) if is_norm else _summed(fgraph, node)
    if summed is None or (result := _rotated(fgraph, summed, wide, exact)) is None:
        return None
    return pt.cast(pt.sqrt(result) if is_norm else result, node.outputs[0].type.dtype)


def _rotated(fgraph: FunctionGraph, summed: Summed, wide: bool, exact: bool) -> TensorVariable | None:
    if not (summed.over_rows or summed.over_columns):
        return None
    replaced = frozenset().union(*(pair.replaced for pair in summed.pairs))
    before, after, sums = total(node_count(fgraph, node) for node in replaced), Count(), []
    for pair in summed.pairs:
        single = pair.left.chain[0].base.dtype != WIDER
        wider = single and (exact or pair.both_are_products)
        if exact and single and not wide:
            return None
        cuts: Iterable[tuple[Term, Term]] = _cuts(pair.left, pair.right, summed)
        if pair.both_are_products and not (single and wide):
            cuts, wider = [(pair.left, pair.right)], False
        orders = Orders(fgraph, replaced, wider)
        count, first, second = min((_priced(orders, cut) for cut in cuts), key=lambda priced: priced[0].guess)
        before += Count.of(sizes_of_term(pair.left))
        after += count
        sums.append(_built(pair, first, second, summed))
    if not after.surely_below(before):
        return None
    return sums[0] if len(sums) == 1 else pt.add(*sums)


def _built(pair: Pair, first: Order, second: Order, summed: Summed) -> TensorVariable:
    product = pair.scale(first.build() * second.build())
    product = -product if pair.left.negative != pair.right.negative else product
    op = summed.op
    result = pt.sum(product, axis=summed.axes) if product.dtype == WIDER else op.clone(axis=summed.axes)(product)
    return pt.maximum(result, np.zeros((), result.dtype)) if pair.square else result


def sizes_of_term(term: Term) -> Sizes:
    """Sizes of a term's product."""
    batch = broadcast([one.batch for one in term.chain])
    return (*batch, term.chain[0].shape[0], term.chain[-1].shape[1])


def _priced(orders: Orders, cut: tuple[Term, Term]) -> tuple[Count, Order, Order]:
    """Multiplications of the sum of two terms' element-wise product, and the order of each."""
    first, second = map(orders.best, cut)
    elements = Count.of(broadcast([sizes_of_term(term) for term in cut]), DEARER if orders.wider else 1)
    return elements + first.count + second.count, first, second


def _cuts(left: Term, right: Term, summed: Summed) -> Iterator[tuple[Term, Term]]:
    """Pairs of terms whose element-wise product has, over the same axes, the sum that left * right has."""
    if summed.over_rows and summed.over_columns:
        circle, n = left @ right.transpose(), len(left.chain) + len(right.chain)
        twice = circle @ circle
        for start in range(n):
            for end in range(start + 1, n):
                yield twice.stretch(start, end), twice.stretch(end, n + start).transpose()
    elif summed.over_rows:
        line = left.transpose() @ right
        for cut in range(1, len(line.chain)):
            yield line.stretch(0, cut).transpose(), line.stretch(cut, len(line.chain))
    else:
        line = left @ right.transpose()
        for cut in range(1, len(line.chain)):
            yield line.stretch(0, cut), line.stretch(cut, len(line.chain)).transpose()


def _squared(fgraph: FunctionGraph, node: Apply) -> Summed | None:
    """The square of a norm as a sum."""
    (x,) = tensors(node.inputs)
    if x.type.ndim < 2 or x.type.dtype not in DTYPES:
        return None
    pair = _pair(fgraph, x, x, lambda y: y, square=True)
    if len(pair.left.chain) == 1:
        return None
    return Summed((pair,), tuple(range(x.type.ndim)), x.type.ndim, Sum())


def _summed(fgraph: FunctionGraph, node: Apply) -> Summed | None:
    """The element-wise products of matrices that a node sums up; None where it sums something else."""
    if not isinstance(node.op, Sum):
        return None
    (summed,) = tensors(node.inputs)
    if summed.type.ndim < 2 or summed.type.dtype not in DTYPES or len(fgraph.clients[summed]) > 1:
        return None
    addends = tensors(summed.owner.inputs) if is_elementwise(summed.owner, Add) else [summed]
    found = [_read_pair(fgraph, addend, summed) for addend in addends]
    pairs = tuple(pair for pair in found if pair is not None)
    if len(pairs) < len(found) or all(len(pair.left.chain) == len(pair.right.chain) == 1 for pair in pairs):
        return None
    ndim = summed.type.ndim
    axes = tuple(range(ndim)) if node.op.axis is None else tuple(node.op.axis)
    return Summed(pairs, axes, ndim, node.op)


def _read_pair(fgraph: FunctionGraph, addend: TensorVariable, summed: TensorVariable) -> Pair | None:
    node, scalars = addend.owner, []
    if is_elementwise(node, Sqr) or (is_elementwise(node, Pow) and _is_two(node.inputs[1])):
        matrices = [node.inputs[0]] * 2
    elif is_elementwise(node, Mul):
        matrices = [x for x in node.inputs if not is_scalar(x)]
        scalars = [x for x in node.inputs if is_scalar(x)]
    else:
        return None
    if len(matrices) != 2 or len(fgraph.clients[addend]) > 1:
        return None
    sizes = sizes_of(fgraph, summed)
    if any(sizes_of(fgraph, x) != sizes or x.dtype != summed.dtype for x in matrices):
        return None
    square = matrices[0] is matrices[1] and not scalars
    left, right = tensors(matrices)
    return _pair(fgraph, left, right, lambda y: pt.mul(y, *scalars) if scalars else y, square)


def _pair(fgraph: FunctionGraph, x: TensorVariable, y: TensorVariable, scale: Scale, square: bool) -> Pair:
    forms = [form if len((form := linear_form(fgraph, z)).terms) == 1 else opaque(fgraph, z) for z in (x, y)]
    (left,), (right,) = (form.terms for form in forms)
    return Pair(left, right, scale, square, forms[0].replaced | forms[1].replaced)


def _is_two(x: TensorVariable) -> bool:
    """Whether x is the constant 2, perhaps with axes of length 1."""
    while x.owner is not None and len(x.owner.inputs) == 1 and all(x.type.broadcastable):
        x = x.owner.inputs[0]
    return isinstance(x, Constant) and x.data.size == 1 and x.data.item() == 2
