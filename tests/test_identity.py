"""docs/l2-hypergradients.md: in ReLU networks the L2 hypergradients of layers differ by terms of the biases."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import PLAIN

from t1t2_pt.hypergradients import hypergradient
from t1t2_pt.networks import costs
from t1t2_pt.networks.network import Convolution, Dense, MaxPool, Network
from t1t2_pt.regularizers import REGULARIZERS


def terms(network, seed, max_norm=None):
    """The L2 hypergradients of the layers with weights, and minus twice the product of each bias and its gradient."""
    rng = np.random.default_rng(seed)
    theta = {
        name: pytensor.shared(rng.standard_normal(shape), name, shape=shape) for name, shape in network.shapes().items()
    }
    levels = [pytensor.shared(np.float64(0.1), f"l2_{name}") for name in network.weight_names]
    x, y = rng.standard_normal((2, 6, *network.input_shape)), rng.integers(0, network.classes, (2, 6)).astype("int32")
    c1, c2 = (
        costs.cross_entropy(network.logits(theta, pt.constant(inputs)), pt.constant(labels))
        for inputs, labels in zip(x, y, strict=True)
    )
    penalty = REGULARIZERS["l2"].penalty([theta[name] for name in network.weight_names], levels)
    hyper = hypergradient(c1 + penalty, c2, list(theta.values()), levels, max_norm=max_norm)
    biases = [theta[name] for name in network.shapes() if name.startswith("bias")]
    products = [-2 * (b * g).sum() for b, g in zip(biases, pt.grad(c2, biases), strict=True)]
    values = pytensor.function([], [*hyper, *products], mode=PLAIN)()
    return np.array(values[: len(levels)]), np.array(values[len(levels) :])


@settings(max_examples=10)
@given(
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    activation=st.sampled_from(["relu", "leaky-relu"]),
    seed=st.integers(0, 1000),
)
def test_random_networks(widths, activation, seed):
    network = Network((5,), tuple(map(Dense, widths)), 3, False, activation)
    hyper, biases = terms(network, seed)
    np.testing.assert_allclose(hyper[1:], hyper[:-1] + biases[:-1], rtol=1e-8, atol=1e-10 * np.abs(hyper).max())


def test_convolutions_and_pools():
    layers = (Convolution(3, 3, padding="full"), MaxPool(), Convolution(4, 2, stride=2))
    hyper, biases = terms(Network((7, 6, 2), layers, 3, False), 1)
    assert np.abs(np.diff(hyper)).max() > 1e-3
    np.testing.assert_allclose(hyper[1:], hyper[:-1] + biases[:-1], rtol=1e-8)


@pytest.mark.parametrize("change", ["batch norm", "tanh", "a limit on the gradient"])
def test_what_breaks_it(change):
    network = Network((5,), (Dense(6), Dense(4)), 3, change == "batch norm", "tanh" if change == "tanh" else "relu")
    hyper, biases = terms(network, 2, max_norm=0.1 if "limit" in change else None)
    if change == "batch norm":
        np.testing.assert_allclose(hyper[:-1], 0, atol=1e-5)  # but for the epsilon beside the variance
    assert not np.allclose(hyper[1:], hyper[:-1] + biases[: len(hyper) - 1], rtol=1e-2)
