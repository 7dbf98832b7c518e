"""Products of matrices in the order that costs least: a graph rewrite for any PyTensor graph.

The cost of a product of three matrices depends on the order. With x [n, k], L [k, r] and R [r, m],

    x @ (L @ R)    n k m + k r m multiplications
    (x @ L) @ R    n k r + n r m

and when r is small the second is far cheaper, even if L @ R is needed elsewhere. Gradients of weight
matrices are such products, of rank at most the batch size: with H2 the clean activations of a
validation batch and D2 the back-propagated errors, grad_W C2 = H2^T D2. The L-op of Eq. 3 multiplies
by it at each layer, as x (H2^T D2) = (x H2^T) D2. Sums of element-wise products go the same way, for
they are traces, in which the factors may rotate:

    sum(W * (L @ R)) = trace(W^T L R) = sum((L^T @ W) * R)
    sum((L @ R) ** 2) = sum((L^T @ L) * (R @ R^T))

The second is the square of a gradient's norm, which clipping needs; the first the pullback of a weight
penalty, where L^T @ W = H2 @ W is there from the forward pass. So grad_W C2 is never formed.

PyTensor (from 3.3) re-associates chains of matrices none of which is used elsewhere. This rewrite sees
through scalar factors, signs and sums as well, takes products that are used several times, finds
products that the graph computes for others, and knows the sums. It needs static shapes, and changes
the graph only where that saves multiplications. It works on `Dot`, on `Matmul` and on batches.

Importing this module registers it as `reassociate_products` in PyTensor's `fast_run`, before BLAS and
in-place rewrites, for all linkers; `mode.excluding("reassociate_products")` leaves it out.
"""

import dataclasses
import math
from collections.abc import Iterator

import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter, MergeOptimizer, copy_stack_trace
from pytensor.scalar.basic import Add, Mul, Sqr
from pytensor.tensor.math import Sum
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.rewrites.chains import (
    Order,
    Term,
    batch_size,
    best_order,
    is_elementwise,
    is_product,
    is_scalar,
    linear_form,
    node_cost,
    opaque,
    product_forms,
)

NAME = "reassociate_products"
POSITION = 1.64  # after stabilisation, before PyTensor's own reassociation (1.65) and BLAS (1.7)


class ReassociateProducts(GraphRewriter):
    """Compute products of matrices, and sums over them, in the cheapest order; see the module."""

    def apply(self, fgraph: FunctionGraph) -> None:
        changed = True
        while changed:  # every change saves multiplications, so this ends
            changed = False
            for node in fgraph.toposort():
                if node not in fgraph.apply_nodes:
                    continue
                new = _cheaper_product(fgraph, node) if is_product(node) else _cheaper_sum(fgraph, node)
                if new is not None:
                    copy_stack_trace(node.outputs[0], new)
                    fgraph.replace(node.outputs[0], new, reason=NAME, import_missing=True)
                    changed = True
            if changed:
                MergeOptimizer().rewrite(fgraph)


def _cheaper_product(fgraph: FunctionGraph, node: Apply) -> TensorVariable | None:
    best, saving = None, 0
    for form in product_forms(fgraph, node, kept=False):
        if all(len(term.chain) < 3 for term in form.terms):
            continue
        replaced = form.replaced | {node}
        orders = [best_order(fgraph, term, replaced) for term in form.terms]
        saved = sum(map(node_cost, replaced)) - sum(order.cost for order in orders)
        if saved > saving:
            best, saving = (form, orders), saved
    if best is None:
        return None
    form, orders = best
    terms = [pt.mul(order.build(), *term.scalars) for order, term in zip(orders, form.terms, strict=True)]
    return terms[0] if len(terms) == 1 else pt.add(*terms)


def _cheaper_sum(fgraph: FunctionGraph, node: Apply) -> TensorVariable | None:
    pairs = _summed_pairs(fgraph, node)
    if not pairs:
        return None
    (summed,) = node.inputs
    ndim = summed.type.ndim
    axes = tuple(range(ndim)) if node.op.axis is None else node.op.axis
    over_rows, over_columns = ndim - 2 in axes, ndim - 1 in axes
    if not (over_rows or over_columns):
        return None
    replaced = frozenset().union(*(pair.replaced for pair in pairs))
    now = len(pairs) * math.prod(summed.type.shape) + sum(map(node_cost, replaced))
    best = []
    for pair in pairs:
        cuts = _cuts(pair.left, pair.right, over_rows, over_columns)
        best.append(min((_priced(fgraph, cut, replaced) for cut in cuts), key=lambda priced: priced[0]))
    if sum(cost for cost, *_ in best) >= now:
        return None
    total = type(node.op)(axis=axes, dtype=node.op.dtype, acc_dtype=node.op.acc_dtype)
    sums = [
        total(pt.mul(first.build(), second.build(), *pair.left.scalars, *pair.right.scalars))
        for pair, (_, first, second) in zip(pairs, best, strict=True)
    ]
    return sums[0] if len(sums) == 1 else pt.add(*sums)


def _priced(fgraph: FunctionGraph, cut: tuple[Term, Term], replaced: frozenset[Apply]) -> tuple[int, Order, Order]:
    """Cost of the sum of two terms' element-wise product, and the order of each."""
    first, second = cut
    orders = [best_order(fgraph, term, replaced) for term in cut]
    elements = batch_size(first.chain + second.chain) * first.chain[0].shape[0] * first.chain[-1].shape[1]
    return elements + sum(order.cost for order in orders), *orders


def _cuts(left: Term, right: Term, over_rows: bool, over_columns: bool) -> Iterator[tuple[Term, Term]]:
    """Pairs of terms whose element-wise product has, over the same axes, the sum that left * right has."""
    if over_rows and over_columns:
        circle, n = left @ right.transpose(), len(left.chain) + len(right.chain)
        twice = circle @ circle
        for start in range(n):
            for end in range(start + 1, n):
                yield twice.stretch(start, end), twice.stretch(end, n + start).transpose()
    elif over_rows:
        line = left.transpose() @ right
        for cut in range(1, len(line.chain)):
            yield line.stretch(0, cut).transpose(), line.stretch(cut, len(line.chain))
    else:
        line = left @ right.transpose()
        for cut in range(1, len(line.chain)):
            yield line.stretch(0, cut), line.stretch(cut, len(line.chain)).transpose()


@dataclasses.dataclass(frozen=True)
class _Pair:
    """Two terms that are multiplied element by element, and the products that only they need."""

    left: Term
    right: Term
    replaced: frozenset[Apply]


def _summed_pairs(fgraph: FunctionGraph, node: Apply) -> list[_Pair]:
    """The element-wise products of matrices whose sum a node sums up; empty where it sums something else."""
    if not isinstance(node.op, Sum):
        return []
    (summed,) = node.inputs
    if summed.type.ndim < 2 or None in summed.type.shape or len(fgraph.clients[summed]) > 1:
        return []
    addends = summed.owner.inputs if is_elementwise(summed.owner, Add) else [summed]
    pairs = [_pair(fgraph, addend, summed.type) for addend in addends]
    if None in pairs or all(len(pair.left.chain) == len(pair.right.chain) == 1 for pair in pairs):
        return []
    return pairs


def _pair(fgraph: FunctionGraph, addend: TensorVariable, wanted: TensorType) -> _Pair | None:
    node, scalars = addend.owner, []
    if is_elementwise(node, Sqr):
        matrices = [node.inputs[0]] * 2
    elif is_elementwise(node, Mul):
        matrices = [x for x in node.inputs if not is_scalar(x)]
        scalars = [x for x in node.inputs if is_scalar(x)]
    else:
        return None
    if len(matrices) != 2 or len(fgraph.clients[addend]) > 1:
        return None
    if any(x.type.shape != wanted.shape or x.dtype != wanted.dtype for x in matrices):
        return None
    forms = [form if len((form := linear_form(fgraph, x)).terms) == 1 else opaque(x) for x in matrices]
    (left,), (right,) = (form.terms for form in forms)
    left = dataclasses.replace(left, scalars=(*left.scalars, *scalars))
    return _Pair(left, right, forms[0].replaced | forms[1].replaced)


optdb.register(NAME, ReassociateProducts(), "fast_run", position=POSITION)
