"""What trained networks say of new samples: one small function for each kind of network, right for all sizes."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode

from t1t2_pt.backends.exported import making
from t1t2_pt.networks.network import Network, mlp

CHUNK = 4096  # samples that pass through at once

Parameters = Mapping[str, npt.NDArray[np.floating]]


def outputs(networks: Sequence[Parameters], activation: str, x: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Of each network, [networks, samples, outputs], in float64.

    Parameters
    ----------
    networks
        `weights_i` and `bias_i` of each.
    activation
        The nonlinearity of the hidden layers.
    x
        [samples, features].
    """
    layers = len(networks[0]) // 2
    forward, names = _forward(layers, activation)
    found = []
    for parameters in networks:
        values = [np.asarray(parameters[name], np.float64) for name in names]
        parts = [forward(np.asarray(x[at : at + CHUNK], np.float64), *values)[0] for at in range(0, len(x), CHUNK)]
        found.append(np.concatenate(parts))
    return np.stack(found)


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probabilities of logits [..., classes]."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


@functools.cache
def _forward(layers: int, activation: str) -> tuple[pytensor.compile.Function, list[str]]:
    """A function of x and of the parameters in this order; NumPy computes it, so that nothing has to be compiled."""
    network = Network((1,), mlp((1,) * (layers - 1)), 1, False, activation)  # no graph depends on these sizes
    with making(), pytensor.config.change_flags(floatX="float64", traceback__limit=0):
        x = pt.matrix("x", dtype="float64")
        parameters = {
            name: pt.tensor(name, shape=(None,) * len(shape), dtype="float64")
            for name, shape in network.shapes().items()
        }
        logits = network.forward(parameters, x).logits
        mode = Mode(linker="py", optimizer="fast_compile")
        function = pytensor.function([x, *parameters.values()], [logits], mode=mode, trust_input=True)
    return function, list(parameters)
