"""What a run is: one frozen, validated record of every choice that its numbers depend on.

A `RunConfig` is checked as a whole when it is made, so that nothing starts training with a bad
value. Its digest names the run in the store; its `structure` says which runs share a compiled graph.
Both are of its canonical form, in which a field that does nothing has its default. The backend and the
machine are not part of it: they are recorded beside a result, not in its name.
"""

import dataclasses
import difflib
import functools
import hashlib
import json
from typing import Annotated, Any, Literal

import pydantic
from pydantic import ConfigDict, Field

from t1t2_pt.networks.network import CONVOLUTIONAL, Layer, MaxPool, mlp
from t1t2_pt.system.errors import InputError

DIGEST_VERSION = 2

# What a run computes beyond its fields: the constants of optimisers, batch normalisation, leak and initial
# weights, preprocessing, the noise's generator, the order of updates. A run is another run when this changes:
# raise it with any change that changes results by more than rounding (`tests/golden` tells), and make the golden
# runs and the committed results again.
ALGORITHM = 1

DatasetName = Literal["mnist", "svhn", "cifar10", "digits-on-photos"]
NetworkName = Literal["mlp", "all-cnn-c", "ladder-baseline"]
Hyperparameter = Literal["input_noise", "hidden_noise", "l2"]
OptimizerName = Literal["sgd", "momentum", "adam"]
ScheduleName = Literal["constant", "linear", "hold_then_linear"]

LARGEST = 3e38  # what float32 holds
LARGEST_COUNT = 2**31 - 1  # what every backend counts in
_Level = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]
_Rate = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]
_Limit = Annotated[float, Field(gt=0, le=LARGEST, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
_Width = Annotated[int, Field(ge=1, le=1_000_000)]
_Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


def _option(group: str, description: str, remedy: str) -> dict[str, Any]:
    """The words that `--help` and error messages use for a field."""
    return {"description": description, "json_schema_extra": {"group": group, "remedy": remedy}}


IDENTITY = "identity"  # group of the fields that nobody gives

_INPUT_REMEDY = "give a number of 0 or more, or none to leave it out"
_LEVEL_REMEDY = "give a number of 0 or more, one per layer separated by commas, or none to leave it out"


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class RunConfig:
    """One training run, fixed or tuned by T1-T2 (defaults: the paper's MNIST network and step sizes).

    A hyperparameter is `None` (absent), one number (tied over its layers), or a tuple with one
    number per layer; one that `per_map` names has a number for every map of every layer, which start
    alike or at a tuple of that many. Those named in `tune` start there and follow the hypergradient;
    the others stay.

    Make one with `run_config`, which knows what is usual for a data set and a network, and tells
    what is wrong with a bad value in one line.
    """

    # Data
    dataset: DatasetName = Field(
        default="mnist",
        **_option("data", "mnist, svhn, cifar10 or digits-on-photos", "give one that `t1t2 data list` shows"),
    )
    t1_samples: _Count = Field(
        default=55_000, **_option("data", "samples in T1, for the elementary parameters", "give at least 1")
    )
    t2_samples: _Count = Field(
        default=5_000, **_option("data", "samples in T2, for the hyperparameters", "give at least 1: T2 measures C2")
    )
    split_seed: _Seed = Field(
        default=0, **_option("data", "seed of the split into T1 and T2", "give a whole number from 0 to 4294967295")
    )
    # Network
    network: NetworkName = Field(
        default="mlp",
        **_option(
            "network",
            "mlp (fully connected), all-cnn-c or ladder-baseline (the paper's convolutional networks)",
            "give mlp, all-cnn-c or ladder-baseline",
        ),
    )
    hidden: Annotated[tuple[_Width, ...], Field(max_length=64)] = Field(
        default=(1000, 1000, 1000),
        **_option("network", "widths of the mlp's hidden layers", "give widths of 1 or more, such as 1000,1000,1000"),
    )
    width: Annotated[float, Field(gt=0, le=64, allow_inf_nan=False)] = Field(
        default=1.0,
        **_option(
            "network",
            "multiplies the numbers of maps of a convolutional network, 96 and 192",
            "give a number above 0 and up to 64, such as 0.25",
        ),
    )
    activation: Literal["relu", "leaky-relu"] = Field(
        default="relu",
        **_option("network", "nonlinearity: relu, or leaky-relu of slope 0.01", "give relu or leaky-relu"),
    )
    batch_norm: bool = Field(
        default=True,
        **_option("network", "batch normalisation in the hidden layers (shift only)", "give true or false"),
    )
    noise_before_softmax: Literal["tuned", "fixed", "none"] = Field(
        default="tuned",
        **_option(
            "network",
            "noise on the last hidden layer, which feeds the softmax layer: tuned like the others (the paper), "
            "fixed at its initial value (the authors' program), or none",
            "give tuned, fixed or none",
        ),
    )
    # Regularisation
    input_noise: _Level | tuple[_Level, ...] | None = Field(
        default=None,
        **_option("regularisation", "n0, standard deviation of the Gaussian noise on the input", _INPUT_REMEDY),
    )
    hidden_noise: _Level | tuple[_Level, ...] | None = Field(
        default=None,
        **_option("regularisation", "n1, standard deviation of the noise on each hidden layer", _LEVEL_REMEDY),
    )
    l2: _Level | tuple[_Level, ...] | None = Field(
        default=None,
        **_option("regularisation", "strength of the L2 penalty, l2 * sum(W**2), on each weight matrix", _LEVEL_REMEDY),
    )
    tune: tuple[Hyperparameter, ...] = Field(
        default=(),
        **_option(
            "regularisation",
            "hyperparameters that T1-T2 tunes; none trains with fixed ones",
            "name some of input_noise,hidden_noise,l2, or none",
        ),
    )
    per_map: tuple[Hyperparameter, ...] = Field(
        default=(),
        **_option(
            "regularisation",
            "hyperparameters with a number of their own for every map (or unit): of the input, of each hidden "
            "layer, of each layer with weights",
            "name some of input_noise,hidden_noise,l2, or none",
        ),
    )
    # Elementary parameters
    epochs: _Count = Field(default=250, **_option("training", "passes over T1", "give at least 1"))
    batch_size: _Count = Field(
        default=100, **_option("training", "samples in a batch, of T1 and of T2", "give at least 1")
    )
    optimizer: OptimizerName = Field(
        default="adam", **_option("training", "optimiser of the elementary parameters", "give sgd, momentum or adam")
    )
    learning_rate: _Rate = Field(
        default=1e-3, **_option("training", "step size of the elementary parameters", "give a number of 0 or more")
    )
    schedule: ScheduleName = Field(
        default="hold_then_linear",
        **_option("training", "annealing of the step size", "give constant, linear or hold_then_linear"),
    )
    hold: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.86,
        **_option(
            "training",
            "share of the updates before hold_then_linear starts to fall",
            "give a number from 0 to less than 1",
        ),
    )
    gradient_norm: _Limit | None = Field(
        default=3.0,
        **_option(
            "training", "largest norm of a parameter's gradient, of C1 and of C2", "give a number above 0, or none"
        ),
    )
    # Hyperparameters
    interval: Annotated[int, Field(ge=1, le=2**30)] = Field(
        default=10, **_option("tuning", "elementary steps per hyperparameter step", "give at least 1")
    )
    hyper_optimizer: OptimizerName = Field(
        default="sgd", **_option("tuning", "optimiser of the hyperparameters", "give sgd, momentum or adam")
    )
    noise_learning_rate: _Rate = Field(
        default=1e-1, **_option("tuning", "step size of the noise hyperparameters", "give a number of 0 or more")
    )
    l2_learning_rate: _Rate = Field(
        default=1e-4, **_option("tuning", "step size of the L2 hyperparameters", "give a number of 0 or more")
    )
    hyper_schedule: ScheduleName = Field(
        default="constant",
        **_option(
            "tuning", "annealing of the hyperparameters' step sizes", "give constant, linear or hold_then_linear"
        ),
    )
    validation_gradient_at: Literal["current", "next"] = Field(
        default="current",
        **_option(
            "tuning",
            "where the gradient of C2 is taken: at the parameters before the update or after it (Eq. 3 as written)",
            "give current or next",
        ),
    )
    hypergradient_norm: _Limit | None = Field(
        default=3.0,
        **_option("tuning", "largest norm of one hyperparameter's hypergradient", "give a number above 0, or none"),
    )
    hypergradient_clip: _Limit | None = Field(
        default=10.0,
        **_option("tuning", "largest size of any element of a hypergradient", "give a number above 0, or none"),
    )
    # Measurement
    evaluate_every: Annotated[int, Field(ge=0, le=LARGEST_COUNT)] = Field(
        default=1,
        **_option(
            "measurement",
            "epochs between evaluations on T1, T2 and test; 0 evaluates at the end only",
            "give 0 or more",
        ),
    )
    seed: _Seed = Field(
        default=0,
        **_option(
            "measurement",
            "seed of the initial weights, the batches and the noise",
            "give a whole number from 0 to 4294967295",
        ),
    )
    # Identity: not options, but filled in
    data: Annotated[str, Field(max_length=64)] = Field(
        default="",
        **_option(IDENTITY, "fingerprint of the data set's content, filled in when the data are found", "leave it out"),
    )
    algorithm: _Count = Field(
        default=ALGORITHM, **_option(IDENTITY, "version of what the fields do not say", "leave it out")
    )

    def __post_init__(self):
        self._check_network()
        hidden = self.hidden_layers
        self._check_levels(hidden)
        self._check_lengths()
        for field in ("tune", "per_map"):
            names = getattr(self, field)
            if len(set(names)) != len(names):
                raise InputError(field, names, "names a hyperparameter twice", "name each once")
            for name in names:
                if getattr(self, name) is None:
                    raise InputError(
                        field, names, f"{name} has no initial value", f"give {name} a number of 0 or more to start at"
                    )
        if self.noise_before_softmax != "tuned" and len(hidden) == 1 and self.hidden_noise is not None:
            raise InputError(
                "noise_before_softmax",
                self.noise_before_softmax,
                "leaves no hidden layer with noise to tune in a network of one hidden layer",
                "give tuned, or set hidden_noise to none",
            )

    def _check_lengths(self):
        for name in ("t1_samples", "t2_samples"):
            if self.batch_size > getattr(self, name):
                raise InputError(
                    "batch_size",
                    self.batch_size,
                    f"is larger than {name} ({getattr(self, name)})",
                    f"give at most {getattr(self, name)}, or more {name}",
                )
        if self.batch_size == 1 and self.batch_norm:
            raise InputError(
                "batch_size",
                1,
                "makes batch normalisation 0 whatever is learned",
                "give 2 or more, or batch_norm false",
            )
        if self.steps > LARGEST_COUNT:
            most = LARGEST_COUNT // self.steps_per_epoch
            raise InputError("epochs", self.epochs, f"makes {self.steps} updates, too many", f"give at most {most}")
        if self.tune and self.interval > self.steps:
            raise InputError(
                "interval",
                self.interval,
                f"is longer than the run of {self.steps} updates, in which nothing would be tuned",
                f"give at most {self.steps}, or tune none",
            )

    def _check_network(self):
        convolutional = self.network in CONVOLUTIONAL
        if convolutional and self.hidden:
            raise InputError(
                "hidden", self.hidden, f"is for the mlp, not for {self.network}", "leave it out, and give width"
            )
        if not convolutional and not self.hidden:
            raise InputError("hidden", self.hidden, "leaves the mlp without layers", field_info("hidden")["remedy"])
        if not convolutional and self.width != 1:
            raise InputError("width", self.width, "is for convolutional networks", "leave it out, and give hidden")

    def _check_levels(self, hidden: tuple[Layer, ...]):
        weighted = 1 + sum(not isinstance(layer, MaxPool) for layer in hidden)
        for name, length, what in (
            ("input_noise", 1, "input"),
            ("hidden_noise", len(hidden), "hidden layers"),
            ("l2", weighted, "layers with weights"),
        ):
            levels = getattr(self, name)
            if not isinstance(levels, tuple) or name in self.per_map:
                continue  # how many maps there are depends on the data, too: `hyperparameter_values` checks
            if name == "input_noise":
                raise InputError(name, levels, "is more than one number", "give one, or name input_noise in per_map")
            if len(levels) != length:
                raise InputError(
                    name,
                    levels,
                    f"has {len(levels)} numbers for {length} {what}",
                    f"give {length} numbers, or one for all layers",
                )

    @property
    def hidden_layers(self) -> tuple[Layer, ...]:
        """The network's hidden layers."""
        return CONVOLUTIONAL[self.network](self.width) if self.network in CONVOLUTIONAL else mlp(self.hidden)

    @property
    def steps_per_epoch(self) -> int:
        """Updates in an epoch: whole batches of T1."""
        return self.t1_samples // self.batch_size

    @property
    def steps(self) -> int:
        """Updates in the whole run."""
        return self.epochs * self.steps_per_epoch

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """Names of the hyperparameters that the run has, tuned or fixed."""
        return tuple(name for name in HYPERPARAMETERS if getattr(self, name) is not None)

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values that JSON can hold."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @functools.cached_property
    def canonical(self) -> "RunConfig":
        """The same run with every field that does nothing at its default, and names in their usual order."""
        idle = {name for name in FIELDS if field_info(name)["group"] == "tuning"} if not self.tune else set()
        if "hold_then_linear" not in (self.schedule, self.hyper_schedule if self.tune else None):
            idle.add("hold")
        if not {"input_noise", "hidden_noise"} & set(self.tune):
            idle.add("noise_learning_rate")
        if "l2" not in self.tune:
            idle.add("l2_learning_rate")
        if self.hidden_noise is None or (self.noise_before_softmax == "fixed" and "hidden_noise" not in self.tune):
            idle.add("noise_before_softmax")
        values: dict[str, Any] = {name: FIELDS[name].default.default for name in idle}
        for field in ("tune", "per_map"):
            values[field] = tuple(name for name in HYPERPARAMETERS if name in getattr(self, field))
        if self.evaluate_every >= self.epochs:
            values["evaluate_every"] = 0  # at the end only, either way
        values |= self._limits_that_bind()
        return dataclasses.replace(self, **values)

    def _limits_that_bind(self) -> dict[str, None]:
        """Of a clip and a limit on the norm of single numbers, only the smaller does anything."""
        clip, norm = self.hypergradient_clip, self.hypergradient_norm
        levels = [getattr(self, name) for name in self.tune]
        single = not set(self.tune) & set(self.per_map) and not any(isinstance(level, tuple) for level in levels)
        if not self.tune or clip is None or norm is None or not single:
            return {}
        return {"hypergradient_clip": None} if clip >= norm else {"hypergradient_norm": None}

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical form: the run's name in the store."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        text = json.dumps([DIGEST_VERSION, self.canonical.as_dict()], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def structure(self) -> str:
        """A key shared by the runs that one compiled graph can train together.

        They differ in nothing but seed, step sizes and the initial levels of their hyperparameters.
        """
        return json.dumps(self._shared_values(), sort_keys=True)

    def graph(self) -> str:
        """A key shared by the runs whose steps are the same graphs, on data of the same sizes.

        How long and how often they loop, and over which data, are inputs of what is compiled.
        """
        values = self._shared_values()
        return json.dumps({name: value for name, value in values.items() if name not in LOOP}, sort_keys=True)

    def _shared_values(self) -> dict[str, Any]:
        values = {name: value for name, value in self.canonical.as_dict().items() if name not in OWN}
        for name in HYPERPARAMETERS:
            level = values[name]
            values[name] = len(level) if isinstance(level, list) else level is not None
        return values


OWN = ("seed", "learning_rate", "noise_learning_rate", "l2_learning_rate")  # of each run of a population
LOOP = ("dataset", "split_seed", "epochs", "interval", "evaluate_every", "data")

HYPERPARAMETERS: tuple[str, ...] = ("input_noise", "hidden_noise", "l2")

# What is usual for a data set (Section 3; T1 and T2) and for a network, where the field is not given. The noise of
# the convolutional networks is ours, near where T1-T2 ended on CIFAR-10: without any they fit T1 and little else.
USUAL: dict[str, dict[str, dict[str, Any]]] = {
    "dataset": {
        "mnist": {"t1_samples": 55_000, "t2_samples": 5_000},
        "svhn": {"t1_samples": 65_000, "t2_samples": 8_257},
        "cifar10": {"t1_samples": 45_000, "t2_samples": 5_000},
        "digits-on-photos": {"t1_samples": 65_000, "t2_samples": 8_257},
    },
    "network": {
        name: {"hidden": (), "learning_rate": 2e-3, "input_noise": 0.1, "hidden_noise": 0.1} for name in CONVOLUTIONAL
    },
}
FIELDS: dict[str, dataclasses.Field] = {f.name: f for f in dataclasses.fields(RunConfig)}


def field_info(name: str) -> dict[str, str]:
    """Group, description and remedy of a `RunConfig` field, for help and messages."""
    info = RunConfig.__pydantic_fields__[name]
    return {"description": info.description, **info.json_schema_extra}


# Those that a user chooses.
OPTIONS: tuple[str, ...] = tuple(name for name in FIELDS if field_info(name)["group"] != IDENTITY)


def run_config(**values: Any) -> RunConfig:
    """Make a `RunConfig`, turning whatever is wrong into one `InputError`.

    Fields that are not given are as usual for the data set and the network (`USUAL`), else defaults.
    Lists are taken as tuples and whole numbers as floats, so that values read from JSON will do.
    """
    for name, value in values.items():
        if name not in FIELDS:
            close = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise InputError(name, value, "is not a field of a run", f"{hint}the fields are {', '.join(FIELDS)}")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    for name, choices in USUAL.items():
        chosen = values.get(name)
        values = {**(choices.get(chosen, {}) if isinstance(chosen, str) else {}), **values}
    try:
        return RunConfig(**values)
    except pydantic.ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        errors = [e for e in error.errors(include_url=False) if e["loc"][0] == name]
        # Of the kinds of value that a field takes, tell about the one that was meant.
        told = max(errors, key=lambda e: len(e["loc"])) if isinstance(values[name], tuple) else errors[0]
        problem = told["msg"][0].lower() + told["msg"][1:]
        raise InputError(name, values[name], problem, field_info(name)["remedy"]) from None


def replace(config: RunConfig, **changes: Any) -> RunConfig:
    """A copy with some fields changed, checked like a new one."""
    return run_config(**{**{name: getattr(config, name) for name in FIELDS}, **changes})
