"""Nonlinearities of hidden layers: functions from a tensor to one of its shape, found by name.

A function under `activation` is one more to choose.
"""

from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.networks import layers

Activation = Callable[[TensorVariable], TensorVariable]

ACTIVATIONS: dict[str, Activation] = {}
LEAK = 0.01  # slope of the leaky ReLU below 0 (the authors' program)


def activation(name: str) -> Callable[[Activation], Activation]:
    """Put a function into `ACTIVATIONS`."""

    def register(function: Activation) -> Activation:
        ACTIVATIONS[name] = function
        return function

    return register


@activation("relu")
def relu(x: TensorVariable) -> TensorVariable:
    """x where it is positive, else 0."""
    return layers.relu(x)


@activation("leaky-relu")
def leaky_relu(x: TensorVariable) -> TensorVariable:
    """x where it is positive, else 0.01 x (Xu et al., 2015)."""
    return layers.relu(x, LEAK)


@activation("elu")
def elu(x: TensorVariable) -> TensorVariable:
    """x where it is positive, else exp(x) - 1 (Clevert et al., 2016)."""
    zero = np.zeros((), dtype=x.dtype)
    return pt.switch(x > zero, x, pt.expm1(pt.minimum(x, zero)))


@activation("tanh")
def tanh(x: TensorVariable) -> TensorVariable:
    """The hyperbolic tangent."""
    return pt.tanh(x)


@activation("sigmoid")
def sigmoid(x: TensorVariable) -> TensorVariable:
    """1 / (1 + exp(-x))."""
    return pt.sigmoid(x)


@activation("linear")
def linear(x: TensorVariable) -> TensorVariable:
    """x itself."""
    return x
