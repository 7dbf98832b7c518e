"""The pieces of a network: functions from tensors to tensors, without parameters of their own."""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

EPSILON = 1e-6


def moments(x: TensorVariable) -> tuple[TensorVariable, TensorVariable]:
    """Mean and variance of each feature over the batch: [batch, features] -> two of [features]."""
    mean = x.mean(axis=0)
    centred = x - mean
    return mean, (centred * centred).mean(axis=0)


def batch_normalise(
    x: TensorVariable, statistics: tuple[TensorVariable, TensorVariable], shift: TensorVariable
) -> TensorVariable:
    """Batch normalisation with a learned shift and no learned scale, which a ReLU makes redundant.

    Ioffe and Szegedy, 2015. `x` is [batch, features], the statistics and the shift are [features].
    """
    mean, variance = statistics
    return (x - mean) / pt.sqrt(variance + np.asarray(EPSILON, dtype=x.dtype)) + shift


def relu(x: TensorVariable) -> TensorVariable:
    """max(x, 0), as a product so that a NaN stays one; its derivative at 0 is 0."""
    return x * pt.cast(x > 0, x.dtype)


def add_noise(x: TensorVariable, level: TensorVariable, noise: TensorVariable) -> TensorVariable:
    """Additive noise of standard deviation `level` (scalar) on activations of any shape (Section 2.2)."""
    return x + level * pt.cast(noise, x.dtype)
