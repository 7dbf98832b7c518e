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
from t1t2_pt.config.fields import IDENTITY, LARGEST_COUNT, Count, Seed, field
from t1t2_pt.config.model_fields import ModelFields
from t1t2_pt.config.training_fields import TrainingFields
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
class RunConfig(TrainingFields, ModelFields):
    """One training run, fixed or tuned by T1-T2 (defaults: the paper's MNIST network and step sizes).

    A hyperparameter is `None` (absent), one number (tied over its layers), or a tuple with one
    number per layer. One that `first_apart` names has two numbers, one that `per_unit` names has a number for
    every unit of every layer, which start alike or at a tuple of that many. Those named in `tune` start there
    and follow the hypergradient; the others stay.

    Make one with `run_config`, which knows what is usual for a data set and a network, and tells
    what is wrong with a bad value in one line.
    """

    # Measurement
    evaluate_every: Annotated[int, Field(ge=0, le=LARGEST_COUNT)] = field(
        1,
        "measurement",
        "epochs between evaluations on T1, T2 and test; 0 evaluates at the end only",
        "give 0 or more",
    )
    test_statistics: Literal["exact", "batches", "running"] = field(
        "exact",
        "measurement",
        "what batch normalisation uses in evaluations: exact (moments of all of T1, layer by layer), batches "
        "(means over the batches of T1, each normalised by itself) or running (averages of the noisy T1 batches)",
        "give exact, batches or running",
    )
    statistics_weight: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = field(
        0.1,
        "measurement",
        "smallest weight of the current batch in running averages",
        "give a number above 0, at most 1",
    )
    monitor: bool = field(
        False,
        "measurement",
        "also measure activations, weights, noise and gradients of each layer after every epoch",
        "give true or false",
    )
    seed: Seed = field(
        0,
        "measurement",
        "seed of the initial weights, the batches and the noise",
        "give a whole number from 0 to 4294967295",
    )
    # Identity: not options, but filled in
    data: Annotated[str, Field(max_length=64)] = field(
        "", IDENTITY, "fingerprint of the data set's content, filled in when the data are found", "leave it out"
    )
    algorithm: Count = field(ALGORITHM, IDENTITY, "version of what the fields do not say", "leave it out")

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

    @property
    def samples_of_t2(self) -> int:
        """Samples in a batch of T2."""
        return self.batch_size if self.t2_batch_size is None else self.t2_batch_size

    @property
    def has_running_statistics(self) -> bool:
        """Whether running averages of the noisy T1 batches' moments are kept."""
        used = "running" in (self.test_statistics, self.validation_statistics if self.tune else None)
        return self.batch_norm and used

    def tunes_in(self, epoch: int) -> bool:
        """Whether the hyperparameters move in an epoch, from 1."""
        return bool(self.tune) and epoch > self.tune_after and (epoch - self.tune_after - 1) % self.tune_every == 0

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
