"""Element-wise loops of known shapes for the C backend, which compilers turn into vector instructions.

PyTensor's C code for element-wise operations that broadcast, be it only a step size over a weight
matrix, reads every stride at run time, and no compiler vectorises that. Where all shapes are known,
each index is a compile-time expression of the loop counters. On memory that is not C-contiguous
PyTensor's own loop is used.
"""

import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter, copy_stack_trace
from pytensor.scalar.basic import Composite
from pytensor.tensor.elemwise import Elemwise

from t1t2_pt.ops.arguments import outputs

SMALLEST = 1024  # elements below which a loop takes no time anyway
VERSION = 2


class StaticElemwise(Elemwise):
    """`Elemwise` with a second loop, for contiguous arrays of the static shapes of its node."""

    def _c_all(
        self, node: Apply, nodename: str, inames: Sequence[str], onames: Sequence[str], sub: Mapping[str, str]
    ) -> tuple[str, str, str, str, str]:
        decl, checks, alloc, loop, end = super()._c_all(node, nodename, inames, onames, sub)
        arrays = [*inames, *onames]
        contiguous = " && ".join(f"PyArray_IS_C_CONTIGUOUS({name})" for name in arrays)
        ours = self._loop(node, nodename, inames, onames, sub)
        return decl, checks, alloc, f"if ({contiguous}) {{\n{ours}\n}} else {{\n{loop}\n}}", end

    def _loop(
        self, node: Apply, nodename: str, inames: Sequence[str], onames: Sequence[str], sub: Mapping[str, str]
    ) -> str:
        shape = static_shape(node)
        assert shape is not None, "is made of nodes of known shapes alone"
        of = dict(zip((*inames, *onames), (*node.inputs, *node.outputs), strict=True))
        shapes = {name: shape if name in onames else variable.type.shape for name, variable in of.items()}
        if all(its in (shape, (1,) * len(shape)) for its in shapes.values()):  # one flat loop
            flat = (math.prod(shape),)
            shapes = {name: flat if its == shape else (1,) for name, its in shapes.items()}
            shape = flat
        code = [f"{_c_type(of[name])}* {name}_at = ({_c_type(of[name])}*) PyArray_DATA({name});" for name in shapes]
        for axis, size in enumerate(shape):
            if axis == len(shape) - 1:
                code.append("#pragma omp simd")  # an array that is overwritten is read at the same place first
            code.append(f"for (npy_intp i{axis} = 0; i{axis} < {size}; i{axis}++) {{")
        code += [f"{_c_type(of[name])}& {name}_e = {name}_at[{_place(its)}];" for name, its in shapes.items()]
        elements = ([f"{name}_e" for name in names] for names in (inames, onames))
        code.append(self.scalar_op.c_code(node.tag.fake_node, f"{nodename}_static", *elements, {**sub, "fail": ";"}))
        return "\n".join(code) + "}" * len(shape)

    def c_support_code_apply(self, node: Apply, nodename: str) -> str:
        own = self.scalar_op.c_support_code_apply(node, f"{nodename}_static")
        return super().c_support_code_apply(node, nodename) + own

    def c_compile_args(self, **kwargs: object) -> list[str]:
        # Comparisons that never trap can be vectorised; results are the same.
        flags = ["-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math"]
        if self._is_single():
            # PyTensor writes constants as C's doubles, in which a loop would then compute.
            flags.append("-fsingle-precision-constant")
        return [*super().c_compile_args(**kwargs), *flags]

    def _is_single(self) -> bool:
        """Whether all floating-point numbers in the loop are float32."""
        if not isinstance(self.scalar_op, Composite):  # which has no constants in it
            return False
        dtypes = {variable.type.dtype for variable in self.scalar_op.fgraph.variables}
        return "float32" in dtypes and "float64" not in dtypes

    def c_code_cache_version_apply(self, node: Apply) -> tuple[Hashable, ...]:
        version = super().c_code_cache_version_apply(node)
        shapes = tuple(variable.type.shape for variable in node.inputs)
        return (*version, "static", VERSION, shapes) if version else ()


def static_shape(node: Apply) -> tuple[int, ...] | None:
    """The shape of an element-wise node's outputs, None where an input's is not known."""
    shapes = [variable.type.shape for variable in node.inputs]
    if any(None in shape for shape in shapes):
        return None
    return np.broadcast_shapes(*shapes)


def _c_type(variable: Variable) -> str:
    return variable.type.dtype_specs()[1]


def _place(shape: tuple[int, ...]) -> str:
    """The index of an element in a contiguous array that broadcasts along its axes of size 1."""
    terms = [f"i{axis} * {math.prod(shape[axis + 1 :])}" for axis, size in enumerate(shape) if size != 1]
    return " + ".join(terms) or "0"


class UseStaticLoops(GraphRewriter):
    """Replace element-wise nodes of known shapes, when all other rewriting is done."""

    def apply(self, fgraph: FunctionGraph) -> None:
        for node in fgraph.toposort():
            if type(node.op) is not Elemwise or node.op.openmp or not node.inputs:
                continue
            shape = static_shape(node)
            if shape is None or not shape or math.prod(shape) < SMALLEST:
                continue
            if any(v.type.dtype == "float16" or "complex" in v.type.dtype for v in (*node.inputs, *node.outputs)):
                continue
            new = outputs(StaticElemwise(node.op.scalar_op, node.op.inplace_pattern), *node.inputs)
            if [v.type for v in new] != [v.type for v in node.outputs]:
                new = [old.type.filter_variable(v) for old, v in zip(node.outputs, new, strict=True)]
            copy_stack_trace(node.outputs, new)
            fgraph.replace_all_validate(list(zip(node.outputs, new, strict=True)), reason="use_static_loops")
