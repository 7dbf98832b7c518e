"""Lists of tensors as vectors: one tensor for each parameter, never joined into one."""

import math
from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

Vector = list[TensorVariable]


def dot(a: Sequence[TensorVariable], b: Sequence[TensorVariable]) -> TensorVariable:
    """The inner product, a scalar of the widest dtype among them."""
    terms = [(x * y).sum() for x, y in zip(a, b, strict=True)]
    return sum(terms[1:], terms[0])


def plus(a: Sequence[TensorVariable], b: Sequence[TensorVariable], factor: float | TensorVariable = 1.0) -> Vector:
    """a + factor * b, in the dtypes of a."""
    return [x + pt.cast(factor, x.dtype) * pt.cast(y, x.dtype) for x, y in zip(a, b, strict=True)]


def times(factor: float | TensorVariable, a: Sequence[TensorVariable]) -> Vector:
    """factor * a, in its dtypes."""
    return [pt.cast(factor, x.dtype) * x for x in a]


def zeros(like: Sequence[TensorVariable]) -> Vector:
    """0 in the shapes of these."""
    return [pt.zeros_like(x) for x in like]


def size(tensors: Sequence[TensorVariable]) -> int | TensorVariable:
    """How many elements they have in all: a number where all shapes are static."""
    shapes = [x.type.shape for x in tensors]
    if all(None not in shape for shape in shapes):
        return sum(math.prod(shape) for shape in shapes)
    return sum(x.size for x in tensors)


def places(tensors: Sequence[TensorVariable]) -> Vector:
    """For every element its place among all, from 0, tensor by tensor in C order: int64, in their shapes.

    Without any reshape, which JAX can do to static shapes only.
    """
    start: TensorVariable = pt.constant(np.int64(0))
    found = []
    for x in tensors:
        place = pt.zeros_like(x, dtype="int64") + start
        stride: TensorVariable = pt.constant(np.int64(1))
        for axis in reversed(range(x.type.ndim)):
            along = pt.cumsum(pt.ones_like(x, dtype="int64"), axis=axis) - np.int64(1)
            place = place + along * stride
            stride = stride * x.shape[axis]
        found.append(place)
        start = start + stride
    return found


def unit(at: Sequence[TensorVariable], like: Sequence[TensorVariable], number: TensorVariable) -> Vector:
    """The unit vector with this number; `at` as `places` gives it."""
    return [pt.cast(pt.eq(place, number), x.dtype) for place, x in zip(at, like, strict=True)]


def joined(tensors: Sequence[TensorVariable], kept: int = 0) -> TensorVariable:
    """All elements along one axis, behind the first `kept` axes; the widest dtype."""
    flat = [x[..., None] if x.type.ndim == kept else x.flatten(kept + 1) for x in tensors]
    return pt.concatenate(flat, axis=kept)


def parted(vector: TensorVariable, at: Sequence[TensorVariable], like: Sequence[TensorVariable]) -> Vector:
    """The other way: elements of a vector in the shapes and dtypes of tensors."""
    return [pt.cast(vector[place], x.dtype) for place, x in zip(at, like, strict=True)]
