"""What a program of the estimators depends on: sizes rounded up, so that data of many shapes share one.

Features and outputs are padded: padded features are 0 in every sample and get no noise, so that their weights stay
where they start; padded classes have probability 0, padded targets no error. Batches have one of two sizes, and
samples of weight 0 fill them. What the padding adds is exactly 0.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from t1t2_pt.networks.network import Network, mlp

CLASSIFICATION, REGRESSION = "classification", "regression"
NAMES = ("input_noise", "hidden_noise", "l2")
L2_FEATURES = "l2_features"
BY_FEATURE = ("input_noise", "l2")  # what may have a level for each input feature

FEW = 512  # samples; with at most so many the batches are small
SMALL, LARGE = (32, 64), (128, 256)  # of T1, of T2

TABLE = 1 << 20  # normal numbers
ROOM = 1 << 21  # numbers that the batches of one call may have

Vector = npt.NDArray[np.floating]


@dataclasses.dataclass(frozen=True)
class Design:
    """The structure of a population of networks that share their hyperparameters.

    Parameters
    ----------
    task
        `CLASSIFICATION` or `REGRESSION`.
    features, outputs
        Padded sizes of the input and of the output.
    hidden
        Units of each hidden layer.
    activation
        One of `t1t2_pt.networks.activations.ACTIVATIONS`.
    networks
        How many train side by side.
    t1_batch, t2_batch
        Samples in a batch of T1 and of T2, of each network.
    per_feature
        Those of `BY_FEATURE` that have a level for each input feature, not one.
    dtype
        float32, or float64 in tests.
    """

    task: str
    features: int
    outputs: int
    hidden: tuple[int, ...]
    activation: str
    networks: int
    t1_batch: int
    t2_batch: int
    per_feature: tuple[str, ...] = ()
    dtype: str = "float32"

    @property
    def slots(self) -> int:
        """Steps that one call of a program may take: few where what they need is large."""
        elements = self.networks * self.t1_batch * self.features
        return max(1, min(128, _power_of_two(ROOM // elements)))

    @property
    def noise_numbers(self) -> int:
        """Normal numbers that a step takes."""
        return self.networks * self.t1_batch * (self.features + sum(self.hidden))

    @property
    def noise_table(self) -> int:
        """Normal numbers to take them from."""
        return max(TABLE, 2 * self.noise_numbers)

    @property
    def network(self) -> Network:
        """The network of each."""
        return Network((self.features,), mlp(self.hidden), self.outputs, False, self.activation)

    @property
    def parameters(self) -> dict[str, tuple[slice, tuple[int, ...]]]:
        """Where each elementary parameter lies in the vector of all, and its shape."""
        return _layout(self.network.shapes())

    @property
    def levels(self) -> dict[str, slice]:
        """Where each hyperparameter's levels lie in the vector of all: `input_noise`, `hidden_noise`, `l2`.

        With a strength for each input feature there is `l2_features` [features], and `l2` begins with the
        second layer.
        """
        layers = len(self.hidden)
        counts = {"input_noise": self.features if "input_noise" in self.per_feature else 1, "hidden_noise": layers}
        if "l2" in self.per_feature:
            counts[L2_FEATURES] = self.features
        counts["l2"] = layers if "l2" in self.per_feature else layers + 1
        return {name: place for name, (place, _) in _layout({name: (n,) for name, n in counts.items()}).items()}


def _layout(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[slice, tuple[int, ...]]]:
    found, start = {}, 0
    for name, shape in shapes.items():
        end = start + int(np.prod(shape))
        found[name] = (slice(start, end), shape)
        start = end
    return found


def length(slices: dict[str, slice]) -> int:
    """Of the vector that these are parts of."""
    return max(place.stop for place in slices.values())


def padded_features(count: int) -> int:
    """At least 16; a power of two up to 256, above a multiple of 128."""
    return _power_of_two(max(16, count)) if count <= 256 else -(-count // 128) * 128


def padded_outputs(task: str, count: int) -> int:
    """Of classes at least 4; a power of two."""
    return _power_of_two(max(4, count) if task == CLASSIFICATION else count)


def batch_sizes(samples: int) -> tuple[int, int]:
    """Of T1 and T2, by how many samples there are of both."""
    return SMALL if samples <= FEW else LARGE


def pad(x: npt.NDArray, size: int) -> npt.NDArray:
    """Zeros behind the last axis."""
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, size - x.shape[-1])])


def presence(count: int, size: int, dtype: str) -> Vector:
    """1 for what there is, 0 for padding."""
    return (np.arange(size) < count).astype(dtype)


def first_levels(levels: dict[str, slice], starts: Mapping[str, Vector | float]) -> Vector:
    """The logarithms of starting levels; minus infinity for 0, from which nothing moves."""
    values = np.zeros(length(levels))
    for name, place in levels.items():
        values[place] = np.asarray(starts[name], dtype=float)
    with np.errstate(divide="ignore"):
        return np.log(values)


def _power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length()
