"""The networks as tabulated, their initial values, and how runs come to them."""

import math

import numpy as np
import pytensor.tensor as pt
import pytest
from problems import PLAIN

from t1t2_pt.config import run_config
from t1t2_pt.networks.network import MaxPool, Network, all_cnn_c, ladder_baseline
from t1t2_pt.regularizers import HIDDEN
from t1t2_pt.steps.regularization import draws, level_values
from t1t2_pt.steps.step import make_network
from t1t2_pt.system.errors import InputError

CIFAR = (32, 32, 3)


def make(name, **values):
    return make_network(run_config(network=name, **values), CIFAR, 10)


def test_all_cnn_c_is_as_tabulated():
    network = make("all-cnn-c")
    sides = [shape[0] for shape in network.activations]
    maps = [shape[2] for shape in network.activations]
    assert sides == [32, 30, 32, 15, 13, 15, 7, 5, 5, 5]
    assert maps == [3, 96, 96, 96, 192, 192, 192, 192, 192, 10]
    assert [layer.size for layer in network.layers] == [3, 3, 3, 3, 3, 3, 3, 1, 1]
    assert [layer.stride for layer in network.layers] == [1, 1, 2, 1, 1, 2, 1, 1, 1]
    borders = ["valid", "full", "valid", "valid", "full", "valid", "valid", "valid", "valid"]
    assert [layer.padding for layer in network.layers] == borders


def test_ladder_baseline_is_as_tabulated():
    network = make("ladder-baseline")
    sides = [shape[0] for shape in network.activations]
    maps = [shape[2] for shape in network.activations]
    assert sides == [32, 30, 32, 34, 17, 15, 17, 15, 8, 6, 6, 6]
    assert maps == [3, 96, 96, 96, 96, 192, 192, 192, 192, 192, 192, 10]
    pools = [i for i, layer in enumerate(network.layers) if isinstance(layer, MaxPool)]
    assert pools == [3, 7]
    # Pools have a shift and noise of their own, but no weights.
    assert {f"bias_{i}" for i in pools} <= set(network.shapes())
    assert not {f"weights_{i}" for i in pools} & set(network.shapes())
    drawn = draws(run_config(network="ladder-baseline"), network)
    assert [draw.position for draw in drawn] == [*range(11)]
    plain = make("ladder-baseline", batch_norm=False)
    assert not {f"bias_{i}" for i in pools} & set(plain.shapes())


@pytest.mark.parametrize(("name", "layers"), [("all-cnn-c", all_cnn_c), ("ladder-baseline", ladder_baseline)])
def test_shapes_are_those_of_the_graph(name, layers):
    network = Network((20, 21, 2), layers(0.05), 10, True, "leaky-relu")
    rng = np.random.default_rng(0)
    theta = {n: pt.constant(rng.standard_normal(shape)) for n, shape in network.shapes().items()}
    h = pt.constant(rng.standard_normal((3, 20, 21, 2)))
    for i in range(len(network.layers)):
        z = network.linear(i, theta, h)
        assert z.type.shape == (3, *network.activations[i + 1])
        h = network.finish(i, theta, z, (z.mean((0, 1, 2)), z.var((0, 1, 2))) if network.normalises(i) else None)
    assert h.eval(mode=PLAIN).shape == (3, 10)


def test_width_multiplies_the_maps():
    assert [layer.channels for layer in all_cnn_c(0.25)] == [24, 24, 24, 48, 48, 48, 48, 48]
    assert all_cnn_c(0.001)[0].channels == 1


def test_initial_values():
    network = make("all-cnn-c", width=0.25)
    values = network.initial_parameters(np.random.default_rng(0))
    for name, scale in {
        "weights_1": math.sqrt(12 / (9 * (24 + 24))),
        "weights_7": math.sqrt(12 / (48 + 48)),
        "weights_8": 1e-5,
    }.items():
        np.testing.assert_allclose(values[name].std(), scale, rtol=0.06)
    assert not any(values[f"bias_{i}"].any() for i in range(9))


def test_levels_per_map():
    config = run_config(
        network="all-cnn-c", width=0.05, input_noise=0.1, hidden_noise=0.2, l2=1e-4, per_unit=("input_noise", "l2")
    )
    network = make_network(config, CIFAR, 10)
    maps = {name: config.levels(name, network).units for name in ("hidden_noise", "l2")}
    maps["hidden_noise"] = tuple(HIDDEN.units(network))
    assert maps["hidden_noise"] == (5, 5, 5, 10, 10, 10, 10, 10)
    assert maps["l2"] == (5, 5, 5, 10, 10, 10, 10, 10, 10)
    values = level_values(config, network)
    assert {name: value.shape for name, value in values.items()} == {
        "input_noise": (3,),
        "hidden_noise": (),
        "l2": (75,),
    }
    per_layer = run_config(network="all-cnn-c", width=0.05, l2=tuple(map(float, range(9))), per_unit=("l2",))
    np.testing.assert_array_equal(level_values(per_layer, network)["l2"], np.repeat(np.arange(9.0), maps["l2"]))


def test_wrong_number_of_levels_per_map():
    config = run_config(network="all-cnn-c", width=0.05, l2=(0.1, 0.2), per_unit=("l2",))
    with pytest.raises(InputError, match=r"l2 = \(0\.1, 0\.2\): has 2 numbers for 75 units \(5 \+ 5"):
        level_values(config, make_network(config, CIFAR, 10))


def test_images_too_small():
    with pytest.raises(InputError, match=r"network = 'all-cnn-c': does not fit mnist .* give larger images"):
        make_network(run_config(network="all-cnn-c"), (8, 8, 1), 10)
    with pytest.raises(InputError, match="takes images of height, width and channels"):
        make_network(run_config(network="all-cnn-c"), (784,), 10)


def test_an_mlp_takes_images_as_features():
    assert make_network(run_config(hidden=(5,)), CIFAR, 10).input_shape == (3072,)


class TestConfig:
    def test_usual_values(self):
        config = run_config(network="all-cnn-c", dataset="cifar10")
        assert (config.t1_samples, config.t2_samples, config.learning_rate) == (45_000, 5_000, 2e-3)
        assert run_config(dataset="svhn").t1_samples == 65_000
        assert run_config(dataset="svhn", t1_samples=100).t1_samples == 100
        assert (config.input_noise, config.hidden_noise, config.tune) == (0.1, 0.1, ())
        assert run_config(network="all-cnn-c", hidden_noise=None).hidden_noise is None
        assert (run_config().learning_rate, run_config().input_noise) == (1e-3, None)

    def test_older_runs_keep_their_names(self):
        """A field that came later counts only where it differs from its default."""
        same = run_config(network="mlp", width=1.0, activation="relu", per_unit=())
        assert same.digest() == run_config().digest()
        digests = {run_config(network="all-cnn-c", width=w).digest() for w in (1.0, 0.5)}
        digests |= {run_config(activation="leaky-relu").digest(), run_config().digest()}
        digests |= {run_config(l2=0.1).digest(), run_config(l2=0.1, per_unit=("l2",)).digest()}
        assert len(digests) == 6

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"network": "resnet"}, "network = 'resnet': .*; give mlp, all-cnn-c, ladder-baseline, pooled-cnn"),
            ({"network": "all-cnn-c", "hidden": (5,)}, r"hidden = \(5,\): is for the mlp, not for all-cnn-c"),
            ({"hidden": ()}, r"hidden = \(\): leaves the mlp without layers"),
            ({"width": 0.5}, "width = 0.5: is for convolutional networks"),
            ({"network": "all-cnn-c", "width": 0}, "width = 0.*: .*greater than 0"),
            ({"network": "all-cnn-c", "hidden_noise": (0.1, 0.2)}, "has 2 numbers for 8 hidden layers"),
            ({"network": "ladder-baseline", "l2": (0.1,) * 11}, "has 11 numbers for 9 layers with weights"),
            ({"input_noise": (0.1, 0.2)}, "is more than one number; give one, or name input_noise in per_unit"),
            ({"per_unit": ("l2",)}, r"per_unit = \('l2',\): l2 has no initial value"),
            ({"l2": 0.1, "per_unit": ("l2", "l2")}, "names a hyperparameter twice"),
        ],
    )
    def test_bad_values(self, values, message):
        with pytest.raises(InputError, match=message):
            run_config(**values)
