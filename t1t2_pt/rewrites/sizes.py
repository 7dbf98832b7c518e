"""How long the axes of a graph's tensors are, and how many multiplications that makes, known or not.

A length is a number where the type has it, or where a shared variable has it at the time of compiling;
else it is a symbol, the expression by which PyTensor would compute it. So the multiplications of a
product are a polynomial in the unknown lengths, and one order of products is cheaper than another only
if it is so for every value of them. Orders are right for any lengths: a shared variable whose shape
changes later costs time at most.
"""

import collections
import functools
import operator
from collections.abc import Iterable, Sequence

from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.features import Feature
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.traversal import graph_inputs
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.rewriting.shape import ShapeFeature
from pytensor.tensor.shape import Shape_i

Size = int | Variable
Sizes = tuple[Size, ...]

GUESS = 128  # for an unknown length, where one of several orders has to be proposed


def sizes_of(fgraph: FunctionGraph, x: Variable) -> Sizes:
    """The length of each axis of a tensor in the graph."""
    if not hasattr(fgraph, KnownSizes.NAME):
        fgraph.attach_feature(KnownSizes())
    return getattr(fgraph, KnownSizes.NAME).of(x)


def forget_sizes(fgraph: FunctionGraph) -> None:
    """Drop what `sizes_of` has kept."""
    if hasattr(fgraph, KnownSizes.NAME):
        fgraph.remove_feature(getattr(fgraph, KnownSizes.NAME))


class KnownSizes(Feature):
    """Keeps the sizes found in a graph.

    PyTensor's own shapes do not know that tensors which are added have one shape, if it is one of them
    alone that says which.
    """

    NAME = "t1t2_pt_sizes"

    def __init__(self) -> None:
        self._found: dict[Variable, Sizes] = {}

    def on_attach(self, fgraph: FunctionGraph) -> None:
        if not hasattr(fgraph, "shape_feature"):
            fgraph.attach_feature(ShapeFeature())
        feature = fgraph.shape_feature
        # PyTensor 3.2 has a dictionary instead.
        self._by_pytensor = feature.shape_tuple if hasattr(feature, "shape_tuple") else feature.shape_of.__getitem__
        setattr(fgraph, self.NAME, self)

    def on_detach(self, fgraph: FunctionGraph) -> None:
        delattr(fgraph, self.NAME)

    def of(self, x: Variable) -> Sizes:
        """See `sizes_of`; without recursion, as graphs can be deep."""
        waiting = [x]
        while waiting:
            variable = waiting[-1]
            unknown = [y for y in _decisive(variable) if y not in self._found]
            if unknown:
                waiting += unknown
                continue
            waiting.pop()
            if variable not in self._found:
                self._found[variable] = self._sizes(variable)
        return self._found[x]

    def _sizes(self, x: Variable) -> Sizes:
        if None not in x.type.shape:
            return x.type.shape
        inputs = [self._found[y] for y in _decisive(x)]
        if not inputs:
            found = tuple(map(_resolve, self._by_pytensor(x)))
        elif isinstance(x.owner.op, DimShuffle):
            found = tuple(1 if axis == "x" else inputs[0][axis] for axis in x.owner.op.new_order)
        elif isinstance(x.owner.op, Elemwise):
            found = broadcast(inputs)
        else:
            left, right = inputs
            found = (*broadcast([left[:-2], right[:-2]]), left[-2], right[-1])
        return tuple(n if known is None else known for n, known in zip(found, x.type.shape, strict=True))


def _decisive(x: Variable) -> Sequence[Variable]:
    """The tensors whose sizes those of x follow from; none where PyTensor is asked."""
    node = x.owner
    if node is None or None not in x.type.shape:
        return ()
    core = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    ranks = {y.type.ndim for y in (x, *node.inputs)} if isinstance(core, Elemwise | Dot) else {0}
    same_rank = len(ranks) == 1 and (isinstance(core, Elemwise) or min(ranks) >= 2)
    return node.inputs if same_rank or isinstance(core, DimShuffle) else ()


def _resolve(length: Variable) -> Size:
    if isinstance(length, Constant):
        return int(length.data)
    if length.owner is not None and isinstance(length.owner.op, Shape_i):
        (x,) = length.owner.inputs
        axis = length.owner.op.i
        if x.type.shape[axis] is not None:
            return x.type.shape[axis]
        if isinstance(x, SharedVariable):
            return x.get_value(borrow=True, return_internal_type=True).shape[axis]
    return length


def broadcast(shapes: Iterable[Sizes]) -> Sizes:
    """The sizes of tensors of one rank together; the graph has made sure that they fit each other."""
    result = []
    for lengths in zip(*shapes, strict=True):
        numbers = [n for n in lengths if isinstance(n, int) and n != 1]
        symbols = [n for n in lengths if not isinstance(n, int)]
        result.append((*numbers, *symbols, 1)[0])
    return tuple(result)


class Count:
    """How many multiplications: a polynomial in unknown lengths, its coefficients by their symbols."""

    def __init__(self, coefficients: dict[tuple[Variable, ...], int] | None = None) -> None:
        self._coefficients = {symbols: number for symbols, number in (coefficients or {}).items() if number}

    @classmethod
    def of(cls, lengths: Sequence[Size], times: int = 1) -> "Count":
        """The product of lengths, and of a number."""
        symbols = tuple(sorted((n for n in lengths if not isinstance(n, int)), key=id))
        numbers = (n for n in lengths if isinstance(n, int))
        return cls({symbols: functools.reduce(operator.mul, numbers, times)})

    def __add__(self, other: "Count") -> "Count":
        total = collections.Counter(self._coefficients)
        total.update(other._coefficients)
        return Count(total)

    def surely_below(self, other: "Count") -> bool:
        """Whether this is at most the other for all lengths, and below it for long ones."""
        symbols = {*self._coefficients, *other._coefficients}
        pairs = [(self._coefficients.get(s, 0), other._coefficients.get(s, 0)) for s in symbols]
        return all(ours <= theirs for ours, theirs in pairs) and any(ours < theirs for ours, theirs in pairs)

    @property
    def unknown(self) -> set[str]:
        """What the unknown lengths are those of."""
        symbols = {symbol for product in self._coefficients for symbol in product}
        return {str(x) for x in graph_inputs(symbols) if not isinstance(x, Constant | SharedVariable)}

    @property
    def guess(self) -> int:
        """A number to choose by."""
        return sum(number * GUESS ** len(symbols) for symbols, number in self._coefficients.items())


def total(counts: Iterable[Count]) -> Count:
    """The sum of counts."""
    return sum(counts, Count())
