"""The Ops in Numba: convolutions by windows as rows of a matrix, and the BLAS (as in `im2col`)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from pytensor.graph.basic import Apply
from pytensor.link.numba.cache import compile_numba_function_src
from pytensor.link.numba.dispatch.basic import (
    numba_njit,
    register_funcify_and_cache_key,
    register_funcify_default_op_cache_key,
)
from pytensor.link.numba.dispatch.scalar import numba_funcify_ScalarOp

from t1t2_pt.ops import im2col, logarithm, norms
from t1t2_pt.ops.convolution import BilinearConvolution, Conv2d, FilterGradient, InputGradient
from t1t2_pt.ops.counting import Counter
from t1t2_pt.ops.finite import FiniteSquares

VERSION = 4  # part of the key under which Numba caches what it compiled

Array = im2col.Array
Number = npt.NDArray[np.int64]  # without axes

block_size = numba_njit(im2col.block_size)


def _window_functions(op: BilinearConvolution) -> tuple[Callable[..., None], Callable[..., None]]:
    (stride_y, stride_x), ((top, _), (left, _)) = op.stride, op.padding

    @numba_njit
    def gather(
        x: Array, start: int, count: int, rows: int, columns: int, height: int, width: int, windows: Array
    ) -> None:
        """Write the windows of images start, ..., start + count - 1 as rows of a matrix."""
        channels = x.shape[3]
        for b in range(count):
            for oy in range(rows):
                for ox in range(columns):
                    row = (b * rows + oy) * columns + ox
                    for i in range(height):
                        y = oy * stride_y + i - top
                        for j in range(width):
                            at = (i * width + j) * channels
                            z = ox * stride_x + j - left
                            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                                for m in range(channels):
                                    windows[row, at + m] = x[start + b, y, z, m]
                            else:
                                for m in range(channels):
                                    windows[row, at + m] = 0

    @numba_njit
    def scatter(
        windows: Array, start: int, count: int, rows: int, columns: int, height: int, width: int, x: Array
    ) -> None:
        """Add windows to the images that they were taken from."""
        channels = x.shape[3]
        for b in range(count):
            for oy in range(rows):
                for ox in range(columns):
                    row = (b * rows + oy) * columns + ox
                    for i in range(height):
                        y = oy * stride_y + i - top
                        if 0 <= y < x.shape[1]:
                            for j in range(width):
                                at = (i * width + j) * channels
                                z = ox * stride_x + j - left
                                if 0 <= z < x.shape[2]:
                                    for m in range(channels):
                                        x[start + b, y, z, m] += windows[row, at + m]

    return gather, scatter


@register_funcify_default_op_cache_key(Conv2d)
def numba_funcify_conv2d(op: Conv2d, node: Apply, **kwargs: Any) -> tuple[Callable[..., Any], int]:
    """Images and filters to images."""
    (stride_y, stride_x), ((top, bottom), (left, right)) = op.stride, op.padding
    gather, _ = _window_functions(op)

    @numba_njit
    def conv2d(x: Array, filters: Array) -> Array:
        height, width, channels, channels_out = filters.shape
        if x.shape[3] != channels:
            raise ValueError("conv2d: x and filters differ in their number of channels")
        rows = (x.shape[1] + top + bottom - height) // stride_y + 1
        columns = (x.shape[2] + left + right - width) // stride_x + 1
        if rows < 1 or columns < 1:
            raise ValueError("conv2d: the filters do not fit into the images")
        length = height * width * channels
        matrix = np.ascontiguousarray(filters).reshape(length, channels_out)
        y = np.empty((x.shape[0] * rows * columns, channels_out), x.dtype)
        block = block_size(rows, columns, length)
        windows = np.empty((block * rows * columns, length), x.dtype)
        for start in range(0, x.shape[0], block):
            count = min(block, x.shape[0] - start)
            gather(x, start, count, rows, columns, height, width, windows)
            size = count * rows * columns
            np.dot(windows[:size], matrix, y[start * rows * columns : start * rows * columns + size])
        return y.reshape(x.shape[0], rows, columns, channels_out)

    return conv2d, VERSION


@register_funcify_default_op_cache_key(InputGradient)
def numba_funcify_input_gradient(op: InputGradient, node: Apply, **kwargs: Any) -> tuple[Callable[..., Any], int]:
    """Filters and images out to images in."""
    _, scatter = _window_functions(op)

    @numba_njit
    def compute(filters: Array, g: Array, image_height: int, image_width: int) -> Array:
        height, width, channels, channels_out = filters.shape
        batch, rows, columns, _ = g.shape
        length = height * width * channels
        matrix = np.ascontiguousarray(np.ascontiguousarray(filters).reshape(length, channels_out).T)
        flat = np.ascontiguousarray(g).reshape(batch * rows * columns, channels_out)
        x = np.zeros((batch, image_height, image_width, channels), g.dtype)
        block = block_size(rows, columns, length)
        windows = np.empty((block * rows * columns, length), g.dtype)
        for start in range(0, batch, block):
            count = min(block, batch - start)
            size = count * rows * columns
            np.dot(flat[start * rows * columns : start * rows * columns + size], matrix, windows[:size])
            scatter(windows, start, count, rows, columns, height, width, x)
        return x

    return _with_sizes(op, compute), VERSION


@register_funcify_default_op_cache_key(FilterGradient)
def numba_funcify_filter_gradient(op: FilterGradient, node: Apply, **kwargs: Any) -> tuple[Callable[..., Any], int]:
    """Images in and images out to filters."""
    gather, _ = _window_functions(op)

    @numba_njit
    def compute(x: Array, g: Array, height: int, width: int) -> Array:
        batch, rows, columns, channels_out = g.shape
        channels = x.shape[3]
        length = height * width * channels
        flat = np.ascontiguousarray(g).reshape(batch * rows * columns, channels_out)
        result = np.zeros((length, channels_out), x.dtype)
        block = block_size(rows, columns, length)
        windows = np.empty((block * rows * columns, length), x.dtype)
        for start in range(0, batch, block):
            count = min(block, batch - start)
            size = count * rows * columns
            gather(x, start, count, rows, columns, height, width, windows)
            result += np.dot(windows[:size].T, flat[start * rows * columns : start * rows * columns + size])
        return result.reshape(height, width, channels, channels_out)

    return _with_sizes(op, compute), VERSION


def _with_sizes(op: BilinearConvolution, compute: Callable[..., Array]) -> Callable[..., Array]:
    """A derivative whose height and width are the Op's or are further inputs."""
    if op.size is None:

        @numba_njit
        def derivative(first: Array, second: Array, height: Number, width: Number) -> Array:
            return compute(first, second, np.int64(height.item()), np.int64(width.item()))

        return derivative
    height, width = op.size

    @numba_njit
    def derivative_of_size(first: Array, second: Array) -> Array:
        return compute(first, second, height, width)

    return derivative_of_size


@numba_njit
def _finite_square(x: Array) -> tuple[float, int]:
    """Square and count of one tensor: by the BLAS, and by a loop only where that is not finite."""
    flat = np.ascontiguousarray(x).reshape(-1)
    square, bad = np.float64(np.dot(flat, flat)), 0
    if not np.isfinite(square):
        square = np.float64(0)
        for element in flat:
            if np.isfinite(element):
                square += np.float64(element) * np.float64(element)
            else:
                bad += 1
    return square, bad


@register_funcify_default_op_cache_key(FiniteSquares)
def numba_funcify_finite_squares(op: FiniteSquares, node: Apply, **kwargs: Any) -> tuple[Callable[..., Any], int]:
    """`_finite_square` of each tensor; Numba has no functions of a varying number of arguments."""
    tensors = [f"x{i}" for i in range(op.count)]
    lines = [f"def finite_squares({', '.join(tensors)}):", "    bad = 0"]
    for i, x in enumerate(tensors):
        lines += [f"    square{i}, more = finite_square({x})", "    bad += more"]
    squares = ", ".join(f"np.asarray(square{i})" for i in range(op.count))
    lines.append(f"    return {squares}, np.asarray(number(bad))")
    names = {"np": np, "finite_square": _finite_square, "number": np.dtype(node.inputs[0].type.dtype).type}
    return numba_njit(compile_numba_function_src("\n".join(lines), "finite_squares", names)), VERSION


@register_funcify_default_op_cache_key(norms.Norm)
def numba_funcify_norm(op: norms.Norm, node: Apply, **kwargs: Any) -> tuple[Callable[..., Any], int]:
    """By the BLAS, and once more with care where that overflowed or underflowed."""
    number = np.dtype(node.inputs[0].type.dtype).type
    smallest, greatest = norms.SMALLEST, norms.LARGEST

    @numba_njit(fastmath=False)
    def euclidean(x: Array) -> Array:
        flat = np.ascontiguousarray(x).reshape(-1)
        square = np.float64(np.dot(flat, flat))
        if not smallest < square < greatest:
            largest = 0.0
            for element in flat:
                size = abs(np.float64(element))
                if np.isnan(size):
                    return np.asarray(number(size))
                largest = max(largest, size)
            if largest == 0 or not np.isfinite(largest):
                return np.asarray(number(largest))
            square = np.float64(0)
            for element in flat:
                scaled = np.float64(element) / largest
                square += scaled * scaled
            return np.asarray(number(largest * np.sqrt(square)))
        return np.asarray(number(np.sqrt(square)))

    return euclidean, VERSION


@register_funcify_default_op_cache_key(Counter)
def numba_funcify_counter(op: Counter, node: Apply, **kwargs: Any) -> tuple[Callable[..., Any], int]:
    """A loop."""
    size = op.size

    @numba_njit
    def counter() -> npt.NDArray[np.uint32]:
        return np.arange(size).astype(np.uint32)

    return counter, VERSION


@register_funcify_and_cache_key(logarithm.PositiveLog)
def numba_funcify_positive_log(
    op: logarithm.PositiveLog, node: Apply, **kwargs: Any
) -> tuple[Callable[..., Any], str | None]:
    """The bits of a float32 are looked at as an integer; other types have the library's logarithm."""
    dtypes = {variable.type.dtype for variable in (*node.inputs, *node.outputs)}
    if dtypes != {"float32"}:
        return numba_funcify_ScalarOp(op, node=node, **kwargs)
    one, half, high, low = map(np.float32, (1, 0.5, logarithm.LOG2_HIGH, logarithm.LOG2_LOW))
    lowest, fraction_bits = np.int32(logarithm.LOWEST), np.int32(logarithm.FRACTION_BITS)
    c0, c1, c2, c3, c4, c5, c6, c7, c8 = map(np.float32, logarithm.POLYNOMIAL)

    @numba_njit
    def log_of_positive(x: np.float32) -> np.float32:
        bits = np.float32(x).view(np.int32)
        exponent = np.int32(np.int32(bits - lowest) >> fraction_bits)
        f = np.int32(bits - np.int32(exponent << fraction_bits)).view(np.float32) - one
        p = (((((((c0 * f + c1) * f + c2) * f + c3) * f + c4) * f + c5) * f + c6) * f + c7) * f + c8
        e = np.float32(exponent)
        return f + (p * f * f * f + low * e - half * f * f) + high * e

    return log_of_positive, f"{type(op)} {logarithm.VERSION}"
