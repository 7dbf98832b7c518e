"""Multiplicative Gaussian noise, h * (1 + level * N(0, 1)): the authors' program calls it multi1."""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.regularizers.regularizer import NORMAL, Regularizer, StepSize, of_activations


class MultiplicativeNoise(Regularizer):
    """The level is the factor's standard deviation around 1."""

    draws = NORMAL

    def perturb(self, h: TensorVariable, drawn: TensorVariable, *levels: TensorVariable) -> TensorVariable:
        """h * (1 + level * drawn)."""
        (level,) = levels
        return h * (np.ones((), dtype=h.dtype) + level * pt.cast(drawn, h.dtype))


REGULARIZERS = of_activations(
    MultiplicativeNoise,
    "multiplicative_noise",
    "m",
    "standard deviation of the Gaussian factor around 1",
    StepSize("multiplicative_noise_learning_rate", 1e-1, "multiplicative noise"),
)
