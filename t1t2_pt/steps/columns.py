"""Names of what is measured of a run: the columns of its history."""

from t1t2_pt.config import RunConfig
from t1t2_pt.steps.evaluation import SETS
from t1t2_pt.steps.step import T1_METRICS

EVALUATION = tuple(f"{name}_{what}" for name in SETS for what in ("cost", "error"))


def first_columns(config: RunConfig) -> list[str]:
    """What there is of a run before its first epoch, and of every epoch."""
    return ["epoch", "seconds", *(column for name in config.hyperparameters for column in config.levels(name).columns)]


def epoch_columns(config: RunConfig) -> list[str]:
    """What there is of every epoch beside `first_columns`; `EVALUATION` comes where the run is evaluated."""
    tuned = ["validation_cost", "repaired_hypergradients", *(f"{name}/learning_rate" for name in config.tune)]
    return [*T1_METRICS, *(tuned if config.tune else ())]
