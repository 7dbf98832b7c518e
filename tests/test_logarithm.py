"""The logarithm that compilers vectorise, with every linker, against NumPy in double precision."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from problems import by_backend

from t1t2_pt.backends import BACKENDS
from t1t2_pt.ops import log_of_positive

RNG = np.random.default_rng(0)
SIZE = 30_000  # static, and large enough for C's own loop


def numbers(dtype):
    """Positive numbers of all sizes, around 1, and where the exponent and its polynomial change."""
    info = np.finfo(dtype)
    edges = np.array([1, np.sqrt(0.5), np.sqrt(2), info.tiny, info.max, 2.0, 0.5])
    around = [np.nextafter(edges[:-3].astype(dtype), dtype(to)) for to in (0, np.inf)]
    special = np.concatenate([edges, *around])
    special = special[(special >= info.tiny) & (special <= info.max)].astype(dtype)
    bits = {np.float32: "int32", np.float64: "int64"}[dtype]
    everywhere = RNG.integers(info.tiny.view(bits), info.max.view(bits), SIZE // 2).astype(bits).view(dtype)
    near_one = (1 + 0.1 * RNG.standard_normal(SIZE - len(everywhere) - len(special))).clip(0.5, 2).astype(dtype)
    return np.concatenate([special, everywhere, near_one])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_good_to_the_last_place(backend, dtype):
    x = pt.tensor("x", shape=(SIZE,), dtype=dtype)
    function = by_backend(backend, f"log {dtype}", lambda: ({"x": x}, {"log": log_of_positive(x)}))
    values = numbers(dtype)
    found, exact = function({"x": values})["log"], np.log(values.astype(np.longdouble))
    assert found.dtype == dtype
    assert (np.abs(found - exact) / np.spacing(np.abs(exact).astype(dtype))).max() < 1.5


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_a_loop_with_others(backend, dtype):
    """Fused with what is around it, as in the noise."""
    x, y = (pt.tensor(name, shape=(SIZE,), dtype=dtype) for name in "xy")
    outputs = {"z": dtype(0.1) * pt.sqrt(log_of_positive(x) ** 2) + y}
    function = by_backend(backend, f"log in a loop {dtype}", lambda: ({"x": x, "y": y}, outputs))
    values = {"x": numbers(dtype), "y": RNG.standard_normal(SIZE).astype(dtype)}
    expected = dtype(0.1) * np.abs(np.log(values["x"].astype(np.longdouble))) + values["y"]
    tolerance = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(function(values)["z"], expected, rtol=tolerance, atol=10 * tolerance)


def test_derivative():
    x = pt.vector("x", dtype="float64")
    gradient = pytensor.function([x], pt.grad(log_of_positive(x).sum(), x))
    np.testing.assert_allclose(gradient(np.array([0.5, 4.0])), [2.0, 0.25])
