"""The hypergradient against finite differences, and against a program written by hand in JAX."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from problems import PLAIN, Problem, by_finite_differences, eq3_by_hand, make_mlp

from t1t2_pt import hypergradient
from t1t2_pt.config import run_config
from t1t2_pt.networks import layers

CASES = [
    pytest.param(kinds, levels, batch_norm, id=f"{'+'.join(kinds)}-{levels}-{bn}")
    for kinds in (("noise",), ("l2",), ("noise", "l2"))
    for levels in ("tied", "layer", "map")
    for batch_norm, bn in ((True, "batchnorm"), (False, "plain"))
]


@pytest.mark.parametrize(("kinds", "levels", "batch_norm"), CASES)
def test_equals_finite_differences(kinds, levels, batch_norm):
    problem = Problem(kinds, levels, make_mlp(6, (5, 4), 3, batch_norm))
    expected = by_finite_differences(problem, eta=1e-3)
    for ours, theirs in zip(problem.hypergradient(), expected, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@settings(max_examples=12)
@given(
    hidden=st.lists(st.integers(2, 7), min_size=1, max_size=3).map(tuple),
    levels=st.sampled_from(["tied", "layer", "map"]),
    batch_norm=st.booleans(),
    seed=st.integers(0, 10_000),
)
@pytest.mark.slow
def test_random_networks_equal_a_directional_difference(hidden, levels, batch_norm, seed):
    """Along a random direction in lambda, in networks of random shape."""
    problem = Problem(("noise", "l2"), levels, make_mlp(6, hidden, 3, batch_norm), seed)
    rng = np.random.default_rng(seed)
    direction = {k: rng.standard_normal(np.shape(v)) for k, v in problem.hyper.items()}
    cost = problem.cost_after_update()

    def along(step, eta):
        return cost({k: v + step * direction[k] for k, v in problem.hyper.items()}, eta)

    def derivative(eta, d=1e-4):
        coarse = (along(2 * d, eta) - along(-2 * d, eta)) / (4 * d)
        return (4 * (along(d, eta) - along(-d, eta)) / (2 * d) - coarse) / 3

    def difference(eta):
        near, far = derivative(eta) - derivative(-eta), derivative(2 * eta) - derivative(-2 * eta)
        return (8 * near - far) / (12 * eta)

    # Steps so small that the update hardly ever carries a unit over the kink of its ReLU; where it does,
    # differences of two sizes disagree, and there is no derivative to compare with.
    expected = difference(2e-5)
    assume(expected == pytest.approx(difference(1e-5), rel=1e-4, abs=1e-5))
    ours = sum(float(np.sum(g * d)) for g, d in zip(problem.hypergradient(), direction.values(), strict=True))
    scale = sum(float(np.sum(np.abs(g * d))) for g, d in zip(problem.hypergradient(), direction.values(), strict=True))
    assert ours == pytest.approx(expected, abs=1e-5 * scale + 3e-7)


def by_hand_in_jax(problem):
    """The same model with jax.numpy, and Eq. 3."""
    import jax.numpy as jnp

    depth = len(problem.network.hidden)

    def forward(theta, x, hyper=None):
        h = x
        for i in range(depth + 1):
            if hyper is not None and "input_noise" in hyper:
                hidden = hyper["hidden_noise"]
                level = hyper["input_noise"] if i == 0 else problem.of_layer(hidden, problem.hidden_maps, i - 1)
                h = h + level * problem.noise[i]
            a = jnp.einsum("bi,io->bo", h, theta[f"weights_{i}"])
            if i < depth and problem.network.batch_norm:
                a = (a - jnp.mean(a, 0)) / jnp.sqrt(jnp.var(a, 0) + layers.EPSILON)
            a = a + theta[f"bias_{i}"]
            h = jnp.where(a > 0, a, 0.0) if i < depth else a
        return h

    return eq3_by_hand(problem, forward)


@pytest.mark.parametrize(("kinds", "levels", "batch_norm"), CASES)
def test_equals_a_program_by_hand(kinds, levels, batch_norm):
    problem = Problem(kinds, levels, make_mlp(6, (5, 4), 3, batch_norm), seed=3)
    for ours, theirs in zip(problem.hypergradient(), by_hand_in_jax(problem), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)


def test_at_next_parameters_is_exact_for_any_step_size():
    """With grad C2 at theta_{t+1}, Eq. 3 is the exact derivative of C2 after the update."""
    problem, eta = Problem(seed=5), 0.3
    theta, hyper, train, val = problem.graph()
    params = list(theta.values())
    gradients = pt.grad(train, params)
    g = hypergradient(
        train,
        val,
        params,
        list(hyper.values()),
        train_gradients=gradients,
        next_params=[p - eta * d for p, d in zip(params, gradients, strict=True)],
    )
    ours = pytensor.function([*params, *hyper.values()], g, mode=PLAIN)(
        *problem.theta.values(), *problem.hyper.values()
    )
    cost = problem.cost_after_update()
    for position, name in enumerate(problem.hyper):

        def along(step, name=name):
            return cost({**problem.hyper, name: problem.hyper[name] + step}, eta)

        d = 1e-4
        expected = (8 * (along(d) - along(-d)) - (along(2 * d) - along(-2 * d))) / (12 * d) / eta
        np.testing.assert_allclose(ours[position], expected, rtol=1e-7)


def test_max_norm_rescales_each_validation_gradient():
    problem = Problem(("l2",), "layer", make_mlp(6, (5, 4), 3, False))
    theta, _, _, val = problem.graph()
    v = pytensor.function(list(theta.values()), pt.grad(val, list(theta.values())), mode=PLAIN)(*problem.theta.values())
    limit = float(np.median([np.linalg.norm(g) for g in v]))
    # For the L2 penalty Eq. 3 is -sum(v * 2 W), layer by layer.
    expected = []
    for i in range(3):
        g = v[list(theta).index(f"weights_{i}")]
        expected.append(-2 * np.sum(g * min(1, limit / np.linalg.norm(g)) * problem.theta[f"weights_{i}"]))
    (ours,) = problem.hypergradient(max_norm=limit)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    (free,) = problem.hypergradient()
    assert not np.allclose(free, ours)


def test_descends_the_validation_cost():
    """lambda - eta2 * g lowers C2 after the next elementary step, for every hyperparameter on its own."""
    problem = Problem(seed=8)
    cost, eta = problem.cost_after_update(), 1e-2
    before = cost(problem.hyper, eta)
    for name, g in zip(problem.hyper, problem.hypergradient(), strict=True):
        assert cost({**problem.hyper, name: problem.hyper[name] - 1e-3 * np.sign(g)}, eta) < before


class TestErrors:
    w = pt.vector("w", dtype="float64")
    strength = pt.scalar("strength", dtype="float64")
    cost = (w**2).sum() * strength

    def test_unconnected_hyperparameter_is_named(self):
        other = pt.scalar("other", dtype="float64")
        with pytest.raises(ValueError, match=r"hyperparams: other does not influence train_cost"):
            hypergradient(self.cost, self.w.sum(), [self.w], [self.strength, other])

    def test_unnamed_hyperparameter_is_told_by_position(self):
        with pytest.raises(ValueError, match=r"hyperparams\[1\] \(unnamed\) does not influence"):
            hypergradient(self.cost, self.w.sum(), [self.w], [self.strength, pt.dscalar()])

    def test_unconnected_parameter_is_named(self):
        with pytest.raises(ValueError, match=r"params: lost does not influence"):
            hypergradient(self.cost, self.w.sum(), [self.w, pt.dvector("lost")], [self.strength])

    def test_integer_hyperparameter(self):
        count = pt.lscalar("count")
        with pytest.raises(ValueError, match=r"count has dtype int64"):
            hypergradient(self.cost * count, self.w.sum(), [self.w], [count])

    def test_cost_must_be_scalar(self):
        with pytest.raises(ValueError, match=r"train_cost = .* is not a scalar"):
            hypergradient(self.w * self.strength, self.w.sum(), [self.w], [self.strength])

    def test_validation_cost_must_depend_on_parameters(self):
        with pytest.raises(ValueError, match=r"val_cost: depends on none of params"):
            hypergradient(self.cost, self.strength**2, [self.w], [self.strength])

    def test_unknown_method(self):
        with pytest.raises(ValueError, match=r"method = 'magic': unknown; the methods are t1t2"):
            hypergradient(self.cost, self.w.sum(), [self.w], [self.strength], method="magic")

    def test_next_params_must_match(self):
        with pytest.raises(ValueError, match=r"next_params has 0 tensors for 1 params"):
            hypergradient(self.cost, self.w.sum(), [self.w], [self.strength], next_params=[])


def test_a_constant_added_to_the_cost_has_no_hypergradient():
    w, offset = pt.dvector("w"), pt.dscalar("offset")
    (g,) = hypergradient((w**2).sum() + offset, w.sum(), [w], [offset])
    assert float(g.eval({w: np.ones(3), offset: 1.0}, on_unused_input="ignore", mode=PLAIN)) == 0


def test_works_on_shared_variables_and_any_shape():
    w = pytensor.shared(np.array([1.0, -2.0]), name="w")
    scales = pytensor.shared(np.array([0.5, 2.0]), name="scales")
    (g,) = hypergradient((scales * w**2).sum(), (w**2).sum(), [w], [scales])
    np.testing.assert_allclose(g.eval(mode=PLAIN), [-4.0, -16.0])  # -(2 w)(2 w)


def test_configured_network_is_the_one_under_test():
    """The step builds its costs from the same pieces as these tests."""
    from t1t2_pt.steps.step import make_network

    network = make_network(run_config(hidden=(5, 4)), (6,), 3)
    assert network == make_mlp(6, (5, 4), 3, True)
