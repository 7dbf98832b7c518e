"""A rewrite that changes everybody's products: what `test_import.py` must notice."""

import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.graph.rewriting.basic import node_rewriter, out2in
from pytensor.tensor.math import Dot


@node_rewriter([Dot])
def negate_twice(fgraph, node):
    """x y as (-x) (-y)."""
    if getattr(node.outputs[0].tag, "seen", False):
        return None
    new = pt.dot(-node.inputs[0], -node.inputs[1])
    new.tag.seen = True
    return [new]


optdb.register("greedy", out2in(negate_twice), "fast_run", position=1.64)
