"""Choices of a run beside its regularisers: each against a program by hand, or against what it must lead to."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from conftest import each_backend, make_tiny_split
from one_step import BASE, FREE, PLAIN, TUNED, OneStep

from t1t2_pt.backends import get_backend
from t1t2_pt.config import run_config
from t1t2_pt.networks import costs
from t1t2_pt.steps import running_moments, step
from t1t2_pt.steps.monitoring import PREFIX
from t1t2_pt.system.errors import InputError
from t1t2_pt.training.loop import train


class TestHyperCost:
    def test_validation_less_training(self):
        one = OneStep(hyper_cost="validation-training", **FREE)
        c1 = costs.cross_entropy(one.network.logits(one.symbols, one.t1.inputs), one.t1.labels)
        np.testing.assert_allclose(one.moved(), one.eq3(one.c2 - c1), rtol=1e-8)
        assert not np.allclose(one.moved(), one.eq3())

    def test_penalised(self):
        one = OneStep(hyper_cost="penalised", l2=0.3, batch_norm=False, tune=("l2", "input_noise"), **FREE)
        squares = sum(pt.sqr(one.symbols[name]).sum() for name in one.network.weight_names)
        np.testing.assert_allclose(one.moved(), one.eq3(one.c2 + 0.3 * squares), rtol=1e-6)
        assert not np.allclose(one.moved(), one.eq3())


PER_LAYER = {"hidden_noise": (0.2, 0.4), "tune": ("hidden_noise",), "gradient_norm": None}


class TestLimits:
    @pytest.mark.parametrize("order", ["clip-rescale", "rescale-clip", "rescale-each-clip"])
    def test_order_and_grain(self, order):
        free = OneStep(**PER_LAYER, hypergradient_norm=None, hypergradient_clip=None).moved()[0]
        norm, clip = np.abs(free).max() * 0.9, np.abs(free).min() * 1.2
        one = OneStep(**PER_LAYER, hypergradient_norm=norm, hypergradient_clip=clip, hypergradient_limits=order)

        def shrunk(g):
            return g * min(1, norm / np.linalg.norm(g))

        expected = {
            "clip-rescale": shrunk(np.clip(free, -clip, clip)),
            "rescale-clip": np.clip(shrunk(free), -clip, clip),
            "rescale-each-clip": np.clip(np.concatenate([shrunk(g[None]) for g in free]), -clip, clip),
        }[order]
        np.testing.assert_allclose(one.moved()[0], expected, rtol=1e-7)


def test_decay_of_hyperparameters_leaves_penalties_alone():
    fields = {**FREE, "l2": 0.3, "batch_norm": False, "tune": ("input_noise", "l2")}
    plain, decayed = OneStep(**fields), OneStep(**fields, hyper_decay=0.7)
    (noise, l2), (noise_too, l2_too) = plain.moved(), decayed.moved()
    assert noise_too == pytest.approx(noise + 0.7 * plain.state["input_noise"], rel=1e-7)
    assert l2_too == l2


class TestRunningMoments:
    def test_are_averages_of_the_noisy_batches(self):
        one = OneStep(validation_statistics="running", statistics_weight=0.15)
        moments = one.value(*(tensor for pair in one.done.noisy.moments.values() for tensor in pair))
        names = [name for pair in running_moments.names(one.network).values() for name in pair]
        new = one.value(*(one.new_state[name] for name in names))
        for name, ours, moment in zip(names, new, moments, strict=True):
            expected = one.state[name] + (moment - one.state[name]) / 3  # the third update
            np.testing.assert_allclose(ours, expected, rtol=1e-9)

    def test_normalise_c2(self):
        one = OneStep(validation_statistics="running", **FREE)
        for name in running_moments.initial(one.network):
            one.state[name] = one.state[name] + 0.3
        fixed = running_moments.running(one.network, one.symbols)
        logits = one.network.forward(one.symbols, one.t2.inputs, statistics=fixed).logits
        np.testing.assert_allclose(one.moved(), one.eq3(costs.cross_entropy(logits, one.t2.labels)), rtol=1e-7)


@pytest.mark.parametrize("kind", ["exact", "batches", "running"])
@pytest.mark.parametrize("backend", each_backend(slow=["numba", "c"]), indirect=True)
def test_statistics_of_evaluations(kind, backend):
    """By hand from the state that the run ended in."""
    from t1t2_pt.backends import Program, run_constants
    from t1t2_pt.training import loop

    split = make_tiny_split()
    config = run_config(**BASE, hidden_noise=0.2, test_statistics=kind)
    network = step.make_network(config, split.input_shape, split.classes)
    compiled = backend.compile(Program(config, network, split.samples))
    state = step.initial_state(config, network)
    population = compiled.populate(split.arrays, [state], [run_constants(config, "float32")])
    rows = np.stack([loop.t1_rows(config, 1)])
    population.epoch(0, config.steps, loop.NEVER, rows, np.zeros((1, 0, config.batch_size), np.int32))
    found, theta = population.evaluate(), {k: v[0].astype(float) for k, v in population.state().items()}
    x = split.arrays["t1_inputs"].astype(float)
    statistics, batches = [], x.reshape(-1, config.batch_size, x.shape[1])
    for i in range(2):
        z, zs = x @ theta[f"weights_{i}"], batches @ theta[f"weights_{i}"]
        unbiased = config.batch_size / (config.batch_size - 1)
        statistics.append(
            {
                "exact": (z.mean(0), z.var(0)),
                "batches": (zs.mean((0, 1)), zs.var(1).mean(0) * unbiased),
                "running": (theta.get(f"running_mean_{i}"), theta.get(f"running_variance_{i}")),
            }[kind]
        )
        x = np.maximum(0, (z - statistics[i][0]) / np.sqrt(statistics[i][1] + 1e-6) + theta[f"bias_{i}"])
        own = (zs - zs.mean(1, keepdims=True)) / np.sqrt(zs.var(1, keepdims=True) + 1e-6)
        batches = np.maximum(0, own + theta[f"bias_{i}"])
    h = split.arrays["test_inputs"].astype(float)
    for i, (mean, variance) in enumerate(statistics):
        h = np.maximum(0, (h @ theta[f"weights_{i}"] - mean) / np.sqrt(variance + 1e-6) + theta[f"bias_{i}"])
    logits = h @ theta["weights_2"] + theta["bias_2"]
    labels = split.arrays["test_labels"]
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    assert found["test_cost"][0] == pytest.approx(-log_p[np.arange(len(labels)), labels].mean(), rel=1e-4)


class TestNetwork:
    def test_noise_before_the_nonlinearity(self):
        one = OneStep(noise_at="preactivation", batch_norm=False)
        drawn = {draw.position: tensor.data for draw, tensor in one.drawn.items()}
        s = one.state
        h = one.t1.inputs.data + s["input_noise"] * drawn[0]
        for i in range(2):
            z = h @ s[f"weights_{i}"] + s[f"bias_{i}"] + s["hidden_noise"] * drawn[i + 1]
            h = np.maximum(0, z)
        logits = h @ s["weights_2"] + s["bias_2"]
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        expected = -log_p[np.arange(10), one.t1.labels.data].mean()
        np.testing.assert_allclose(one.value(one.metrics["train_cost"])[0], expected, rtol=1e-9)

    def test_batch_norm_can_learn_a_scale(self):
        one = OneStep(batch_norm_scale=True, **FREE)
        assert [name for name in one.network.shapes() if name.startswith("scale")] == ["scale_0", "scale_1"]
        assert (step.initial_state(one.config, one.network)["scale_0"] == 1).all()
        z = one.t1.inputs @ one.symbols["weights_0"]
        normalised = one.value((z - z.mean(0)) / pt.sqrt(z.var(0) + 1e-6))[0]
        plain = np.maximum(0, normalised * one.state["scale_0"] + one.state["bias_0"])
        clean = one.network.forward(one.symbols, one.t1.inputs).activations[0]
        np.testing.assert_allclose(one.value(clean)[0], plain, rtol=1e-9)
        (moved,) = one.value(one.new_state["scale_0"])
        assert (moved != one.state["scale_0"]).any()

    @pytest.mark.parametrize("name", ["relu", "leaky-relu", "elu", "tanh", "sigmoid", "linear"])
    def test_activations(self, name):
        x = np.array([-800.0, -2.0, 0.0, 0.5, 800.0])
        expected = {
            "relu": np.maximum(0, x),
            "leaky-relu": np.where(x > 0, x, 0.01 * x),
            "elu": np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
            "tanh": np.tanh(x),
            "sigmoid": 1 / (1 + np.exp(-np.clip(x, -700, 700))),
            "linear": x,
        }[name]
        from t1t2_pt.networks.activations import ACTIVATIONS

        np.testing.assert_allclose(ACTIVATIONS[name](pt.constant(x)).eval(mode=PLAIN), expected, atol=1e-300)
        v = pt.dvector()
        gradient = pytensor.function([v], pt.grad(ACTIVATIONS[name](v).sum(), v), mode=PLAIN)
        assert np.isfinite(gradient(x)).all()

    def test_activations_can_differ_from_layer_to_layer(self):
        one = OneStep(activation=("tanh", "linear"), batch_norm=False)
        s = one.state
        h = np.tanh(one.t1.inputs.data @ s["weights_0"] + s["bias_0"])
        expected = h @ s["weights_1"] + s["bias_1"]
        clean = one.network.forward(one.symbols, one.t1.inputs).activations[1]
        np.testing.assert_allclose(one.value(clean)[0], expected, rtol=1e-9)
        with pytest.raises(InputError, match=r"activation = \('tanh',\): has 1 names for 2 hidden layers"):
            run_config(**BASE, activation=("tanh",))
        assert run_config(**BASE, activation=("relu", "relu")).digest() == run_config(**BASE).digest()


@pytest.fixture(scope="module")
def jax():
    return get_backend("jax")


def history(jax, **fields):
    return train([run_config(**{**TUNED, **fields})], make_tiny_split(), jax)[0].history


@pytest.mark.xdist_group("jax")
class TestTraining:
    def test_tuning_can_start_late_and_rest(self, jax):
        found = history(jax, epochs=6, tune_after=2, tune_every=2)
        moved = np.diff(found["input_noise"]) != 0
        assert list(moved) == [False, False, True, False, True, False]
        assert [np.isfinite(cost) for cost in found["validation_cost"][1:]] == list(moved)

    def test_a_late_start_counts_from_there(self, jax):
        """Adam's first step is of the step size, however late it is."""
        fields = {"hyper_optimizer": "adam", "tune_after": 2, "interval": 6, "noise_learning_rate": 0.01}
        found = history(jax, epochs=3, **fields, schedule="constant")
        assert abs(found["input_noise"][-1] - 0.3) == pytest.approx(0.01, rel=1e-3)

    def test_batches_of_t2_have_their_own_size(self, jax):
        whole = history(jax, t2_batch_size=30, epochs=1, interval=6, learning_rate=0.0)
        config = run_config(**{**TUNED, "t2_batch_size": 30})
        split = make_tiny_split()
        network = step.make_network(config, split.input_shape, split.classes)
        symbols = step.state_inputs(step.initial_state(config, network), "float32")
        inputs, labels = (pt.constant(split.arrays[f"t2_{what}"]) for what in ("inputs", "labels"))
        c2 = costs.cross_entropy(network.logits(symbols, inputs), labels)
        function = pytensor.function(list(symbols.values()), c2, mode=PLAIN, on_unused_input="ignore")
        expected = function(*step.initial_state(config, network).values())
        assert whole["validation_cost"][1] == pytest.approx(float(expected), rel=1e-5)

    def test_signs_move_by_the_step_size(self, jax):
        found = history(jax, hyper_optimizer="sign", epochs=1, interval=6, noise_learning_rate=0.05)
        assert abs(found["input_noise"][1] - 0.3) == pytest.approx(0.05, rel=1e-5)

    @pytest.mark.slow
    def test_momentum_can_follow_a_schedule(self, jax):
        constant = history(jax, optimizer="momentum", momentum=0.5)
        same = history(jax, optimizer="momentum", momentum=(0.5, 0.5))
        falling = history(jax, optimizer="momentum", momentum=(0.9, 0.1), momentum_schedule="linear")
        np.testing.assert_allclose(same["train_cost"], constant["train_cost"], rtol=1e-5)
        assert abs(falling["train_cost"][-1] - constant["train_cost"][-1]) > 1e-4

    def test_schedules_have_their_share(self, jax):
        found = history(jax, schedule="exponential", half_life=1 / 3, epochs=3, learning_rate=0.08)
        rates = np.array(found["learning_rate"][1:])
        np.testing.assert_allclose(rates[1:] / rates[:-1], 0.5, rtol=1e-5)

    def test_monitor_changes_nothing_else(self, jax):
        plain, watched = history(jax), history(jax, monitor=True)
        for name, column in plain.items():
            if name != "seconds":
                np.testing.assert_array_equal(watched[name], column, err_msg=name)
        columns = {name.removeprefix(PREFIX) for name in watched if name.startswith(PREFIX)}
        for name in ("activation_mean_2", "noise_share_1", "gradient_norm_weights_0", "update_cosine_bias_1"):
            assert name in columns
            assert np.isfinite(watched[PREFIX + name][1:]).all()

    @pytest.mark.slow
    def test_every_method_tunes(self, jax):
        ends = {
            method: history(jax, method=method, **FREE)["input_noise"][-1]
            for method in ("t1t2", "averaged", "averaged(rule=adam)", "finite-difference(step=0.001)")
        }
        assert ends["finite-difference(step=0.001)"] == pytest.approx(ends["t1t2"], rel=1e-3)
        assert len({round(end, 5) for end in ends.values()}) >= 3


def test_monitor_by_hand():
    from t1t2_pt.steps.monitoring import monitored

    one = OneStep(batch_norm=False)
    rates = step.Rates(pt.constant(0.1), {})
    pair, drawn = [one.t1, one.t2], [one.drawn, one.drawn]
    graphs = monitored(one.config, one.network, one.symbols, pair, drawn, one.t2, rates, pt.constant(np.float64(3)))
    found = dict(zip(graphs, one.value(*graphs.values()), strict=True))
    h = one.value(*one.done.noisy.activations)
    for layer, values in enumerate(h, start=1):
        assert found[f"{PREFIX}activation_mean_{layer}"] == pytest.approx(values.mean())
        assert found[f"{PREFIX}activation_std_{layer}"] == pytest.approx(values.std(0).mean())
        assert found[f"{PREFIX}activation_max_{layer}"] == values.max()
        assert found[f"{PREFIX}activation_dead_{layer}"] == pytest.approx((np.abs(values) <= 1e-4).mean())
        assert found[f"{PREFIX}activation_constant_{layer}"] == pytest.approx((values.std(0) <= 1e-4).mean())
        noise = next(tensor.data for draw, tensor in one.drawn.items() if draw.position == layer)
        size = one.state["hidden_noise"] * np.sqrt((noise**2).mean())
        assert found[f"{PREFIX}noise_share_{layer}"] == pytest.approx(size / (values.std(0).mean() + 1e-4))
    (gradient,) = one.value(one.done.gradients[0])
    assert found[f"{PREFIX}gradient_norm_weights_0"] == pytest.approx(np.linalg.norm(gradient))
    assert found[f"{PREFIX}max_weights_0"] == np.abs(one.state["weights_0"]).max()
    (of_c2,) = one.value(pt.grad(one.c2, one.symbols["weights_1"]))
    assert found[f"{PREFIX}validation_weights_1"] == pytest.approx((one.state["weights_1"] * of_c2).sum())
    assert found[f"{PREFIX}mean_bias_1"] == pytest.approx(one.state["bias_1"].mean())
    first, _ = step.t1_step(one.config, one.network, one.symbols, one.t1, one.drawn, rates, pt.constant(3.0))
    second = step.train_pass(one.config, one.network, first, one.t2, one.drawn).gradients[0]
    a, b = one.value(one.done.gradients[0], second)
    cosine = (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)
    assert found[f"{PREFIX}gradient_cosine_weights_0"] == pytest.approx(cosine)
    moved = one.value(first["weights_0"] - one.symbols["weights_0"])[0]
    assert found[f"{PREFIX}update_norm_weights_0"] == pytest.approx(np.linalg.norm(moved))


def test_monitor_of_noise_before_the_nonlinearity():
    from t1t2_pt.steps.monitoring import monitored

    one = OneStep(batch_norm=False, noise_at="preactivation")
    rates, pair = step.Rates(pt.constant(0.1), {}), [one.t1, one.t2]
    drawn, count = [one.drawn] * 2, pt.constant(np.float64(3))
    graphs = monitored(one.config, one.network, one.symbols, pair, drawn, one.t2, rates, count)
    found = dict(zip(graphs, one.value(*graphs.values()), strict=True))
    places = {draw.position: tensor for draw, tensor in one.drawn.items()}
    x = one.t1.inputs + one.symbols["input_noise"] * places[0]
    z, noise = one.value(pt.dot(x, one.symbols["weights_0"]) + one.symbols["bias_0"], places[1])
    size = one.state["hidden_noise"] * np.sqrt((noise**2).mean())
    assert found[f"{PREFIX}noise_share_1"] == pytest.approx(size / (z.std(0).mean() + 1e-4))
    noisy = np.maximum(z + one.state["hidden_noise"] * noise, 0)
    assert found[f"{PREFIX}activation_mean_1"] == pytest.approx(noisy.mean())


def test_tuning_on_a_part_of_t1_drives_the_penalty_to_nothing(jax):
    """T2 within T1 is no measure of overfitting, and nothing is gained by a penalty; with T2 apart it comes back."""
    from t1t2_pt.datasets import load_split

    fields = {"t1_samples": 500, "t2_samples": 500, "hidden": (50,), "batch_size": 50, "batch_norm": False}
    fields |= {"epochs": 100, "interval": 1, "evaluate_every": 0, "initialization": "he", "l2": 1e-3, "tune": ("l2",)}
    ends = {}
    for where in ("t1", "apart"):
        config = run_config(**fields, t2_from=where)
        ends[where] = train([config], load_split("mnist", 500, 500, 0, t2_from=where), jax)[0].final["l2"]
    assert ends["t1"] == 0
    assert ends["apart"] > 3e-4
