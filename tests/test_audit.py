"""`audit` finds every planted fault, names it, and finds none in what is sound."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from bilevel import Ridge
from pytensor.gradient import disconnected_grad

from t1t2_pt import audit
from t1t2_pt.hypergradients.methods.forward import Forward
from t1t2_pt.hypergradients.methods.gauss_newton import GaussNewton
from t1t2_pt.hypergradients.methods.one_pass import OnePass
from t1t2_pt.hypergradients.methods.unrolled import Unrolled

RNG = np.random.default_rng(0)
X, V = RNG.standard_normal((2, 10, 3))
Y, U = X[:, 0] + 0.3, V[:, 0]


class Model:
    """A linear model in shared variables; each argument plants a fault into one of its parts."""

    def __init__(self, *, bias=lambda b: b, level=lambda s: s, x=X, val_bias=True, factor=1.0, dtype="float64"):
        self.w = pytensor.shared(np.array([0.5, -1.0, 0.2]), name="w")
        self.b = pytensor.shared(np.asarray(0.1), name="b")
        self.s = pytensor.shared(np.asarray(0.3), name="s")
        x = pt.as_tensor(x).astype("float64")
        error = pt.sqr(pt.dot(x, self.w).astype(dtype).astype("float64") + bias(self.b) - Y).mean()
        self.train = error + level(self.s) * (pt.sqr(self.w).sum() + pt.sqr(self.b))
        self.val = factor * pt.sqr(pt.dot(V, self.w) + (self.b if val_bias else 0) - U).mean()

    def findings(self, hyperparams=None, **options):
        found = audit(self.train, self.val, [self.w, self.b], hyperparams or [self.s], steps=2, **options)
        return {(finding.kind, finding.name): str(finding) for finding in found.findings}


def test_nothing_is_found_in_what_is_sound():
    model = Model()
    own = pt.grad(model.train, [model.w, model.b])
    assert model.findings(train_gradients=own) == {}


class TestFaults:
    def test_detached_parameter(self):
        found = Model(bias=disconnected_grad, level=lambda s: s).findings()
        assert "disconnected_grad, which stops derivatives" in found["detached", "b"]

    def test_parameter_that_is_not_in_the_training_cost(self):
        model, other = Model(), pytensor.shared(np.zeros(2), name="other")
        found = audit(model.train, model.val + other.sum(), [model.w, model.b, other], [model.s], steps=1)
        assert ("detached", "other") in {(one.kind, one.name) for one in found.findings}
        assert len(found.comparisons) == 3

    def test_round(self):
        found = Model(level=lambda s: pt.round(10 * s) / 10).findings()
        assert "round_half_to_even, a step function" in found["not differentiable", "s"]

    @pytest.mark.parametrize("what", ["argmax", "switch"])
    def test_steps_beside_another_way(self, what):
        masks = {
            "argmax": lambda s: s + pt.argmax(pt.stack([s, 1 - s])).astype("float64"),
            "switch": lambda s: s * pt.switch(s > 0.2, 1.0, 2.0),
        }
        found = Model(level=masks[what]).findings()
        assert "by another way, of which alone there are derivatives" in found["not differentiable", "s"]

    def test_wrong_sign(self):
        model = Model()
        flipped = [-g for g in pt.grad(model.train, [model.w, model.b])]
        found = model.findings(train_gradients=flipped)
        assert ("wrong sign", "w") in found
        assert ("wrong sign", "b") in found
        ours = audit(model.train, model.val, [model.w, model.b], [model.s], steps=1).comparisons[0].gradients[0]
        assert ("wrong sign", "s") in model.findings(hypergradients=[-ours])

    def test_hyperparameter_in_the_validation_cost_only(self):
        model, a = Model(), pytensor.shared(2.0, name="a")
        model.val = a * model.val
        found = model.findings([model.s, a])
        assert "is in val_cost only" in found["direct", "a"]

    def test_hyperparameter_in_both(self):
        model = Model()
        model.val = model.s * model.val
        assert "is inside val_cost, too" in model.findings()["direct", "s"]

    def test_nan_in_a_batch(self):
        x = X.copy()
        x[4, 1] = np.nan
        found = Model(x=pt.constant(x, name="batch")).findings()
        assert "has 1 of 30 numbers that are not finite, the first at (4, 1)" in found["nan", "batch"]
        assert ("nan", "w") in found

    def test_parameter_unseen_by_the_validation_cost(self):
        assert "val_cost does not depend on it" in Model(val_bias=False).findings()["unseen", "b"]

    def test_integer_input(self):
        pixels = pt.constant(np.arange(30, dtype="uint8").reshape(10, 3), name="pixels")
        assert "uint8 arithmetic" in Model(x=pixels * np.uint8(9)).findings()["integer", "pixels"]

    def test_integer_hyperparameter(self):
        model, count = Model(), pytensor.shared(np.int64(3), name="count")
        model.train = model.train * count
        assert "has dtype int64" in model.findings([model.s, count])["integer", "count"]

    def test_stale_train_gradients(self):
        model = Model()
        before = pt.grad(model.train - 0.1 * pt.sqr(model.w).sum(), [model.w, model.b])
        found = model.findings(train_gradients=before)
        assert "is not that of this cost" in found["stale", "w"]
        assert ("stale", "b") not in found

    def test_cut_to_float32(self):
        assert "float64 is cut to float32" in Model(dtype="float32").findings()["float32", "train_cost"]

    @pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # PyTensor 3.2 has no explicit generators
    def test_random_variable_in_between(self):
        found = Model(level=lambda s: pt.random.normal(s, 0.1)).findings()
        assert "the random variable normal" in found["random", "s"]

    def test_zero(self):
        found = Model(factor=0.0).findings()
        assert "is 0 throughout" in found["zero", "s"]


def test_kinks_of_the_model_are_no_faults():
    """A ReLU has no derivative at 0, and a softmax stops those by its largest logit."""
    model = Model()
    hidden = pt.maximum(pt.dot(X, model.w) * model.s + model.b, 0)
    shift = disconnected_grad(hidden.max())
    model.train = (
        pt.exp(hidden - shift).sum() + shift + (model.s + 1) * pt.switch(hidden > 0, hidden, 0.1 * hidden).sum()
    )
    assert not {kind for kind, _ in model.findings()} & {"detached", "not differentiable"}


def test_compares_with_closed_forms():
    ridge = Ridge()
    values = dict(zip(ridge.inputs, ridge.values, strict=True))
    found = audit(ridge.train, ridge.val, ridge.params, ridge.hyperparams, values=values, steps=3, step_size=0.05)
    assert found.findings == ()
    expected = (ridge.eq3(), ridge.unrolled(3, 0.05), ridge.eq4())
    for one, numbers in zip(found.comparisons, expected, strict=True):
        np.testing.assert_allclose(np.concatenate([np.ravel(g) for g in one.gradients]), numbers, rtol=1e-9)
        cheap = expected[0]
        assert one.cosine == pytest.approx(cheap @ numbers / np.linalg.norm(cheap) / np.linalg.norm(numbers))
        assert one.relative_error == pytest.approx(np.linalg.norm(cheap - numbers) / np.linalg.norm(numbers), abs=1e-9)
    assert [one.backpropagations for one in found.comparisons] == [4, 10, 12]
    options = {"optimizer": "sgd", "step_size": 0.05}
    for method, expected, costs in (
        (Unrolled(steps=4, **options), ridge.unrolled(4, 0.05), (13, 4)),
        (Forward(steps=4, **options), ridge.unrolled(4, 0.05), (4 * 17 + 1, 4)),
        (OnePass(**options), ridge.eq3(), (4, 0)),
        (GaussNewton(outputs=ridge.outputs), None, (4 + 2 + 6 * 20, 3)),
    ):
        options = {"values": values, "method": method, "steps": 1}
        one = audit(ridge.train, ridge.val, ridge.params, ridge.hyperparams, **options).comparisons[0]
        assert (one.backpropagations, one.copies) == costs
        if expected is not None:
            np.testing.assert_allclose(np.concatenate([np.ravel(g) for g in one.gradients]), expected, rtol=1e-9)
    with pytest.raises(ValueError, match=r"values: .* has none; give an array for it"):
        audit(ridge.train, ridge.val, ridge.params, ridge.hyperparams)
