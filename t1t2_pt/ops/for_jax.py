"""The Ops in JAX: the convolutions by XLA's own.

XLA for CPUs is fast only on images [batch, height, width, channels] and filters [height, width, in, out]
without further ado: inside loops it does not bring other layouts into this form (30 times slower),
and the derivative by the filters must find its zeros already in the image (16 times slower).
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike
from pytensor.link.jax.dispatch.basic import jax_funcify

from t1t2_pt.ops.arguments import Padding, Pair
from t1t2_pt.ops.convolution import Conv2d, FilterGradient, InputGradient
from t1t2_pt.ops.counting import Counter
from t1t2_pt.ops.finite import FiniteSquares
from t1t2_pt.ops.norms import Norm

LAYOUT = ("NHWC", "HWIO", "NHWC")
Arrays = list[Array]


def _number(value: SupportsIndex) -> int:
    try:
        return operator.index(value)
    except (TypeError, jax.errors.ConcretizationTypeError):
        raise ValueError(
            "conv2d: JAX needs sizes that are known when it compiles; give x and filters static shapes"
        ) from None


def _is_product(kernel: Sequence[int], stride: Pair, padding: Padding) -> bool:
    return tuple(kernel) == (1, 1) and stride == (1, 1) and padding == ((0, 0), (0, 0))


@jax_funcify.register(Conv2d)
def jax_funcify_conv2d(op: Conv2d, **kwargs: Any) -> Callable[..., Array]:
    """Images and filters to images."""

    def conv2d(x: Array, filters: Array) -> Array:
        if _is_product(filters.shape[:2], op.stride, op.padding):
            return x @ filters[0, 0]
        return lax.conv_general_dilated(x, filters, op.stride, op.padding, dimension_numbers=LAYOUT)

    return conv2d


@jax_funcify.register(InputGradient)
def jax_funcify_input_gradient(op: InputGradient, **kwargs: Any) -> Callable[..., Array]:
    """A convolution of the cotangent, spread out by the stride, with the filters flipped.

    XLA's simplifier can abort the process on a convolution that does the spreading itself, so it is
    done before, behind a barrier.
    """

    def input_gradient(filters: Array, g: Array, *sizes: SupportsIndex) -> Array:
        kernel, image = filters.shape[:2], op.size or tuple(map(_number, sizes))
        flipped = filters[::-1, ::-1].transpose(0, 1, 3, 2)
        if _is_product(kernel, op.stride, op.padding):
            return g @ flipped[0, 0]
        zeros = [
            (k - 1 - before, size + before - ((n - 1) * s + 1))
            for k, size, (before, _), n, s in zip(kernel, image, op.padding, g.shape[1:3], op.stride, strict=True)
        ]
        if op.stride != (1, 1):
            spread = [(before, after, s - 1) for (before, after), s in zip(zeros, op.stride, strict=True)]
            g = lax.optimization_barrier(lax.pad(g, np.zeros((), g.dtype), [(0, 0, 0), *spread, (0, 0, 0)]))
            return lax.conv_general_dilated(g, flipped, (1, 1), "VALID", dimension_numbers=LAYOUT)
        return lax.conv_general_dilated(g, flipped, (1, 1), zeros, dimension_numbers=LAYOUT)

    return input_gradient


@jax_funcify.register(FilterGradient)
def jax_funcify_filter_gradient(op: FilterGradient, **kwargs: Any) -> Callable[..., Array]:
    """A convolution of the images with the cotangent, batch and channels having changed places.

    With a stride this would be a dilated one, on which XLA's simplifier can abort the process: there,
    a product of matrices for each place in the filter, which is as fast.
    """

    def filter_gradient(x: Array, g: Array, *sizes: SupportsIndex) -> Array:
        height, width = op.size or map(_number, sizes)
        x = jnp.pad(x, ((0, 0), *op.padding, (0, 0)))
        if op.stride == (1, 1) and (height, width) != (1, 1):
            images, cotangents = x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3)
            result = lax.conv_general_dilated(images, cotangents, (1, 1), "VALID", dimension_numbers=LAYOUT)
            return result.transpose(1, 2, 0, 3)

        def at(i: int, j: int) -> Array:
            rows, columns = (
                slice(start, start + (n - 1) * s + 1, s)
                for start, n, s in zip((i, j), g.shape[1:3], op.stride, strict=True)
            )
            return jnp.einsum("bhwi,bhwo->io", x[:, rows, columns], g)

        return jnp.stack([jnp.stack([at(i, j) for j in range(width)]) for i in range(height)])

    return filter_gradient


def wide() -> DTypeLike:
    """float64 where JAX has it."""
    return jnp.float64 if jax.config.jax_enable_x64 else jnp.float32


@jax_funcify.register(FiniteSquares)
def jax_funcify_finite_squares(op: FiniteSquares, **kwargs: Any) -> Callable[..., tuple[Array, ...]]:
    """One branch for all tensors, taken for a whole batch of runs or for none.

    XLA waits for everything that a branch needs before it does anything else, so one is better than many.
    """

    def fast(xs: Arrays) -> list[Array]:
        return [jnp.sum(x * x) for x in xs]

    def careful(xs: Arrays) -> tuple[list[Array], Array]:
        # Row by row: XLA would write the terms of a sum, as large as a tensor, to memory first.
        def of(x: Array) -> tuple[Array, Array]:
            rows = x.reshape(x.shape[0] if x.ndim > 1 else 1, -1)

            def add(i: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
                square, count = sums
                ok = jnp.isfinite(rows[i])
                squares = jnp.square(jnp.where(ok, rows[i], 0).astype(wide()))
                return square + jnp.sum(squares), count + jnp.sum(~ok, dtype=x.dtype)

            return lax.fori_loop(0, len(rows), add, (jnp.zeros((), wide()), jnp.zeros((), x.dtype)))

        squares, counts = zip(*map(of, xs), strict=True)
        return list(squares), sum(counts)

    def fast_then_careful(
        fast: Callable[[Arrays], list[Array]], careful: Callable[[Arrays], tuple[list[Array], Array]], xs: Arrays
    ) -> tuple[list[Array], Array]:
        squares = [square.astype(wide()) for square in fast(xs)]
        fine = jnp.isfinite(jnp.stack(squares))
        nothing = jnp.zeros(squares[0].shape, xs[0].dtype)

        def with_care() -> tuple[list[Array], Array]:
            """What was fine stays as it is to the bit, whatever the neighbours of a run are."""
            looked, count = careful(xs)
            return [jnp.where(ok, seen, summed) for ok, seen, summed in zip(fine, squares, looked, strict=True)], count

        return lax.cond(jnp.all(fine), lambda: (squares, nothing), with_care)

    @jax.custom_batching.custom_vmap
    def finite_squares(xs: Arrays) -> tuple[list[Array], Array]:
        return fast_then_careful(fast, careful, xs)

    @finite_squares.def_vmap
    def batched(size: int, in_batched: list[Any], xs: Arrays) -> tuple[Any, Any]:
        xs = jax.tree.map(lambda x, there: x if there else jnp.broadcast_to(x, (size, *x.shape)), xs, *in_batched)
        results = fast_then_careful(jax.vmap(fast), jax.vmap(careful), xs)
        return results, jax.tree.map(lambda _: True, results)

    def call(*xs: Array) -> tuple[Array, ...]:
        squares, count = finite_squares(list(xs))
        return *squares, count

    return call


@jax_funcify.register(Norm)
def jax_funcify_norm(op: Norm, **kwargs: Any) -> Callable[..., Array]:
    """In float64 where float32 allows and JAX has it, else scaled by the largest element."""

    def norm(x: Array) -> Array:
        if x.dtype != wide():
            return jnp.sqrt(jnp.sum(jnp.square(x.astype(wide())))).astype(x.dtype)
        largest = jnp.max(jnp.abs(x), initial=0)
        unit = jnp.where((largest > 0) & jnp.isfinite(largest), largest, jnp.ones((), x.dtype))
        return unit * jnp.sqrt(jnp.sum(jnp.square(x / unit)))

    return norm


@jax_funcify.register(Counter)
def jax_funcify_counter(op: Counter, **kwargs: Any) -> Callable[..., Array]:
    """XLA's own, which is fused into whatever uses it."""
    return lambda: lax.iota("uint32", op.size)
