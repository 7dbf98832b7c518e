"""Gaussian dropout: h * (1 + sqrt(rate / (1 - rate)) * N(0, 1)), with the variance of dropout at that rate.

Srivastava et al., 2014, Section 10; Wang and Manning, 2013. Unlike dropout's own, its rate has a derivative.
"""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.regularizers.regularizer import NORMAL, Regularizer, StepSize, of_activations

LARGEST = 0.95
TINY = 1e-6  # added to the rate, so that the derivative at 0 is finite and the rate can rise from there


class GaussianDropout(Regularizer):
    """The level is the rate of the dropout whose variance it has."""

    draws = NORMAL

    def perturb(self, h: TensorVariable, drawn: TensorVariable, *levels: TensorVariable) -> TensorVariable:
        """h * (1 + sqrt(rate / (1 - rate)) * drawn)."""
        (rate,) = levels
        one, tiny = (np.asarray(value, dtype=h.dtype) for value in (1, TINY))
        return h * (one + pt.sqrt((rate + tiny) / (one - rate)) * pt.cast(drawn, h.dtype))


REGULARIZERS = of_activations(
    GaussianDropout,
    "gaussian_dropout",
    "g",
    "rate of Gaussian dropout",
    StepSize("gaussian_dropout_learning_rate", 1e-2, "Gaussian dropout"),
    LARGEST,
)
