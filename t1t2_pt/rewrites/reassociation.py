"""Products of matrices in the order that costs least: a graph rewrite.

The cost of a product of three matrices depends on the order. With x [n, k], L [k, r] and R [r, m],

    x @ (L @ R)    n k m + k r m multiplications
    (x @ L) @ R    n k r + n r m

and when r is small the second is far cheaper, even if L @ R is needed elsewhere. Gradients of weight
matrices are such products, of rank at most the batch size: with H2 the clean activations of a
validation batch and D2 the back-propagated errors, grad_W C2 = H2^T D2. The L-op of Eq. 3 multiplies
by it at each layer, as x (H2^T D2) = (x H2^T) D2. Sums of element-wise products go the same way
(`sums.py`), so that grad_W C2 is never formed.

PyTensor (from 3.3) re-associates chains of matrices none of which is used elsewhere. This rewrite sees
through scalar factors, signs and sums as well, takes products that are used several times, finds
products that the graph computes for others, and knows the sums. It works on `Dot`, on `Matmul` and on
batches, of float32 or float64, in what lies behind a mark (`marks.py`) and nowhere else, and changes
the graph only where that saves multiplications whatever the unknown lengths are.

Importing this module registers it as `reassociate_products` in PyTensor's `fast_run`, before BLAS and
in-place rewrites, for all linkers; `mode.excluding("reassociate_products")` leaves it out. A function
without a mark is compiled as without this module.
"""

import logging
import sys

from pytensor.compile.mode import optdb
from pytensor.graph.basic import Apply
from pytensor.graph.features import Feature
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter, MergeOptimizer, copy_stack_trace
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.rewrites.chains import is_product, node_count, product_forms, signed_sum
from t1t2_pt.rewrites.marks import EXACT, Mark
from t1t2_pt.rewrites.orders import WIDER, Orders
from t1t2_pt.rewrites.sizes import Count, forget_sizes, total
from t1t2_pt.rewrites.sums import cheaper_sum

NAME = "reassociate_products"
POSITION = 1.64  # after stabilisation, before PyTensor's own reassociation (1.65) and BLAS (1.7)


_log = logging.getLogger("t1t2_pt")
_warned: set[str] = set()


class NoFloat64(Feature):
    """On a graph that is compiled where float64 becomes float32: JAX with its 64 bits off."""


class NoteNoFloat64(GraphRewriter):
    """Puts `NoFloat64` on a graph for JAX, which takes float64 for float32 unless told otherwise."""

    def apply(self, fgraph: FunctionGraph) -> None:
        if "jax" in sys.modules and not sys.modules["jax"].config.jax_enable_x64:
            fgraph.attach_feature(NoFloat64())


class ReassociateProducts(GraphRewriter):
    """Compute products of matrices, and sums over them, in the cheapest order; see the module."""

    def apply(self, fgraph: FunctionGraph) -> None:
        if not _marks(fgraph):
            return
        wide = not any(isinstance(feature, NoFloat64) for feature in fgraph._features)
        changed = True
        while changed:  # every change saves multiplications, so this ends
            changed = False
            marks = _marks(fgraph)
            behind = {variable.owner for variable in ancestors([mark.inputs[0] for mark in marks])}
            exact = any(mark.op.precision == EXACT for mark in marks)
            for node in fgraph.toposort():
                if node not in behind or node not in fgraph.apply_nodes:
                    continue
                if is_product(node):
                    new = _cheaper_product(fgraph, node, wide, exact)
                else:
                    new = cheaper_sum(fgraph, node, wide, exact)
                if new is not None:
                    copy_stack_trace(node.outputs[0], new)
                    fgraph.replace(node.outputs[0], new, reason=NAME, import_missing=True)
                    changed = True
            if changed:
                MergeOptimizer().rewrite(fgraph)
        for mark in _marks(fgraph):
            fgraph.replace(mark.outputs[0], mark.inputs[0], reason=NAME)
        forget_sizes(fgraph)


def _marks(fgraph: FunctionGraph) -> list[Apply]:
    return [node for node in fgraph.apply_nodes if isinstance(node.op, Mark)]


def _cheaper_product(fgraph: FunctionGraph, node: Apply, wide: bool, exact: bool) -> TensorVariable | None:
    (out,) = node.outputs
    wider = exact and out.type.dtype != WIDER
    best = None
    for form in product_forms(fgraph, node, kept=False):
        if all(len(term.chain) < 3 for term in form.terms):
            continue
        replaced = form.replaced | {node}
        orders = Orders(fgraph, replaced, wider)
        chosen = [orders.best(term) for term in form.terms]
        before = total(node_count(fgraph, gone) for gone in replaced)
        after = total(order.count for order in chosen)
        if wider and not wide:
            _warn_once(before, after, "float64 is off in JAX", "switch it on, or give products='fast'")
        elif not after.surely_below(before):
            unknown = ", ".join(sorted(before.unknown | after.unknown))
            _warn_once(before, after, f"not all sizes of {unknown} are known", "give them, as in pt.matrix(shape=...)")
        elif best is None or before.guess - after.guess > best[0]:
            best = (before.guess - after.guess, form, chosen)
    if best is None:
        return None
    _, form, chosen = best
    addends = [(order.build(), term.negative) for order, term in zip(chosen, form.terms, strict=True)]
    return signed_sum(addends).astype(out.type.dtype)


def _warn_once(before: Count, after: Count, reason: str, remedy: str) -> None:
    """Warn, once in a process, of products that stay in an order that may take twice as long."""
    if 2 * after.guess < before.guess and reason not in _warned:
        _warned.add(reason)
        _log.warning("hypergradient: matrix products were left in their order, as %s: %s", reason, remedy)


optdb.register("note_no_float64", NoteNoFloat64(), "jax", position=POSITION - 0.01)
optdb.register(NAME, ReassociateProducts(), "fast_run", position=POSITION)
