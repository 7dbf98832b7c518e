"""Convolution as a product of matrices, in NumPy: what the Python and C linkers run.

The windows of a few images at a time are laid out as the rows of a matrix, small enough to stay in
the cache, and multiplied by the filters with the BLAS (Chellapilla, Puri and Simard, 2006).
Images are [batch, height, width, channels], filters [height, width, channels in, channels out].
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from t1t2_pt.ops.arguments import Padding, Pair, output_size

Array = npt.NDArray[np.floating]

BLOCK = 1 << 19  # elements of the matrix of windows: 2 MiB of float32


def convolve(x: Array, filters: Array, stride: Pair, padding: Padding) -> Array:
    """Images convolved with filters."""
    kernel, channels_out = filters.shape[:2], filters.shape[3]
    matrix = filters.reshape(-1, channels_out)
    sizes = _output_sizes(x.shape[1:3], kernel, stride, padding)
    y = np.empty((len(x), *sizes, channels_out), dtype=x.dtype)
    x = _pad(x, padding)
    for rows in _blocks(len(x), sizes, len(matrix)):
        np.matmul(_windows(x[rows], kernel, sizes, stride), matrix, out=y[rows].reshape(-1, channels_out))
    return y


def filter_gradient(x: Array, g: Array, kernel: Pair, stride: Pair, padding: Padding) -> Array:
    """Derivative by the filters of a convolution of x whose output has cotangent g."""
    sizes, channels_out = g.shape[1:3], g.shape[3]
    x = _pad(x, padding)
    length = kernel[0] * kernel[1] * x.shape[3]
    result = np.zeros((length, channels_out), dtype=x.dtype)
    for rows in _blocks(len(x), sizes, length):
        result += _windows(x[rows], kernel, sizes, stride).T @ g[rows].reshape(-1, channels_out)
    return result.reshape(*kernel, -1, channels_out)


def input_gradient(filters: Array, g: Array, image: Pair, stride: Pair, padding: Padding) -> Array:
    """Derivative by the images, of this height and width, of a convolution whose output has cotangent g."""
    *kernel, channels_in, channels_out = filters.shape
    matrix = filters.reshape(-1, channels_out).T
    sizes = g.shape[1:3]
    (top, bottom), (left, right) = padding
    padded = np.zeros((len(g), image[0] + top + bottom, image[1] + left + right, channels_in), dtype=g.dtype)
    for rows in _blocks(len(g), sizes, matrix.shape[1]):
        windows = (g[rows].reshape(-1, channels_out) @ matrix).reshape(-1, *sizes, *kernel, channels_in)
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                padded[rows][_shifted(i, j, sizes, stride)] += windows[:, :, :, i, j]
    return padded[:, top : top + image[0], left : left + image[1]]


def block_size(rows: int, columns: int, length: int) -> int:
    """Images whose windows, rows * columns of this length for each, fill a block."""
    return max(1, BLOCK // max(1, rows * columns * length))


def _blocks(batch: int, sizes: Pair, length: int) -> Iterator[slice]:
    step = block_size(*sizes, length)
    for start in range(0, batch, step):
        yield slice(start, start + step)


def _output_sizes(image: Pair, kernel: Pair, stride: Pair, padding: Padding) -> Pair:
    rows, columns = map(output_size, image, kernel, stride, padding)
    if min(rows, columns) < 1:
        raise ValueError(f"conv2d: filters of {kernel} do not fit into images of {tuple(image)} with zeros {padding}")
    return rows, columns


def _pad(x: Array, padding: Padding) -> Array:
    if padding == ((0, 0), (0, 0)):
        return x
    return np.pad(x, ((0, 0), *padding, (0, 0)))


def _shifted(i: int, j: int, sizes: Pair, stride: Pair) -> tuple[slice, ...]:
    """Where element (i, j) of every window lies in the padded image."""
    rows, columns = (slice(o, o + (n - 1) * s + 1, s) for o, n, s in zip((i, j), sizes, stride, strict=True))
    return slice(None), rows, columns


def _windows(x: Array, kernel: Pair, sizes: Pair, stride: Pair) -> Array:
    """Matrix [images * rows * columns, kernel height * kernel width * channels]."""
    if tuple(kernel) == (1, 1):
        return x[_shifted(0, 0, sizes, stride)].reshape(-1, x.shape[3])
    batch, row, column, channels = x.strides
    view = np.lib.stride_tricks.as_strided(
        x,
        shape=(len(x), *sizes, *kernel, x.shape[3]),
        strides=(batch, row * stride[0], column * stride[1], row, column, channels),
        writeable=False,
    )
    return view.reshape(-1, kernel[0] * kernel[1] * x.shape[3])
