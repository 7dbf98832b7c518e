"""0, 1, 2, ... as a part of the graph: `arange` of a constant would be stored in it, and in what is compiled."""

import numpy as np
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorVariable


def counter(size: int) -> TensorVariable:
    """The numbers 0, ..., size - 1: uint32 [size]."""
    return Counter(size)()


class Counter(Op):
    """See `counter`."""

    __props__ = ("size",)

    def __init__(self, size: int):
        self.size = size

    def make_node(self) -> Apply:
        return Apply(self, [], [TensorType("uint32", shape=(self.size,))()])

    def do_constant_folding(self, fgraph, node) -> bool:
        return False

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = np.arange(self.size, dtype=np.uint32)
