"""The fields of a run that say what is trained: data, network, regularisation."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from t1t2_pt.config.fields import (
    ActivationName,
    ContrastName,
    Count,
    DatasetName,
    HyperparameterName,
    InitializationName,
    NetworkName,
    PreprocessingName,
    Seed,
    T2From,
    Width,
    field,
    level_fields,
    with_fields,
)
from t1t2_pt.datasets import CONTRAST, DATASETS, PREPROCESSING
from t1t2_pt.networks.activations import ACTIVATIONS
from t1t2_pt.networks.initialization import INITIALIZATIONS
from t1t2_pt.networks.network import CONVOLUTIONAL


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True)
@with_fields(level_fields(), before="tune")
class ModelFields:
    """See `RunConfig`."""

    dataset: DatasetName = field(
        "mnist", "data", f"one of {', '.join(DATASETS)}", "give one that `t1t2 data list` shows"
    )
    t1_samples: Count = field(55_000, "data", "samples in T1, for the elementary parameters", "give at least 1")
    t2_samples: Count = field(
        5_000, "data", "samples in T2, for the hyperparameters", "give at least 1: T2 measures C2"
    )
    split_seed: Seed = field(0, "data", "seed of the split into T1 and T2", "give a whole number from 0 to 4294967295")
    preprocessing: PreprocessingName = field(
        "usual",
        "data",
        f"of the inputs, fitted on T1: usual (what the data set has in the paper), or one of "
        f"{', '.join(name for name in PREPROCESSING if name != 'usual')}",
        "give usual, or another of these names",
    )
    contrast: ContrastName = field(
        "none", "data", f"nonlinearity of the preprocessed inputs: {', '.join(CONTRAST)}", "give none, or another"
    )
    t2_from: T2From = field(
        "apart",
        "data",
        "apart: T2 has samples that T1 has not; t1: T2 is a part of T1, a check that tuning then drives "
        "regularisation to nothing",
        "give apart or t1",
    )
    # Network
    network: NetworkName = field(
        "mlp",
        "network",
        "mlp (fully connected), all-cnn-c or ladder-baseline (the paper's convolutional networks), or pooled-cnn",
        f"give mlp, {', '.join(CONVOLUTIONAL)}",
    )
    hidden: Annotated[tuple[Width, ...], Field(max_length=64)] = field(
        (1000, 1000, 1000),
        "network",
        "widths of the mlp's hidden layers",
        "give widths of 1 or more, such as 1000,1000,1000",
    )
    width: Annotated[float, Field(gt=0, le=64, allow_inf_nan=False)] = field(
        1.0,
        "network",
        "multiplies the numbers of channels of a convolutional network, 96 and 192",
        "give a number above 0 and up to 64, such as 0.25",
    )
    activation: ActivationName | Annotated[tuple[ActivationName, ...], Field(min_length=1)] = field(
        "relu",
        "network",
        f"nonlinearity: {', '.join(ACTIVATIONS)}; or one for each hidden layer",
        f"give one of {', '.join(ACTIVATIONS)}, or as many as there are hidden layers, separated by commas",
    )
    initialization: InitializationName = field(
        "fan-in-out",
        "network",
        f"initial weights: {', '.join(INITIALIZATIONS)}",
        f"give one of {', '.join(INITIALIZATIONS)}",
    )
    batch_norm: bool = field(
        True, "network", "batch normalisation in the hidden layers (shift only)", "give true or false"
    )
    batch_norm_scale: bool = field(
        False, "network", "whether batch normalisation learns a scale, too", "give true or false"
    )
    noise_at: Literal["output", "preactivation"] = field(
        "output",
        "network",
        "where the noise of hidden layers is added: at their output, or before their nonlinearity",
        "give output or preactivation",
    )
    noise_before_softmax: Literal["tuned", "fixed", "none"] = field(
        "tuned",
        "network",
        "noise on the last hidden layer, which feeds the softmax layer: tuned like the others (the paper), "
        "fixed at its initial value (the authors' program), or none",
        "give tuned, fixed or none",
    )
    # Regularisation
    # The levels of the regularisers come here.
    tune: tuple[HyperparameterName, ...] = field(
        (),
        "regularisation",
        "hyperparameters that T1-T2 tunes; none trains with fixed ones",
        "name some of those that are given, or none",
    )
    first_apart: tuple[HyperparameterName, ...] = field(
        (),
        "regularisation",
        "hyperparameters with a number for the first layer and one for all others: give two, or one for both to "
        "start at",
        "name some of those that are given, or none",
    )
    per_unit: tuple[HyperparameterName, ...] = field(
        (),
        "regularisation",
        "hyperparameters with a number of their own for every unit, or channel of a convolutional layer: of the "
        "input, of each hidden layer, of each layer with weights",
        "name some of those that are given, or none",
    )
