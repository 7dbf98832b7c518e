"""Sums that accumulate in their own dtype, for backends whose sums lose little in float32."""

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.tensor.elemwise import CAReduce


@node_rewriter([CAReduce])
def local_accumulate_in_output_dtype(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Let a reduction accumulate in the dtype of its output.

    PyTensor's float32 sums accumulate in float64. Its JAX translation sums in float32 all the same but
    then returns float64, which spreads through the rest of the graph. XLA's own sums are by blocks and
    lose little, so float32 it is, in name as well as in fact.
    """
    op, (out,) = node.op, node.outputs
    if getattr(op, "acc_dtype", None) in (None, out.type.dtype):
        return None
    return [type(op)(axis=op.axis, dtype=out.type.dtype, acc_dtype=out.type.dtype)(node.inputs[0])]


accumulate_in_output_dtype = in2out(local_accumulate_in_output_dtype, name="accumulate_in_output_dtype")
