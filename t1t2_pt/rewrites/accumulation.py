"""Sums that accumulate in their own dtype, for backends whose sums lose little in float32."""

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.scan.op import Scan
from pytensor.tensor.elemwise import CAReduce


@node_rewriter([CAReduce])
def local_accumulate_in_output_dtype(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Let a reduction accumulate in the dtype of its output.

    PyTensor's float32 sums accumulate in float64. Its JAX translation sums in float32 all the same but
    then returns float64, which spreads through the rest of the graph. XLA's own sums are by blocks and
    lose little, so float32 it is, in name as well as in fact.
    """
    op, (out,) = node.op, node.outputs
    if not _is_wider(node):
        return None
    return [type(op)(axis=op.axis, dtype=out.type.dtype, acc_dtype=out.type.dtype)(node.inputs[0])]


@node_rewriter([Scan])
def local_accumulate_in_loop(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """The same in what a loop repeats, where a float64 would be of another dtype than what it takes the place of."""
    op = node.op
    if not any(_is_wider(inner) or isinstance(inner.op, Scan) for inner in op.fgraph.toposort()):
        return None
    if hasattr(op, "clone_with_inner_graph"):  # from PyTensor 3.3, where inner graphs are frozen
        body = op.fgraph.unfreeze()
        accumulate_in_output_dtype.rewrite(body)
        if not any(_is_wider(inner) for inner in op.fgraph.toposort()) and _same_loops(op.fgraph, body):
            return None
        return list(op.clone_with_inner_graph(body)(*node.inputs, return_list=True))
    copy = op.clone()
    accumulate_in_output_dtype.rewrite(copy.fgraph)
    return list(copy(*node.inputs, return_list=True))


def _is_wider(node: Apply) -> bool:
    """Whether it is a reduction that accumulates in another dtype than its output's."""
    if not isinstance(node.op, CAReduce):
        return False
    return getattr(node.op, "acc_dtype", None) not in (None, node.outputs[0].type.dtype)


def _same_loops(before: FunctionGraph, after: FunctionGraph) -> bool:
    """Whether the loops within are what they were: this ends when all are."""
    one, other = ([node.op for node in graph.toposort() if isinstance(node.op, Scan)] for graph in (before, after))
    return one == other


accumulate_in_output_dtype = in2out(
    local_accumulate_in_output_dtype, local_accumulate_in_loop, name="accumulate_in_output_dtype"
)
