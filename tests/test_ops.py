"""Convolution and pooling against JAX and SciPy, with derivatives to third order."""

import subprocess
import sys

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.signal
from conftest import each_backend, need
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from image_ops import BORDERS, assert_same, graph_orders, jax_orders, make_case, reference, symbols_of, zeros
from problems import PLAIN
from pytensor.gradient import jacobian, pushforward

from t1t2_pt.ops import conv2d, global_average_pool, max_pool2d
from t1t2_pt.ops.im2col import BLOCK

CASES = [
    ("full", 2, (7, 6), (3, 3)),
    ("valid", 1, (4, 5), (1, 1)),
    (((0, 2), (1, 0)), (1, 3), (7, 8), (2, 3)),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in (
            ("valid", 1, (7, 6), (3, 3)),
            ("full", 1, (5, 6), (3, 3)),
            ("same", 1, (5, 6), (3, 2)),
            ("same", 2, (7, 8), (3, 3)),
            ("valid", 2, (8, 7), (3, 3)),
            ("valid", 2, (5, 4), (1, 1)),
            # XLA's simplifier aborts on these where it is left to spread out a stride.
            (1, (2, 2), (7, 6), (4, 2)),
            (1, (2, 3), (4, 1), (2, 2)),
        )
    ),
]


@pytest.mark.parametrize("backend", each_backend(slow=["numba"]), indirect=True)
@pytest.mark.parametrize(("border", "stride", "image", "kernel"), CASES)
def test_convolution_equals_jax_on_every_backend(backend, border, stride, image, kernel):
    values, directions = make_case(np.random.default_rng(1), image=image, kernel=kernel)
    symbols = symbols_of(values)
    outputs = graph_orders(lambda x, w: conv2d(x, w, stride, border), symbols, directions)
    function = backend.function({v.name: v for v in symbols}, {str(i): v for i, v in enumerate(outputs)})
    ours = function({v.name: value for v, value in zip(symbols, values, strict=True)})
    expected = jax_orders(lambda x, w: reference(x, w, stride, border), values, directions)
    assert outputs[0].type.shape == expected[0].shape
    assert_same(ours.values(), expected)


def check_convolution(border, stride, image, kernel, maps, static, seed):
    """Python's implementation, of static and of unknown shapes, where border and stride allow these."""
    strides = (stride, stride) if isinstance(stride, int) else stride
    padding = zeros(border, image, kernel, strides)
    if not isinstance(padding, str):
        assume(all(n + sum(p) >= k for n, p, k in zip(image, padding, kernel, strict=True)))
    assume(padding != "VALID" or all(n >= k for n, k in zip(image, kernel, strict=True)))
    static = static or isinstance(border, str)
    values, directions = make_case(np.random.default_rng(seed), maps=maps, image=image, kernel=kernel)
    symbols = symbols_of(values, static)
    outputs = graph_orders(lambda x, w: conv2d(x, w, stride, border), symbols, directions)
    ours = pytensor.function(symbols, outputs, mode=PLAIN)(*values)
    assert_same(ours, jax_orders(lambda x, w: reference(x, w, stride, border), values, directions))


ANY_CONVOLUTION = {
    "border": st.sampled_from(BORDERS),
    "stride": st.one_of(st.integers(1, 2), st.tuples(st.integers(1, 3), st.integers(1, 3))),
    "image": st.tuples(st.integers(1, 8), st.integers(1, 8)),
    "kernel": st.tuples(st.integers(1, 4), st.integers(1, 4)),
    "maps": st.tuples(st.integers(1, 4), st.integers(1, 4)),
    "static": st.booleans(),
    "seed": st.integers(0, 1000),
}


@settings(max_examples=8)
@given(**ANY_CONVOLUTION)
@pytest.mark.slow
def test_any_convolution_equals_jax(**case):
    check_convolution(**case)


@pytest.mark.slow
@settings(max_examples=150)
@given(**ANY_CONVOLUTION)
def test_many_convolutions_equal_jax(**case):
    check_convolution(**case)


@pytest.mark.parametrize("border", ["valid", "full", "same"])
@pytest.mark.parametrize("stride", [1, 2])
def test_forward_equals_scipy(border, stride):
    """Correlation of each image with each filter; every second value of it for a stride of 2."""
    (x, w), _ = make_case(np.random.default_rng(2), image=(9, 7), kernel=(3, 3))
    expected = np.zeros((2, 2, *scipy.signal.correlate2d(x[0, 0], w[0, 0], border).shape))
    for b, o, i in np.ndindex(2, 2, 3):
        expected[b, o] += scipy.signal.correlate2d(x[b, i], w[o, i], border)
    # For odd sizes SAME of stride 2 begins as that of stride 1 does.
    ours = conv2d(pt.constant(x), pt.constant(w), stride, border).eval(mode=PLAIN)
    np.testing.assert_allclose(ours, expected[:, :, ::stride, ::stride], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", each_backend(slow=["numba"]), indirect=True)
def test_unknown_shapes_on_compilers(backend):
    """C and Numba need no static shapes; JAX takes an unknown batch only."""
    values, directions = make_case(np.random.default_rng(3))
    x, w = symbols_of(values, static=False)
    if backend.name == "jax":
        x, w = pt.tensor("v0", shape=(None, *values[0].shape[1:]), dtype="float64"), symbols_of(values)[1]
    outputs = graph_orders(lambda x, w: conv2d(x, w, 2, (1, 1)), [x, w], directions)[:3]
    function = backend.function({"v0": x, "v1": w}, {str(i): v for i, v in enumerate(outputs)})
    ours = function({"v0": values[0], "v1": values[1]})
    assert_same(ours.values(), jax_orders(lambda x, w: reference(x, w, 2, 1), values, directions)[:3])


@pytest.mark.parametrize("backend", each_backend(slow=["numba"]), indirect=True)
def test_many_images_go_in_blocks(backend):
    """More windows than fit into one block, and a last block that is not full: first order, against one block each."""
    values, _ = make_case(np.random.default_rng(5), batch=23, maps=(12, 2), image=(20, 20), kernel=(5, 5))
    block = BLOCK // (20 * 20 * 25 * 12)
    assert 2 * block < 23
    assert 23 % block != 0
    symbols = symbols_of(values)
    symbols[0] = pt.tensor("v0", shape=(None, 12, 20, 20), dtype="float64")
    y = conv2d(*symbols, 1, "same")
    outputs = {"y": y, **dict(zip("xw", pt.grad((y * y).sum(), symbols), strict=True))}
    function = backend.function({v.name: v for v in symbols}, outputs)
    together = function({"v0": values[0], "v1": values[1]})
    each = [function({"v0": values[0][[i]], "v1": values[1]}) for i in range(23)]
    for name in "yx":
        np.testing.assert_allclose(together[name], np.concatenate([one[name] for one in each]), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(together["w"], sum(one["w"] for one in each), rtol=1e-10)


def test_maps_last():
    (x, w), _ = make_case(np.random.default_rng(6))
    first = conv2d(pt.constant(x), pt.constant(w), 2, "full").eval(mode=PLAIN)
    last = conv2d(
        pt.constant(x.transpose(0, 2, 3, 1)), pt.constant(w.transpose(2, 3, 1, 0)), 2, "full", channels_last=True
    )
    np.testing.assert_array_equal(last.eval(mode=PLAIN).transpose(0, 3, 1, 2), first)
    pooled = max_pool2d(pt.constant(x.transpose(0, 2, 3, 1)), 2, channels_last=True).eval(mode=PLAIN)
    np.testing.assert_array_equal(pooled.transpose(0, 3, 1, 2), max_pool2d(pt.constant(x), 2).eval(mode=PLAIN))
    np.testing.assert_allclose(
        global_average_pool(pt.constant(x.transpose(0, 2, 3, 1)), channels_last=True).eval(mode=PLAIN), x.mean((2, 3))
    )


def test_forward_mode():
    """J v by `pushforward` equals a difference, through the convolution and through its gradient."""
    values, directions = make_case(np.random.default_rng(7))
    x, w = symbols_of(values)
    gx, gw = pt.grad(pt.tanh(conv2d(x, w, 2, "full")).sum(), [x, w])
    outputs = [conv2d(x, w, 2, "full"), gx, gw]
    tangents = pushforward(outputs, [x, w], [pt.constant(d) for d in directions])
    ours = pytensor.function([x, w], tangents, mode=PLAIN)(*values)
    function = pytensor.function([x, w], outputs, mode=PLAIN)

    def at(step):
        return function(*(v + step * d for v, d in zip(values, directions, strict=True)))

    for a, up, down in zip(ours, at(1e-5), at(-1e-5), strict=True):
        np.testing.assert_allclose(a, (up - down) / 2e-5, rtol=1e-6, atol=1e-7)


def test_gradients_keep_what_is_known_of_sizes():
    """Height and width too, through gradients of gradients."""
    x, w = pt.tensor("x", shape=(None, 3, 6, 7)), pt.tensor("w", shape=(4, 3, 3, 2))
    first = pt.grad(pt.sqr(conv2d(x, w, (1, 2), "same")).sum(), [x, w])
    second = pt.grad(sum(pt.sqr(g).sum() for g in first), [x, w])
    for of_x, of_w in (first, second):
        assert of_x.type.shape == (None, 3, 6, 7)
        assert of_w.type.shape == (4, 3, 3, 2)


@pytest.mark.parametrize(
    "mode",
    [*(pytest.param(mode, marks=pytest.mark.slow) for mode in (PLAIN, "NUMBA")), "JAX"],
    ids=["plain", "numba", "jax"],
)
@pytest.mark.slow
def test_jacobians_at_once(mode):
    """A Jacobian by one batched gradient equals the one row by row."""
    import jax

    rng = np.random.default_rng(0)
    values = rng.standard_normal((2, 2, 4, 5)), rng.standard_normal((3, 2, 2, 3))
    x, w = symbols_of(values)
    outputs = [conv2d(x, w, (1, 2), 1).flatten()[:7], max_pool2d(x, 2).flatten()[:7]]
    for output in outputs:
        at_once, by_row = (
            jacobian(output, [x, w], vectorize=vectorize, disconnected_inputs="ignore") for vectorize in (True, False)
        )
        with jax.enable_x64(True):
            ours = pytensor.function([x, w], at_once, mode=mode, on_unused_input="ignore")(*values)
        expected = pytensor.function([x, w], by_row, mode=PLAIN, on_unused_input="ignore")(*values)
        for a, b in zip(ours, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


class TestErrors:
    x = pt.tensor("x", shape=(2, 3, 8, 8), dtype="float32")
    w = pt.tensor("w", shape=(4, 3, 3, 3), dtype="float32")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"padding": "half"}, "padding = 'half': is unknown; give valid, full, same"),
            ({"padding": -1}, "padding = -1: is neither a name nor numbers of zeros"),
            ({"padding": (1, 2, 3)}, r"padding = \(1, 2, 3\): is neither"),
            ({"padding": 1.5}, "padding = 1.5: is neither"),
            ({"stride": 0}, "stride = 0: give a whole number of at least 1"),
            ({"stride": (1, 2, 3)}, r"stride = \(1, 2, 3\): give"),
            ({"stride": 1.5}, "stride = 1.5: give|not iterable"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises((ValueError, TypeError), match=message):
            conv2d(self.x, self.w, **options)

    def test_names_of_version_0_1(self):
        images = conv2d(self.x, self.w, border="full", maps_last=False)
        assert images.type.shape == (2, 4, 10, 10)
        assert max_pool2d(images, maps_last=True).type.shape == (2, 2, 5, 10)
        assert global_average_pool(images, maps_last=True).type.shape == (2, 10)
        with pytest.raises(TypeError, match="conv2d: got border, which is now padding, beside that"):
            conv2d(self.x, self.w, border="full", padding="valid")

    def test_ranks(self):
        with pytest.raises(ValueError, match="x: has 2 dimensions, where 4 are needed"):
            conv2d(pt.matrix(), self.w)
        with pytest.raises(ValueError, match="filters: has 3 dimensions, where 4 are needed"):
            conv2d(self.x, pt.tensor3())
        with pytest.raises(ValueError, match="x: has 2 dimensions"):
            max_pool2d(pt.matrix())
        with pytest.raises(ValueError, match="x: has 2 dimensions"):
            global_average_pool(pt.matrix())

    def test_channels(self):
        with pytest.raises(ValueError, match="filters: take 5 channels, where x has 3"):
            conv2d(self.x, pt.tensor(shape=(4, 5, 3, 3), dtype="float32"))

    def test_channels_found_at_run_time(self, backend):
        if backend.name == "jax":
            pytest.skip("XLA checks shapes itself")
        x, w = pt.tensor4("x", dtype="float64"), pt.tensor4("w", dtype="float64")
        function = backend.function({"x": x, "w": w}, {"y": conv2d(x, w)})
        with pytest.raises(ValueError, match="channels"):
            function({"x": np.zeros((1, 3, 5, 5)), "w": np.zeros((1, 2, 3, 3))})
        with pytest.raises(ValueError, match="fit"):
            function({"x": np.zeros((1, 3, 2, 5)), "w": np.zeros((1, 3, 3, 3))})

    def test_dtypes(self):
        with pytest.raises(TypeError, match="filters: has dtype int64; cast it"):
            conv2d(self.x, pt.ltensor4())
        assert conv2d(self.x, pt.tensor4(dtype="float64")).dtype == "float64"

    def test_filter_too_large(self):
        with pytest.raises(ValueError, match="a filter of 9 rows or columns does not fit into 8 with 0 zeros"):
            conv2d(self.x, pt.tensor(shape=(4, 3, 9, 9), dtype="float32"))

    def test_sizes_that_a_border_needs(self):
        with pytest.raises(ValueError, match="'same': with a stride of 2 needs images of static size"):
            conv2d(pt.tensor4(dtype="float32"), self.w, 2, "same")
        with pytest.raises(ValueError, match="'full': needs filters of static size"):
            conv2d(self.x, pt.tensor4(dtype="float32"), 1, "full")

    def test_pool_size(self):
        with pytest.raises(ValueError, match="size = 0: give a whole number of at least 1"):
            max_pool2d(self.x, 0)


@pytest.mark.parametrize("mode", ["NUMBA", "JAX"])
def test_works_in_a_plain_pytensor_function(mode):
    """Nothing but `t1t2_pt.ops` imported: the mode brings its translation in."""
    need(mode.lower())
    code = f"""
import warnings
warnings.simplefilter("error")
import numpy as np, pytensor, pytensor.tensor as pt, sys
from t1t2_pt.ops import conv2d
assert "jax" not in sys.modules and "numba" not in sys.modules
x, w = (pt.tensor(n, shape=s, dtype="float32") for n, s in (("x", (2, 3, 8, 8)), ("w", (4, 3, 3, 3))))
y = conv2d(x, w, 2, "same")
f = pytensor.function([x, w], [y, *pt.grad(pt.tanh(y).sum(), [x, w])], mode="{mode}")
results = f(np.ones((2, 3, 8, 8), "float32"), np.ones((4, 3, 3, 3), "float32"))
assert np.asarray(results[0]).shape == (2, 4, 4, 4) and float(np.asarray(results[0])[0, 0, 1, 1]) == 27
assert all(np.asarray(r).dtype == "float32" for r in results)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
