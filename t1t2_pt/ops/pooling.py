"""Pooling, composed of PyTensor's own element-wise Ops: every linker and every derivative for free."""

from collections.abc import Sequence

import pytensor.tensor as pt
from pytensor.tensor import TensorLike
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.moved import renamed_arguments
from t1t2_pt.ops.arguments import axis_size, images, pair


@renamed_arguments(maps_last="channels_last")
def max_pool2d(x: TensorLike, size: int | Sequence[int] = 2, *, channels_last: bool = False) -> TensorVariable:
    """Largest value of each of the windows that tile an image, windows of `size` side by side.

    An image whose sides are not multiples of `size` has smaller windows at the end. Of equal values
    the first, row by row, takes the gradient; NaN is larger than every number.

    Parameters
    ----------
    x
        Images [batch, channels, height, width], floating point.
    size
        Side of the windows, or one for rows and one for columns.
    channels_last
        Images are [batch, height, width, channels].

    Returns
    -------
    Images with ceil(height / rows) by ceil(width / columns) values; static where the input is.

    Raises
    ------
    ValueError
        For a wrong rank or a size below 1.
    """
    x = images(x, "x")
    rows, columns = pair(size, "size", 1)
    first, second = (1, 2) if channels_last else (2, 3)

    def at(i: int, j: int) -> TensorVariable:
        """Element (i, j) of every window that has one."""
        index = [slice(None)] * 4
        index[first], index[second] = slice(i, None, rows), slice(j, None, columns)
        return x[tuple(index)]

    largest = at(0, 0)
    for i in range(rows):
        for j in range(columns):
            if i or j:
                largest = _larger(largest, at(i, j), (first, second))
    return largest


def _larger(x: TensorVariable, y: TensorVariable, axes: tuple[int, int]) -> TensorVariable:
    """Element-wise maximum with y, which may end earlier on some axes: x stays as it is there."""
    if x.type.shape == y.type.shape and None not in (x.type.shape[a] for a in axes):
        return _where_larger(x, y)
    index = [slice(None)] * 4
    for axis in axes:
        index[axis] = slice(0, axis_size(y, axis))
    within = x[tuple(index)]
    return pt.set_subtensor(within, _where_larger(within, y))


def _where_larger(x: TensorVariable, y: TensorVariable) -> TensorVariable:
    return pt.switch((y > x) | pt.isnan(y), y, x)


@renamed_arguments(maps_last="channels_last")
def global_average_pool(x: TensorLike, *, channels_last: bool = False) -> TensorVariable:
    """Mean over all positions: [batch, channels, height, width] to [batch, channels].

    With `channels_last` from [batch, height, width, channels].

    Raises
    ------
    ValueError
        For a wrong rank.
    """
    return images(x, "x").mean(axis=(1, 2) if channels_last else (2, 3))
