"""The pieces of a network: functions from tensors to tensors, without parameters of their own."""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

EPSILON = 1e-6


def moments(x: TensorVariable) -> tuple[TensorVariable, TensorVariable]:
    """Mean and variance over the batch and all positions: [batch, ..., channels] -> two of [channels]."""
    axes = tuple(range(x.type.ndim - 1))
    mean = x.mean(axis=axes)
    centred = x - mean
    return mean, pt.sqr(centred).mean(axis=axes)


def batch_normalise(
    x: TensorVariable,
    statistics: tuple[TensorVariable, TensorVariable],
    shift: TensorVariable | None,
    scale: TensorVariable | None = None,
) -> TensorVariable:
    """Batch normalisation with a learned shift, and with a learned scale or without, which a ReLU makes redundant.

    Ioffe and Szegedy, 2015. `x` is [batch, ..., channels], all others are [channels].
    """
    mean, variance = statistics
    normalised = (x - mean) / pt.sqrt(variance + np.asarray(EPSILON, dtype=x.dtype))
    if scale is not None:
        normalised = normalised * scale
    return normalised if shift is None else normalised + shift


def relu(x: TensorVariable, slope: float = 0.0) -> TensorVariable:
    """x where it is positive, else slope * x (Xu et al., 2015); NaN stays NaN; -inf becomes it at slope 0.

    The derivative at 0 is the slope. A product, so that PyTensor finds the slopes among a gradient's other
    factors. They are not `cast(x > 0)`: XLA makes a choice of that product, in which NaN is 0.
    """
    at_most_zero = x <= np.zeros((), dtype=x.dtype)
    return x * pt.switch(at_most_zero, np.asarray(slope, dtype=x.dtype), np.ones((), dtype=x.dtype))
