"""Additive Gaussian noise on activations (Section 2.2): h + level * N(0, 1)."""

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.regularizers.locations import HIDDEN, INPUT
from t1t2_pt.regularizers.regularizer import NORMAL, Hyperparameter, Regularizer, StepSize

NOISE = StepSize("noise_learning_rate", 1e-1, "noise")


class AdditiveNoise(Regularizer):
    """The level is the noise's standard deviation."""

    draws = NORMAL

    def perturb(self, h: TensorVariable, drawn: TensorVariable, *levels: TensorVariable) -> TensorVariable:
        """h + level * drawn."""
        (level,) = levels
        return h + level * pt.cast(drawn, h.dtype)


REGULARIZERS = (
    AdditiveNoise(
        (
            Hyperparameter(
                name="input_noise",
                symbol="n0",
                help="n0, standard deviation of the Gaussian noise on the input",
                label="$n_0$, standard deviation of the input noise",
                places=INPUT,
                step_size=NOISE,
            ),
        )
    ),
    AdditiveNoise(
        (
            Hyperparameter(
                name="hidden_noise",
                symbol="n1",
                help="n1, standard deviation of the noise on each hidden layer",
                label="$n_1$, standard deviation of the hidden noise",
                places=HIDDEN,
                step_size=NOISE,
            ),
        )
    ),
)
