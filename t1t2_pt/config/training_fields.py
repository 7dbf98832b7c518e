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
    option,
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
    epochs: Count = Field(default=250, **option("training", "passes over T1", "give at least 1"))
    batch_size: Count = Field(
        default=100, **option("training", "samples in a batch, of T1 and of T2", "give at least 1")
    )
    t2_batch_size: Count | None = Field(
        default=None,
        **option("training", "samples in a batch of T2; none: as of T1", "give at least 1, or none"),
    )
    optimizer: OptimizerName = Field(
        default="adam",
        **option(
            "training",
            f"optimiser of the elementary parameters: {', '.join(OPTIMIZERS)}",
            f"give one of {', '.join(OPTIMIZERS)}",
        ),
    )
    momentum: Share | tuple[Share, Share] = Field(
        default=0.9,
        **option(
            "training",
            "momentum of the optimisers that have it, of both kinds of parameters; two numbers: where "
            "momentum_schedule is at 1, and where it is at 0",
            "give a number from 0 to less than 1, or two",
        ),
    )
    momentum_schedule: ScheduleName = Field(
        default="linear",
        **option(
            "training",
            "how momentum goes from its first number to its second",
            f"give one of {', '.join(SCHEDULES)}",
        ),
    )
    learning_rate: Number = Field(
        default=1e-3, **option("training", "step size of the elementary parameters", "give a number of 0 or more")
    )
    schedule: ScheduleName = Field(
        default="hold_then_linear",
        **option(
            "training", f"annealing of the step size: {', '.join(SCHEDULES)}", f"give one of {', '.join(SCHEDULES)}"
        ),
    )
    hold: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.86,
        **option(
            "training",
            "share of the updates before hold_then_linear starts to fall",
            "give a number from 0 to less than 1",
        ),
    )
    half_life: Annotated[float, Field(ge=1e-30, le=LARGEST, allow_inf_nan=False)] = Field(
        default=0.1,
        **option(
            "training",
            "share of the updates in which the exponential and the inverse_time schedule halve, or zero_then_one waits",
            "give a number above 0, such as 0.1",
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
    tune_after: Annotated[int, Field(ge=0, le=LARGEST_COUNT)] = Field(
        default=0, **option("tuning", "epochs before tuning starts", "give 0 or more")
    )
    tune_every: Count = Field(
        default=1, **option("tuning", "epochs from one with tuning to the next", "give at least 1")
    )
    method: MethodText = Field(
        default="t1t2",
        **option(
            "tuning",
            f"the hypergradient: {', '.join(METHODS)}, with options as in averaged(rule=adam)",
            f"give one of {', '.join(METHODS)}",
        ),
    )
    hyper_cost: Literal["validation", "validation-training", "penalised"] = Field(
        default="validation",
        **option(
            "tuning",
            "what tuning lowers: validation (C2), validation-training (C2 less the cost on the T1 batch, both without "
            "noise) or penalised (C2 with the penalties, their strengths held constant)",
            "give validation, validation-training or penalised",
        ),
    )
    validation_statistics: Literal["batch", "running"] = Field(
        default="batch",
        **option(
            "tuning",
            "what batch normalisation uses for C2: the moments of its own clean batch, or running averages of the "
            "noisy T1 batches",
            "give batch or running",
        ),
    )
    hyper_optimizer: OptimizerName = Field(
        default="sgd",
        **option("tuning", "optimiser of the hyperparameters", f"give one of {', '.join(OPTIMIZERS)}"),
    )
    hyper_decay: Number = Field(
        default=0.0,
        **option(
            "tuning",
            "added to the hypergradient of what perturbs activations: this times its level",
            "give a number of 0 or more",
        ),
    )
    hyper_schedule: ScheduleName = Field(
        default="constant",
        **option("tuning", "annealing of the hyperparameters' step sizes", f"give one of {', '.join(SCHEDULES)}"),
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
    hypergradient_limits: Literal["clip-rescale", "rescale-clip", "rescale-each-clip"] = Field(
        default="clip-rescale",
        **option(
            "tuning",
            "order of the clip and of the rescaling to the largest norm; rescale-each-clip rescales each layer's part "
            "by itself (the authors' program)",
            "give clip-rescale, rescale-clip or rescale-each-clip",
        ),
    )
