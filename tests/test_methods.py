"""Hypergradient methods beside Eq. 3: averages over steps, finite differences; and how a run names one."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from one_step import FREE, OneStep

from t1t2_pt.config import run_config
from t1t2_pt.hypergradients import hypergradient
from t1t2_pt.hypergradients.methods.averaged import Averaged
from t1t2_pt.hypergradients.methods.finite_difference import FiniteDifference
from t1t2_pt.system.errors import InputError


class TestMethods:
    def test_finite_difference_is_eq3_to_its_order(self):
        one = OneStep(**FREE, activation="tanh")
        exact = np.array(one.eq3())
        errors = {}
        for points in ("central", "forward"):
            for h in (0.1, 0.01):
                method = FiniteDifference(step=h, points=points)
                found = one.value(*hypergradient(one.done.cost, one.c2, one.theta, one.hyper, method=method))
                errors[points, h] = np.abs(found / exact - 1).max()
        assert errors["central", 0.01] < 1e-3
        assert errors["central", 0.1] / errors["central", 0.01] > 50
        assert 5 < errors["forward", 0.1] / errors["forward", 0.01] < 20

    def test_averaged_keeps_the_gradient_over_steps(self):
        one = OneStep(**FREE, method="averaged(decay=0.6)")
        names = [f"method/first_{place}" for place in range(len(one.theta))]
        rng = np.random.default_rng(0)
        for name in names:
            one.state[name] = rng.standard_normal(one.state[name].shape)
        gradients = one.value(*pt.grad(one.c2, one.theta))
        kept = one.value(*(one.new_state[name] for name in names))
        expected = [0.6 * one.state[name] + 0.4 * g for name, g in zip(names, gradients, strict=True)]
        for ours, theirs in zip(kept, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9)
        corrected = [pt.constant(average / (1 - 0.6**2)) for average in expected]  # the second update
        pulled = pytensor.gradient.pullback(one.done.gradients, one.hyper, [-g for g in corrected])
        np.testing.assert_allclose(one.moved(), one.value(*pulled), rtol=1e-7)

    def test_adam_averages_divide_by_the_root_of_the_mean_square(self):
        one = OneStep(**FREE, method="averaged(rule=adam)")
        gradients = one.value(*pt.grad(one.c2, one.theta))
        averages = []
        for g in gradients:
            first, second = 0.1 * g / (1 - 0.9**2), 0.001 * g * g / (1 - 0.999**2)
            averages.append(pt.constant(first / (np.sqrt(second) + 1e-8)))
        pulled = pytensor.gradient.pullback(one.done.gradients, one.hyper, [-g for g in averages])
        np.testing.assert_allclose(one.moved(), one.value(*pulled), rtol=1e-6)

    def test_first_average_is_eq3(self):
        one = OneStep(**FREE)
        found = one.value(*hypergradient(one.done.cost, one.c2, one.theta, one.hyper, method=Averaged()))
        np.testing.assert_allclose(found, one.eq3(), rtol=1e-9)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("neumann", "is unknown; the methods are t1t2"),
            ("averaged(decay)", "'decay' is no option of averaged; its options are rule, decay"),
            ("averaged(decay=1)", "decay = 1.0: give a number from 0 to less than 1"),
            ("averaged(rule=mean)", "rule = 'mean': give momentum or adam"),
            ("finite-difference(step=x)", "step = 'x': give a number"),
            ("t1t2(max_norm=3)", "is no option of t1t2; its options are none"),
        ],
    )
    def test_wrong_ones_are_told(self, text, problem):
        with pytest.raises(InputError) as caught:
            run_config(method=text)
        assert problem in str(caught.value)

    @pytest.mark.parametrize(
        ("method", "option", "value", "kind"),
        [
            (Averaged, "rule", "mean", ValueError),
            (Averaged, "decay", float("nan"), ValueError),
            (Averaged, "decay", "much", TypeError),
            (FiniteDifference, "points", "backward", ValueError),
            (FiniteDifference, "step", float("inf"), ValueError),
            (FiniteDifference, "step", "0.1", TypeError),
        ],
    )
    def test_wrong_options_of_objects_are_told(self, method, option, value, kind):
        with pytest.raises(kind, match=f"^{option} = "):
            method(**{option: value})

    def test_one_method_has_one_text(self):
        assert run_config(method=" averaged( decay=0.9,rule=adam ) ").method == "averaged(rule=adam)"
