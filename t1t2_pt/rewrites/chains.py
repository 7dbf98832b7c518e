"""Matrices of a PyTensor graph as sums of chains of products.

A matrix is read as a linear form: a sum of terms, each the product of a chain of matrices. Transposes,
signs, scalar factors and sums are looked through, so that a chain is found where operations of other
kinds sit between its products. A scalar stays with the product that it multiplies, on its smallest
matrix, so that nothing in the chain is larger or smaller than it was by more than the matrices are;
a matrix that is scaled before it is multiplied is one matrix of the chain.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar.basic import Add, Mul, Neg, Sub, TrueDiv
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.ops.arguments import tensors
from t1t2_pt.rewrites.sizes import Count, Sizes, broadcast, sizes_of

LONGEST = 8  # matrices in a chain that is still taken apart
MOST_TERMS = 4
DTYPES = ("float32", "float64")  # whole numbers and truth values would change, complex ones are not thought of

Scale = Callable[[TensorVariable], TensorVariable]


def is_product(node: Apply | None) -> bool:
    """Whether a node multiplies matrices, or batches of them, all of float32 or all of float64."""
    if node is None:
        return False
    core = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    matrices = (*node.inputs, *node.outputs)
    return isinstance(core, Dot) and min(x.type.ndim for x in matrices) >= 2 and _one_dtype(*matrices)


def _one_dtype(*variables: Variable) -> bool:
    dtypes = {x.type.dtype for x in variables}
    return len(dtypes) == 1 and dtypes <= set(DTYPES)


def is_transpose(node: Apply | None) -> bool:
    """Whether a node swaps the last two axes and keeps the others."""
    if node is None or not isinstance(node.op, DimShuffle):
        return False
    ndim = node.inputs[0].type.ndim
    return ndim >= 2 and tuple(node.op.new_order) == (*range(ndim - 2), ndim - 1, ndim - 2)


def is_elementwise(node: Apply | None, *kinds: type) -> bool:
    """Whether a node applies one of these scalar operations to every element."""
    return node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, kinds)


def is_scalar(x: Variable) -> bool:
    """Whether x is one number for each whole matrix, which commutes with products."""
    return all(x.type.broadcastable[-2:])


@dataclasses.dataclass(frozen=True)
class Factor:
    """A matrix, or its transpose.

    Parameters
    ----------
    sizes
        Those of `base`.
    scales
        What multiplies it by scalars, the innermost first.
    """

    base: TensorVariable
    sizes: Sizes = dataclasses.field(compare=False)
    transposed: bool = False
    scales: tuple[Scale, ...] = ()

    def transpose(self) -> "Factor":
        return dataclasses.replace(self, transposed=not self.transposed)

    def times(self, scale: Scale) -> "Factor":
        """The matrix with one scalar factor more."""
        return dataclasses.replace(self, scales=(*self.scales, scale))

    @property
    def shape(self) -> Sizes:
        """Rows and columns."""
        rows, columns = self.sizes[-2:]
        return (columns, rows) if self.transposed else (rows, columns)

    @property
    def batch(self) -> Sizes:
        return self.sizes[:-2]

    def build(self, dtype: str) -> TensorVariable:
        """The graph of it, computed in this dtype."""
        x = pt.cast(self.base, dtype)
        for scale in self.scales:
            x = scale(x)
        return x.mT if self.transposed else x


@dataclasses.dataclass(frozen=True)
class Part:
    """A stretch of a chain whose product the graph keeps, whatever becomes of the chain."""

    start: int
    end: int
    product: Factor


@dataclasses.dataclass(frozen=True)
class Term:
    """The product of a chain of matrices, or its negative."""

    chain: tuple[Factor, ...]
    parts: tuple[Part, ...] = ()
    negative: bool = False

    def transpose(self) -> "Term":
        n = len(self.chain)
        parts = tuple(Part(n - p.end, n - p.start, p.product.transpose()) for p in self.parts)
        return Term(tuple(f.transpose() for f in reversed(self.chain)), parts, self.negative)

    def __neg__(self) -> "Term":
        return dataclasses.replace(self, negative=not self.negative)

    def __matmul__(self, other: "Term") -> "Term":
        n = len(self.chain)
        moved = tuple(Part(n + p.start, n + p.end, p.product) for p in other.parts)
        return Term(self.chain + other.chain, self.parts + moved, self.negative != other.negative)

    def stretch(self, start: int, end: int) -> "Term":
        """The chain from one place to another, without the sign."""
        inside = (p for p in self.parts if start <= p.start and p.end <= end)
        return Term(self.chain[start:end], tuple(Part(p.start - start, p.end - start, p.product) for p in inside))

    def times(self, scale: Scale) -> "Term":
        """The term with a scalar factor, on the smallest matrix of its chain, best one in no product that is kept."""

        def cost(place: int) -> tuple[bool, int]:
            kept = any(part.start <= place < part.end for part in self.parts)
            return kept, Count.of(self.chain[place].sizes).guess

        place = min(range(len(self.chain)), key=cost)
        chain = (*self.chain[:place], self.chain[place].times(scale), *self.chain[place + 1 :])
        parts = (
            dataclasses.replace(part, product=part.product.times(scale)) if part.start <= place < part.end else part
            for part in self.parts
        )
        return dataclasses.replace(self, chain=chain, parts=tuple(parts))


@dataclasses.dataclass(frozen=True)
class LinearForm:
    """A matrix as the sum of terms.

    `replaced` are the products in the graph that nothing else needs: they go when the form is
    computed in another way.
    """

    terms: tuple[Term, ...]
    replaced: frozenset[Apply] = frozenset()

    def map(self, change: Callable[[Term], Term]) -> "LinearForm":
        """The form with each term changed."""
        return LinearForm(tuple(map(change, self.terms)), self.replaced)

    @property
    def is_opaque(self) -> bool:
        """Whether no product was found in it."""
        return all(len(term.chain) == 1 for term in self.terms)


def factor(fgraph: FunctionGraph, x: TensorVariable) -> Factor:
    """A matrix of the graph."""
    return Factor(x, sizes_of(fgraph, x))


def opaque(fgraph: FunctionGraph, x: TensorVariable) -> LinearForm:
    """A matrix as nothing but itself."""
    return LinearForm((Term((factor(fgraph, x),)),))


def product_forms(fgraph: FunctionGraph, node: Apply, kept: bool) -> list[LinearForm]:
    """The linear forms of a product whose chains are not too long, the one with most terms first.

    A sum among its factors is spread out in one form and is one matrix in another, for either can be
    cheaper; two sums are never both spread out. The last form has one term.
    """
    choices = []
    for x in tensors(node.inputs):
        form = linear_form(fgraph, x, kept)
        choices.append([form] if len(form.terms) == 1 else [form, opaque(fgraph, x)])
    forms = []
    for left, right in itertools.product(*choices):
        terms = tuple(a @ b for a in left.terms for b in right.terms)
        if min(len(left.terms), len(right.terms)) == 1 and max(len(term.chain) for term in terms) <= LONGEST:
            forms.append(LinearForm(terms, left.replaced | right.replaced))
    return forms


def linear_form(fgraph: FunctionGraph, x: TensorVariable, kept: bool = False) -> LinearForm:
    """The linear form of a matrix in the graph.

    Parameters
    ----------
    kept
        Whether x is needed after whoever asks has stopped using it, beside the uses found here.
    """
    itself = opaque(fgraph, x)
    node = x.owner
    if node is None or node not in fgraph.apply_nodes:
        return itself
    kept = kept or len({user for user, _ in fgraph.clients[x]}) > 1
    if is_product(node):
        forms = product_forms(fgraph, node, kept)
        if not forms:
            return itself
        form = forms[-1]
        if not kept:
            return LinearForm(form.terms, form.replaced | {node})
        (term,) = form.terms
        whole = () if term.negative else (Part(0, len(term.chain), factor(fgraph, x)),)
        return LinearForm((dataclasses.replace(term, parts=(*term.parts, *whole)),), form.replaced)
    if is_transpose(node):
        return linear_form(fgraph, node.inputs[0], kept).map(Term.transpose)
    if is_elementwise(node, Neg):
        return linear_form(fgraph, node.inputs[0], kept).map(Term.__neg__)
    if is_elementwise(node, Add, Sub):
        return _sum_form(fgraph, node, kept) or itself
    return _scaled_form(fgraph, x, kept) or itself


def scaling(x: TensorVariable) -> tuple[TensorVariable, Scale] | None:
    """The matrix that x is a scalar multiple of, and what multiplies any matrix so; None where x is no multiple."""
    node = x.owner
    if not is_elementwise(node, Mul, TrueDiv):
        return None
    places = [place for place, y in enumerate(node.inputs) if not is_scalar(y)]
    if len(places) != 1 or (is_elementwise(node, TrueDiv) and places != [0]):
        return None
    (place,) = places
    matrix = node.inputs[place]
    if not _one_dtype(x, matrix) or x.type.ndim != matrix.type.ndim:
        return None

    def scale(y: TensorVariable) -> TensorVariable:
        return x if y is matrix else node.op(*node.inputs[:place], y, *node.inputs[place + 1 :])

    return matrix, scale


def _scaled_form(fgraph: FunctionGraph, x: TensorVariable, kept: bool) -> LinearForm | None:
    """The form of a product scaled by numbers; None where it is something else."""
    found = scaling(x)
    if found is None or sizes_of(fgraph, x) != sizes_of(fgraph, found[0]):
        return None
    matrix, scale = found
    form = linear_form(fgraph, matrix, kept)
    if form.is_opaque:  # a matrix that is scaled before it is multiplied stays as it is
        return None
    batch = sizes_of(fgraph, x)[:-2]
    one_number = all(y is matrix or all(y.type.broadcastable) for y in x.owner.inputs)
    if not one_number and any(f.batch != batch for term in form.terms for f in term.chain):
        return None
    return form.map(lambda term: term.times(scale))


def _sum_form(fgraph: FunctionGraph, node: Apply, kept: bool) -> LinearForm | None:
    """The form of a sum: a term for each product in it, and one for all that is none.

    Matrices that are no products are added up before they are multiplied, as they may cancel; what is
    left of them when a product has been taken away is at most as large as they were and that product.
    """
    (x,) = node.outputs
    sizes = sizes_of(fgraph, x)
    if not _one_dtype(x, *node.inputs) or any(sizes_of(fgraph, y) != sizes for y in node.inputs):
        return None
    forms = [linear_form(fgraph, y, kept) for y in tensors(node.inputs)]
    if is_elementwise(node, Sub):
        forms[1] = forms[1].map(Term.__neg__)
    found = list(itertools.chain.from_iterable(form.terms for form in forms))
    products = [term for term in found if len(term.chain) > 1]
    others = [term for term in found if len(term.chain) == 1]
    if not products:
        return None
    if len(others) > 1:
        added = signed_sum([(term.chain[0].build(x.type.dtype), term.negative) for term in others])
        others = [Term((Factor(added, sizes),))]
    terms = (*products, *others)
    if len(terms) > MOST_TERMS:
        return None
    return LinearForm(terms, frozenset().union(*(form.replaced for form in forms)))


def signed_sum(addends: Sequence[tuple[TensorVariable, bool]]) -> TensorVariable:
    """The sum of tensors, of which some (True) are subtracted."""
    ordered = sorted(addends, key=lambda addend: addend[1])
    (result, negative), *others = ordered
    result = -result if negative else result
    for x, subtracted in others:
        result = result - x if subtracted else result + x
    return result


def node_count(fgraph: FunctionGraph, node: Apply) -> Count:
    """Multiplications in a product of the graph."""
    left, right = (factor(fgraph, x) for x in tensors(node.inputs))
    return product_count(left.shape, right.shape, (left.batch, right.batch))


def product_count(left: Sizes, right: Sizes, batches: Sequence[Sizes], times: int = 1) -> Count:
    """Multiplications in a product of matrices with these rows and columns."""
    return Count.of((*broadcast(batches), left[0], left[1], right[1]), times)
