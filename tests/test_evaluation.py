"""The evaluation by stages and chunks against plain NumPy."""

import numpy as np
import pytensor.tensor as pt
import pytest
import scipy.signal
from conftest import each_backend, need
from problems import make_mlp

from t1t2_pt.networks import activations
from t1t2_pt.networks.network import Convolution, MaxPool, Network
from t1t2_pt.steps import evaluation

SIZES = {"t1": 50, "t2": 20, "test": 30}
CNN = (Convolution(4, 3, padding="full"), MaxPool(), Convolution(3, 2, stride=2))


def make_network(kind, batch_norm):
    return make_mlp(4, (6, 5), 3, batch_norm) if kind == "mlp" else Network((6, 5, 2), CNN, 3, batch_norm, "leaky-relu")


def make_values(network):
    rng = np.random.default_rng(4)
    theta = {name: rng.standard_normal(shape) for name, shape in network.shapes().items()}
    sets = {
        name: (rng.standard_normal((size, *network.input_shape)), rng.integers(0, 3, size).astype("int32"))
        for name, size in SIZES.items()
    }
    return theta, sets


def by_stages(network, theta, sets, plan, backend):
    """The package's evaluation, each stage compiled by a backend."""
    symbols = {name: pt.tensor(name, shape=v.shape, dtype="float64") for name, v in theta.items()}
    stages = []
    for stage in evaluation.build_stages(network, symbols, "float64"):
        function = backend.function({**symbols, **stage.inputs}, stage.outputs)
        stages.append(lambda values, function=function: function({**theta, **values}))
    data = {
        f"{name}_{kind}": v for name, pair in sets.items() for kind, v in zip(("inputs", "labels"), pair, strict=True)
    }
    return evaluation.evaluate(stages, plan, data)


def linear(layer, x, weights):
    """What a layer computes, by SciPy's correlation one pair of maps at a time."""
    if isinstance(layer, MaxPool):
        padded = np.pad(x, ((0, 0), (0, -x.shape[1] % 2), (0, -x.shape[2] % 2), (0, 0)), constant_values=-np.inf)
        batch, height, width, maps = padded.shape
        return padded.reshape(batch, height // 2, 2, width // 2, 2, maps).max((2, 4))
    if x.ndim == 2:
        return x @ weights
    stride = layer.stride
    return np.stack(
        [
            sum(
                np.stack([scipy.signal.correlate2d(image, weights[:, :, i, o], layer.padding) for image in x[..., i]])
                for i in range(x.shape[3])
            )[:, ::stride, ::stride]
            for o in range(weights.shape[3])
        ],
        axis=-1,
    )


def by_hand(network, theta, sets):
    """All sets are normalised by the moments of the whole of T1, layer by layer, without noise."""
    h = {name: x for name, (x, _) in sets.items()}
    for i, layer in enumerate(network.layers):
        z = {name: linear(layer, value, theta.get(f"weights_{i}")) for name, value in h.items()}
        axes = tuple(range(z["t1"].ndim - 1))
        if network.batch_norm and i < len(network.hidden):
            mean, variance = z["t1"].mean(axes), z["t1"].var(axes)
            z = {name: (value - mean) / np.sqrt(variance + 1e-6) for name, value in z.items()}
        z = {name: value + theta.get(f"bias_{i}", 0) for name, value in z.items()}
        rectified = i < len(network.hidden) and not isinstance(layer, MaxPool)
        slope = activations.LEAK if network.activation == "leaky-relu" else 0
        h = {name: np.where(v > 0, v, slope * v) if rectified else v for name, v in z.items()}
    metrics = {}
    for name, (_, labels) in sets.items():
        logits = h[name] if h[name].ndim == 2 else h[name].mean((1, 2))
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        metrics[f"{name}_cost"] = -log_p[np.arange(len(labels)), labels].mean()
        metrics[f"{name}_error"] = (logits.argmax(1) != labels).mean()
    return metrics


@pytest.mark.parametrize(
    ("kind", "batch_norm"),
    [
        pytest.param("mlp", True, id="mlp-batchnorm"),
        pytest.param("mlp", False, id="mlp-plain", marks=pytest.mark.slow),
        pytest.param("cnn", True, id="cnn-batchnorm"),
        pytest.param("cnn", False, id="cnn-plain", marks=pytest.mark.slow),
    ],
)
def test_equals_numpy(kind, batch_norm):
    """However the samples are cut and whatever is kept."""
    network = make_network(kind, batch_norm)
    theta, sets = make_values(network)
    expected = by_hand(network, theta, sets)
    whole = evaluation.make_plan(network, SIZES["t1"])
    assert whole.chunk >= 50
    assert all(whole.kept)
    layers = len(network.layers)
    some = tuple(i % 2 == 1 for i in range(layers))
    for chunk, kept in ((whole.chunk, whole.kept), (16, whole.kept), (16, some), (7, (False,) * layers)):
        plan = evaluation.Plan(chunk, whole.normalised, kept)
        ours = by_stages(network, theta, sets, plan, need("jax"))
        assert set(ours) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(ours[name], value, rtol=1e-10, err_msg=f"{name}, {chunk}, {kept}")


@pytest.mark.parametrize("backend", each_backend(slow=["numba", "c"]), indirect=True)
@pytest.mark.parametrize("batch_norm", [True, False], ids=["batchnorm", "plain"])
def test_is_the_same_on_every_backend(backend, batch_norm):
    network = make_network("cnn", batch_norm)
    theta, sets = make_values(network)
    plan = evaluation.Plan(16, evaluation.make_plan(network, 50).normalised, (False, True, False, False))
    ours = by_stages(network, theta, sets, plan, backend)
    for name, value in by_hand(network, theta, sets).items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-10, err_msg=name)


def test_large_activations_are_cut_and_not_kept():
    """At the paper's scale: chunks of 256 MiB, and no more than 2 GiB of T1 kept."""
    network = Network(
        (32, 32, 3), (Convolution(96, 3), Convolution(96, 3, padding="full"), Convolution(192, 3, 2)), 10, True
    )
    plan = evaluation.make_plan(network, 45_000)
    sizes = [np.prod(shape) for shape in network.activations[1:]]
    assert plan.chunk * max(sizes) * 4 <= 2**28
    assert plan.kept == tuple(size * 45_000 * 4 <= 2**31 for size in sizes)
    assert plan.kept == (False, False, False, True)
