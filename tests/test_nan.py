"""NaN in, NaN out: no nonlinearity, pool or norm hides on one backend that a run has diverged."""

import numpy as np
import pytensor.tensor as pt
import pytest
from conftest import each_backend
from problems import by_backend

from t1t2_pt.networks import costs, layers
from t1t2_pt.ops import global_average_pool, max_pool2d, norm
from t1t2_pt.regularizers import REGULARIZERS

SHAPE = (2, 4, 4, 3)
PIECES = {
    "relu": layers.relu,
    "leaky relu": lambda x: layers.relu(x, 0.01),
    "relu after a product": lambda x: layers.relu(pt.dot(x.reshape((2, 48)), np.ones((48, 3), "float32"))),
    "product after relu": lambda x: pt.dot(layers.relu(x).reshape((2, 48)), np.ones((48, 3), "float32")),
    "batch norm": lambda x: layers.batch_normalise(x, layers.moments(x), np.zeros(3, "float32")),
    "batch norm and relu": lambda x: layers.relu(layers.batch_normalise(x, layers.moments(x), np.zeros(3, "float32"))),
    "max pool": lambda x: max_pool2d(x, 2, channels_last=True),
    "average pool": lambda x: global_average_pool(x, channels_last=True),
    "noise": lambda x: REGULARIZERS["input_noise"].perturb(x, pt.zeros_like(x), pt.constant(np.float32(0))),
    "cross-entropy": lambda x: costs.cross_entropies(x.reshape((2, 48)), pt.constant(np.zeros(2, "int32"))),
    "norm": norm,
}
# What a NaN at [1, 2, 1, 1] may leave as it was: other samples, other channels.
UNTOUCHED = {"batch norm": np.s_[..., [0, 2]], "batch norm and relu": np.s_[..., [0, 2]]}


def graph():
    x = pt.tensor("x", shape=SHAPE, dtype="float32")
    return {"x": x}, {name: piece(x) for name, piece in PIECES.items()}


@pytest.fixture(params=each_backend(slow=["numba"]))
def pieces(request):
    return by_backend(request.param, "nan", graph)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.slow
def test_one_bad_number_is_seen_in_every_result(pieces, special):
    x = np.random.default_rng(0).standard_normal(SHAPE).astype("float32")
    sound = pieces({"x": x})
    x[1, 2, 1, 1] = special
    for name, result in pieces({"x": x}).items():
        assert np.isfinite(sound[name]).all()
        bad = ~np.isfinite(result)
        assert bad.any() or (name, special) == ("max pool", -np.inf), name
        if special != special:
            assert np.isnan(result[bad]).all()
        if name in UNTOUCHED:
            np.testing.assert_array_equal(result[UNTOUCHED[name]], sound[name][UNTOUCHED[name]])
        elif name != "norm":
            np.testing.assert_array_equal(result[0], sound[name][0])


def test_nan_alone_in_every_place(pieces):
    for place in range(np.prod(SHAPE)):
        x = np.ones(SHAPE, "float32")
        x.reshape(-1)[place] = np.nan
        for name, result in pieces({"x": x}).items():
            assert np.isnan(result).any(), (name, place)
