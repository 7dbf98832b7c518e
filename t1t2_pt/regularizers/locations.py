"""Where in a network a hyperparameter has levels: at its input, at its hidden layers, at its weights."""

import dataclasses
from collections.abc import Callable, Sequence

from t1t2_pt.networks.network import Layer, MaxPool, Network


@dataclasses.dataclass(frozen=True)
class Places:
    """Places of one kind, in the order of the layers.

    Parameters
    ----------
    noun
        What they are called in messages.
    first
        Number of the first in the names of columns.
    count
        How many there are in a network of these hidden layers.
    units
        How many units (channels of a convolutional layer) each has: those of the activation, or what the
        weights lead to.
    """

    noun: str
    first: int
    count: Callable[[Sequence[Layer]], int]
    units: Callable[[Network], list[int]]


INPUT = Places("input", 0, lambda hidden: 1, lambda network: [network.input_shape[-1]])
HIDDEN = Places("hidden layers", 1, len, lambda network: [shape[-1] for shape in network.activations[1:-1]])
WEIGHTS = Places(
    "layers with weights",
    0,
    lambda hidden: 1 + sum(not isinstance(layer, MaxPool) for layer in hidden),
    lambda network: [network.shapes()[name][-1] for name in network.weight_names],
)
