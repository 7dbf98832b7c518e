"""What a run is: one frozen, validated record of every choice that its numbers depend on.

A `RunConfig` is checked as a whole when it is made, so that nothing starts training with a bad
value. Its digest names the run in the store; its `structure` says which runs share a compiled graph.
The backend and the machine are not part of it: they are recorded beside a result, not in its name.
"""

import dataclasses
import difflib
import hashlib
import json
from typing import Annotated, Any, Literal

import pydantic
from pydantic import ConfigDict, Field

from t1t2_pt.errors import InputError

DIGEST_VERSION = 1

Hyperparameter = Literal["input_noise", "hidden_noise", "l2"]
OptimizerName = Literal["sgd", "momentum", "adam"]
ScheduleName = Literal["constant", "linear", "hold_then_linear"]

_Level = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]
_Width = Annotated[int, Field(ge=1, le=1_000_000)]
_Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


def _option(group: str, description: str, remedy: str) -> dict[str, Any]:
    """The words that `--help` and error messages use for a field."""
    return {"description": description, "json_schema_extra": {"group": group, "remedy": remedy}}


_INPUT_REMEDY = "give a number of 0 or more, or none to leave it out"
_LEVEL_REMEDY = "give a number of 0 or more, one per layer separated by commas, or none to leave it out"


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class RunConfig:
    """One training run, fixed or tuned by T1-T2 (defaults: the paper's MNIST network and step sizes).

    A hyperparameter is `None` (absent), one number (tied over its layers), or a tuple with one
    number per layer. Those named in `tune` start there and follow the hypergradient; the others stay.

    Make one with `run_config`, which tells what is wrong with a bad value in one line.
    """

    # Data
    dataset: Literal["mnist"] = Field(
        default="mnist", **_option("data", "data set to train on", "give one of the data sets in `t1t2 doctor`")
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
    hidden: Annotated[tuple[_Width, ...], Field(min_length=1, max_length=64)] = Field(
        default=(1000, 1000, 1000),
        **_option("network", "widths of the hidden layers", "give widths of 1 or more, such as 1000,1000,1000"),
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
    input_noise: _Level | None = Field(
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
    interval: _Count = Field(
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
    evaluate_every: Annotated[int, Field(ge=0)] = Field(
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

    def __post_init__(self):
        layers = len(self.hidden)
        for name, length in (("hidden_noise", layers), ("l2", layers + 1)):
            levels = getattr(self, name)
            if isinstance(levels, tuple) and len(levels) != length:
                raise InputError(
                    name,
                    levels,
                    f"has {len(levels)} numbers for {length} layers",
                    f"give {length} numbers, or one for all layers",
                )
        if len(set(self.tune)) != len(self.tune):
            raise InputError("tune", self.tune, "names a hyperparameter twice", "name each once")
        for name in self.tune:
            if getattr(self, name) is None:
                raise InputError(
                    "tune", self.tune, f"{name} has no initial value", f"give {name} a number of 0 or more to start at"
                )
        for name in ("t1_samples", "t2_samples"):
            if self.batch_size > getattr(self, name):
                raise InputError(
                    "batch_size",
                    self.batch_size,
                    f"is larger than {name} ({getattr(self, name)})",
                    f"give at most {getattr(self, name)}, or more {name}",
                )
        if self.noise_before_softmax != "tuned" and layers == 1 and self.hidden_noise is not None:
            raise InputError(
                "noise_before_softmax",
                self.noise_before_softmax,
                "leaves no hidden layer with noise to tune in a network of one hidden layer",
                "give tuned, or set hidden_noise to none",
            )

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

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical form: the run's name in the store.

        A run that tunes nothing is the same whatever its tuning fields say.
        """
        values = self.as_dict()
        if not self.tune:
            values = {name: value for name, value in values.items() if field_info(name)["group"] != "tuning"}
        canonical = json.dumps([DIGEST_VERSION, values], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def structure(self) -> str:
        """A key shared by the runs that one compiled graph can train together.

        They differ in nothing but seed, step sizes and the initial levels of their hyperparameters.
        """
        values = self.as_dict()
        for name in ("seed", "learning_rate", "noise_learning_rate", "l2_learning_rate"):
            values.pop(name)
        for name in HYPERPARAMETERS:
            level = values[name]
            values[name] = len(level) if isinstance(level, list) else level is not None
        return json.dumps(values, sort_keys=True)


HYPERPARAMETERS: tuple[str, ...] = ("input_noise", "hidden_noise", "l2")
FIELDS: dict[str, dataclasses.Field] = {f.name: f for f in dataclasses.fields(RunConfig)}


def field_info(name: str) -> dict[str, str]:
    """Group, description and remedy of a `RunConfig` field, for help and messages."""
    info = RunConfig.__pydantic_fields__[name]
    return {"description": info.description, **info.json_schema_extra}


def run_config(**values: Any) -> RunConfig:
    """Make a `RunConfig`, turning whatever is wrong into one `InputError`.

    Lists are taken as tuples and whole numbers as floats, so that values read from JSON will do.
    """
    for name, value in values.items():
        if name not in FIELDS:
            close = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise InputError(name, value, "is not a field of a run", f"{hint}the fields are {', '.join(FIELDS)}")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
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
