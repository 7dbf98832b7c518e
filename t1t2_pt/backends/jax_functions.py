"""PyTensor graphs as JAX functions: rewritten for JAX, translated, and ready to be traced by it."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytensor
from pytensor.graph.fg import FunctionGraph

from t1t2_pt.backends.exported import Traceable
from t1t2_pt.backends.interface import FACTORS_INTO_CHOICES
from t1t2_pt.rewrites import accumulate_in_output_dtype
from t1t2_pt.steps.regularization import Tensors

Traced = Mapping[str, Any]  # JAX's arrays by name, or what stands for them while it traces

# Rewrites that look for diagonal, symmetric and selection matrices, in vain here: a third of the rewriting time.
LINEAR_ALGEBRA = ("dot_diag_to_elemwise", "selection_dot_to_indexing", "useless_symmetric_transpose")


def jax_functions(
    inputs: Tensors, graphs: Sequence[tuple[Tensors, ...]], precision: str
) -> list[Callable[[Traced], tuple[Traced, ...]]]:
    """Traceable functions from a dictionary of inputs to a tuple of dictionaries of outputs, rewritten as one graph.

    Each traces the whole graph; XLA drops what its outputs do not need. `precision` is that of products.
    """
    import jax

    funcify = dispatch()
    from pytensor.compile.mode import JAX

    outputs = [variable for parts in graphs for part in parts for variable in part.values()]
    places = {variable: place for place, variable in enumerate(dict.fromkeys(outputs))}
    fgraph = FunctionGraph(list(inputs.values()), list(places), clone=True)
    # Nobody looks at where a node was made; 64 bits are on as they will be when it is traced.
    with pytensor.config.change_flags(traceback__limit=0), jax.enable_x64(True):
        JAX.excluding(*LINEAR_ALGEBRA, *FACTORS_INTO_CHOICES).optimizer.rewrite(fgraph)
    accumulate_in_output_dtype.rewrite(fgraph)
    with jax.enable_x64(True):  # constants become JAX arrays here
        function = funcify(fgraph)

    def of(parts: tuple[Tensors, ...]) -> Callable[[Traced], tuple[Traced, ...]]:
        def call(values: Traced) -> tuple[Traced, ...]:
            with jax.default_matmul_precision(precision):
                results = function(*(values[name] for name in inputs))
            return tuple({name: results[places[variable]] for name, variable in part.items()} for part in parts)

        return call

    return [of(graph) for graph in graphs]


@functools.cache
def dispatch() -> Callable[[FunctionGraph], Traceable]:
    """PyTensor's `jax_funcify`, imported without letting it switch JAX's float64 for everybody."""
    import jax

    before = jax.config.jax_enable_x64
    from pytensor.link.jax.dispatch import jax_funcify

    jax.config.update("jax_enable_x64", before)
    return jax_funcify
