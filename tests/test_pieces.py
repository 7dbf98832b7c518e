"""Layers and costs against plain NumPy."""

import numpy as np
import pytensor.tensor as pt
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from pytensor.compile.mode import Mode

from t1t2_pt.networks import costs, layers
from t1t2_pt.regularizers import REGULARIZERS
from t1t2_pt.rewrites import accumulate_in_output_dtype

PLAIN = Mode(linker="py", optimizer="fast_compile")
RNG = np.random.default_rng(0)


def value(graph):
    return graph.eval(mode=PLAIN)


class TestCosts:
    @settings(max_examples=25)
    @given(scale=st.sampled_from([1e-3, 1.0, 50.0, 1e4]), seed=st.integers(0, 1000))
    def test_cross_entropy(self, scale, seed):
        rng = np.random.default_rng(seed)
        logits, labels = scale * rng.standard_normal((7, 5)), rng.integers(0, 5, 7)
        expected = -scipy.special.log_softmax(logits, axis=1)[np.arange(7), labels].mean()
        ours = value(costs.cross_entropy(pt.constant(logits), pt.constant(labels)))
        np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)

    def test_cross_entropy_and_its_gradient_stay_finite(self):
        logits = pt.constant(np.array([[1e30, -1e30, 0.0], [0.0, 0.0, 0.0]], np.float32))
        cost = costs.cross_entropy(logits, pt.constant(np.array([0, 1], "int32")))
        np.testing.assert_allclose(value(cost), np.log(3) / 2, rtol=1e-6)
        gradient = value(pt.grad(cost, logits))
        np.testing.assert_allclose(gradient[1], np.array([1, -2, 1]) / 6, rtol=1e-6)
        assert np.isfinite(gradient).all()

    def test_error_rate(self):
        logits = pt.constant(np.eye(4))
        assert value(costs.error_rate(logits, pt.constant(np.array([0, 1, 0, 0])))) == 0.5

    def test_l2_penalty(self):
        weights = [RNG.standard_normal((3, 4)), RNG.standard_normal((4, 2))]
        graphs = [pt.constant(w) for w in weights]
        squares = [np.sum(w**2) for w in weights]
        tied = pt.constant(0.3)
        np.testing.assert_allclose(value(REGULARIZERS["l2"].penalty(graphs, [tied, tied])), 0.3 * sum(squares))
        per_layer = REGULARIZERS["l2"].penalty(graphs, [pt.constant(2.0), pt.constant(3.0)])
        np.testing.assert_allclose(value(per_layer), 2 * squares[0] + 3 * squares[1])

    def test_l2_penalty_per_map(self):
        """The maps are the last axis of weights and of filters."""
        weights = [RNG.standard_normal((3, 2)), RNG.standard_normal((2, 2, 3, 4))]
        levels = [RNG.uniform(size=2), RNG.uniform(size=4)]
        ours = REGULARIZERS["l2"].penalty([pt.constant(w) for w in weights], [pt.constant(level) for level in levels])
        expected = sum(np.sum(w**2 * level) for w, level in zip(weights, levels, strict=True))
        np.testing.assert_allclose(value(ours), expected)


class TestLayers:
    def test_batch_normalise(self):
        x, shift = 5 + 3 * RNG.standard_normal((50, 4)), RNG.standard_normal(4)
        tensor = pt.constant(x)
        y = value(layers.batch_normalise(tensor, layers.moments(tensor), pt.constant(shift)))
        np.testing.assert_allclose(y.mean(0), shift, atol=1e-12)
        np.testing.assert_allclose(y.std(0), 1, rtol=1e-6)

    def test_relu(self):
        x = pt.constant(np.array([-1.0, 0.0, 2.0, np.nan]))
        np.testing.assert_array_equal(value(layers.relu(x)), [0, 0, 2, np.nan])
        gradient = value(pt.grad(layers.relu(x)[:3].sum(), x))
        np.testing.assert_array_equal(gradient[:3], [0, 0, 1])

    def test_moments_are_over_all_positions(self):
        x = RNG.standard_normal((5, 3, 2, 4))
        mean, variance = layers.moments(pt.constant(x))
        np.testing.assert_allclose(value(mean), x.reshape(-1, 4).mean(0), rtol=1e-12)
        np.testing.assert_allclose(value(variance), x.reshape(-1, 4).var(0), rtol=1e-12)

    def test_leaky_relu(self):
        x = pt.constant(np.array([-2.0, 0.0, 3.0]))
        np.testing.assert_allclose(value(layers.relu(x, 0.01)), [-0.02, 0, 3])
        np.testing.assert_allclose(value(pt.grad(layers.relu(x, 0.01).sum(), x)), [0.01, 0.01, 1])

    def test_noise_per_map(self):
        x, noise, level = (RNG.standard_normal(shape) for shape in ((2, 3, 3, 4), (2, 3, 3, 4), 4))
        ours = value(REGULARIZERS["hidden_noise"].perturb(*map(pt.constant, (x, noise, level))))
        np.testing.assert_allclose(ours, x + level * noise)


def test_sums_accumulate_in_their_own_dtype_after_the_rewrite():
    from pytensor.graph.fg import FunctionGraph

    x = pt.matrix("x", dtype="float32")
    graph = FunctionGraph([x], [x.sum(axis=0), pt.prod(x, axis=1), x.max()], clone=True)

    def accumulators():
        return {getattr(node.op, "acc_dtype", None) for node in graph.apply_nodes} - {None}

    assert accumulators() == {"float64"}
    accumulate_in_output_dtype.rewrite(graph)
    assert accumulators() == {"float32"}
    assert [v.dtype for v in graph.outputs] == ["float32"] * 3
