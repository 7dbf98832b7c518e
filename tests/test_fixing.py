"""Graphs that are made anew for known shapes: what they compute stays, whatever Ops they have."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from problems import PLAIN
from pytensor.gradient import verify_grad

from t1t2_pt.backends.blas import NO_BLAS
from t1t2_pt.ops.any_length import any_length
from t1t2_pt.tuning.fixing import fixed

STEPS, HIDDEN = 4, 3
RNG = np.random.default_rng(0)


def recurrent(features, samples, start):
    """A recurrent network's cost without any static shape, its input, and its weights."""
    x = pt.dtensor3("x")
    seen, kept = (pytensor.shared(RNG.standard_normal((rows, HIDDEN)), name="w") for rows in (features, HIDDEN))
    starts = {
        "zeros": pt.zeros((x.shape[0], HIDDEN)),
        "shared": pytensor.shared(np.zeros((samples, HIDDEN)), name="start"),
        "broadcast": pt.zeros_like(x[:, 0] @ seen),
    }
    states = pytensor.scan(
        lambda now, state: pt.tanh(now @ seen + state @ kept),
        sequences=[x.dimshuffle(1, 0, 2)],
        outputs_info=[starts[start]],
        return_updates=False,
    )
    return x, (states**2).sum(), [seen, kept]


@pytest.mark.filterwarnings(f"ignore:{NO_BLAS}")  # PyTensor looks for one to compile what a scan repeats
@pytest.mark.parametrize(
    ("features", "samples", "start"), [(1, 5, "zeros"), (2, 1, "shared"), (1, 1, "broadcast"), (2, 5, "shared")]
)
def test_scans_over_axes_of_length_one(features, samples, start):
    """PyTensor refuses to build a scan again for a length of 1, as of one feature."""
    x, cost, weights = recurrent(features, samples, start)
    shape = (samples, STEPS, features)
    graph = fixed([cost], weights, {x: shape})
    found = pt.grad(graph.outputs[0], [graph.inputs[w] for w in weights])
    assert graph.inputs[x].type.shape == shape
    value = RNG.standard_normal(shape)
    expected = pytensor.function([x], [cost, *pt.grad(cost, weights)], mode=PLAIN)(value)
    results = pytensor.function([graph.inputs[x]], [*graph.outputs, *found], mode=PLAIN)(value)
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-12)


def test_a_length_that_is_hidden():
    x = pt.tensor("x", shape=(3, 1), dtype="float64")
    assert any_length(x, [1]).type.shape == (3, None)
    assert any_length(x, []) is x
    assert pt.grad(any_length(x, [1]).sum(), x).type.shape == (3, 1)
    verify_grad(lambda v: any_length(v, [1]) ** 2, [RNG.standard_normal((3, 1))], rng=RNG, mode=PLAIN)
