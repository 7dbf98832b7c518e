"""Initial weights: their standard deviations, and the default's very bits."""

import math

import numpy as np
import pytest

from t1t2_pt.networks.initialization import INITIALIZATIONS
from t1t2_pt.networks.network import Convolution, Dense, MaxPool, Network

DENSE = Network((400,), (Dense(300), Dense(500)), 10, batch_norm=True)
IMAGES = Network((12, 12, 3), (Convolution(64, 3), Convolution(96, 5), MaxPool(), Convolution(80, 1)), 10, True)

# Variances by fan in and fan out.
VARIANCES = {
    "fan-in": lambda i, o: 1 / i,
    "fan-in-out": lambda i, o: 12 / (i + o),
    "fan-in-out-tanh": lambda i, o: 6 / (i + o),
    "fan-in-out-sigmoid": lambda i, o: 6 / 16 / (i + o),
    "fan-in-out-linear": lambda i, o: 1 / (i + o),
    "he": lambda i, o: 2 / i,
    "glorot": lambda i, o: 2 / (i + o),
}


def start(network, seed=0, **choice):
    return network.initial_parameters(np.random.Generator(np.random.Philox(seed)), **choice)


def test_all_are_here():
    assert set(INITIALIZATIONS) == set(VARIANCES)
    assert all(function.__doc__ for function in INITIALIZATIONS.values())


@pytest.mark.parametrize("name", list(INITIALIZATIONS))
@pytest.mark.parametrize(
    ("network", "fans"),
    [
        (DENSE, {"weights_0": (400, 300), "weights_1": (300, 500)}),
        (IMAGES, {"weights_1": (25 * 64, 25 * 96), "weights_3": (96, 80)}),
    ],
    ids=["dense", "images"],
)
def test_standard_deviations(network, fans, name):
    """Within four standard errors of a normal sample's, and the mean likewise; a filter's fans count positions."""
    values = start(network, initialization=name)
    for weights, (fan_in, fan_out) in fans.items():
        sample = values[weights].astype("float64").ravel()
        scale = math.sqrt(VARIANCES[name](fan_in, fan_out))
        assert abs(sample.std() / scale - 1) < 4 / math.sqrt(2 * sample.size)
        assert abs(sample.mean()) < 4 * scale / math.sqrt(sample.size)


@pytest.mark.parametrize("name", list(INITIALIZATIONS))
@pytest.mark.parametrize("network", [DENSE, IMAGES], ids=["dense", "images"])
def test_softmax_layer_and_biases_are_always_alike(network, name):
    values = start(network, initialization=name)
    *_, last = network.weight_names
    assert abs(values[last].std() / 1e-5 - 1) < 0.15
    np.testing.assert_array_equal(values[last], start(network)[last])
    for key, value in values.items():
        assert value.dtype == np.float32
        assert value.shape == network.shapes()[key]
        assert key.startswith("weights") or not value.any()


@pytest.mark.parametrize("network", [DENSE, IMAGES], ids=["dense", "images"])
@pytest.mark.parametrize("choice", [{}, {"initialization": "fan-in-out"}], ids=["default", "named"])
def test_default_is_that_of_version_0_1_bit_for_bit(network, choice):
    rng = np.random.Generator(np.random.Philox(3))
    values = start(network, 3, **choice)
    for name, shape in network.shapes().items():
        fans = math.prod(shape[:-2]) * sum(shape[-2:])
        scale = 0.0 if len(shape) == 1 else 1e-5 if name == network.weight_names[-1] else math.sqrt(12 / fans)
        old = np.float32(scale) * rng.standard_normal(shape, dtype=np.float32)
        assert values[name].tobytes() == old.tobytes()
