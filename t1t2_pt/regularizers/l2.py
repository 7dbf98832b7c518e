"""The L2 penalty, strength * sum(W**2): no factor 1/2, no biases (the authors' program)."""

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.regularizers.locations import WEIGHTS
from t1t2_pt.regularizers.regularizer import Hyperparameter, StepSize, StrengthPenalty


class L2(StrengthPenalty):
    """Each weight squared."""

    def elements(self, weights: TensorVariable) -> TensorVariable:
        """W**2."""
        return pt.sqr(weights)


REGULARIZERS = (
    L2(
        (
            Hyperparameter(
                name="l2",
                symbol="l2",
                help="strength of the L2 penalty, l2 * sum(W**2), on each weight matrix",
                label="$l_2$, strength of the L2 penalty",
                places=WEIGHTS,
                step_size=StepSize("l2_learning_rate", 1e-4, "L2"),
                margin=(1e-4, 0.2),
            ),
        )
    ),
)
