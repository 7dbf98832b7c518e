"""Matrix chains inside a PyTensor graph, and the cheapest order to multiply them.

A matrix of the graph is read as a linear form: a sum of terms, each a product of scalars and of a chain
of matrices. Transposes, signs, scalar factors and sums are looked through, so that a chain is found
where operations of other kinds sit between its products. The order comes from the classical dynamic
programme over the shapes (Cormen et al., "Introduction to Algorithms", section 14.2), in which a
product that the graph holds anyway costs nothing.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar.basic import Add, Mul, Neg, Sub, TrueDiv
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.variable import TensorVariable

LONGEST = 8  # matrices in a chain that is still taken apart
MOST_TERMS = 4


def is_product(node: Apply | None) -> bool:
    """Whether a node multiplies matrices, or batches of them, of known sizes and one dtype."""
    if node is None:
        return False
    core = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    tensors = (*node.inputs, *node.outputs)
    return (
        isinstance(core, Dot)
        and min(x.type.ndim for x in tensors) >= 2
        and len({x.type.dtype for x in tensors}) == 1
        and not any(None in x.type.shape for x in tensors)
    )


def is_transpose(node: Apply | None) -> bool:
    """Whether a node swaps the last two axes and keeps the others."""
    if node is None or not isinstance(node.op, DimShuffle):
        return False
    ndim = node.inputs[0].type.ndim
    return ndim >= 2 and tuple(node.op.new_order) == (*range(ndim - 2), ndim - 1, ndim - 2)


def is_elementwise(node: Apply | None, *kinds: type) -> bool:
    """Whether a node applies one of these scalar operations to every element."""
    return node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, kinds)


def is_scalar(x: TensorVariable) -> bool:
    """Whether x is one number for each whole matrix, which commutes with products."""
    return all(x.type.broadcastable[-2:])


@dataclasses.dataclass(frozen=True)
class Factor:
    """A matrix of the graph, or its transpose."""

    base: TensorVariable
    transposed: bool = False

    def transpose(self) -> "Factor":
        return Factor(self.base, not self.transposed)

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.base.type.shape[-2:]
        return (columns, rows) if self.transposed else (rows, columns)

    @property
    def batch(self) -> tuple[int, ...]:
        return self.base.type.shape[:-2]

    @property
    def variable(self) -> TensorVariable:
        return self.base.mT if self.transposed else self.base


@dataclasses.dataclass(frozen=True)
class Part:
    """A stretch of a chain whose product the graph keeps, whatever becomes of the chain."""

    start: int
    end: int
    product: Factor


@dataclasses.dataclass(frozen=True)
class Term:
    """The product of scalars and of a chain of matrices."""

    scalars: tuple[TensorVariable, ...]
    chain: tuple[Factor, ...]
    parts: tuple[Part, ...] = ()

    def transpose(self) -> "Term":
        n = len(self.chain)
        parts = tuple(Part(n - p.end, n - p.start, p.product.transpose()) for p in self.parts)
        return Term(self.scalars, tuple(f.transpose() for f in reversed(self.chain)), parts)

    def __matmul__(self, other: "Term") -> "Term":
        n = len(self.chain)
        moved = tuple(Part(n + p.start, n + p.end, p.product) for p in other.parts)
        return Term(self.scalars + other.scalars, self.chain + other.chain, self.parts + moved)

    def stretch(self, start: int, end: int) -> "Term":
        """The chain from one place to another, without the scalars."""
        inside = (p for p in self.parts if start <= p.start and p.end <= end)
        parts = tuple(Part(p.start - start, p.end - start, p.product) for p in inside)
        return Term((), self.chain[start:end], parts)


@dataclasses.dataclass(frozen=True)
class Form:
    """A matrix as the sum of terms.

    `replaced` are the products in the graph that nothing else needs: they go when the form is
    computed in another way.
    """

    terms: tuple[Term, ...]
    replaced: frozenset[Apply] = frozenset()

    def transpose(self) -> "Form":
        return Form(tuple(term.transpose() for term in self.terms), self.replaced)

    def times(self, scalars: Sequence[TensorVariable]) -> "Form":
        """The form multiplied by scalars."""
        terms = (dataclasses.replace(term, scalars=(*term.scalars, *scalars)) for term in self.terms)
        return Form(tuple(terms), self.replaced)


def opaque(x: TensorVariable) -> Form:
    """A matrix as nothing but itself."""
    return Form((Term((), (Factor(x),)),))


def product_forms(fgraph: FunctionGraph, node: Apply, kept: bool) -> list[Form]:
    """The linear forms of a product whose chains are not too long, the one with most terms first.

    A sum among its factors is spread out in one form and is one matrix in another, for either can be
    cheaper; two sums are never both spread out. The last form has one term.
    """
    choices = []
    for x in node.inputs:
        form = linear_form(fgraph, x, kept)
        choices.append([form] if len(form.terms) == 1 else [form, opaque(x)])
    forms = []
    for left, right in itertools.product(*choices):
        terms = tuple(a @ b for a in left.terms for b in right.terms)
        if min(len(left.terms), len(right.terms)) == 1 and max(len(term.chain) for term in terms) <= LONGEST:
            forms.append(Form(terms, left.replaced | right.replaced))
    return forms


def linear_form(fgraph: FunctionGraph, x: TensorVariable, kept: bool = False) -> Form:
    """The linear form of a matrix in the graph.

    Parameters
    ----------
    kept
        Whether x is needed after whoever asks has stopped using it, beside the uses found here.
    """
    itself = opaque(x)
    node = x.owner
    if node is None or node not in fgraph.apply_nodes:
        return itself
    kept = kept or len({user for user, _ in fgraph.clients[x]}) > 1
    if is_product(node):
        forms = product_forms(fgraph, node, kept)
        if not forms:
            return itself
        form = forms[-1]
        if kept:
            (term,) = form.terms
            whole = () if term.scalars else (Part(0, len(term.chain), Factor(x)),)
            return Form((dataclasses.replace(term, parts=(*term.parts, *whole)),), form.replaced)
        return Form(form.terms, form.replaced | {node})
    if is_transpose(node):
        return linear_form(fgraph, node.inputs[0], kept).transpose()
    if is_elementwise(node, Neg):
        return linear_form(fgraph, node.inputs[0], kept).times([_number(x, -1)])
    if is_elementwise(node, Mul):
        matrices = [y for y in node.inputs if not is_scalar(y)]
        if len(matrices) == 1:
            scalars = [y for y in node.inputs if is_scalar(y)]
            return linear_form(fgraph, matrices[0], kept).times(scalars)
    if is_elementwise(node, TrueDiv) and is_scalar(node.inputs[1]) and not is_scalar(node.inputs[0]):
        return linear_form(fgraph, node.inputs[0], kept).times([pt.reciprocal(node.inputs[1])])
    if is_elementwise(node, Add, Sub) and all(y.type.shape == x.type.shape for y in node.inputs):
        forms = [linear_form(fgraph, y, kept) for y in node.inputs]
        if isinstance(node.op.scalar_op, Sub):
            forms[1] = forms[1].times([_number(x, -1)])
        terms = tuple(itertools.chain.from_iterable(form.terms for form in forms))
        if len(terms) <= MOST_TERMS:
            return Form(terms, frozenset().union(*(form.replaced for form in forms)))
    return itself


def node_cost(node: Apply) -> int:
    """Multiplications in a product of the graph."""
    left, right = map(Factor, node.inputs)
    return batch_size((left, right)) * left.shape[0] * left.shape[1] * right.shape[1]


@dataclasses.dataclass(frozen=True)
class Order:
    """How to multiply a chain: two halves in their own orders, or a matrix that is there already."""

    cost: int
    factor: Factor | None = None
    halves: tuple["Order", "Order"] | None = None

    def build(self) -> TensorVariable:
        """The graph of this order."""
        if self.factor is not None:
            return self.factor.variable
        left, right = (half.build() for half in self.halves)
        return pt.dot(left, right) if left.type.ndim == right.type.ndim == 2 else pt.matmul(left, right)


def best_order(fgraph: FunctionGraph, term: Term, replaced: frozenset[Apply]) -> Order:
    """The cheapest order to multiply a term's chain.

    Products that the graph keeps cost nothing; those of `replaced` are not kept.
    """
    chain = term.chain
    kept = {(part.start, part.end): part.product for part in term.parts}

    @functools.cache
    def solve(start: int, end: int) -> Order:
        if end - start == 1:
            return Order(0, chain[start])
        if (start, end) in kept:
            return Order(0, kept[start, end])
        if end - start == 2 and (found := _find_product(fgraph, *chain[start:end], replaced)) is not None:
            return Order(0, found)
        orders = []
        for middle in range(start + 1, end):
            halves = solve(start, middle), solve(middle, end)
            rows, inner, columns = chain[start].shape[0], chain[middle].shape[0], chain[end - 1].shape[1]
            own = batch_size(chain[start:end]) * rows * inner * columns
            orders.append(Order(own + halves[0].cost + halves[1].cost, None, halves))
        return min(orders, key=lambda order: order.cost)

    return solve(0, len(chain))


def _find_product(fgraph: FunctionGraph, left: Factor, right: Factor, replaced: frozenset[Apply]) -> Factor | None:
    """left @ right, or the transpose of it, where the graph computes it for others."""
    for node in _users(fgraph, left.base):
        if node in replaced or not is_product(node):
            continue
        factors = tuple(map(strip, node.inputs))
        if factors == (left, right):
            return Factor(node.outputs[0])
        if factors == (right.transpose(), left.transpose()):
            return Factor(node.outputs[0], True)
    return None


def _users(fgraph: FunctionGraph, base: TensorVariable) -> Iterator[Apply]:
    """Nodes of the graph that use a matrix or its transpose."""
    for node, _ in fgraph.clients.get(base, ()):
        if is_transpose(node):
            yield from (user for user, _ in fgraph.clients[node.outputs[0]])
        else:
            yield node


def strip(x: TensorVariable) -> Factor:
    """A matrix, or what it is the transpose of."""
    return Factor(x.owner.inputs[0], True) if is_transpose(x.owner) else Factor(x)


def batch_size(factors: Sequence[Factor]) -> int:
    """Matrices in the batch that these factors' product is."""
    return math.prod(np.broadcast_shapes(*(factor.batch for factor in factors)))


def _number(x: TensorVariable, value: float) -> TensorVariable:
    return pt.constant(np.full((1,) * x.type.ndim, value, dtype=x.dtype))
