"""Max and average pooling against JAX: values, derivatives, errors."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from conftest import each_backend
from hypothesis import given, settings
from hypothesis import strategies as st
from image_ops import assert_same, graph_orders, jax_orders, symbols_of
from problems import PLAIN

from t1t2_pt.ops import global_average_pool, max_pool2d


class TestPooling:
    """Against XLA's own pooling, but beyond first order where values tie: there its derivatives contradict each other.

    (The first one takes the first of equal values, the next one takes another.) A pool that picks
    the first by `argmax` stands in.
    """

    def padding(self, x, size):
        return [(0, 0), (0, 0), *((0, -n % k) for n, k in zip(x.shape[2:], size, strict=True))]

    def xla_pool(self, x, size):
        import jax

        return jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 1, *size), (1, 1, *size), self.padding(x, size))

    def first_of_largest(self, x, size):
        import jax.numpy as jnp

        padded = jnp.pad(x, self.padding(x, size), constant_values=-np.inf)
        batch, maps, height, width = padded.shape
        tiles = padded.reshape(batch, maps, height // size[0], size[0], width // size[1], size[1])
        windows = tiles.transpose(0, 1, 2, 4, 3, 5).reshape(batch, maps, height // size[0], width // size[1], -1)
        return jnp.take_along_axis(windows, windows.argmax(-1, keepdims=True), -1)[..., 0]

    def assert_right(self, ours, x, size, directions, ties):
        assert_same(ours, jax_orders(lambda v: self.first_of_largest(v, size), [x], directions))
        orders = 2 if ties else None
        expected = jax_orders(lambda v: self.xla_pool(v, size), [x], directions)
        assert_same(ours[:orders], expected[:orders])

    def check(self, image, size, ties, static, seed):
        rng = np.random.default_rng(seed)
        shape = (2, 3, *image)
        x = rng.integers(0, 2, shape).astype(float) if ties else rng.standard_normal(shape)
        directions = [rng.standard_normal(shape)]
        symbols = symbols_of([x], static)
        outputs = graph_orders(lambda v: max_pool2d(v, size), symbols, directions)
        self.assert_right(pytensor.function(symbols, outputs, mode=PLAIN)(x), x, size, directions, ties)

    any_pool = {  # noqa: RUF012
        "image": st.tuples(st.integers(1, 7), st.integers(1, 7)),
        "size": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "ties": st.booleans(),
        "static": st.booleans(),
        "seed": st.integers(0, 1000),
    }

    @settings(max_examples=8)
    @given(**any_pool)
    def test_any_maximum(self, **case):
        self.check(**case)

    @pytest.mark.slow
    @settings(max_examples=100)
    @given(**any_pool)
    def test_many_maxima(self, **case):
        self.check(**case)

    @pytest.mark.parametrize("backend", each_backend(slow=["numba", "c"]), indirect=True)
    @pytest.mark.parametrize("size", [pytest.param(2, marks=pytest.mark.slow), (3, 2)])
    def test_maximum_on_every_backend(self, backend, size):
        rng = np.random.default_rng(8)
        x, directions = rng.integers(0, 3, (2, 3, 7, 5)).astype(float), [rng.standard_normal((2, 3, 7, 5))]
        (symbol,) = symbols_of([x])
        outputs = graph_orders(lambda v: max_pool2d(v, size), [symbol], directions)
        function = backend.function({"x": symbol}, {str(i): v for i, v in enumerate(outputs)})
        window = (size, size) if isinstance(size, int) else size
        assert outputs[0].type.shape == (2, 3, -(-7 // window[0]), -(-5 // window[1]))
        self.assert_right(list(function({"x": x}).values()), x, window, directions, ties=True)

    def test_nan_is_kept(self):
        for place in range(4):
            x = np.arange(4.0).reshape(1, 1, 2, 2)
            x[0, 0, place // 2, place % 2] = np.nan
            assert np.isnan(max_pool2d(pt.constant(x), 2).eval(mode=PLAIN)).all()

    def test_average(self):
        x = np.random.default_rng(9).standard_normal((2, 3, 4, 5))
        np.testing.assert_allclose(global_average_pool(pt.constant(x)).eval(mode=PLAIN), x.mean((2, 3)))
