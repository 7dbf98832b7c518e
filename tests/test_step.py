"""A whole T1+T2 step, and the evaluation, against programs written by hand in JAX and NumPy."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from conftest import TINY
from pytensor.compile.mode import Mode

from t1t2_pt.config import replace, run_config
from t1t2_pt.networks.network import Network, mlp
from t1t2_pt.steps import step
from t1t2_pt.steps.regularization import draws

PLAIN = Mode(linker="py", optimizer="fast_compile")
RNG = np.random.default_rng(4)
RATES = {"elementary": 0.01, "input_noise": 0.3, "hidden_noise": 0.2, "l2": 1e-3}
HYPERPARAMETERS = ("input_noise", "hidden_noise", "l2")
COUNT, HYPER_COUNT = 20, 2
LIMIT = 0.05  # small enough for every rescaling to act


def make_config(at="current"):
    return run_config(
        **{**TINY, "hidden": (6, 5)},
        input_noise=0.3,
        hidden_noise=(0.2, 0.4),
        l2=0.01,
        tune=HYPERPARAMETERS,
        optimizer="adam",
        hyper_optimizer="momentum",
        gradient_norm=LIMIT,
        hypergradient_norm=LIMIT,
        validation_gradient_at=at,
    )


def make_values(config):
    """A float64 state in the middle of training, with batches and noise."""
    network = step.make_network(config, (7,), 3)
    state = {k: v.astype(float) for k, v in step.initial_state(config, network).items()}
    for name, value in state.items():
        if name.startswith(("weights", "bias")):
            noise = RNG.standard_normal(value.shape)
            state[name] = value + (noise**2 * 1e-2 if name.endswith("second_moment") else 0.3 * noise)
    batches = [(RNG.standard_normal((10, 7)), RNG.integers(0, 3, 10).astype("int32")) for _ in range(2)]
    return network, state, batches, {layer: RNG.standard_normal((10, (7, 6, 5)[layer])) for layer in (0, 1, 2)}


def by_the_package(config, network, state, batches, noise):
    symbols = step.state_inputs(state, "float64")
    (t1, t2) = (step.Batch(pt.constant(x), pt.constant(y)) for x, y in batches)
    rates = {name: pt.constant(rate) for name, rate in RATES.items()}
    elementary = rates.pop("elementary")
    new, metrics = step.t1t2_step(
        config,
        network,
        symbols,
        t1,
        t2,
        {draw: pt.constant(noise[draw.position]) for draw in draws(config, network)},
        step.Rates(elementary, rates),
        pt.constant(float(COUNT)),
        pt.constant(float(HYPER_COUNT)),
    )
    function = pytensor.function(list(symbols.values()), [*new.values(), *metrics.values()], mode=PLAIN)
    return dict(zip([*new, *metrics], function(*state.values()), strict=True))


def by_hand(config, state, batches, noise):
    import jax
    import jax.numpy as jnp

    def forward(theta, x, hyper=None):
        h = x
        for i in range(3):
            if hyper is not None:
                h = h + (hyper["input_noise"] if i == 0 else hyper["hidden_noise"][i - 1]) * noise[i]
            z = h @ theta[f"weights_{i}"]
            if i < 2:
                z = (z - z.mean(0)) / jnp.sqrt(z.var(0) + 1e-6)
            z = z + theta[f"bias_{i}"]
            h = z if i == 2 else jnp.where(z > 0, z, 0)
        return h

    def entropy(logits, y):
        return -jax.nn.log_softmax(logits)[jnp.arange(10), y].mean()

    def c1(theta, hyper):
        return entropy(forward(theta, batches[0][0], hyper), batches[0][1]) + hyper["l2"] * sum(
            (theta[f"weights_{i}"] ** 2).sum() for i in range(3)
        )

    def c2(theta):
        return entropy(forward(theta, batches[1][0]), batches[1][1])

    def rescaled(g):
        return g * jnp.minimum(1, LIMIT / jnp.linalg.norm(g.ravel()))

    theta = {k: state[k] for k in state if k.startswith(("weights", "bias")) and "/" not in k}
    hyper = {k: state[k] for k in HYPERPARAMETERS}
    new = {}
    gradient = jax.grad(c1)(theta, hyper)
    for k, g in gradient.items():
        g = rescaled(g)
        new[f"{k}/first_moment"] = first = 0.9 * state[f"{k}/first_moment"] + 0.1 * g
        new[f"{k}/second_moment"] = second = 0.999 * state[f"{k}/second_moment"] + 0.001 * g**2
        rate = RATES["elementary"] * np.sqrt(1 - 0.999**COUNT) / (1 - 0.9**COUNT)
        new[k] = theta[k] - rate * first / (jnp.sqrt(second) + 1e-8)
    at = theta if config.validation_gradient_at == "current" else {k: new[k] for k in theta}
    v = {k: rescaled(g) for k, g in jax.grad(c2)(at).items()}
    _, pull = jax.vjp(lambda h: jax.grad(c1)(theta, h), hyper)
    for k, g in pull(v)[0].items():
        new[f"{k}/velocity"] = velocity = 0.9 * state[f"{k}/velocity"] + rescaled(-g)
        new[k] = jnp.maximum(0, hyper[k] - RATES[k] * velocity)
    return {**{k: np.asarray(value) for k, value in new.items()}, "validation_cost": float(c2(theta))}


@pytest.mark.parametrize("at", ["current", "next"])
def test_t1t2_step_equals_a_program_by_hand(at):
    import jax

    config = make_config(at)
    network, state, batches, noise = make_values(config)
    ours = by_the_package(config, network, state, batches, noise)
    with jax.enable_x64(True):
        expected = by_hand(config, state, batches, noise)
    assert set(expected) == {*state, "validation_cost"}
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
    assert ours["repaired_gradients"] == ours["repaired_hypergradients"] == 0


def test_levels_move_by_their_share():
    """From equal levels: what the maps move by adds up to what a layer moves by, and that to what one level does."""
    values = make_values(make_config())[1:]
    moved = {}
    for levels in ("tied", "layer", "map"):
        per_layer = levels == "layer"
        config = replace(
            make_config(),
            hidden_noise=(0.3, 0.3) if per_layer else 0.3,
            l2=(0.01,) * 3 if per_layer else 0.01,
            per_unit=HYPERPARAMETERS if levels == "map" else (),
            hyper_optimizer="sgd",
            hypergradient_norm=None,
            hypergradient_clip=None,
        )
        network = step.make_network(config, (7,), 3)
        state = {k: v.astype(float) for k, v in step.initial_state(config, network).items()}
        state |= {k: v for k, v in values[0].items() if k.startswith(("weights", "bias"))}
        result = by_the_package(config, network, state, *values[1:])
        moved[levels] = {name: np.atleast_1d(result[name] - state[name]) for name in HYPERPARAMETERS}
    maps = {name: list(config.levels(name, network).units) for name in HYPERPARAMETERS}
    assert maps == {"input_noise": [7], "hidden_noise": [6, 5], "l2": [6, 5, 3]}
    for name in HYPERPARAMETERS:
        per_unit = moved["map"][name]
        layers = [part.sum() for part in np.split(per_unit, np.cumsum(maps[name])[:-1])]
        np.testing.assert_allclose(moved["layer"][name], layers, rtol=1e-9, atol=1e-16)
        np.testing.assert_allclose(moved["tied"][name], [per_unit.sum()], rtol=1e-9, atol=1e-16)
        assert len(set(per_unit)) == sum(maps[name])


def test_gradients_that_are_not_finite_are_repaired_and_counted():
    config = make_config()
    network, state, batches, noise = make_values(config)
    state["weights_2"][0, 0] = np.nan
    result = by_the_package(config, network, state, batches, noise)
    assert result["repaired_gradients"] > 0
    assert result["repaired_hypergradients"] > 0
    for name in ("weights_0", "bias_1", *HYPERPARAMETERS):
        assert np.isfinite(result[name]).all(), name


def test_initial_weights_are_the_authors():
    network = Network((300,), mlp((200, 100)), 10, batch_norm=True)
    values = network.initial_parameters(np.random.default_rng(0))
    for name, scale in {"weights_0": np.sqrt(12 / 500), "weights_1": np.sqrt(12 / 300), "weights_2": 1e-5}.items():
        assert values[name].dtype == np.float32
        np.testing.assert_allclose(values[name].std(), scale, rtol=0.05)
    assert all((values[f"bias_{i}"] == 0).all() for i in range(3))
