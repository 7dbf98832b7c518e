"""Running averages of the moments of noisy T1 batches, which batch normalisation can use for C2 and for the test.

The authors' program keeps them so: the current batch has the weight 1 / count, but never less than a smallest one.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from t1t2_pt.config import RunConfig
from t1t2_pt.networks.network import Network, Statistics
from t1t2_pt.steps.regularization import Tensors


def names(network: Network) -> dict[int, tuple[str, str]]:
    """Names in the state of mean and variance, by the layers that normalise."""
    numbers = (i for i in range(len(network.layers)) if network.normalises(i))
    return {i: (f"running_mean_{i}", f"running_variance_{i}") for i in numbers}


def initial(network: Network) -> dict[str, npt.NDArray[np.float32]]:
    """Means 0 and variances 1, which have no weight from the first batch on."""
    state: dict[str, npt.NDArray[np.float32]] = {}
    for i, (mean, variance) in names(network).items():
        channels = network.activations[i + 1][-1]
        state |= {mean: np.zeros(channels, np.float32), variance: np.ones(channels, np.float32)}
    return state


def running(network: Network, state: Mapping[str, TensorVariable]) -> dict[int, Statistics]:
    """The averages in a state, by layer."""
    return {i: (state[mean], state[variance]) for i, (mean, variance) in names(network).items()}


def updated(
    config: RunConfig, network: Network, state: Tensors, moments: Mapping[int, Statistics], count: TensorVariable
) -> Tensors:
    """The averages after a batch, the `count`-th, with these moments."""
    new_state: Tensors = {}
    for i, pair in names(network).items():
        for name, moment in zip(pair, moments[i], strict=True):
            one, smallest = (np.asarray(value, moment.dtype) for value in (1, config.statistics_weight))
            weight = pt.maximum(smallest, one / pt.cast(count, moment.dtype))
            new_state[name] = state[name] + weight * (moment - state[name])
    return new_state
