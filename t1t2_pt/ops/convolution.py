"""Two-dimensional convolution of batches of images with many channels, and its derivatives.

Convolution is linear in the images and in the filters, and so are both of its derivatives. The three
Ops here are each other's derivatives (`BilinearConvolution.pullback`), so that gradients of any order
exist. All work on images with the channels last, [batch, height, width, channels], and on filters [height,
width, channels in, channels out]: there a window's row is contiguous in memory, and XLA is at its fastest.

As everywhere in the field, 'convolution' means cross-correlation: filters are not flipped.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor import scalar as ps
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import Op
from pytensor.graph.op import OutputStorageType as Storage
from pytensor.tensor import TensorLike
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.moved import renamed_arguments
from t1t2_pt.ops import im2col
from t1t2_pt.ops.arguments import Padding, Pair, Size, axis_size, images, output, output_size, pair, tensors

PADDINGS = ("valid", "full", "same")
Shape = Sequence[Size | None]  # None where not static
PaddingLike = str | int | Sequence[int | Sequence[int]]


@renamed_arguments(border="padding", maps_last="channels_last")
def conv2d(
    x: TensorLike,
    filters: TensorLike,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = "valid",
    *,
    channels_last: bool = False,
) -> TensorVariable:
    """Convolve a batch of images with a set of filters.

    Parameters
    ----------
    x
        Images [batch, channels, height, width], floating point.
    filters
        [channels out, channels in, height, width], floating point; not flipped (cross-correlation).
    stride
        Step of the windows, or one for rows and one for columns.
    padding
        `"valid"`: only whole windows; `"full"`: every window that overlaps the image; `"same"`: an
        output of ceil(size / stride), zeros on both sides with the odd one at the end; or the
        number of zeros around the image: one for all sides, one for rows and one for columns, or
        `((top, bottom), (left, right))`.
    channels_last
        Images are [batch, height, width, channels] and filters [height, width, channels in, channels out], the
        order in which they are computed: a network of convolutions saves rearranging them.

    Returns
    -------
    Images with (size + zeros - filter) // stride + 1 rows and columns; static where the inputs are.

    Raises
    ------
    ValueError
        For wrong ranks, numbers of channels that differ, an unknown padding, a stride below 1, or a
        filter larger than the padded image; each named with what to do.
    TypeError
        For images or filters that are not floating point.
    """
    batch, kernels = images(x, "x"), images(filters, "filters")
    dtype = ps.upcast(batch.dtype, kernels.dtype)
    if not channels_last:
        batch, kernels = batch.dimshuffle(0, 2, 3, 1), kernels.dimshuffle(2, 3, 1, 0)
    steps = pair(stride, "stride", 1)
    zeros = _padding(padding, batch.type.shape[1:3], kernels.type.shape[:2], steps)
    y = output(Conv2d(steps, zeros), pt.cast(batch, dtype), pt.cast(kernels, dtype))
    return y if channels_last else y.dimshuffle(0, 3, 1, 2)


def _padding(
    padding: PaddingLike, sizes: Sequence[int | None], filter_sizes: Sequence[int | None], stride: Pair
) -> Padding:
    remedy = f"give {', '.join(PADDINGS)}, or numbers of zeros: n, (rows, columns) or ((top, bottom), (left, right))"
    if isinstance(padding, str):
        if padding not in PADDINGS:
            raise ValueError(f"padding = {padding!r}: is unknown; {remedy}")
        if padding == "valid":
            return (0, 0), (0, 0)
        height, width = filter_sizes
        if height is None or width is None:
            raise ValueError(
                f"padding = {padding!r}: needs filters of static size; make them by pytensor.shared(value, "
                "shape=value.shape), or give numbers of zeros"
            )
        if padding == "full":
            return (height - 1, height - 1), (width - 1, width - 1)
        return _same(sizes[0], height, stride[0]), _same(sizes[1], width, stride[1])
    try:
        rows, columns = (padding, padding) if isinstance(padding, int | np.integer) else padding
        return pair(rows, "padding", 0), pair(columns, "padding", 0)
    except (TypeError, ValueError):
        raise ValueError(f"padding = {padding!r}: is neither a name nor numbers of zeros; {remedy}") from None


def _same(size: int | None, filter_size: int, stride: int) -> Pair:
    """Zeros before and after, as TensorFlow and JAX define SAME."""
    if stride == 1:
        zeros = filter_size - 1
    elif size is None:
        raise ValueError(
            f"padding = 'same': with a stride of {stride} needs images of static size; "
            "give x a static shape (pt.specify_shape), or numbers of zeros"
        )
    else:
        zeros = max((-(-size // stride) - 1) * stride + filter_size - size, 0)
    return zeros // 2, zeros - zeros // 2


def _size_input(value: TensorLike) -> TensorVariable:
    return pt.constant(value, dtype="int64") if isinstance(value, int) else pt.cast(value, "int64")


class BilinearConvolution(Op):
    """What the three Ops share: two images or sets of filters, linear in each.

    Parameters
    ----------
    stride
        Of rows and columns.
    padding
        Zeros around the image: ((top, bottom), (left, right)).
    size
        Of the derivatives: height and width of what they are by; None: these are two more inputs.
    """

    __props__ = ("stride", "padding", "size")

    def __init__(self, stride: Pair, padding: Padding, size: Pair | None = None) -> None:
        self.stride, self.padding, self.size = stride, padding, size

    def convolve(self, x: TensorVariable, filters: TensorVariable) -> TensorVariable:
        """The convolution with the same windows."""
        return output(Conv2d(self.stride, self.padding), x, filters)

    def derivative(
        self, kind: type["BilinearConvolution"], first: TensorVariable, second: TensorVariable, size: tuple[Size, Size]
    ) -> TensorVariable:
        """A derivative of that convolution, by something of this height and width, numbers or symbols."""
        height, width = size
        if isinstance(height, int) and isinstance(width, int):
            return output(kind(self.stride, self.padding, (height, width)), first, second)
        return output(kind(self.stride, self.padding), first, second, *size)

    def sizes(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Height and width, from the Op or from the inputs beyond the first two."""
        return self.size if self.size is not None else inputs[2:]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [True]] + [[False]] * (len(node.inputs) - 2)

    def pushforward(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], tangents: Sequence[Variable]
    ) -> list[Variable]:
        """J v by the product rule."""
        first, second, *sizes = inputs
        terms = []
        if not isinstance(tangents[0].type, DisconnectedType):
            terms.append(output(self, tangents[0], second, *sizes))
        if not isinstance(tangents[1].type, DisconnectedType):
            terms.append(output(self, first, tangents[1], *sizes))
        return [sum(terms[1:], terms[0])] if terms else [disconnected_type()]

    def _apply(self, inputs: Sequence[TensorVariable], shape: Shape) -> Apply:
        for value in inputs[:2]:
            if value.type.ndim != 4:
                raise ValueError(f"{type(self).__name__}: has an input of {value.type.ndim} dimensions, not 4")
        sizes = (n.data.item() if isinstance(n, Constant) else n for n in shape)
        static = tuple(None if n is None or isinstance(n, TensorVariable) else int(n) for n in sizes)
        return Apply(self, list(inputs), [pt.tensor(dtype=inputs[0].dtype, shape=static)])

    def _windows(self, sizes: Sequence[int | None], filter_sizes: Sequence[int | None]) -> list[int | None]:
        """Output sizes; None where not static."""
        results: list[int | None] = []
        for n, k, s, zeros in zip(sizes, filter_sizes, self.stride, self.padding, strict=True):
            if n is None or k is None:
                results.append(None)
                continue
            if n + sum(zeros) < k:
                raise ValueError(
                    f"filters: a filter of {k} rows or columns does not fit into {n} with {sum(zeros)} zeros; "
                    "give larger images, smaller filters or more padding"
                )
            results.append(output_size(n, k, s, zeros))
        return results


class Conv2d(BilinearConvolution):
    """Images [batch, height, width, channels in] and filters [height, width, in, out] to images."""

    def make_node(self, *inputs: TensorLike) -> Apply:
        x, filters = map(pt.as_tensor_variable, inputs)
        channels, expected = x.type.shape[3], filters.type.shape[2]
        if None not in (channels, expected) and channels != expected:
            raise ValueError(
                f"filters: take {expected} channels, where x has {channels}; give filters of {channels} channels in, "
                "and check the order of the axes"
            )
        sizes = self._windows(x.type.shape[1:3], filters.type.shape[:2])
        return self._apply([x, filters], (x.type.shape[0], *sizes, filters.type.shape[3]))

    def infer_shape(self, *arguments: Any) -> list[Shape]:
        shapes = arguments[-1]  # after the node; PyTensor 3.2 puts the graph before both
        (batch, *sizes, _), (*filter_sizes, _, channels) = shapes
        windows = map(output_size, sizes, filter_sizes, self.stride, self.padding)
        return [(batch, *windows, channels)]

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Storage) -> None:
        x, filters = inputs
        if x.shape[3] != filters.shape[2]:
            raise ValueError(f"conv2d: x has {x.shape[3]} channels, where filters take {filters.shape[2]}")
        output_storage[0][0] = im2col.convolve(x, filters, self.stride, self.padding)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        x, filters = tensors(inputs)
        (g,) = tensors(cotangents)
        return [
            self.derivative(InputGradient, filters, g, (axis_size(x, 1), axis_size(x, 2))),
            self.derivative(FilterGradient, x, g, (axis_size(filters, 0), axis_size(filters, 1))),
        ]


class _Derivative(BilinearConvolution):
    """What both derivatives share: inputs (first, second), and height and width unless the Op has them."""

    compute: Callable[[im2col.Array, im2col.Array, Pair, Pair, Padding], im2col.Array]

    @staticmethod
    def _shape(first: Shape, second: Shape, size: Shape) -> Shape:
        """The shape of the result, from those of the first two inputs and the height and width."""
        raise NotImplementedError

    def make_node(self, *inputs: TensorLike) -> Apply:
        first, second = map(pt.as_tensor_variable, inputs[:2])
        size = [_size_input(length) for length in inputs[2:]]
        given = [first, second, *size]
        return self._apply(given, self._shape(first.type.shape, second.type.shape, self.sizes(given)))

    def infer_shape(self, *arguments: Any) -> list[Shape]:
        node, shapes = arguments[-2:]  # PyTensor 3.2 puts the graph before both
        return [self._shape(shapes[0], shapes[1], self.sizes(node.inputs))]

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Storage) -> None:
        first, second, *_ = inputs
        height, width = map(int, self.sizes(inputs))
        output_storage[0][0] = self.compute(first, second, (height, width), self.stride, self.padding)


class InputGradient(_Derivative):
    """Derivative of `Conv2d` by its images: (filters, images out) to images in."""

    compute = staticmethod(im2col.input_gradient)

    @staticmethod
    def _shape(filters: Shape, g: Shape, size: Shape) -> Shape:
        return g[0], *size, filters[2]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        filters, g, *size = tensors(inputs)
        (c,) = tensors(cotangents)
        of_filters = self.derivative(FilterGradient, c, g, (axis_size(filters, 0), axis_size(filters, 1)))
        return [of_filters, self.convolve(c, filters), *(disconnected_type() for _ in size)]


class FilterGradient(_Derivative):
    """Derivative of `Conv2d` by its filters: (images in, images out) to filters."""

    compute = staticmethod(im2col.filter_gradient)

    @staticmethod
    def _shape(x: Shape, g: Shape, size: Shape) -> Shape:
        return *size, x[3], g[3]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        x, g, *size = tensors(inputs)
        (c,) = tensors(cotangents)
        of_images = self.derivative(InputGradient, c, g, (axis_size(x, 1), axis_size(x, 2)))
        return [of_images, self.convolve(x, c), *(disconnected_type() for _ in size)]
