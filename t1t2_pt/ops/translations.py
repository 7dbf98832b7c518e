"""Tells PyTensor how Numba and JAX compute the Ops here, at the moment when one of them is first used.

Registering a translation imports the compiler, which is slow and, for JAX, has effects on the whole
process. So a step of the rewriting that belongs to these compilers' modes does it, and does nothing
else. Where a graph is compiled without rewriting, import `t1t2_pt.ops.for_numba` or `for_jax` first.
"""

import importlib

from pytensor.compile.mode import optdb
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter

COMPILERS = ("numba", "jax")


class ImportTranslation(GraphRewriter):
    """Imports the translations for a compiler; leaves the graph as it is."""

    def __init__(self, compiler: str) -> None:
        super().__init__()
        self.compiler = compiler

    def apply(self, fgraph: FunctionGraph) -> None:
        importlib.import_module(f"t1t2_pt.ops.for_{self.compiler}")


def register() -> None:
    """Put an import for each compiler first among the rewrites of its modes."""
    for compiler in COMPILERS:
        optdb.register(f"t1t2_pt_ops_for_{compiler}", ImportTranslation(compiler), compiler, position=-2)
