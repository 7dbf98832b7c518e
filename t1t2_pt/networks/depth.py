"""A network with a continuous depth: its softmax layer reads every hidden layer, weighted by a bump over the layers.

Section 4 of the paper proposes it as an example of what else T1-T2 could tune: where the bump is, and how wide.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.networks import layers
from t1t2_pt.networks.initialization import he

DEPTH = ("mean", "log_spread")  # m and log v of the bump, two scalars
READOUT_BIAS = "readout_bias"


def contributions(layers: int, mean: TensorVariable, log_spread: TensorVariable) -> TensorVariable:
    """a(i) = exp(-(i - m)^2 / v) of the layers i = 1..L: [L], for scalars m and log v.

    The paper (Section 4) leaves out the sign. The logarithm keeps v above 0.
    """
    numbers = np.arange(1, layers + 1, dtype=mean.dtype)
    return pt.exp(-pt.sqr(numbers - mean) * pt.exp(-log_spread))


@dataclasses.dataclass(frozen=True)
class DepthNetwork:
    """A fully connected ReLU network whose logits are sum_i a(i) h_i W_i + b over its hidden layers h_i.

    Parameters
    ----------
    features
        Of the input.
    hidden
        Widths of the hidden layers, from the input upwards.
    classes
        Number of classes.
    """

    features: int
    hidden: tuple[int, ...]
    classes: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each elementary parameter: `weights_i`, `bias_i` and `readout_i` of hidden layer i, from 1."""
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (before, width) in enumerate(zip((self.features, *self.hidden), self.hidden, strict=False), start=1):
            shapes |= {f"weights_{i}": (before, width), f"bias_{i}": (width,), f"readout_{i}": (width, self.classes)}
        return shapes | {READOUT_BIAS: (self.classes,)}

    def initial_parameters(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """float32 values to start from: weights of the hidden layers as `he` has them, readouts and biases 0.

        So the network starts as the same function whatever its depth.
        """
        values = {}
        for name, shape in self.shapes().items():
            scale = he(*shape) if name.startswith("weights") else 0.0
            values[name] = np.float32(scale) * rng.standard_normal(shape, dtype=np.float32)
        return values

    def logits(self, state: Mapping[str, TensorVariable], x: TensorVariable) -> TensorVariable:
        """The symbolic forward pass.

        Parameters
        ----------
        state
            The parameters by the names of `shapes`, and m and log v by those of `DEPTH`.
        x
            [batch, features].

        Returns
        -------
        Logits [batch, classes].
        """
        weights = contributions(len(self.hidden), *(state[name] for name in DEPTH))
        h, total = x, state[READOUT_BIAS]
        for i in range(1, len(self.hidden) + 1):
            h = layers.relu(pt.dot(h, state[f"weights_{i}"]) + state[f"bias_{i}"])
            total = total + weights[i - 1] * pt.dot(h, state[f"readout_{i}"])
        return total
