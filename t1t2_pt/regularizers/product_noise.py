"""Activations times Gaussian noise, h * level * N(0, 1): the authors' program calls it multi0.

No level leaves the activation as it is. Without noise, as for C2 and the test, the activation is h itself.
"""

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.regularizers.regularizer import NORMAL, Regularizer, StepSize, of_activations


class ProductNoise(Regularizer):
    """The level is the factor's standard deviation around 0."""

    draws = NORMAL

    def perturb(self, h: TensorVariable, drawn: TensorVariable, *levels: TensorVariable) -> TensorVariable:
        """h * level * drawn."""
        (level,) = levels
        return h * (level * pt.cast(drawn, h.dtype))


REGULARIZERS = of_activations(
    ProductNoise,
    "product_noise",
    "p",
    "standard deviation of the Gaussian factor around 0",
    StepSize("product_noise_learning_rate", 1e-1, "product noise"),
)
