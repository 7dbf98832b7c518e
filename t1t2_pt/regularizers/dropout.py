"""Dropout (Srivastava et al., 2014): a unit is 0 with this rate, else divided by what is left of 1.

So nothing has to be scaled without noise. The cost has no derivative by the rate: it is fixed.
"""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.regularizers.regularizer import UNIFORM, Regularizer, of_activations

LARGEST = 0.95


class Dropout(Regularizer):
    """Each unit of each sample by itself."""

    draws = UNIFORM

    def perturb(self, h: TensorVariable, drawn: TensorVariable, *levels: TensorVariable) -> TensorVariable:
        """h / (1 - rate) where what was drawn is at least the rate, else 0."""
        (rate,) = levels
        kept = pt.cast(pt.ge(drawn, rate), h.dtype)
        return h * (kept / (np.ones((), dtype=h.dtype) - rate))


REGULARIZERS = of_activations(Dropout, "dropout", "d", "rate of dropout", None, LARGEST)
