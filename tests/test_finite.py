"""Sums of squares that find what is not finite, and the counter, with every linker."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from conftest import need
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import PLAIN, by_backend
from pytensor.gradient import DisconnectedInputError, pullback, pushforward

from t1t2_pt.backends import BACKENDS
from t1t2_pt.ops import counter, finite_squares

SPECIAL = [np.nan, np.inf, -np.inf, 3e38, 0.0]


def graph(dtype, shapes):
    tensors = [pt.tensor(f"x{i}", shape=shape, dtype=dtype) for i, shape in enumerate(shapes)]
    squares, count = finite_squares(*tensors)
    return {x.name: x for x in tensors}, {**{f"square{i}": s for i, s in enumerate(squares)}, "count": count}


def summed(values):
    with np.errstate(over="ignore"):
        squares = [np.sum(np.square(v[np.isfinite(v)], dtype="float64")) for v in values]
    return squares, sum(int((~np.isfinite(v)).sum()) for v in values)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
class TestFiniteSquares:
    SHAPES = ((4, 5), (3,), ())

    @pytest.mark.parametrize("bad", [[], [0], [1, 2], [0, 1, 2]], ids=str)
    @pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
    def test_against_numpy(self, backend, dtype, bad, special):
        function = by_backend(backend, f"finite {dtype}", lambda: graph(dtype, self.SHAPES))
        values = [np.asarray(np.random.default_rng(i).standard_normal(s), dtype) for i, s in enumerate(self.SHAPES)]
        for i in bad:
            values[i] = values[i].copy()
            values[i].reshape(-1)[-1] = special
        results = function({f"x{i}": v for i, v in enumerate(values)})
        squares, count = summed(values)
        assert results["count"] == count
        for i, square in enumerate(squares):
            np.testing.assert_allclose(results[f"square{i}"], square, rtol=1e-6)

    def test_overflow_is_not_a_repair(self, backend, dtype):
        function = by_backend(backend, f"finite {dtype}", lambda: graph(dtype, self.SHAPES))
        values = [np.full(shape, np.finfo(dtype).max, dtype) for shape in self.SHAPES]
        results = function({f"x{i}": v for i, v in enumerate(values)})
        assert results["count"] == 0
        squares, _ = summed(values)
        assert np.isinf(squares[0]) == (dtype == "float64")
        np.testing.assert_allclose([results[f"square{i}"] for i in range(3)], squares, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([*SPECIAL, 1.0, -2.0]), min_size=1, max_size=12))
def test_any_values(numbers):
    inputs, outputs = graph("float32", [(None,)])
    function = pytensor.function(list(inputs.values()), list(outputs.values()), mode=PLAIN)
    values = np.array(numbers, np.float32)
    (square,), count = summed([values])
    results = function(values)
    np.testing.assert_allclose(results[0], square, rtol=1e-6)
    assert results[1] == count


def test_batched_runs_look_twice_together():
    """Under vmap one run's NaN leaves the others' numbers alone."""
    need("jax")
    import jax

    from t1t2_pt.ops.finite import FiniteSquares
    from t1t2_pt.ops.for_jax import jax_funcify_finite_squares

    function = jax_funcify_finite_squares(FiniteSquares(2))
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    y = np.ones((3, 2), np.float32)
    y[1, 0] = np.nan
    for values in ((x, np.ones_like(y)), (x, y)):
        *squares, count = jax.vmap(function)(*values)
        for run in range(3):
            each, bad = summed([v[run] for v in values])
            np.testing.assert_allclose([s[run] for s in squares], each, rtol=1e-6)
            assert count[run] == bad


def test_gradient():
    x = pt.vector("x")
    (square,), _ = finite_squares(x)
    values = np.array([1.0, np.nan, -3.0])
    np.testing.assert_array_equal(pt.grad(square, x).eval({x: values}, mode=PLAIN), [2, 0, -6])


def test_gradient_of_one_of_several():
    """The others are disconnected."""
    x, y = pt.vectors("x", "y")
    (of_x, of_y), _ = finite_squares(x, y)
    values = {x: np.array([1.0, np.inf]), y: np.array([-2.0])}
    for square, tensor, expected in ((of_x, x, [2, 0]), (of_y, y, [-4])):
        np.testing.assert_array_equal(pt.grad(square, tensor).eval(values, mode=PLAIN), expected)
    with pytest.raises(DisconnectedInputError):
        pt.grad(of_x, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_derivatives_of_every_kind(dtype):
    """Forward, reverse and second order, of both outputs."""
    x, y, u, v = (pt.vector(name, dtype=dtype) for name in "xyuv")
    (of_x, of_y), _ = finite_squares(x, y)
    values = {name: np.asarray([1.0, np.nan, -3.0], dtype) for name in (x, y)}
    values |= {u: np.asarray([2.0, 5.0, 1.0], dtype), v: np.zeros(3, dtype)}
    forward = pushforward([of_x, of_y], [x, y], [u, v])
    reverse = pt.grad(of_x * of_y, [x, y])
    (second,) = pullback([pt.grad(of_x, x)], [x], [u])
    used = [x, y, u, v]
    results = pytensor.function(used, [*forward, *reverse, second], mode=PLAIN, on_unused_input="ignore")(
        *(values[one] for one in used)
    )
    np.testing.assert_allclose(results[0], 2 * 2 - 6)
    np.testing.assert_allclose(results[1], 0)
    np.testing.assert_allclose(results[2], [20, 0, -60])
    np.testing.assert_allclose(results[3], [20, 0, -60])
    np.testing.assert_allclose(results[4], [4, 0, 2])


@pytest.mark.parametrize(
    "tensors", [[pt.ivector("i")], [pt.vector("a", dtype="float32"), pt.vector("b", dtype="float64")]]
)
def test_wrong_dtype(tensors):
    with pytest.raises(TypeError, match=r"finite_squares: tensors of .*; give one floating-point dtype"):
        finite_squares(*tensors)


@pytest.mark.parametrize("backend", BACKENDS)
def test_counter(backend):
    """It stays an Op: a constant of its size would be stored in what is compiled."""
    function = by_backend(backend, "counter", lambda: ({}, {"n": counter(1000) + np.uint32(1)}))
    np.testing.assert_array_equal(function({})["n"], np.arange(1, 1001, dtype=np.uint32))
