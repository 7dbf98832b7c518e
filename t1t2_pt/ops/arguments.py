"""Checks of what the Ops here are given, and the sizes that follow from it."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.op import Op
from pytensor.tensor import TensorLike
from pytensor.tensor.variable import TensorVariable

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]  # zeros around an image: ((top, bottom), (left, right))
Size = int | TensorVariable  # of an axis: a number where it is known, else a symbol


def tensors(variables: Sequence[Variable]) -> Sequence[TensorVariable]:
    """The same variables, which are all tensors; the types of PyTensor's own methods leave that open."""
    return cast(Sequence[TensorVariable], variables)


def as_gradients(found: Variable | Sequence[Variable | None] | None) -> list[TensorVariable]:
    """What `grad` or `pullback` of PyTensor gives by a list of variables: a tensor for each."""
    return cast(list[TensorVariable], found)


def outputs(op: Op, *inputs: TensorLike) -> Sequence[TensorVariable]:
    """The outputs of an Op of tensors."""
    return cast(Sequence[TensorVariable], op(*inputs, return_list=True))


def output(op: Op, *inputs: TensorLike) -> TensorVariable:
    """The one output of an Op of tensors."""
    (result,) = outputs(op, *inputs)
    return result


def images(value: TensorLike, name: str) -> TensorVariable:
    """A tensor of four dimensions, floating point.

    Raises
    ------
    ValueError, TypeError
        Naming the argument.
    """
    value = pt.as_tensor_variable(value)
    if value.type.ndim != 4:
        meant = "sets of filters with channels" if name == "filters" else "a batch of images with channels"
        raise ValueError(f"{name}: has {value.type.ndim} dimensions, where 4 are needed; give {meant}")
    if not np.issubdtype(np.dtype(value.dtype), np.floating):
        raise TypeError(f"{name}: has dtype {value.dtype}; cast it to a floating-point dtype first")
    return value


def pair(value: int | Sequence[int], name: str, least: int) -> Pair:
    """One number for rows and one for columns, from these or from one for both.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    two = (value, value) if isinstance(value, int | np.integer) else tuple(value)
    if len(two) != 2 or not all(isinstance(v, int | np.integer) and v >= least for v in two):
        raise ValueError(f"{name} = {value!r}: give a whole number of at least {least}, or one for rows and columns")
    return int(two[0]), int(two[1])


def axis_size(tensor: TensorVariable, axis: int) -> Size:
    """Length of an axis: a number where it is static, else a symbol."""
    static = tensor.type.shape[axis]
    return tensor.shape[axis] if static is None else static


def output_size[Length: (int, TensorVariable)](size: Length, filter_size: Length, stride: int, zeros: Pair) -> Length:
    """Number of windows along an axis, for numbers or symbols."""
    return (size + sum(zeros) - filter_size) // stride + 1
