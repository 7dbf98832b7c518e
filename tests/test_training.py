"""The loop: batches, history, reproducibility, and that tuning moves towards better settings."""

import dataclasses
import math

import numpy as np
import pytest
from conftest import TINY
from pytensor.compile.mode import Mode

from t1t2_pt.backends import get_backend
from t1t2_pt.backends.host import HostBackend
from t1t2_pt.config import PROGRAMS, PUBLISHED, replace, run_config
from t1t2_pt.steps.columns import epoch_columns
from t1t2_pt.sweeps.groups import programs_of
from t1t2_pt.system.errors import InputError
from t1t2_pt.training.batches import t1_rows, t2_rows
from t1t2_pt.training.loop import train

pytestmark = pytest.mark.xdist_group("training")  # runs of one structure compile once in a process
BOTH = ("input_noise", "hidden_noise")


class StepByStep(HostBackend):
    """Nothing is compiled."""

    name = "step by step"

    def mode(self):
        return Mode(linker="py", optimizer="fast_compile")


STEP_BY_STEP = StepByStep()


def tiny(**changes):
    return run_config(**{**TINY, "input_noise": 0.4, "hidden_noise": 0.4, **changes})


@pytest.fixture(scope="module")
def backend():
    return get_backend("auto")


def test_history_has_a_row_per_epoch(tiny_split, backend):
    (run,) = train([tiny(tune=BOTH, l2=0.01)], tiny_split, backend)
    lengths = {len(column) for column in run.history.values()}
    assert lengths == {3}
    assert run.history["epoch"] == [0, 1, 2]
    assert set(run.history) == {
        *("epoch", "seconds", "input_noise", "hidden_noise", "l2"),
        *("train_cost", "train_error", "penalty", "learning_rate", "repaired_gradients"),
        *("validation_cost", "repaired_hypergradients", "input_noise/learning_rate", "hidden_noise/learning_rate"),
        *("t1_cost", "t1_error", "t2_cost", "t2_error", "test_cost", "test_error"),
    }
    assert run.history["input_noise"][0] == np.float32(0.4)
    assert run.history["input_noise"][1] != np.float32(0.4)
    assert run.history["l2"] == [float(np.float32(0.01))] * 3
    assert math.isnan(run.history["t1_cost"][0])
    assert all(math.isfinite(value) for value in run.final.values())
    assert run.final["repaired_gradients"] == 0
    assert run.diverged_at is None


def test_evaluations_can_be_left_to_the_end(tiny_split, backend):
    (run,) = train([tiny(evaluate_every=0, epochs=3)], tiny_split, backend)
    assert [math.isnan(v) for v in run.history["test_error"]] == [True, True, True, False]


def test_per_layer_columns(tiny_split, backend):
    (run,) = train(
        [tiny(hidden=(6, 5), hidden_noise=(0.1, 0.2), l2=(0.0, 0.01, 0.02), tune=("hidden_noise",))],
        tiny_split,
        backend,
    )
    assert run.history["hidden_noise_1"][0] == pytest.approx(0.1)
    assert run.history["hidden_noise_2"][-1] != pytest.approx(0.2, abs=1e-6)
    assert [run.final[f"l2_{i}"] for i in range(3)] == pytest.approx([0.0, 0.01, 0.02])


def test_same_seed_same_numbers_other_seed_others(tiny_split, backend):
    runs = train([tiny(tune=BOTH), tiny(tune=BOTH), tiny(tune=BOTH, seed=1)], tiny_split, backend)
    first, same, other = ({k: v for k, v in run.final.items() if k != "seconds"} for run in runs)
    assert first == same
    assert first["train_cost"] != other["train_cost"]


def test_learning_rate_follows_its_schedule(tiny_split, backend):
    (run,) = train([tiny(epochs=4, schedule="linear", learning_rate=0.5)], tiny_split, backend)
    expected = [0.5 * np.mean([1 - step / 24 for step in range(6 * e, 6 * e + 6)]) for e in range(4)]
    np.testing.assert_allclose(run.history["learning_rate"][1:], expected, rtol=1e-5)


def test_differing_structures_are_refused(tiny_split, backend):
    with pytest.raises(ValueError, match="2 runs of differing structure"):
        train([tiny(), tiny(epochs=3)], tiny_split, backend)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda a: {"t1_inputs": a["t1_inputs"][:50], "t1_labels": a["t1_labels"][:50]},
            r"t1.*: has 50 samples, where .* 60",
        ),
        (lambda a: {"t2_labels": a["t2_labels"][:20]}, r"t2.*: has 30 inputs and 20 labels"),
        (lambda a: {"t2_labels": a["t2_labels"] + 1}, r"t2.*: has labels from 1 to 3; give whole numbers from 0 to 2"),
        (lambda a: {"test_labels": a["test_labels"] - 1}, r"test.*: has labels from -1 to 1"),
        (lambda a: {"t1_labels": a["t1_labels"].astype(float)}, r"t1.*: has labels from"),
        (lambda a: {"test_inputs": a["test_inputs"][:0], "test_labels": a["test_labels"][:0]}, r"test.*: has 0 inputs"),
        (
            lambda a: {"t1_inputs": np.where(a["t1_inputs"] > 2, np.nan, a["t1_inputs"])},
            r"t1.*: has inputs that are not",
        ),
    ],
)
def test_data_that_do_not_fit_are_refused(tiny_split, backend, change, problem):
    split = dataclasses.replace(tiny_split, arrays={**tiny_split.arrays, **change(tiny_split.arrays)})
    with pytest.raises(InputError, match=f"split = '{problem}"):
        train([tiny()], split, backend)


def test_on_epoch_is_called(tiny_split, backend):
    seen = []
    train([tiny()], tiny_split, backend, lambda epoch, snapshot: seen.append(epoch))
    assert seen == [1, 2]


def test_divergence_is_told(tiny_split, backend):
    config = tiny(learning_rate=1e38, optimizer="sgd", gradient_norm=None, batch_norm=False)
    broken, sound = train([config, replace(config, learning_rate=0.01)], tiny_split, backend)
    assert broken.diverged_at in (1, 2)
    assert sum(broken.history["repaired_gradients"][1:]) > 0
    assert sound.diverged_at is None


class TestBatches:
    config = run_config(hidden=(4,), t1_samples=1050, t2_samples=230, batch_size=100, seed=9)

    def test_an_epoch_uses_each_sample_at_most_once(self):
        rows = t1_rows(self.config, 1)
        assert rows.shape == (10, 100)
        assert rows.dtype == np.int32
        assert len(np.unique(rows)) == 1000
        assert 0 <= rows.min() <= rows.max() < 1050

    def test_epochs_and_seeds_differ(self):
        first = t1_rows(self.config, 1)
        np.testing.assert_array_equal(first, t1_rows(self.config, 1))
        assert (first != t1_rows(self.config, 2)).mean() > 0.9
        assert (first != t1_rows(replace(self.config, seed=10), 1)).mean() > 0.9

    def test_t2_goes_through_passes(self):
        first, second, third = (t2_rows(self.config, step) for step in range(3))
        assert len(np.unique([first, second])) == 200
        assert (t2_rows(self.config, 0) == first).all()
        assert (third != first).any()
        assert third.max() < 230


def test_interval_decides_how_often_hyperparameters_move(tiny_split, backend):
    """6 steps an epoch and an interval of 4: steps 4, 8 and 12 are T1+T2 steps, in epochs 1, 2 and 2."""
    config = tiny(interval=4, tune=("l2",), l2=1.0, hyper_optimizer="sgd", l2_learning_rate=0.0)
    (run,) = train([config], tiny_split, backend)
    assert run.history["l2/learning_rate"][1:] == [0.0, 0.0]
    (run,) = train([replace(config, interval=7)], tiny_split, backend)
    assert math.isnan(run.history["l2/learning_rate"][1])
    assert run.history["l2/learning_rate"][2] == 0.0


@pytest.mark.parametrize("late", [pytest.param({"interval": 7}, marks=pytest.mark.slow), {"tune_after": 1}], ids=str)
def test_epochs_without_tuning_have_its_columns(tiny_split, late):
    """Whatever the backend counts of them: else nothing could go on from a checkpoint."""
    config = tiny(tune=BOTH, **late)
    (run,) = train([config], tiny_split, STEP_BY_STEP)
    assert {*epoch_columns(config)} <= {*run.history}
    assert math.isnan(run.history["validation_cost"][1])
    assert run.history["repaired_hypergradients"][1] == 0
    assert math.isfinite(run.history["validation_cost"][2])


def test_fields_that_do_nothing_may_differ(tiny_split, backend):
    """Runs of one structure train together and after one another, however they say the same."""
    one = tiny(hidden=(6, 5), monitor=True)
    other = replace(one, noise_before_softmax="fixed", activation=("relu", "relu"), seed=1)
    together = train([one, other], tiny_split, backend)
    assert [run.config for run in together] == [one, other]
    for config, run in zip((one, other), together, strict=True):
        (alone,) = train([config], tiny_split, backend)
        assert alone.final["train_cost"] == pytest.approx(run.final["train_cost"], rel=1e-4)


def test_hyperparameters_never_fall_below_zero(tiny_split, backend):
    config = tiny(tune=("input_noise", "l2"), l2=0.1, interval=1, noise_learning_rate=50.0, l2_learning_rate=50.0)
    (run,) = train([config], tiny_split, backend)
    assert min(run.history["input_noise"]) == 0.0 or min(run.history["l2"]) == 0.0
    assert min(*run.history["input_noise"], *run.history["l2"]) >= 0.0


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"hypergradient_norm": 1e-3}, 1e-3),
        ({"hypergradient_norm": None, "hypergradient_clip": 2e-3}, 2e-3),
        ({"hypergradient_norm": 1e-3, "hypergradient_clip": 2e-3}, 1e-3),
    ],
    ids=["norm", "clip", "both"],
)
def test_hypergradient_is_limited(tiny_split, backend, limits, expected):
    """One SGD step of size 1 moves a hyperparameter by its hypergradient, at most the limit."""
    config = tiny(tune=("l2",), l2=0.5, l2_learning_rate=1.0, interval=12, learning_rate=0.02, input_noise=None)
    (free,) = train([replace(config, hypergradient_norm=None, hypergradient_clip=None)], tiny_split, backend)
    assert abs(free.final["l2"] - 0.5) > 5e-3
    (limited,) = train([replace(config, **limits)], tiny_split, backend)
    assert abs(limited.final["l2"] - 0.5) == pytest.approx(expected, rel=1e-3)


SOFTMAX_FIXED = {"hidden": (6, 5), "noise_before_softmax": "fixed", "tune": BOTH}


def test_softmax_noise_can_stay_fixed_or_away():
    from t1t2_pt.steps.regularization import draws
    from t1t2_pt.steps.step import initial_state, make_network

    def positions(config):
        return tuple(draw.position for draw in draws(config, make_network(config, (12,), 3)))

    fixed = tiny(**SOFTMAX_FIXED)
    state = initial_state(fixed, make_network(fixed, (12,), 3))
    assert state["hidden_noise_before_softmax"] == np.float32(0.4)
    assert positions(fixed) == (0, 1, 2)
    assert positions(replace(fixed, noise_before_softmax="none")) == (0, 1)
    assert positions(replace(fixed, input_noise=None, tune=())) == (1, 2)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == PUBLISHED else [pytest.mark.slow]) for name in PROGRAMS]
)
def test_fixed_runs_train_as_part_of_tuned_ones(tiny_split, backend, name):
    """Under the choices of every program; the same numbers as by themselves, to rounding."""
    tuned = replace(tiny(hidden=(6, 5), tune=BOTH), **PROGRAMS[name])
    fixed = replace(tuned, tune=()).canonical
    assert programs_of([fixed, tuned])[fixed.graph()] == tuned
    (alone,), (part,) = (train([fixed], tiny_split, backend, template=one) for one in (fixed, tuned))
    assert part.history.keys() == alone.history.keys()
    for column in ("train_cost", "test_cost", "hidden_noise"):
        np.testing.assert_allclose(part.history[column], alone.history[column], rtol=1e-5)


@pytest.mark.slow
def test_softmax_noise_makes_a_difference(tiny_split, backend):
    kinds = ("tuned", "fixed", "none")
    runs = [
        train([replace(tiny(**SOFTMAX_FIXED), noise_before_softmax=kind)], tiny_split, backend)[0] for kind in kinds
    ]
    assert len({run.final["train_cost"] for run in runs}) == 3


@pytest.mark.parametrize("at", ["current", "next"])
def test_tuning_leaves_a_harmful_start(tiny_split, backend, at):
    """From a penalty far too strong T1-T2 comes down, and ends with a lower test cost than the fixed run."""
    start = tiny(
        input_noise=None,
        hidden_noise=None,
        batch_norm=False,
        l2=0.3,
        epochs=60,
        learning_rate=0.01,
        validation_gradient_at=at,
    )
    (fixed,) = train([start], tiny_split, backend)
    (tuned,) = train([replace(start, tune=("l2",), l2_learning_rate=0.02)], tiny_split, backend)
    assert tuned.final["l2"] < 0.15
    assert tuned.final["test_cost"] < fixed.final["test_cost"] - 0.05
