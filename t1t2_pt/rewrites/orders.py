"""The cheapest order to multiply a chain of matrices.

It comes from the classical dynamic programme over the shapes (Cormen et al., "Introduction to
Algorithms", section 14.2), in which a product that the graph holds anyway costs nothing.
"""

import dataclasses
import functools
from collections.abc import Iterator

import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.ops.arguments import tensors
from t1t2_pt.rewrites.chains import (
    Factor,
    Term,
    factor,
    is_product,
    is_transpose,
    product_count,
    scaling,
)
from t1t2_pt.rewrites.sizes import Count

WIDER = "float64"
DEARER = 2  # multiplications of float32 that one of float64 takes as long as


@dataclasses.dataclass(frozen=True)
class Order:
    """How to multiply a chain: two halves in their own orders, or a matrix that is there already.

    Parameters
    ----------
    dtype
        What the products are computed in.
    """

    count: Count
    dtype: str
    factor: Factor | None = None
    halves: tuple["Order", "Order"] | None = None

    def build(self) -> TensorVariable:
        """The graph of this order, of `dtype`."""
        if self.halves is None:
            assert self.factor is not None, "one of the two is there"
            return self.factor.build(self.dtype)
        left, right = (half.build() for half in self.halves)
        return pt.dot(left, right) if left.type.ndim == right.type.ndim == 2 else left @ right


@dataclasses.dataclass(frozen=True)
class Orders:
    """Finds orders in a graph.

    Parameters
    ----------
    replaced
        Products of the graph that will be there no more.
    wider
        Compute in float64 where the matrices are float32. Products that the graph holds for others are then
        not taken, as they are rounded; those that the chain has as it stands are.
    """

    fgraph: FunctionGraph
    replaced: frozenset[Apply]
    wider: bool = False

    def best(self, term: Term) -> Order:
        """The cheapest order to multiply a term's chain."""
        chain = term.chain
        dtype = WIDER if self.wider else chain[0].base.dtype
        dearer = DEARER if dtype != chain[0].base.dtype else 1
        kept = {(part.start, part.end): part.product for part in term.parts}

        @functools.cache
        def solve(start: int, end: int) -> Order:
            if end - start == 1:
                return Order(Count(), dtype, chain[start])
            if (start, end) in kept:
                return Order(Count(), dtype, kept[start, end])
            if end - start == 2 and not self.wider and (found := self._find(*chain[start:end])) is not None:
                return Order(Count(), dtype, found)
            orders = []
            batches = [one.batch for one in chain[start:end]]
            for middle in range(start + 1, end):
                halves = solve(start, middle), solve(middle, end)
                rows, inner, columns = chain[start].shape[0], chain[middle].shape[0], chain[end - 1].shape[1]
                own = product_count((rows, inner), (inner, columns), batches, dearer)
                orders.append(Order(own + halves[0].count + halves[1].count, dtype, None, halves))
            return min(orders, key=lambda order: order.count.guess)

        return solve(0, len(chain))

    def _find(self, left: Factor, right: Factor) -> Factor | None:
        """left @ right where the graph computes it for others, be it transposed or without scalar factors."""
        found = self._find_exactly(left, right)
        if found is not None:
            return found
        bare = unscaled(left), unscaled(right)
        scales = bare[0].scales + bare[1].scales
        found = self._find_exactly(*(dataclasses.replace(one, scales=()) for one in bare)) if scales else None
        return None if found is None else dataclasses.replace(found, scales=scales)

    def _find_exactly(self, left: Factor, right: Factor) -> Factor | None:
        for node in self._users(left.base):
            if node in self.replaced or not is_product(node):
                continue
            factors = tuple(strip(self.fgraph, x) for x in tensors(node.inputs))
            (product,) = tensors(node.outputs)
            if factors == (left, right):
                return factor(self.fgraph, product)
            if factors == (right.transpose(), left.transpose()):
                return factor(self.fgraph, product).transpose()
        return None

    def _users(self, base: TensorVariable) -> Iterator[Apply]:
        """Nodes of the graph that use a matrix or its transpose."""
        for node, _ in self.fgraph.clients.get(base, ()):
            if is_transpose(node):
                yield from (user for user, _ in self.fgraph.clients[node.outputs[0]])
            else:
                yield node


def strip(fgraph: FunctionGraph, x: TensorVariable) -> Factor:
    """A matrix, or what it is the transpose of."""
    return factor(fgraph, x.owner.inputs[0]).transpose() if is_transpose(x.owner) else factor(fgraph, x)


def unscaled(matrix: Factor) -> Factor:
    """A matrix with all of its scalar factors told apart."""
    found = scaling(matrix.base)
    if found is None:
        return matrix
    inner, scale = found
    return unscaled(dataclasses.replace(matrix, base=inner, scales=(scale, *matrix.scales)))
