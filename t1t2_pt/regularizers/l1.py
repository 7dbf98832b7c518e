"""The L1 penalty, strength * sum(|W|), on weights and not on biases."""

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.regularizers.locations import WEIGHTS
from t1t2_pt.regularizers.regularizer import Hyperparameter, StepSize, StrengthPenalty


class L1(StrengthPenalty):
    """Each weight's size; its derivative at 0 is 0."""

    def elements(self, weights: TensorVariable) -> TensorVariable:
        """|W|."""
        return pt.abs(weights)


REGULARIZERS = (
    L1(
        (
            Hyperparameter(
                name="l1",
                symbol="l1",
                help="strength of the L1 penalty, l1 * sum(|W|), on each weight matrix",
                label="$l_1$, strength of the L1 penalty",
                places=WEIGHTS,
                step_size=StepSize("l1_learning_rate", 1e-5, "L1"),
                margin=(1e-4, 0.2),
            ),
        )
    ),
)
