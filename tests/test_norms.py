"""Norms of numbers of any size, and gradients limited by them, on every backend."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from conftest import each_backend
from problems import PLAIN, by_backend
from pytensor.gradient import pullback, pushforward

from t1t2_pt import hypergradient
from t1t2_pt.hypergradients.limits import rescale
from t1t2_pt.ops import finite_squares, norm

DTYPES = ["float32", "float64"]
# Powers of ten whose squares are beyond the dtype, ordinary, or below it; no denormals, which XLA takes for 0.
SIZES = {"float32": (-37, -30, -20, 0, 15, 18.6, 25, 38), "float64": (-300, -200, 0, 153, 160, 300)}


def graph(dtype):
    g = pt.tensor("g", shape=(2, 3), dtype=dtype)
    (square,), _ = finite_squares(g)
    return {"g": g}, {"norm": norm(g), "alone": rescale(g, 3.0), "known": rescale(g, 3.0, square)}


@pytest.fixture(params=each_backend())
def function(request):
    return {dtype: by_backend(request.param, f"norm {dtype}", lambda dtype=dtype: graph(dtype)) for dtype in DTYPES}


@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_of_every_size(function, dtype):
    for size in SIZES[dtype]:
        values = (np.array([[3, 4, 0], [0, 0, 0]]) * np.longdouble(10) ** size / 5).astype(dtype)
        expected = float(np.sqrt(np.sum(np.square(values.astype(np.longdouble)))))
        result = function[dtype]({"g": values})
        np.testing.assert_allclose(result["norm"], expected, rtol=4 * np.finfo(dtype).eps)
        for way in ("alone", "known"):
            limited = np.asarray(result[way], np.longdouble)
            length = float(np.sqrt(np.sum(np.square(limited))))
            assert length == pytest.approx(min(expected, 3.0), rel=1e-6), (size, way)
            np.testing.assert_allclose(limited[0, 0] * 4, limited[0, 1] * 3, rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_what_is_not_finite_is_no_number(function, dtype, special):
    values = np.ones((2, 3), dtype)
    values[1, 1] = special
    np.testing.assert_equal(float(function[dtype]({"g": values})["norm"]), special)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_has_no_norm(function, dtype):
    result = function[dtype]({"g": np.zeros((2, 3), dtype)})
    assert result["norm"] == 0
    assert not np.any(result["alone"])


def test_derivatives():
    x, v = pt.vector("x", dtype="float64"), pt.vector("v", dtype="float64")
    given = {x: np.array([3.0, -4.0]), v: np.array([1.0, 2.0])}
    (forward,) = pushforward([norm(x)], [x], [v])
    gradient = pt.grad(norm(x), x)
    (second,) = pullback([gradient], [x], [v])
    results = pytensor.function([x, v], [forward, gradient, second], mode=PLAIN)(*given.values())
    unit = np.array([0.6, -0.8])
    np.testing.assert_allclose(results[0], unit @ given[v])
    np.testing.assert_allclose(results[1], unit)
    np.testing.assert_allclose(results[2], (given[v] - unit * (unit @ given[v])) / 5)
    np.testing.assert_array_equal(gradient.eval({x: np.zeros(2)}, mode=PLAIN), [0, 0])


def test_whole_numbers_have_none():
    with pytest.raises(TypeError, match=r"norm: x has dtype int64; cast it"):
        norm(pt.lvector())


@pytest.mark.parametrize("size", [1e18, 1e20, 1e30])
def test_hypergradients_of_steep_costs_are_limited_not_lost(size):
    """-(2 (w + 1)) . v, where v has size in both of its elements, and a norm of 3 once limited."""
    w = pytensor.shared(np.zeros(2, "float32"), name="w")
    strength = pytensor.shared(np.float32(0.5), name="strength")
    train, val = ((w + np.float32(1)) ** 2).sum() * strength, (w * np.float32(size)).sum()
    (limited,) = hypergradient(train, val, [w], [strength], max_norm=3.0)
    np.testing.assert_allclose(limited.eval(mode=PLAIN), -2 * 2 * 3 / np.sqrt(2), rtol=1e-6)
