"""Every regulariser: what it does, its hypergradient against finite differences, and how its levels lie."""

import dataclasses
import functools

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from conftest import TINY, each_backend
from pytensor.compile.mode import Mode

from t1t2_pt.backends import get_backend
from t1t2_pt.config import replace, run_config
from t1t2_pt.hypergradients import hypergradient
from t1t2_pt.networks import costs
from t1t2_pt.regularizers import FIRST_APART, HIDDEN, HYPERPARAMETERS, INPUT, PER_LAYER, PER_UNIT, REGULARIZERS, TIED
from t1t2_pt.regularizers.regularizer import Regularizer
from t1t2_pt.steps import step
from t1t2_pt.steps.regularization import draws, perturbation
from t1t2_pt.system.errors import InputError
from t1t2_pt.training.loop import train

PLAIN = Mode(linker="py", optimizer="fast_compile")
SMALL = {**TINY, "hidden": (6, 5), "batch_norm": False}  # behind which scales do nothing
LEVELS = {"l1": 0.02, "l2": 0.02, "soft_max_norm_cutoff": 0.4, "soft_max_norm_slope": 0.05, "max_norm": 0.5}
TUNABLE = [one for one in REGULARIZERS.values() if all(part.step_size for part in one.hyperparameters)]


def make_config(regularizer, grain=TIED, **fields):
    """A run with this regulariser alone, its levels of this grain."""
    values = {}
    names = tuple(part.name for part in regularizer.hyperparameters)
    for name in names:
        level = LEVELS.get(name, 0.3)
        places = HYPERPARAMETERS[name].places.count(run_config(**SMALL).hidden_layers)
        values[name] = (level,) * places if grain == PER_LAYER else level
    grains = {grain: names} if grain in (FIRST_APART, PER_UNIT) else {}
    return run_config(**SMALL, **values, **grains, **fields)


class Pieces:
    """The graph of a step's two costs at a random state, compiled."""

    def __init__(self, config):
        rng = np.random.default_rng(6)
        self.config, self.network = config, step.make_network(config, (7,), 3)
        self.state = {k: v.astype(float) for k, v in step.initial_state(config, self.network).items()}
        for name in self.network.shapes():
            self.state[name] = 0.5 * rng.standard_normal(self.state[name].shape)
        for name in config.hyperparameters:
            self.state[name] = self.state[name] * rng.uniform(0.8, 1.2, self.state[name].shape)
        symbols = step.state_inputs(self.state, "float64")
        drawn = {}
        for draw in draws(config, self.network):
            law = rng.standard_normal if draw.law == "normal" else rng.uniform
            drawn[draw] = pt.constant(law(size=draw.shape))
        (x, u), (y, v) = rng.standard_normal((2, 10, 7)), rng.integers(0, 3, (2, 10)).astype("int32")
        done = step.train_pass(config, self.network, symbols, step.Batch(pt.constant(x), pt.constant(y)), drawn)
        self.theta = [symbols[name] for name in self.network.shapes()]
        c2 = costs.cross_entropy(self.network.logits(symbols, pt.constant(u)), pt.constant(v))
        hyper = [symbols[name] for name in config.hyperparameters]
        inputs = list(symbols.values())
        make = functools.partial(pytensor.function, inputs, mode=PLAIN, on_unused_input="ignore")
        self.cost = make(done.cost)
        self.train_gradients, self.val_gradients = make(done.gradients), make(pt.grad(c2, self.theta))
        tuned = [
            one for name, one in zip(config.hyperparameters, hyper, strict=True) if HYPERPARAMETERS[name].step_size
        ]
        if tuned:
            self.hypergradients = make(hypergradient(done.cost, c2, self.theta, tuned))

    def along(self, v, name, value):
        """The product of v and the training gradient, with a hyperparameter at another value."""
        gradients = self.train_gradients(*{**self.state, name: value}.values())
        return sum(np.sum(a * b) for a, b in zip(v, gradients, strict=True))


@pytest.mark.parametrize("grain", [TIED, FIRST_APART, PER_LAYER, PER_UNIT])
@pytest.mark.parametrize("regularizer", TUNABLE, ids=str)
def test_hypergradient_is_the_derivative(regularizer, grain):
    if grain in (FIRST_APART, PER_LAYER) and regularizer.places is INPUT:
        pytest.skip("one place")
    pieces = Pieces(make_config(regularizer, grain))
    found = pieces.hypergradients(*pieces.state.values())
    v = pieces.val_gradients(*pieces.state.values())
    for name, ours in zip(pieces.config.hyperparameters, found, strict=True):
        level, rng = pieces.state[name], np.random.default_rng(1)
        assert ours.shape == level.shape == pieces.config.levels(name, pieces.network).values(0.0 + 1).shape
        direction = rng.standard_normal(level.shape)
        h = 1e-6
        above, below = (pieces.along(v, name, level + sign * h * direction) for sign in (1, -1))
        assert np.sum(ours * direction) == pytest.approx(-(above - below) / (2 * h), rel=1e-6)
        assert np.any(ours)


def value(graph):
    return graph.eval(mode=PLAIN)


@pytest.mark.parametrize("largest", [0.3, 0.95, 1.0])
def test_where_a_level_ends_it_can_start(largest):
    """float32 has 0.3 only as something larger, which no run may be given."""
    one = dataclasses.replace(HYPERPARAMETERS["hidden_noise"], largest=largest)
    end = float(value(one.project(pt.constant(np.float32(2)))))
    assert end <= largest == pytest.approx(end)


class Halved(Regularizer):
    """Takes chance out of a perturbation."""

    def perturb(self, h, drawn, *levels):
        return h * levels[0] + drawn


def test_what_perturbs_without_chance(monkeypatch):
    noise = REGULARIZERS["hidden_noise"]
    monkeypatch.setitem(REGULARIZERS, "hidden_noise", Halved(noise.hyperparameters))
    config = run_config(**SMALL, hidden_noise=0.5)
    network = step.make_network(config, (7,), 3)
    assert draws(config, network) == ()
    state = step.state_inputs(step.initial_state(config, network), "float64")
    h = perturbation(config, network, state, {})(1, pt.constant(np.ones((10, 6))))
    np.testing.assert_array_equal(h.eval({state["hidden_noise"]: 0.5}, mode=PLAIN), np.full((10, 6), 0.5))


class TestActivations:
    h = np.random.default_rng(2).standard_normal((4, 5))
    normal = np.random.default_rng(3).standard_normal((4, 5))
    uniform = np.random.default_rng(4).uniform(size=(4, 5))

    @pytest.mark.parametrize(
        ("name", "law", "expected"),
        [
            ("noise", "normal", lambda h, n, level: h + level * n),
            ("multiplicative_noise", "normal", lambda h, n, level: h * (1 + level * n)),
            ("product_noise", "normal", lambda h, n, level: h * level * n),
            ("gaussian_dropout", "normal", lambda h, n, p: h * (1 + np.sqrt((p + 1e-6) / (1 - p)) * n)),
            ("dropout", "uniform", lambda h, n, p: np.where(n < p, 0, h / (1 - p))),
            ("batch_dropout", "uniform", lambda h, n, p: np.where(n[:1] < p, 0, h / (1 - p))),
        ],
    )
    @pytest.mark.parametrize("prefix", ["input", "hidden"])
    @pytest.mark.parametrize("level", [0.4, np.linspace(0.1, 0.5, 5)], ids=["number", "per unit"])
    def test_are_perturbed(self, prefix, name, law, expected, level):
        one = REGULARIZERS[f"{prefix}_{name}"]
        assert one.draws == law
        assert one.places is (INPUT if prefix == "input" else HIDDEN)
        drawn = getattr(self, law)[: one.draw_shape(4, (5,))[0]]
        ours = one.perturb(pt.constant(self.h), pt.constant(drawn), pt.constant(level))
        np.testing.assert_allclose(value(ours), expected(self.h, drawn, level), rtol=1e-12)

    def test_dropout_keeps_the_mean(self):
        one, rate = REGULARIZERS["hidden_dropout"], 0.3
        uniform = np.random.default_rng(0).uniform(size=(400, 500))
        kept = value(one.perturb(pt.ones((400, 500)), pt.constant(uniform), pt.constant(rate)))
        assert kept.mean() == pytest.approx(1, abs=0.01)
        assert np.mean(kept == 0) == pytest.approx(rate, abs=0.01)

    def test_gaussian_dropout_can_rise_from_nothing(self):
        rate = pt.dscalar()
        one = REGULARIZERS["hidden_gaussian_dropout"]
        gradient = pt.grad(one.perturb(pt.constant(self.h), pt.constant(self.normal), rate).sum(), rate)
        assert np.isfinite(gradient.eval({rate: 0.0}, mode=PLAIN))


class TestWeights:
    weights = (
        np.random.default_rng(5).standard_normal((3, 4)),
        np.random.default_rng(6).standard_normal((2, 2, 3, 5)),
    )

    def penalty(self, name, *levels):
        return value(REGULARIZERS[name].penalty(list(map(pt.constant, self.weights)), *levels))

    @pytest.mark.parametrize(("name", "element"), [("l1", np.abs), ("l2", np.square)])
    def test_penalties(self, name, element):
        tied = pt.constant(0.3)
        sums = [element(w).sum() for w in self.weights]
        np.testing.assert_allclose(self.penalty(name, [tied, tied]), 0.3 * sum(sums))
        per_layer = self.penalty(name, [pt.constant(2.0), pt.constant(3.0)])
        np.testing.assert_allclose(per_layer, 2 * sums[0] + 3 * sums[1])
        per_unit = [np.linspace(0.1, 1, w.shape[-1]) for w in self.weights]
        expected = sum((element(w) * level).sum() for w, level in zip(self.weights, per_unit, strict=True))
        np.testing.assert_allclose(self.penalty(name, list(map(pt.constant, per_unit))), expected)

    def test_soft_max_norm(self):
        cutoff, slope = 1.2, 0.7
        norms = [np.sqrt((w**2).sum(tuple(range(w.ndim - 1)))) for w in self.weights]
        assert any((n < cutoff).any() for n in norms)
        assert any((n > cutoff).any() for n in norms)
        expected = sum(slope * (np.maximum(0, n - cutoff) ** 2).sum() for n in norms)
        pair = [pt.constant(cutoff)] * 2, [pt.constant(slope)] * 2
        np.testing.assert_allclose(self.penalty("soft_max_norm_cutoff", *pair), expected)

    def test_soft_max_norm_of_zero_weights_has_a_derivative(self):
        w = pt.constant(np.zeros((3, 4)))
        one = REGULARIZERS["soft_max_norm_cutoff"].penalty([w], [pt.constant(0.0)], [pt.constant(1.0)])
        assert not value(pt.grad(one, w)).any()

    def test_max_norm(self):
        for w in self.weights:
            ours = value(REGULARIZERS["max_norm"].constrain(pt.constant(w), pt.constant(1.5)))
            norms = np.sqrt((w**2).sum(tuple(range(w.ndim - 1))))
            np.testing.assert_allclose(ours, w * np.minimum(1, 1.5 / norms))


def test_max_norm_holds_after_every_update(tiny_split):
    config = make_config(REGULARIZERS["max_norm"], learning_rate=0.1)
    network = step.make_network(config, (7,), 3)
    state = {k: v.astype(float) for k, v in step.initial_state(config, network).items()}
    symbols = step.state_inputs(state, "float64")
    rng = np.random.default_rng(0)
    t1 = step.Batch(pt.constant(rng.standard_normal((10, 7))), pt.constant(rng.integers(0, 3, 10).astype("int32")))
    rates = step.Rates(pt.constant(0.1), {})
    new, _ = step.t1_step(config, network, symbols, t1, {}, rates, pt.constant(1.0))
    function = pytensor.function(
        list(symbols.values()), [new[name] for name in network.weight_names], mode=PLAIN, on_unused_input="ignore"
    )
    norms = np.concatenate([np.linalg.norm(w, axis=0) for w in function(*state.values())])
    assert norms.max() == pytest.approx(0.5)


EVERYTHING = {
    "penalties": {"l1": 1e-3, "soft_max_norm_cutoff": 0.5, "soft_max_norm_slope": 1e-2, "max_norm": 1.0},
    "noises": {"input_multiplicative_noise": 0.2, "hidden_product_noise": 0.8, "hidden_gaussian_dropout": 0.2},
    "dropouts": {"input_dropout": 0.1, "hidden_batch_dropout": 0.2, "hidden_noise": 0.2},
}


@functools.cache
def trained(name, backend):
    from conftest import make_tiny_split

    levels = EVERYTHING[name]
    tune = tuple(level for level in levels if HYPERPARAMETERS[level].step_size)
    config = run_config(
        **{**SMALL, "hidden": (8,), "learning_rate": 0.05, "epochs": 2, "interval": 2}, **levels, tune=tune
    )
    return train([config], make_tiny_split(), get_backend(backend))[0]


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("backend", each_backend(slow=["numba", "c"]), indirect=True)
def test_trains_alike_everywhere(name, backend):
    run = trained(name, backend.name)
    assert run.diverged_at is None
    for level, start in EVERYTHING[name].items():
        moved = run.final[level] != np.float32(start)
        assert moved == (HYPERPARAMETERS[level].step_size is not None), level
    if backend.name != "jax":
        expected = trained(name, "jax").final
        for column, number in run.final.items():
            if column != "seconds":
                assert number == pytest.approx(expected[column], rel=2e-3, abs=2e-3), column


class TestLevels:
    def test_first_apart(self):
        config = run_config(**SMALL, l2=(0.1, 0.2), first_apart=("l2",), tune=("l2",))
        network = step.make_network(config, (7,), 3)
        levels = config.levels("l2", network)
        assert levels.columns == ["l2_first", "l2_others"]
        values = pt.constant(levels.values((0.1, 0.2)))
        assert [round(float(value(levels.at(values, place))), 6) for place in range(3)] == [0.1, 0.2, 0.2]
        assert levels.row(np.array([0.5, 0.25])) == {"l2_first": 0.5, "l2_others": 0.25}
        assert levels.read({"l2_first": 0.5, "l2_others": 0.25, "epoch": 1.0}) == (0.5, 0.25)
        np.testing.assert_array_equal(levels.values(0.5), [0.5, 0.5])

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"l2": (0.1, 0.2, 0.3), "first_apart": ("l2",)}, "has 3 numbers; give two"),
            ({"input_noise": 0.1, "first_apart": ("input_noise",)}, "input_noise has one layer"),
            ({"l2": 0.1, "first_apart": ("l2",), "per_unit": ("l2",)}, "l2 is in per_unit, too"),
            ({"first_apart": ("l2",)}, "l2 has no initial value"),
            ({"max_norm": 1.0, "tune": ("max_norm",)}, "max_norm cannot be tuned"),
            ({"soft_max_norm_slope": 1.0}, "soft_max_norm_slope = 1.0: does nothing without soft_max_norm_cutoff"),
            ({"input_dropout": 1.0}, "input_dropout = 1.0: input should be less than or equal to 0.95"),
        ],
    )
    def test_what_does_not_fit_is_told(self, fields, message):
        with pytest.raises(InputError, match=message):
            run_config(**SMALL, **fields)

    @pytest.mark.parametrize("grain", [TIED, FIRST_APART, PER_LAYER, PER_UNIT])
    def test_the_last_place_can_keep_its_level(self, grain):
        config = make_config(REGULARIZERS["hidden_noise"], grain)
        levels = config.levels("hidden_noise", step.make_network(config, (7,), 3))
        ended = {TIED: 0.1, FIRST_APART: (0.1, 0.2), PER_LAYER: (0.1, 0.2), PER_UNIT: (0.1,) * 6 + (0.2,) * 5}[grain]
        kept, new_grain = levels.with_last(ended, 0.7)
        assert kept == {PER_UNIT: (0.1,) * 6 + (0.7,) * 5}.get(grain, (0.1, 0.7))
        assert new_grain == (PER_UNIT if grain == PER_UNIT else PER_LAYER)


def test_thousands_of_levels_are_one_array():
    """Per-unit levels are slices of one vector: the graph grows with the layers, not with the units."""

    def size(config):
        network = step.make_network(config, (7,), 3)
        symbols = step.state_inputs(step.initial_state(config, network), "float32")
        from t1t2_pt.steps.regularization import penalty

        graph = penalty(config, network, symbols, "float32")
        return len(list(pytensor.graph.traversal.ancestors([graph])))

    narrow, wide = (
        replace(make_config(REGULARIZERS["l2"], PER_UNIT), hidden=hidden) for hidden in ((6, 5), (600, 500))
    )
    assert size(narrow) == size(wide)
