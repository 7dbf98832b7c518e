"""0, 1, 2, ... as a part of the graph: `arange` of a constant would be stored in it, and in what is compiled."""

from collections.abc import Sequence

import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.op import OutputStorageType as Storage
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.ops.arguments import output


def counter(size: int) -> TensorVariable:
    """The numbers 0, ..., size - 1: uint32 [size]."""
    return output(Counter(size))


class Counter(Op):
    """See `counter`."""

    __props__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def make_node(self, *inputs: Variable) -> Apply:
        return Apply(self, [], [TensorType("uint32", shape=(self.size,))()])

    def do_constant_folding(self, fgraph: FunctionGraph, node: Apply) -> bool:
        return False

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], output_storage: Storage) -> None:
        output_storage[0][0] = np.arange(self.size, dtype=np.uint32)
