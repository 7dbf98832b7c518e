"""The fields of a run that say how it is trained: elementary parameters and hyperparameters."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from t1t2_pt.config.fields import (
    LARGEST,
    LARGEST_COUNT,
    Count,
    Limit,
    MethodText,
    Number,
    OptimizerName,
    ScheduleName,
    Share,
    field,
    step_size_fields,
    with_fields,
)
from t1t2_pt.hypergradients import METHODS
from t1t2_pt.optimizers import OPTIMIZERS, SCHEDULES


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True)
@with_fields(step_size_fields(), before="hyper_schedule")
class TrainingFields:
    """See `RunConfig`."""

    # Elementary parameters
    epochs: Count = field(250, "training", "passes over T1", "give at least 1")
    batch_size: Count = field(100, "training", "samples in a batch, of T1 and of T2", "give at least 1")
    t2_batch_size: Count | None = field(
        None, "training", "samples in a batch of T2; none: as of T1", "give at least 1, or none"
    )
    optimizer: OptimizerName = field(
        "adam",
        "training",
        f"optimiser of the elementary parameters: {', '.join(OPTIMIZERS)}",
        f"give one of {', '.join(OPTIMIZERS)}",
    )
    momentum: Share | tuple[Share, Share] = field(
        0.9,
        "training",
        "momentum of the optimisers that have it, of both kinds of parameters; two numbers: where "
        "momentum_schedule is at 1, and where it is at 0",
        "give a number from 0 to less than 1, or two",
    )
    momentum_schedule: ScheduleName = field(
        "linear",
        "training",
        "how momentum goes from its first number to its second",
        f"give one of {', '.join(SCHEDULES)}",
    )
    learning_rate: Number = field(
        1e-3, "training", "step size of the elementary parameters", "give a number of 0 or more"
    )
    schedule: ScheduleName = field(
        "hold_then_linear",
        "training",
        f"annealing of the step size: {', '.join(SCHEDULES)}",
        f"give one of {', '.join(SCHEDULES)}",
    )
    hold: Annotated[float, Field(ge=0, lt=1)] = field(
        0.86,
        "training",
        "share of the updates before hold_then_linear starts to fall",
        "give a number from 0 to less than 1",
    )
    half_life: Annotated[float, Field(ge=1e-30, le=LARGEST, allow_inf_nan=False)] = field(
        0.1,
        "training",
        "share of the updates in which the exponential and the inverse_time schedule halve, or zero_then_one waits",
        "give a number above 0, such as 0.1",
    )
    gradient_norm: Limit | None = field(
        3.0, "training", "largest norm of a parameter's gradient, of C1 and of C2", "give a number above 0, or none"
    )
    # Hyperparameters
    interval: Annotated[int, Field(ge=1, le=2**30)] = field(
        10, "tuning", "elementary steps per hyperparameter step", "give at least 1"
    )
    tune_after: Annotated[int, Field(ge=0, le=LARGEST_COUNT)] = field(
        0, "tuning", "epochs before tuning starts", "give 0 or more"
    )
    tune_every: Count = field(1, "tuning", "epochs from one with tuning to the next", "give at least 1")
    method: MethodText = field(
        "t1t2",
        "tuning",
        f"the hypergradient: {', '.join(METHODS)}, with options as in averaged(rule=adam)",
        f"give one of {', '.join(METHODS)}",
    )
    hyper_cost: Literal["validation", "validation-training", "penalised"] = field(
        "validation",
        "tuning",
        "what tuning lowers: validation (C2), validation-training (C2 less the cost on the T1 batch, both without "
        "noise) or penalised (C2 with the penalties, their strengths held constant)",
        "give validation, validation-training or penalised",
    )
    validation_statistics: Literal["batch", "running"] = field(
        "batch",
        "tuning",
        "what batch normalisation uses for C2: the moments of its own clean batch, or running averages of the "
        "noisy T1 batches",
        "give batch or running",
    )
    hyper_optimizer: OptimizerName = field(
        "sgd", "tuning", "optimiser of the hyperparameters", f"give one of {', '.join(OPTIMIZERS)}"
    )
    hyper_decay: Number = field(
        0.0,
        "tuning",
        "added to the hypergradient of what perturbs activations: this times its level",
        "give a number of 0 or more",
    )
    hyper_schedule: ScheduleName = field(
        "constant", "tuning", "annealing of the hyperparameters' step sizes", f"give one of {', '.join(SCHEDULES)}"
    )
    validation_gradient_at: Literal["current", "next"] = field(
        "current",
        "tuning",
        "where the gradient of C2 is taken: at the parameters before the update or after it (Eq. 3 as written)",
        "give current or next",
    )
    hypergradient_norm: Limit | None = field(
        3.0, "tuning", "largest norm of one hyperparameter's hypergradient", "give a number above 0, or none"
    )
    hypergradient_clip: Limit | None = field(
        10.0, "tuning", "largest size of any element of a hypergradient", "give a number above 0, or none"
    )
    hypergradient_limits: Literal["clip-rescale", "rescale-clip", "rescale-each-clip"] = field(
        "clip-rescale",
        "tuning",
        "order of the clip and of the rescaling to the largest norm; rescale-each-clip rescales each layer's part "
        "by itself (the authors' program)",
        "give clip-rescale, rescale-clip or rescale-each-clip",
    )
