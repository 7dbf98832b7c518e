"""What a run is: one frozen, validated record of every choice that its numbers depend on.

A `RunConfig` is checked as a whole when it is made, so that nothing starts training with a bad value. The
backend and the machine are not part of it: they are recorded beside a result, not in its name.
"""

import dataclasses
import functools
from typing import Annotated, Any, Literal

import pydantic
from pydantic import ConfigDict, Field

from t1t2_pt.config import identity
from t1t2_pt.config.checks import check
from t1t2_pt.config.fields import (
    IDENTITY,
    LARGEST_COUNT,
    Count,
    DatasetName,
    HyperparameterName,
    Limit,
    NetworkName,
    Number,
    OptimizerName,
    ScheduleName,
    Seed,
    Width,
    option,
    with_regularizers,
)
from t1t2_pt.networks.network import CONVOLUTIONAL, Layer, Network, mlp
from t1t2_pt.regularizers import (
    FIRST_APART,
    HYPERPARAMETERS,
    INPUT,
    PER_LAYER,
    PER_UNIT,
    REGULARIZERS,
    TIED,
    Levels,
    Regularizer,
)
from t1t2_pt.regularizers.levels import Level

# What a run computes beyond its fields: the constants of optimisers, batch normalisation, leak and initial
# weights, preprocessing, the noise's generator, the order of updates. A run is another run when this changes:
# raise it with any change that changes results by more than rounding (`tests/golden` tells), and make the golden
# runs and the committed results again.
ALGORITHM = 1


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
@with_regularizers(levels_before="tune", step_sizes_before="hyper_schedule")
class RunConfig:
    """One training run, fixed or tuned by T1-T2 (defaults: the paper's MNIST network and step sizes).

    A hyperparameter is `None` (absent), one number (tied over its layers), or a tuple with one
    number per layer. One that `first_apart` names has two numbers, one that `per_unit` names has a number for
    every unit of every layer, which start alike or at a tuple of that many. Those named in `tune` start there
    and follow the hypergradient; the others stay.

    Make one with `run_config`, which knows what is usual for a data set and a network, and tells
    what is wrong with a bad value in one line.
    """

    # Data
    dataset: DatasetName = Field(
        default="mnist",
        **option("data", "mnist, svhn, cifar10 or digits-on-photos", "give one that `t1t2 data list` shows"),
    )
    t1_samples: Count = Field(
        default=55_000, **option("data", "samples in T1, for the elementary parameters", "give at least 1")
    )
    t2_samples: Count = Field(
        default=5_000, **option("data", "samples in T2, for the hyperparameters", "give at least 1: T2 measures C2")
    )
    split_seed: Seed = Field(
        default=0, **option("data", "seed of the split into T1 and T2", "give a whole number from 0 to 4294967295")
    )
    # Network
    network: NetworkName = Field(
        default="mlp",
        **option(
            "network",
            "mlp (fully connected), all-cnn-c or ladder-baseline (the paper's convolutional networks)",
            "give mlp, all-cnn-c or ladder-baseline",
        ),
    )
    hidden: Annotated[tuple[Width, ...], Field(max_length=64)] = Field(
        default=(1000, 1000, 1000),
        **option("network", "widths of the mlp's hidden layers", "give widths of 1 or more, such as 1000,1000,1000"),
    )
    width: Annotated[float, Field(gt=0, le=64, allow_inf_nan=False)] = Field(
        default=1.0,
        **option(
            "network",
            "multiplies the numbers of channels of a convolutional network, 96 and 192",
            "give a number above 0 and up to 64, such as 0.25",
        ),
    )
    activation: Literal["relu", "leaky-relu"] = Field(
        default="relu",
        **option("network", "nonlinearity: relu, or leaky-relu of slope 0.01", "give relu or leaky-relu"),
    )
    batch_norm: bool = Field(
        default=True,
        **option("network", "batch normalisation in the hidden layers (shift only)", "give true or false"),
    )
    noise_before_softmax: Literal["tuned", "fixed", "none"] = Field(
        default="tuned",
        **option(
            "network",
            "noise on the last hidden layer, which feeds the softmax layer: tuned like the others (the paper), "
            "fixed at its initial value (the authors' program), or none",
            "give tuned, fixed or none",
        ),
    )
    # Regularisation
    # (the levels of the regularisers come here)
    tune: tuple[HyperparameterName, ...] = Field(
        default=(),
        **option(
            "regularisation",
            "hyperparameters that T1-T2 tunes; none trains with fixed ones",
            "name some of those that are given, or none",
        ),
    )
    first_apart: tuple[HyperparameterName, ...] = Field(
        default=(),
        **option(
            "regularisation",
            "hyperparameters with a number for the first layer and one for all others: give two, or one for both to "
            "start at",
            "name some of those that are given, or none",
        ),
    )
    per_unit: tuple[HyperparameterName, ...] = Field(
        default=(),
        **option(
            "regularisation",
            "hyperparameters with a number of their own for every unit, or channel of a convolutional layer: of the "
            "input, of each hidden layer, of each layer with weights",
            "name some of those that are given, or none",
        ),
    )
    # Elementary parameters
    epochs: Count = Field(default=250, **option("training", "passes over T1", "give at least 1"))
    batch_size: Count = Field(
        default=100, **option("training", "samples in a batch, of T1 and of T2", "give at least 1")
    )
    optimizer: OptimizerName = Field(
        default="adam", **option("training", "optimiser of the elementary parameters", "give sgd, momentum or adam")
    )
    learning_rate: Number = Field(
        default=1e-3, **option("training", "step size of the elementary parameters", "give a number of 0 or more")
    )
    schedule: ScheduleName = Field(
        default="hold_then_linear",
        **option("training", "annealing of the step size", "give constant, linear or hold_then_linear"),
    )
    hold: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.86,
        **option(
            "training",
            "share of the updates before hold_then_linear starts to fall",
            "give a number from 0 to less than 1",
        ),
    )
    gradient_norm: Limit | None = Field(
        default=3.0,
        **option(
            "training", "largest norm of a parameter's gradient, of C1 and of C2", "give a number above 0, or none"
        ),
    )
    # Hyperparameters
    interval: Annotated[int, Field(ge=1, le=2**30)] = Field(
        default=10, **option("tuning", "elementary steps per hyperparameter step", "give at least 1")
    )
    hyper_optimizer: OptimizerName = Field(
        default="sgd", **option("tuning", "optimiser of the hyperparameters", "give sgd, momentum or adam")
    )
    # (the step sizes of the regularisers come here)
    hyper_schedule: ScheduleName = Field(
        default="constant",
        **option("tuning", "annealing of the hyperparameters' step sizes", "give constant, linear or hold_then_linear"),
    )
    validation_gradient_at: Literal["current", "next"] = Field(
        default="current",
        **option(
            "tuning",
            "where the gradient of C2 is taken: at the parameters before the update or after it (Eq. 3 as written)",
            "give current or next",
        ),
    )
    hypergradient_norm: Limit | None = Field(
        default=3.0,
        **option("tuning", "largest norm of one hyperparameter's hypergradient", "give a number above 0, or none"),
    )
    hypergradient_clip: Limit | None = Field(
        default=10.0,
        **option("tuning", "largest size of any element of a hypergradient", "give a number above 0, or none"),
    )
    # Measurement
    evaluate_every: Annotated[int, Field(ge=0, le=LARGEST_COUNT)] = Field(
        default=1,
        **option(
            "measurement",
            "epochs between evaluations on T1, T2 and test; 0 evaluates at the end only",
            "give 0 or more",
        ),
    )
    seed: Seed = Field(
        default=0,
        **option(
            "measurement",
            "seed of the initial weights, the batches and the noise",
            "give a whole number from 0 to 4294967295",
        ),
    )
    # Identity: not options, but filled in
    data: Annotated[str, Field(max_length=64)] = Field(
        default="",
        **option(IDENTITY, "fingerprint of the data set's content, filled in when the data are found", "leave it out"),
    )
    algorithm: Count = Field(
        default=ALGORITHM, **option(IDENTITY, "version of what the fields do not say", "leave it out")
    )

    def __post_init__(self) -> None:
        check(self)

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
        return tuple(name for name in HYPERPARAMETERS if self.level(name) is not None)

    @property
    def regularizers(self) -> tuple[Regularizer, ...]:
        """Those that the run has."""
        return tuple(one for one in REGULARIZERS.values() if self.level(one.name) is not None)

    def level(self, name: str) -> Level | None:
        """A hyperparameter as it was given."""
        return getattr(self, name)

    def levels(self, name: str, network: Network | None = None) -> Levels:
        """How the numbers of a hyperparameter lie, in its network, or in any network of its hidden layers."""
        places = HYPERPARAMETERS[name].places
        grain = TIED
        if name in self.per_unit:
            grain = PER_UNIT
        elif name in self.first_apart:
            grain = FIRST_APART
        elif isinstance(self.level(name), tuple) and places is not INPUT:
            grain = PER_LAYER
        return Levels.of(name, grain, places, network or self.hidden_layers)

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values that JSON can hold, named as in the digest; `run_config` takes them."""
        return identity.plain_values(self)

    @functools.cached_property
    def canonical(self) -> "RunConfig":
        """The same run with every field that does nothing at its default, and names in their usual order."""
        return dataclasses.replace(self, **identity.canonical_values(self))

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical form: the run's name in the store."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        return identity.digest(self.canonical)

    def structure(self) -> str:
        """A key shared by the runs that one compiled graph can train together.

        They differ in nothing but seed, step sizes and the initial levels of their hyperparameters.
        """
        return identity.structure(self.canonical)

    def graph(self) -> str:
        """A key shared by the runs whose steps are the same graphs, on data of the same sizes.

        How long and how often they loop, and over which data, are inputs of what is compiled.
        """
        return identity.graph(self.canonical)
