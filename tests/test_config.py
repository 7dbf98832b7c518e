"""What a run may be: defaults, digests, and every wrong value told in one line."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t1t2_pt.cli.options import read_field
from t1t2_pt.cli.plain_options import show_value
from t1t2_pt.config import FIELDS, field_info, replace, run_config
from t1t2_pt.regularizers import HYPERPARAMETERS, REGULARIZERS, STEP_SIZES
from t1t2_pt.system.errors import InputError


def test_defaults_are_the_papers():
    config = run_config()
    assert config.hidden == (1000, 1000, 1000)
    assert (config.t1_samples, config.t2_samples, config.batch_size) == (55_000, 5_000, 100)
    assert (config.learning_rate, config.noise_learning_rate, config.l2_learning_rate) == (1e-3, 1e-1, 1e-4)
    assert config.interval == 10
    assert config.steps == 250 * 550


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        run_config().epochs = 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"input_noise": -0.1}, r"input_noise = -0.1: .*greater than or equal to 0; give a number of 0 or more"),
        ({"input_noise": float("nan")}, r"input_noise = nan: .*finite"),
        ({"input_noise": "much"}, r"input_noise = 'much': .*valid number"),
        ({"l2": True}, r"l2 = True: .*valid number"),
        ({"hidden_noise": (0.1, -0.2, 0.3)}, r"hidden_noise = \(0.1, -0.2, 0.3\): .*greater than or equal to 0"),
        ({"hidden_noise": (0.1,)}, r"hidden_noise = \(0.1,\): has 1 numbers for 3 hidden layers; give 3 numbers"),
        ({"l2": (0.1, 0.1)}, r"l2 = .*: has 2 numbers for 4 layers"),
        ({"hidden": ()}, r"hidden = \(\): leaves the mlp without layers"),
        ({"hidden": (100, 0)}, r"hidden = \(100, 0\): "),
        ({"epochs": 0}, r"epochs = 0: "),
        ({"epochs": 2.5}, r"epochs = 2.5: .*valid integer"),
        ({"batch_norm": "yes"}, r"batch_norm = 'yes': .*valid boolean"),
        ({"t2_samples": 0}, r"t2_samples = 0: .*; give at least 1"),
        ({"batch_size": 6000}, r"batch_size = 6000: is larger than t2_samples \(5000\)"),
        ({"dataset": "imagenet"}, r"dataset = 'imagenet': .*'mnist'"),
        ({"optimizer": "lbfgs"}, r"optimizer = 'lbfgs': "),
        ({"tune": ("l2",)}, r"tune = \('l2',\): l2 has no initial value; give l2"),
        ({"tune": ("l2", "l2"), "l2": 0.1}, r"tune = .*: names a hyperparameter twice"),
        ({"tune": ("dropout",)}, r"tune = \('dropout',\): .*; name some of those that are given"),
        ({"seed": 2**32}, r"seed = 4294967296: "),
        ({"batch_size": 1}, r"batch_size = 1: makes batch normalisation 0 whatever is learned; give 2 or more"),
        ({"epochs": 10**7}, r"epochs = 10000000: makes 5500000000 updates, too many; give at most 3904515"),
        ({"epochs": 10**40}, r"epochs = 1000.*: .*less than or equal to 2147483647"),
        ({"interval": 5 * 10**9, "tune": ("l2",), "l2": 0.1}, r"interval = 5000000000: .*less than or equal to"),
        (
            {"interval": 10**9, "tune": ("l2",), "l2": 0.1},
            r"interval = 1000000000: is longer than the run of 137500",
        ),
        ({"evaluate_every": 2**31}, r"evaluate_every = 2147483648: "),
        ({"t1_samples": 2**31}, r"t1_samples = 2147483648: "),
        ({"hold": 1.0}, r"hold = 1.0: "),
        ({"momentum": (0.9, 0.5, 0.1)}, r"momentum = \(0.9, 0.5, 0.1\): .*at most 2 .*; give a number .*, or two"),
        ({"inputnoise": 0.1}, r"inputnoise = 0.1: is not a field of a run; did you mean input_noise\?"),
        ({"hidden": (5,), "hidden_noise": 0.1, "noise_before_softmax": "fixed"}, r"noise_before_softmax = 'fixed': "),
    ],
)
def test_wrong_values(values, message):
    with pytest.raises(InputError, match=f"^{message}") as caught:
        run_config(**values)
    assert "\n" not in str(caught.value)


def test_every_field_is_explained():
    for name in FIELDS:
        info = field_info(name)
        assert info["description"]
        assert info["remedy"]
        assert info["group"]


class TestDigest:
    base = run_config(
        input_noise=0.5,
        hidden_noise=0.25,
        l2=0.2,
        per_unit=("l2",),
        tune=("input_noise", "l2"),
        hyper_optimizer="momentum",
    )

    def test_survives_json(self):
        again = run_config(**json.loads(json.dumps(self.base.as_dict())))
        assert again == self.base
        assert again.digest() == self.base.digest()

    def test_is_stable(self):
        """A change of this value disowns every stored run: raise DIGEST_VERSION knowingly."""
        assert run_config().digest()[:16] == "925cc0323e691600"

    def test_whole_numbers_are_numbers(self):
        assert run_config(input_noise=1).digest() == run_config(input_noise=1.0).digest()

    def test_every_field_counts(self):
        data = {"t1_samples": 50_000, "t2_samples": 4_000, "split_seed": 1}
        network = {"hidden": (10,), "batch_norm": False, "noise_before_softmax": "none", "activation": "leaky-relu"}
        levels = {
            "per_unit": ("input_noise",),
            "input_noise": 0.4,
            "hidden_noise": 0.1,
            "l2": 0.1,
            "tune": ("hidden_noise", "l2"),
            "first_apart": ("hidden_noise",),
        }
        training = {"epochs": 3, "batch_size": 50, "optimizer": "sgd", "learning_rate": 0.1, "gradient_norm": None}
        schedules = {"schedule": "linear", "hold": 0.5, "hyper_schedule": "linear"}
        tuning = {"interval": 5, "hyper_optimizer": "adam", "noise_learning_rate": 0.2, "l2_learning_rate": 0.2}
        safety = {"validation_gradient_at": "next", "hypergradient_norm": None, "hypergradient_clip": None}
        measured = {"evaluate_every": 0, "seed": 1, "data": "0123", "algorithm": 7, "monitor": True}
        data |= {"preprocessing": "pca", "contrast": "tanh", "t2_from": "t1"}
        network |= {"initialization": "he", "batch_norm_scale": True, "noise_at": "preactivation"}
        training |= {"t2_batch_size": 20, "momentum": 0.5}
        tuning |= {"tune_after": 1, "tune_every": 2, "method": "finite-difference", "hyper_cost": "penalised"}
        tuning |= {"hyper_decay": 0.1, "hypergradient_limits": "rescale-each-clip"}
        moments = {"validation_statistics": "running", "test_statistics": "running"}
        others = data | network | levels | training | schedules | tuning | safety | measured | moments
        others = {name: {name: value} for name, value in others.items()}
        others["momentum_schedule"] = {"momentum": (0.5, 0.4), "momentum_schedule": "steps"}
        others["half_life"] = {"schedule": "exponential", "half_life": 0.3}
        others["statistics_weight"] = {"test_statistics": "running", "statistics_weight": 0.2}
        others["schedule"] = {"schedule": "exponential"}
        elsewhere = {"dataset", "network", "width", *HYPERPARAMETERS, *STEP_SIZES}  # test_networks.py, and the next
        assert {*others, *elsewhere} == set(FIELDS)
        digests = {replace(self.base, **fields).digest() for fields in others.values()}
        assert len(digests | {self.base.digest()}) == len(others) + 1

    @pytest.mark.parametrize("regularizer", REGULARIZERS.values(), ids=str)
    def test_every_regularizer_counts(self, regularizer):
        parts = regularizer.hyperparameters
        given = replace(run_config(l2=0.3), **{part.name: 0.2 for part in parts})
        digests = {run_config(l2=0.3).digest(), given.digest()}
        changes = [{part.name: 0.25} for part in parts]
        tuned = replace(given, tune=tuple(part.name for part in parts if part.step_size))
        changes += [{part.step_size.field: 3e-3} for part in parts if part.step_size]
        digests |= {tuned.digest()} | {replace(tuned, **change).digest() for change in changes}
        assert len(digests) == 2 + bool(tuned.tune) + len(changes)

    @pytest.mark.parametrize(
        ("fields", "idle"),
        [
            ({"schedule": "linear"}, {"hold": 0.3}),
            ({"schedule": "linear", "tune": ()}, {"hold": 0.3, "hyper_schedule": "hold_then_linear"}),
            ({"tune": ("l2",)}, {"noise_learning_rate": 3.0}),
            ({"tune": ("input_noise",)}, {"l2_learning_rate": 3.0}),
            ({"tune": ("input_noise", "l2")}, {"tune": ("l2", "input_noise")}),
            ({"per_unit": ("input_noise", "l2")}, {"per_unit": ("l2", "input_noise")}),
            ({"tune": ("input_noise",)}, {"hypergradient_clip": 3.0}),
            ({"tune": ("input_noise",)}, {"hypergradient_clip": None}),
            ({"tune": ("input_noise",), "hypergradient_clip": 2.0}, {"hypergradient_norm": 100.0}),
            ({"tune": ("input_noise",), "hypergradient_clip": 2.0}, {"hypergradient_norm": None}),
            ({"hidden_noise": None}, {"noise_before_softmax": "none"}),
            ({"tune": ("input_noise",)}, {"noise_before_softmax": "fixed"}),
            ({"tune": ()}, {"t2_batch_size": 10}),
            ({"t2_batch_size": None}, {"t2_batch_size": 100}),
            ({"hypergradient_norm": None}, {"hypergradient_limits": "rescale-each-clip"}),
            ({"hypergradient_clip": None}, {"hypergradient_limits": "rescale-clip"}),
            ({"hypergradient_clip": None, "tune": ("input_noise",)}, {"hypergradient_limits": "rescale-each-clip"}),
            ({"evaluate_every": 0}, {"evaluate_every": 250}),
            ({"evaluate_every": 0}, {"evaluate_every": 10**9}),
            ({"tune": ()}, {"t2_batch_size": 30}),
            ({}, {"t2_batch_size": 100}),
            ({"hidden_noise": None}, {"noise_at": "preactivation"}),
            ({"tune": ("l2",)}, {"hyper_decay": 0.1}),
            ({"tune": ("input_noise",)}, {"hypergradient_limits": "rescale-each-clip"}),
            ({"hyper_optimizer": "sgd"}, {"momentum": 0.3}),
            ({"momentum": 0.3}, {"momentum_schedule": "steps"}),
            ({"schedule": "linear"}, {"half_life": 0.3}),
            ({}, {"statistics_weight": 0.3}),
            ({"batch_norm": False}, {"test_statistics": "running"}),
            ({"batch_norm": False}, {"batch_norm_scale": True}),
            ({"tune": ()}, {"tune_after": 3, "method": "averaged", "validation_statistics": "running"}),
            ({}, {"preprocessing": "centre"}),
            ({}, {"activation": ("relu", "relu", "relu")}),
        ],
    )
    def test_what_does_nothing_names_nothing(self, fields, idle):
        plain = replace(self.base, **fields)
        other = replace(plain, **idle)
        assert other != plain
        assert other.canonical == plain.canonical
        assert other.digest() == plain.digest()
        assert other.structure() == plain.structure()
        assert other.graph() == plain.graph()

    @pytest.mark.parametrize(
        ("fields", "change"),
        [
            ({"schedule": "linear", "hyper_schedule": "hold_then_linear"}, {"hold": 0.3}),
            ({"tune": ("l2",)}, {"hypergradient_clip": 2.0}),
            ({"tune": ("l2",)}, {"hypergradient_clip": 5.0}),  # of one element of many it is no norm
            ({"tune": ("input_noise",), "per_unit": ("input_noise",)}, {"hypergradient_clip": 5.0}),
            ({"tune": ("input_noise",)}, {"hypergradient_clip": 2.0}),
            ({"tune": ("hidden_noise",)}, {"noise_before_softmax": "fixed"}),
            ({"hypergradient_clip": None}, {"hypergradient_limits": "rescale-each-clip"}),
            ({"tune": ("l2",)}, {"t2_batch_size": 10}),
            ({"evaluate_every": 0}, {"evaluate_every": 249}),
        ],
    )
    def test_what_does_something_counts(self, fields, change):
        plain = replace(self.base, **fields)
        assert replace(plain, **change).digest() != plain.digest()

    @pytest.mark.parametrize("tune", [(), ("input_noise",), ("hidden_noise", "l2")])
    def test_the_canonical_form_is_canonical(self, tune):
        canonical = replace(self.base, tune=tune).canonical
        assert canonical.canonical == canonical

    def test_a_fixed_run_ignores_tuning_fields(self):
        fixed = replace(self.base, tune=())
        assert fixed.digest() == replace(fixed, interval=3, noise_learning_rate=5.0).digest()
        assert fixed.digest() != self.base.digest()


class TestStructure:
    base = run_config(input_noise=0.5, hidden_noise=0.25)

    @pytest.mark.parametrize(
        "change", [{"seed": 3}, {"input_noise": 0.0}, {"hidden_noise": 1.0}, {"learning_rate": 0.1}]
    )
    def test_shared(self, change):
        assert replace(self.base, **change).structure() == self.base.structure()

    @pytest.mark.parametrize(
        "change", [{"split_seed": 3}, {"input_noise": None}, {"hidden_noise": (0.1, 0.1, 0.1)}, {"epochs": 3}]
    )
    def test_not_shared(self, change):
        assert replace(self.base, **change).structure() != self.base.structure()


levels = st.one_of(st.none(), st.floats(0, 10), st.lists(st.floats(0, 10), min_size=3, max_size=3).map(tuple))


@settings(max_examples=50)
@given(noise=levels, l2=st.one_of(st.none(), st.floats(0, 1)), rate=st.floats(0, 1), batch=st.integers(2, 100))
def test_what_is_shown_can_be_read_back(noise, l2, rate, batch):
    """Every field's text on the command line gives its value again."""
    tune = tuple(
        n for n, v in zip(("input_noise", "hidden_noise", "l2"), (None, noise, l2), strict=True) if v is not None
    )
    config = run_config(hidden_noise=noise, l2=l2, tune=tune, learning_rate=rate, batch_size=batch)
    for name in FIELDS:
        value = getattr(config, name)
        text = ",".join(map(repr, value)) if name == "hidden_noise" and isinstance(value, tuple) else show_value(value)
        read = read_field(name, repr(value) if isinstance(value, float) else text)
        assert read == value, name


@pytest.mark.parametrize(
    ("name", "text"), [("epochs", "many"), ("hidden", "3,x"), ("batch_norm", "maybe"), ("l2", "0.1,"), ("l2", "1;2")]
)
def test_unreadable_text(name, text):
    with pytest.raises(InputError, match=f"^{name} = "):
        run_config(**{name: read_field(name, text)})


def test_graphs_are_shared_over_lengths_and_intervals():
    base = run_config(hidden=(8,), input_noise=0.1, tune=("input_noise",), t1_samples=500, t2_samples=200)
    for change in ({"epochs": 3}, {"interval": 2}, {"evaluate_every": 0}, {"split_seed": 4}, {"seed": 5}):
        assert replace(base, **change).graph() == base.graph()
    for change in ({"hidden": (9,)}, {"hyper_optimizer": "adam"}, {"hold": 0.5}, {"tune": ()}):
        assert replace(base, **change).graph() != base.graph()


def test_fixed_runs_share_structure_whatever_their_tuning_fields():
    base = run_config(hidden=(8,), input_noise=0.1, t1_samples=500, t2_samples=200)
    assert replace(base, interval=3, hyper_optimizer="adam").structure() == base.structure()
