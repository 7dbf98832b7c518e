"""What a run may be: defaults, digests, and every wrong value told in one line."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t1t2_pt.config import FIELDS, HYPERPARAMETERS, field_info, replace, run_config
from t1t2_pt.errors import InputError
from t1t2_pt.options import read_field, show_value


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
        ({"tune": ("dropout",)}, r"tune = \('dropout',\): .*; name some of input_noise,hidden_noise,l2"),
        ({"seed": 2**32}, r"seed = 4294967296: "),
        ({"hold": 1.0}, r"hold = 1.0: "),
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
    base = run_config(input_noise=0.5, hidden_noise=0.25, tune=("input_noise",))

    def test_survives_json(self):
        again = run_config(**json.loads(json.dumps(self.base.as_dict())))
        assert again == self.base
        assert again.digest() == self.base.digest()

    def test_is_stable(self):
        """A change of this value disowns every stored run: raise DIGEST_VERSION knowingly."""
        assert run_config().digest()[:16] == "c0a512a500ca8502"

    def test_whole_numbers_are_numbers(self):
        assert run_config(input_noise=1).digest() == run_config(input_noise=1.0).digest()

    def test_every_field_counts(self):
        data = {"t1_samples": 50_000, "t2_samples": 4_000, "split_seed": 1}
        network = {"hidden": (10,), "batch_norm": False, "noise_before_softmax": "none", "activation": "leaky-relu"}
        levels = {
            "per_map": ("input_noise",),
            "input_noise": 0.4,
            "hidden_noise": 0.1,
            "l2": 0.1,
            "tune": ("hidden_noise",),
        }
        training = {"epochs": 3, "batch_size": 50, "optimizer": "sgd", "learning_rate": 0.1, "gradient_norm": None}
        schedules = {"schedule": "linear", "hold": 0.5, "hyper_schedule": "linear"}
        tuning = {"interval": 5, "hyper_optimizer": "adam", "noise_learning_rate": 0.2, "l2_learning_rate": 0.2}
        safety = {"validation_gradient_at": "next", "hypergradient_norm": None, "hypergradient_clip": None}
        others = data | network | levels | training | schedules | tuning | safety | {"evaluate_every": 0, "seed": 1}
        assert set(others) == set(FIELDS) - {"dataset", "network", "width"}  # of which test_networks.py has more
        digests = {replace(self.base, **{name: value}).digest() for name, value in others.items()}
        assert len(digests | {self.base.digest()}) == len(others) + 1

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
@given(noise=levels, l2=st.one_of(st.none(), st.floats(0, 1)), rate=st.floats(0, 1), batch=st.integers(1, 100))
def test_what_is_shown_can_be_read_back(noise, l2, rate, batch):
    """Every field's text on the command line gives its value again."""
    tune = tuple(n for n, v in zip(HYPERPARAMETERS, (None, noise, l2), strict=True) if v is not None)
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
