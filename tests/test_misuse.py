"""What `hypergradient` refuses, in one line that names the variable and the remedy, and what it adds when told."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from problems import PLAIN
from pytensor.gradient import disconnected_grad
from pytensor.graph.replace import clone_replace

from t1t2_pt import hypergradient
from t1t2_pt.hypergradients import T1T2

RNG = np.random.default_rng(0)
X, V = RNG.standard_normal((2, 40, 5))
Y, U = X[:, 0], V[:, 0]
w = pytensor.shared(np.ones(5), name="w")
b = pytensor.shared(np.zeros(()), name="b")
s = pytensor.shared(0.1, name="s")
ERROR = pt.sqr(pt.dot(X, w) + b - Y).mean()
TRAIN = ERROR + s * pt.sqr(w).sum()
VAL = pt.sqr(pt.dot(V, w) + b - U).mean()


def refused(kind, match, *arguments, **options):
    with pytest.raises(kind, match=match) as caught:
        hypergradient(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 300


class TestArguments:
    @pytest.mark.parametrize(
        ("given", "kind", "problem"),
        [
            (w, TypeError, r"params = w: is a variable; put it into a list"),
            (pt.vector("v"), TypeError, r"params = v: is a variable; put it into a list"),
            ({"w": w}, TypeError, r"params = .*: is a dictionary; give list\(params.values\(\)\)"),
            (np.ones(3), TypeError, r"params = .*: is a ndarray; give a list"),
            ({w}, TypeError, r"params = .*: is a set; give a list"),
            ("w", TypeError, r"params = 'w': is a str; give a list"),
            (None, TypeError, r"params = None: is a NoneType; give a list"),
            (3, TypeError, r"params = 3: is a int; give a list"),
            ([1.0], TypeError, r"params\[0\] = 1.0: is a float, no tensor variable; make one by pytensor.shared"),
            ([w, np.ones(2)], TypeError, r"params\[1\] = .*: is a ndarray, no tensor variable"),
            ([pt.constant(1.0)], ValueError, r"params\[0\] = .*: is a constant"),
            ([w, w], ValueError, r"params: w is there twice"),
            ([], ValueError, r"params = \[\]: is empty"),
        ],
    )
    def test_lists_of_variables(self, given, kind, problem):
        refused(kind, problem, TRAIN, VAL, given, [s])
        if "empty" not in problem:
            refused(kind, problem.replace("params", "hyperparams"), TRAIN, VAL, [w], given)

    def test_other_collections_will_do(self):
        named = {"w": w, "b": b}
        expected = [g.eval(mode=PLAIN) for g in hypergradient(TRAIN, VAL, [w, b], [s])]
        for params in (named.values(), (w, b), iter([w, b])):
            assert [g.eval(mode=PLAIN) for g in hypergradient(TRAIN, VAL, params, (s,))] == expected

    def test_a_variable_is_one_or_the_other(self):
        refused(ValueError, r"hyperparams: s is among params, too", TRAIN, VAL, [w, s], [s])

    @pytest.mark.parametrize(
        ("cost", "problem"),
        [
            (3.0, r"train_cost = 3.0: is not a scalar tensor"),
            (None, r"train_cost = None: is not a scalar tensor"),
            (pt.sqr(w), r"train_cost = .*: is not a scalar tensor; reduce it"),
            (pt.argmax(w) * 1, r"train_cost: has dtype int64; gradients need a floating-point cost"),
        ],
    )
    def test_costs(self, cost, problem):
        refused(ValueError, problem, cost, VAL, [w], [s])
        refused(ValueError, problem.replace("train_cost", "val_cost"), TRAIN, cost, [w], [s])

    @pytest.mark.parametrize(
        ("gradients", "kind", "problem"),
        [
            (lambda: pt.grad(TRAIN, w), TypeError, r"train_gradients = .*: is a TensorVariable; give a list"),
            (lambda: [pt.grad(TRAIN, w)], ValueError, r"train_gradients has 1 tensors for 2 params"),
            (lambda: [pt.grad(TRAIN, w), 0.0], TypeError, r"train_gradients\[1\], of b, is a float, no tensor"),
            (lambda: [pt.ones(5), pt.zeros(())], ValueError, r"train_gradients: do not depend on s"),
            (lambda: pt.grad(ERROR, [w, b]), ValueError, r"train_gradients: do not depend on s, as the gradients"),
            (lambda: pt.grad(TRAIN, [b, w]), ValueError, r"train_gradients\[0\], of w, has 0 dimensions, where 1"),
            (
                lambda: [g.astype("float32") for g in pt.grad(TRAIN, [w, b])],
                ValueError,
                r"train_gradients\[0\], of w, has dtype float32, where float64 is needed; cast it",
            ),
        ],
    )
    def test_train_gradients(self, gradients, kind, problem):
        refused(kind, problem, TRAIN, VAL, [w, b], [s], train_gradients=gradients())

    @pytest.mark.parametrize(
        ("moved", "kind", "problem"),
        [
            ([w], ValueError, r"next_params has 1 tensors for 2 params"),
            ([w, 1.0], TypeError, r"next_params\[1\], of b, is a float"),
            ([w.astype("float32"), b], ValueError, r"next_params\[0\], of w, has dtype float32"),
            ([pt.ones((5, 1)), b], ValueError, r"next_params\[0\], of w, has 2 dimensions"),
            ({"w": w, "b": b}, TypeError, r"next_params = .*: is a dict"),
        ],
    )
    def test_next_params(self, moved, kind, problem):
        refused(kind, problem, TRAIN, VAL, [w, b], [s], next_params=moved)

    @pytest.mark.parametrize(("value", "kind"), [(-1.0, ValueError), (0, ValueError), (float("nan"), ValueError)])
    @pytest.mark.parametrize("option", ["max_norm", "step_size"])
    def test_numbers(self, option, value, kind):
        refused(
            kind, rf"{option} = .*: is out of range; give a number above 0", TRAIN, VAL, [w], [s], **{option: value}
        )

    @pytest.mark.parametrize("value", ["3", True, [1.0]])
    @pytest.mark.parametrize("option", ["max_norm", "step_size"])
    def test_no_numbers(self, option, value):
        refused(TypeError, rf"{option} = .*: is a \w+; give a number above 0", TRAIN, VAL, [w], [s], **{option: value})

    def test_options_of_the_method(self):
        refused(
            TypeError, r"norm: is no option of 't1t2'; its options are train_gradients", TRAIN, VAL, [w], [s], norm=3
        )
        refused(ValueError, r"products = 'half': is unknown", TRAIN, VAL, [w], [s], products="half")

    def test_methods_are_objects_too(self):
        (by_name,) = hypergradient(TRAIN, VAL, [w, b], [s], method="t1t2", max_norm=0.5)
        (by_object,) = hypergradient(TRAIN, VAL, [w, b], [s], method=T1T2(max_norm=0.5))
        assert by_name.eval(mode=PLAIN) == by_object.eval(mode=PLAIN)
        refused(TypeError, r"max_norm: given beside a method object", TRAIN, VAL, [w], [s], method=T1T2(), max_norm=1.0)
        refused(TypeError, r"method = .*: is no method", TRAIN, VAL, [w], [s], method=T1T2)

    def test_help_tells_the_options(self):
        for option in ("train_gradients", "next_params", "max_norm", "step_size", "products"):
            assert f"\n{option}\n" in hypergradient.__doc__
        import t1t2_pt.hypergradients as module

        assert module.hypergradient is hypergradient


# Each cuts s off from the gradient in its way; the second is a word that names it.
CUTS = {
    "disconnected_grad": (lambda x: disconnected_grad(x), "disconnected_grad, which stops derivatives"),
    "zero_grad": (lambda x: pytensor.gradient.zero_grad(x), "zero_grad, which stops derivatives"),
    "round": (pt.round, "round_half_to_even, a step function"),
    "floor": (pt.floor, "floor, a step function"),
    "ceil": (pt.ceil, "ceil, a step function"),
    "sign": (pt.sign, "sign, a step function"),
    "comparison": (lambda x: pt.cast(x > 0.5, "float64"), "gt, whose values are true or false"),
    "whole number": (lambda x: pt.cast(pt.cast(x, "int64"), "float64"), "whose values are whole numbers"),
    "switch": (lambda x: pt.switch(x > 0.5, 1.0, 2.0), "whose values are true or false"),
    "argmax": (lambda x: pt.cast(pt.argmax(pt.stack([x, 1 - x])), "float64"), "argmax, whose values are whole numbers"),
    "shape": (lambda x: pt.cast((x * pt.ones(3)).shape[0], "float64"), "whose values are whole numbers"),
}


class TestCuts:
    @pytest.mark.parametrize("name", CUTS)
    def test_a_hyperparameter_that_is_cut_off(self, name):
        cut, words = CUTS[name]
        cost = ERROR + cut(s) * pt.sqr(w).sum()
        refused(ValueError, rf"hyperparams: s influences train_cost through .*{words}.*; ", cost, VAL, [w, b], [s])

    @pytest.mark.parametrize("name", CUTS)
    def test_another_way_around_is_enough(self, name):
        """A mask, a rounded copy or a stopped derivative beside the real thing is no fault."""
        cut, _ = CUTS[name]
        (g,) = hypergradient(ERROR + (s + cut(s)) * pt.sqr(w).sum(), VAL, [w, b], [s])
        (expected,) = hypergradient(ERROR + s * pt.sqr(w).sum(), VAL, [w, b], [s])
        np.testing.assert_allclose(g.eval(mode=PLAIN), expected.eval(mode=PLAIN))

    @pytest.mark.parametrize("name", [name for name in CUTS if name != "shape"])
    def test_a_parameter_that_is_cut_off(self, name):
        cut, words = CUTS[name]
        prediction = pt.dot(X, w) + cut(b)
        cost = pt.sqr(prediction - Y).mean() + s * pt.sqr(w).sum()
        refused(ValueError, rf"params: b influences train_cost through .*{words}", cost, VAL, [w, b], [s])
        val = pt.sqr(pt.dot(V, w) + cut(b) - U).mean()
        refused(ValueError, rf"params: b influences val_cost through .*{words}", TRAIN, val, [w, b], [s])

    @pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # PyTensor 3.2 has no explicit generators
    @pytest.mark.parametrize("around", [False, True], ids=["alone", "beside"])
    def test_random_variables(self, around):
        """Also where there is another way: PyTensor has no derivative of the whole then."""
        level = pytensor.shared(0.3, name="level")
        noise = pt.random.normal(0, level, size=(40, 5))
        cost = pt.sqr(pt.dot(X + noise, w) - Y).mean() + (level if around else 0) * pt.sqr(w).sum()
        words = r"hyperparams: level influences train_cost through the random variable normal.*; reparametrise"
        refused(ValueError, words, cost, VAL, [w], [level])

    @pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # PyTensor 3.2 has no explicit generators
    def test_reparametrised_noise_is_fine(self):
        level = pytensor.shared(0.3, name="level")
        noise = level * pt.random.normal(0, 1, size=(40, 5))
        (g,) = hypergradient(pt.sqr(pt.dot(X + noise, w) - Y).mean(), VAL, [w], [level])
        assert np.isfinite(g.eval(mode=PLAIN))

    def test_noise_of_the_shape_of_what_it_is_added_to(self):
        """How many numbers are drawn has no derivative, and needs none; nor has the generator that goes on."""
        draws = pytensor.shared(np.random.default_rng(0))
        hidden = pt.dot(X, w)
        draws, first = pt.random.normal(size=hidden.shape, rng=draws, return_next_rng=True)
        _, second = pt.random.normal(size=hidden.shape, rng=draws, return_next_rng=True)
        train = pt.sqr(hidden + s * first * (1 + second) + b - Y).mean() + s * pt.sqr(w).sum()
        numbers = pytensor.function([], [first, second, *hypergradient(train, VAL, [w, b], [s])], mode=PLAIN)()
        given = [pt.constant(value) for value in numbers[:2]]
        train = clone_replace(train, dict(zip([first, second], given, strict=True)))
        (expected,) = hypergradient(train, VAL, [w, b], [s])
        np.testing.assert_allclose(numbers[2], expected.eval(mode=PLAIN), rtol=1e-12)

    def test_numbers_that_a_scan_draws(self):
        def step(now, state, draws):
            draws, normal = draws.normal(0, 1)
            return pt.tanh(now + w[0] * state) + s * normal, draws

        draws = pt.random.shared_rng(seed=1)
        start = pt.constant(0.0, dtype="float64")
        states, _ = pytensor.scan(step, sequences=[pt.constant(Y)], outputs_info=[start, draws], return_updates=False)
        train = pt.sqr(states).sum() + s * pt.sqr(w).sum()
        refused(ValueError, r"s: .*\(a scan draws random numbers\); draw them before the scan", train, VAL, [w], [s])

    def test_an_error_rate_is_no_validation_cost(self):
        scores = pt.dot(V, w)[:, None] * np.array([1.0, -1.0])
        errors = pt.cast(pt.neq(pt.argmax(scores, axis=1), 0), "float64").mean()
        refused(
            ValueError,
            r"params: w influences val_cost through .*; use what comes before it, or another cost",
            TRAIN,
            errors,
            [w],
            [s],
        )


class TestDirectDerivative:
    """A hyperparameter inside C2: here a scale a inside the model, in both costs."""

    a = pytensor.shared(1.5, name="a")
    train = pt.sqr(a * pt.dot(X, w) - Y).mean()
    val = pt.sqr(a * pt.dot(V, w) - U).mean()

    def test_is_refused_without_a_step_size(self):
        refused(
            ValueError,
            r"hyperparams: a influences val_cost, too, .*; give step_size",
            self.train,
            self.val,
            [w],
            [self.a],
        )

    @pytest.mark.parametrize("method", ["averaged", "finite-difference"])
    def test_is_refused_by_methods_that_leave_it_out(self, method):
        with pytest.raises(ValueError, match=rf"hyperparams: a influences val_cost, too, and {method} leaves"):
            hypergradient(self.train, self.val, [w], [self.a], method=method)

    def test_one_that_was_stopped_on_purpose_is_left_out(self):
        val = pt.sqr(disconnected_grad(self.a) * pt.dot(V, w) - U).mean()
        (g,) = hypergradient(self.train, val, [w], [self.a])
        assert np.isfinite(g.eval(mode=PLAIN))

    @pytest.mark.parametrize("eta", [0.01, 0.3])
    @pytest.mark.parametrize("symbolic", [False, True])
    def test_the_whole_derivative_after_the_update(self, eta, symbolic):
        gradients = pt.grad(self.train, [w])
        (g,) = hypergradient(
            self.train,
            self.val,
            [w],
            [self.a],
            step_size=pt.constant(eta) if symbolic else eta,
            next_params=[w - eta * gradients[0]],
        )
        after = clone_replace(self.val, {w: w - eta * gradients[0]})
        moved = pt.scalar("moved")
        cost = pytensor.function([moved], clone_replace(after, {self.a: moved}), mode=PLAIN)
        d = 1e-4
        expected = (8 * (cost(1.5 + d) - cost(1.5 - d)) - (cost(1.5 + 2 * d) - cost(1.5 - 2 * d))) / (12 * d) / eta
        np.testing.assert_allclose(g.eval(mode=PLAIN), expected, rtol=1e-7)

    def test_descends(self):
        """At theta_t, for a small step: lambda - eta2 * g lowers C2 after the update, which Eq. 3 alone raises."""
        eta = 0.01
        (g,) = hypergradient(self.train, self.val, [w], [self.a], step_size=eta)
        moved = pt.scalar("moved")
        after = clone_replace(self.val, {w: w - eta * pt.grad(self.train, w)})
        cost = pytensor.function([moved], clone_replace(after, {self.a: moved}), mode=PLAIN)
        assert cost(1.5 - 1e-3 * eta * np.sign(g.eval(mode=PLAIN))) < cost(1.5)
