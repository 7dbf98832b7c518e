"""Networks: a frozen specification, its parameters, and the symbolic graph that it builds.

A network is a chain of layers, of which all but the last are hidden. Its noise enters through
`perturb`, a function that the caller gives, so that one definition serves the noisy training pass and
the clean ones. Activations are [batch, features] or [batch, height, width, channels]; a layer of features
is one of channels with a single position.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.networks import layers
from t1t2_pt.networks.activations import ACTIVATIONS
from t1t2_pt.networks.initialization import INITIALIZATIONS, SOFTMAX_SCALE
from t1t2_pt.ops import conv2d, global_average_pool, max_pool2d
from t1t2_pt.ops.arguments import output_size

Shape = tuple[int, ...]
Statistics = tuple[TensorVariable, TensorVariable]
Perturbation = Callable[[int, TensorVariable], TensorVariable]


@dataclasses.dataclass(frozen=True)
class Dense:
    """Every feature from every feature: weights [in, out]."""

    units: int

    def weight_shape(self, shape: Shape) -> Shape:
        return (*shape, self.units)

    def output_shape(self, shape: Shape) -> Shape:
        return (self.units,)

    def apply(self, h: TensorVariable, weights: TensorVariable) -> TensorVariable:
        return pt.dot(h, weights)


@dataclasses.dataclass(frozen=True)
class Convolution:
    """Square filters [height, width, channels in, channels out]; `padding` is valid or full."""

    channels: int
    size: int
    stride: int = 1
    padding: str = "valid"

    def weight_shape(self, shape: Shape) -> Shape:
        return (self.size, self.size, shape[2], self.channels)

    def output_shape(self, shape: Shape) -> Shape:
        around = self.size - 1 if self.padding == "full" else 0
        return (*(output_size(n, self.size, self.stride, (around, around)) for n in shape[:2]), self.channels)

    def apply(self, h: TensorVariable, weights: TensorVariable) -> TensorVariable:
        return conv2d(h, weights, self.stride, self.padding, channels_last=True)


@dataclasses.dataclass(frozen=True)
class MaxPool:
    """The largest of each square window; without weights and without a nonlinearity of its own."""

    size: int = 2

    def weight_shape(self, shape: Shape) -> None:
        return None

    def output_shape(self, shape: Shape) -> Shape:
        return (*(-(-n // self.size) for n in shape[:2]), shape[2])

    def apply(self, h: TensorVariable) -> TensorVariable:
        return max_pool2d(h, self.size, channels_last=True)


Layer = Dense | Convolution | MaxPool


def mlp(hidden: Sequence[int]) -> tuple[Layer, ...]:
    """Hidden layers of the paper's fully connected network, of these widths."""
    return tuple(Dense(width) for width in hidden)


def all_cnn_c(width: float = 1.0) -> tuple[Layer, ...]:
    """Hidden layers of the paper's variant of All-CNN-C (Springenberg et al., 2014)."""
    few, many = _channels(96, width), _channels(192, width)
    return (
        Convolution(few, 3),
        Convolution(few, 3, padding="full"),
        Convolution(few, 3, stride=2),
        Convolution(many, 3),
        Convolution(many, 3, padding="full"),
        Convolution(many, 3, stride=2),
        Convolution(many, 3),
        Convolution(many, 1),
    )


def ladder_baseline(width: float = 1.0) -> tuple[Layer, ...]:
    """Hidden layers of the paper's variant of the baseline of Rasmus et al., 2015."""
    few, many = _channels(96, width), _channels(192, width)
    return (
        Convolution(few, 3),
        Convolution(few, 3, padding="full"),
        Convolution(few, 3, padding="full"),
        MaxPool(),
        Convolution(many, 3),
        Convolution(many, 3, padding="full"),
        Convolution(many, 3),
        MaxPool(),
        Convolution(many, 3),
        Convolution(many, 1),
    )


def pooled_cnn(width: float = 1.0) -> tuple[Layer, ...]:
    """Hidden layers of the authors' program's first convolutional network: All-CNN-C's with pools for its strides."""
    few, many = _channels(96, width), _channels(192, width)
    return (
        Convolution(few, 3),
        Convolution(few, 3, padding="full"),
        MaxPool(),
        Convolution(many, 3),
        Convolution(many, 3, padding="full"),
        MaxPool(),
        Convolution(many, 3),
        Convolution(many, 1),
    )


CONVOLUTIONAL: dict[str, Callable[[float], tuple[Layer, ...]]] = {
    "all-cnn-c": all_cnn_c,
    "ladder-baseline": ladder_baseline,
    "pooled-cnn": pooled_cnn,
}


def _channels(count: int, width: float) -> int:
    return max(1, round(count * width))


@dataclasses.dataclass(frozen=True)
class ForwardPass:
    """What a pass through a network makes.

    Parameters
    ----------
    logits
        [batch, classes].
    moments
        Mean and variance over the batch of each layer that normalises, by its number.
    activations
        Outputs of the hidden layers, [batch, ..., channels], before noise that is added to them; what is added before
        their nonlinearity is in them.
    perturbed
        What noise was added to and what came of it, by the place that `perturb` is told.
    """

    logits: TensorVariable
    moments: Mapping[int, Statistics]
    activations: Sequence[TensorVariable]
    perturbed: Mapping[int, tuple[TensorVariable, TensorVariable]]


@dataclasses.dataclass(frozen=True)
class Network:
    """A chain of layers that ends in a softmax.

    Parameters
    ----------
    input_shape
        (features,), or (height, width, channels) of an image.
    hidden
        The hidden layers. Each but a pooling layer ends in the nonlinearity; without any it is a softmax regression.
    classes
        Number of classes. The softmax layer is `Dense`, or after convolutions a 1x1 `Convolution`
        whose channels are averaged over all positions.
    batch_norm
        Normalise each hidden layer before its nonlinearity.
    activation
        The nonlinearity, one of `ACTIVATIONS`, or one for each hidden layer.
    learns_scale
        Whether batch normalisation learns a scale beside its shift; a ReLU makes it redundant.

    Raises
    ------
    ValueError
        If the image is too small for the layers, or their kind does not fit it.
    """

    input_shape: Shape
    hidden: tuple[Layer, ...]
    classes: int
    batch_norm: bool
    activation: str | tuple[str, ...] = "relu"
    learns_scale: bool = False

    @property
    def is_convolutional(self) -> bool:
        """Whether it takes images."""
        return bool(self.hidden) and not isinstance(self.hidden[-1], Dense)

    def __post_init__(self) -> None:
        dense = not self.is_convolutional
        if len(self.input_shape) != (1 if dense else 3):
            needed = "features" if dense else "images of height, width and channels"
            raise ValueError(f"input_shape = {self.input_shape}: this network takes {needed}")
        for number, shape in enumerate(self.activations):
            if min(shape) < 1:
                raise ValueError(
                    f"input_shape = {self.input_shape}: layer {number} would have the shape {shape}; give larger images"
                )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The hidden layers and the softmax layer."""
        if not self.is_convolutional:
            return (*self.hidden, Dense(self.classes))
        return (*self.hidden, Convolution(self.classes, 1))

    @property
    def activations(self) -> list[Shape]:
        """Shape of one sample's input, and of the output of each layer (before the global average)."""
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1]))
        return shapes

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Names of the weights, which bear the L2 penalty."""
        return tuple(name for name in self.shapes() if name.startswith("weights"))

    @property
    def parameter_count(self) -> int:
        """How many numbers the elementary parameters have."""
        return sum(math.prod(shape) for shape in self.shapes().values())

    def shapes(self) -> dict[str, Shape]:
        """Shape of each elementary parameter by name: `weights_i` and `bias_i` of layer i, from 0.

        A pooling layer has no weights, and a bias only as the shift of its batch normalisation. `scale_i` is that
        of a batch normalisation that learns one.
        """
        shapes: dict[str, Shape] = {}
        for i, (layer, shape) in enumerate(zip(self.layers, self.activations, strict=False)):
            weights = layer.weight_shape(shape)
            if weights is not None:
                shapes[f"weights_{i}"] = weights
            if weights is not None or self.batch_norm:
                shapes[f"bias_{i}"] = layer.output_shape(shape)[-1:]
            if self.learns_scale and self.normalises(i):
                shapes[f"scale_{i}"] = layer.output_shape(shape)[-1:]
        return shapes

    def initial_parameters(self, rng: np.random.Generator, initialization: str = "fan-in-out") -> dict[str, np.ndarray]:
        """float32 values to start from: normal by one of `INITIALIZATIONS`, the softmax layer's N(0, 1e-10).

        Biases are 0, scales 1.
        """
        values = {}
        last = self.weight_names[-1]
        for name, shape in self.shapes().items():
            scale = 0.0  # of a bias, and around 1 of a scale
            if name == last:
                scale = SOFTMAX_SCALE
            elif len(shape) > 1:
                fan_in, fan_out = (math.prod(shape[:-2]) * channels for channels in shape[-2:])
                scale = INITIALIZATIONS[initialization](fan_in, fan_out)
            values[name] = np.float32(scale) * rng.standard_normal(shape, dtype=np.float32)
            if name.startswith("scale"):
                values[name] += 1
        return values

    def logits(
        self, parameters: Mapping[str, TensorVariable], x: TensorVariable, perturb: Perturbation | None = None
    ) -> TensorVariable:
        """Logits [batch, classes] of `forward`, batch normalisation by the batch's own statistics."""
        return self.forward(parameters, x, perturb).logits

    def forward(
        self,
        parameters: Mapping[str, TensorVariable],
        x: TensorVariable,
        perturb: Perturbation | None = None,
        before_activation: bool = False,
        statistics: Mapping[int, Statistics] | None = None,
    ) -> ForwardPass:
        """The symbolic forward pass.

        Parameters
        ----------
        parameters
            Tensors by the names of `shapes`.
        x
            [batch, *input_shape].
        perturb
            `perturb(i, h)` returns the activation h that enters layer i with its noise added:
            layer 0 takes the input, layer i the output of hidden layer i. None: no noise.
        before_activation
            Whether the noise of hidden layers is added before their nonlinearity.
        statistics
            Mean and variance [channels] by the number of a layer that normalises. None: the batch's own.
        """
        h, moments, activations = x, {}, []
        perturbed: dict[int, tuple[TensorVariable, TensorVariable]] = {}

        def noisy(place: int, before: TensorVariable) -> TensorVariable:
            after = before if perturb is None else perturb(place, before)
            perturbed[place] = before, after
            return after

        for i in range(len(self.layers)):
            if i == 0 or not before_activation:
                h = noisy(i, h)
            z = self.linear(i, parameters, h)
            normalised_by = None
            if self.normalises(i):
                moments[i] = layers.moments(z)
                normalised_by = moments[i] if statistics is None else statistics[i]
            between = functools.partial(noisy, i + 1) if before_activation else None
            h = self.finish(i, parameters, z, normalised_by, between)
            if i < len(self.hidden):
                activations.append(h)
        return ForwardPass(h, moments, activations, perturbed)

    def normalises(self, i: int) -> bool:
        """Whether layer i has batch normalisation."""
        return self.batch_norm and i < len(self.hidden)

    def linear(self, i: int, parameters: Mapping[str, TensorVariable], h: TensorVariable) -> TensorVariable:
        """What layer i makes of its input, before bias, normalisation and nonlinearity."""
        layer = self.layers[i]
        return layer.apply(h) if isinstance(layer, MaxPool) else layer.apply(h, parameters[f"weights_{i}"])

    def finish(
        self,
        i: int,
        parameters: Mapping[str, TensorVariable],
        z: TensorVariable,
        statistics: Statistics | None,
        perturb: Callable[[TensorVariable], TensorVariable] | None = None,
    ) -> TensorVariable:
        """The rest of layer i, given the mean and the variance of its channels where it normalises them.

        A hidden layer's result is perturbed before its nonlinearity. Of the softmax layer: the logits
        [batch, classes].
        """
        bias = parameters.get(f"bias_{i}")
        if statistics is not None:
            z = layers.batch_normalise(z, statistics, bias, parameters.get(f"scale_{i}"))
        elif bias is not None:
            z = z + bias
        if i == len(self.hidden):
            return z if z.type.ndim == 2 else global_average_pool(z, channels_last=True)
        if perturb is not None:
            z = perturb(z)
        name = self.activation if isinstance(self.activation, str) else self.activation[i]
        return z if isinstance(self.layers[i], MaxPool) else ACTIVATIONS[name](z)
