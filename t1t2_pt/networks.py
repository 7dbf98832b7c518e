"""Networks: a frozen specification, its parameters, and the symbolic graph that it builds.

`MLP` is the paper's fully connected network. Its noise enters through `perturb`, a function that the
caller gives, so that one definition serves the noisy training pass and the clean ones.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt import layers

Statistics = tuple[TensorVariable, TensorVariable]

SOFTMAX_SCALE = 1e-5


@dataclasses.dataclass(frozen=True)
class MLP:
    """A ReLU network of any widths that ends in a softmax layer.

    Parameters
    ----------
    features, classes
        Sizes of input and output.
    hidden
        Widths of the hidden layers.
    batch_norm
        Normalise each hidden layer before its nonlinearity; only the shift is learned.
    """

    features: int
    hidden: tuple[int, ...]
    classes: int
    batch_norm: bool

    @property
    def widths(self) -> tuple[int, ...]:
        """Sizes of input, hidden layers and output, in order."""
        return (self.features, *self.hidden, self.classes)

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Names of the weight matrices, which alone bear the L2 penalty."""
        return tuple(f"weights_{i}" for i in range(len(self.hidden) + 1))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each elementary parameter by name: weights [in, out] and bias [out] per layer."""
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (fan_in, fan_out) in enumerate(zip(self.widths[:-1], self.widths[1:], strict=True)):
            shapes[f"weights_{i}"] = (fan_in, fan_out)
            shapes[f"bias_{i}"] = (fan_out,)
        return shapes

    def initial_parameters(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """float32 values to start from: N(0, 12 / (fan_in + fan_out)); the softmax layer N(0, 1e-10); biases 0.

        The authors' program starts so.
        """
        values = {}
        last = self.weight_names[-1]
        for name, shape in self.shapes().items():
            scale = 0.0 if len(shape) == 1 else SOFTMAX_SCALE if name == last else math.sqrt(12 / sum(shape))
            values[name] = np.float32(scale) * rng.standard_normal(shape, dtype=np.float32)
        return values

    def logits(
        self,
        parameters: Mapping[str, TensorVariable],
        x: TensorVariable,
        perturb: Callable[[int, TensorVariable], TensorVariable] | None = None,
        statistics: Sequence[Statistics] | None = None,
    ) -> tuple[TensorVariable, list[Statistics]]:
        """The symbolic forward pass.

        Parameters
        ----------
        parameters
            Tensors by the names of `shapes`.
        x
            [batch, features].
        perturb
            `perturb(i, h)` returns the activation h that enters weight layer i with its noise
            added: layer 0 is the input, layer i the output of hidden layer i. None: no noise.
        statistics
            Mean and variance of each hidden layer for batch normalisation; None: the batch's own.

        Returns
        -------
        Logits [batch, classes], and the statistics used, one pair per hidden layer (empty without
        batch normalisation).
        """
        h, used = x, []
        for i in range(len(self.hidden) + 1):
            if perturb is not None:
                h = perturb(i, h)
            z = pt.dot(h, parameters[f"weights_{i}"])
            bias = parameters[f"bias_{i}"]
            if i == len(self.hidden):
                return z + bias, used
            if self.batch_norm:
                used.append(layers.moments(z) if statistics is None else statistics[i])
                z = layers.batch_normalise(z, used[-1], bias)
            else:
                z = z + bias
            h = layers.relu(z)
        raise AssertionError("unreachable: the softmax layer returns")
