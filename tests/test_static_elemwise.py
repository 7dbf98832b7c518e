"""Loops of static shapes in C: the numbers of PyTensor's own loops, whatever broadcasts and however memory lies."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from conftest import need
from pytensor.compile.mode import Mode
from pytensor.tensor.elemwise import Elemwise

from t1t2_pt.ops import static_elemwise
from t1t2_pt.ops.static_elemwise import StaticElemwise, UseStaticLoops

pytestmark = pytest.mark.xdist_group("c")
RNG = np.random.default_rng(0)
PLAIN = Mode(linker="cvm", optimizer="fast_run")
STATIC = PLAIN.register((UseStaticLoops(), 99))


@pytest.fixture(autouse=True)
def compiler(monkeypatch):
    need("c")
    monkeypatch.setattr(static_elemwise, "SMALLEST", 1)


def nodes(function, kind):
    return [node for node in function.maker.fgraph.apply_nodes if type(node.op) is kind]


def both(inputs, outputs):
    """A function with PyTensor's loops and one with ours, which it has."""
    plain, ours = (pytensor.function(inputs, outputs, mode=mode) for mode in (PLAIN, STATIC))
    assert nodes(ours, StaticElemwise)
    assert not nodes(plain, StaticElemwise)
    return plain, ours


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "shapes",
    [
        [(5, 7), (5, 7), (5, 7)],
        [(5, 7), (1, 7), (5, 1)],
        [(2, 3, 4, 5), (1, 3, 1, 1), (2, 1, 4, 5)],
        *(
            pytest.param(shapes, marks=pytest.mark.slow)
            for shapes in (
                [(5, 7), (1, 1), (5, 7)],
                [(5, 1), (1, 7), (1, 1)],
                [(13,), (1,), (13,)],
                [(4, 1, 6), (1, 5, 6), (4, 5, 1)],
            )
        ),
    ],
    ids=str,
)
def test_same_numbers(shapes, dtype):
    inputs = [pt.tensor(f"x{i}", shape=shape, dtype=dtype) for i, shape in enumerate(shapes)]
    a, b, c = inputs
    two = np.asarray(2, dtype)
    outputs = [pt.exp(-a * a) * b + pt.sqrt(pt.abs(c)) / (two + c * c), pt.maximum(a, b) - pt.switch(c > 0, c, a)]
    values = [RNG.standard_normal(shape).astype(dtype) for shape in shapes]
    plain, ours = both(inputs, outputs)
    for expected, found in zip(plain(*values), ours(*values), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6 if dtype == "float32" else 1e-14)


def test_whole_numbers_and_masks():
    x, y = (pt.tensor(name, shape=(9, 4), dtype="uint32") for name in "xy")
    outputs = [(x * y + np.uint32(3)) ^ (x // np.uint32(5)), pt.eq(x, y), pt.cast(x, "float32") * np.float32(0.5)]
    values = [RNG.integers(0, 2**32, (9, 4)).astype("uint32") for _ in "xy"]
    plain, ours = both([x, y], outputs)
    for expected, found in zip(plain(*values), ours(*values), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_nan_and_infinity():
    x = pt.tensor("x", shape=(4, 6), dtype="float32")
    values = RNG.choice(np.float32([0, 1, -1, np.nan, np.inf, -np.inf, 1e38]), (4, 6))
    large = np.float32(np.finfo("float32").max)
    outputs = [pt.switch(pt.abs(x) <= large, x, np.float32(0)), pt.maximum(x, np.float32(0)), pt.isnan(x) * x]
    plain, ours = both([x], outputs)
    with np.errstate(all="ignore"):
        for expected, found in zip(plain(values), ours(values), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("order", ["transposed", "every second", "backwards"])
def test_other_memory_takes_the_other_loop(order):
    x, y = (pt.tensor(name, shape=(6, 8), dtype="float32") for name in "xy")
    row = pt.tensor("row", shape=(1, 8), dtype="float32")
    plain, ours = both([x, y, row], x * y + row)
    lay = {
        "transposed": lambda a: np.asfortranarray(a),
        "every second": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        "backwards": lambda a: a[::-1, ::-1],
    }[order]
    values = [lay(RNG.standard_normal(shape).astype("float32")) for shape in ((6, 8), (6, 8), (1, 8))]
    np.testing.assert_allclose(ours(*values), plain(*values), rtol=1e-6)


def test_updates_happen_in_place():
    start, g = (np.abs(RNG.standard_normal((20, 30))).astype("float32") for _ in range(2))  # no sum cancels
    moments = [pytensor.shared(start.copy(), shape=(20, 30)) for _ in range(2)]
    gradient = pt.tensor("gradient", shape=(20, 30), dtype="float32")
    updates = {
        m: np.float32(0.9) * m + np.float32(0.1) * gradient**power for m, power in zip(moments, (1, 2), strict=True)
    }
    step = pytensor.function([gradient], [], updates=updates, mode=STATIC)
    found = nodes(step, StaticElemwise)
    assert found
    assert any(node.op.destroy_map for node in found)
    step(g)
    for moment, power in zip(moments, (1, 2), strict=True):
        np.testing.assert_allclose(moment.get_value(), 0.9 * start + 0.1 * g**power, rtol=1e-5)


def test_unknown_and_small_shapes_are_left(monkeypatch):
    x, y = pt.matrix("x", dtype="float32"), pt.tensor("y", shape=(3, 3), dtype="float32")
    monkeypatch.setattr(static_elemwise, "SMALLEST", 10)
    for variable in (x, y):
        function = pytensor.function([variable], variable * variable + np.float32(1), mode=STATIC)
        assert not nodes(function, StaticElemwise)
        assert nodes(function, Elemwise)


@pytest.mark.parametrize("other", ["float32", "float64"])
def test_constants_are_as_exact_as_the_loop(other):
    """1/3 in float32 where all is float32, in float64 where something is."""
    x, y = pt.tensor("x", shape=(8, 4), dtype="float32"), pt.tensor("y", shape=(8, 4), dtype=other)
    _, ours = both([x, y], (y + np.asarray(1 / 3, other)) * (x + np.float32(1)))
    (node,) = nodes(ours, StaticElemwise)
    assert ("-fsingle-precision-constant" in node.op.c_compile_args()) == (other == "float32")
    values = [RNG.standard_normal((8, 4)).astype(dtype) for dtype in ("float32", other)]
    expected = (values[1] + np.asarray(1 / 3, other)) * (values[0] + np.float32(1))
    np.testing.assert_allclose(ours(*values), expected, rtol=1e-6 if other == "float32" else 1e-15)
