"""Max-norm (hard): after each update the weights that lead to a unit are scaled to a norm of at most this.

Srebro and Shraibman, 2005; as Srivastava et al., 2014, use it. The cost has no derivative by it.
"""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.regularizers.locations import WEIGHTS
from t1t2_pt.regularizers.regularizer import Hyperparameter, Regularizer, sum_by_unit


class MaxNorm(Regularizer):
    """The level is the largest norm."""

    constrains = True

    def constrain(self, weights: TensorVariable, *levels: TensorVariable) -> TensorVariable:
        """The weights [..., units], each unit's scaled down where its norm is larger."""
        (largest,) = levels
        norms = pt.sqrt(sum_by_unit(pt.sqr(weights)))
        return weights * pt.switch(norms > largest, largest / norms, np.ones((), dtype=weights.dtype))


REGULARIZERS = (
    MaxNorm(
        (
            Hyperparameter(
                name="max_norm",
                symbol="max-norm",
                help="largest norm of the weights that lead to a unit, held after each update; fixed, never tuned",
                label="max-norm",
                places=WEIGHTS,
            ),
        )
    ),
)
