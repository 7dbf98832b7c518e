"""Names of what is measured of a run: the columns of its history."""

from collections.abc import Sequence

from t1t2_pt.config import RunConfig
from t1t2_pt.networks.network import MaxPool
from t1t2_pt.steps.evaluation import SETS
from t1t2_pt.steps.step import T1_METRICS

EVALUATION = tuple(f"{name}_{what}" for name in SETS for what in ("cost", "error"))


def layer_columns(name: str, layers: int) -> list[str]:
    """Columns of a hyperparameter that has one number per layer: `hidden_noise_1`, ..., `l2_0`, ..."""
    first = 1 if name == "hidden_noise" else 0
    return [f"{name}_{layer}" for layer in range(first, first + layers)]


def map_columns(name: str, maps: Sequence[int]) -> list[str]:
    """Columns of a hyperparameter that has one number per map: `hidden_noise_1_0`, `hidden_noise_1_1`, ..."""
    layers = layer_columns(name, len(maps))
    return [f"{column}_{number}" for column, count in zip(layers, maps, strict=True) for number in range(count)]


def level_columns(config: RunConfig, name: str) -> list[str]:
    """Columns of one of a run's hyperparameters: one where tied, else one per layer (the mean over its maps)."""
    if name in config.per_map:
        hidden = config.hidden_layers
        weighted = 1 + sum(not isinstance(layer, MaxPool) for layer in hidden)
        return layer_columns(name, {"input_noise": 1, "hidden_noise": len(hidden), "l2": weighted}[name])
    level = getattr(config, name)
    return layer_columns(name, len(level)) if isinstance(level, tuple) else [name]


def first_columns(config: RunConfig) -> list[str]:
    """What there is of a run before its first epoch, and of every epoch."""
    return ["epoch", "seconds", *(column for name in config.hyperparameters for column in level_columns(config, name))]


def epoch_columns(config: RunConfig) -> list[str]:
    """What there is of every epoch beside `first_columns`; `EVALUATION` comes where the run is evaluated."""
    tuned = ["validation_cost", "repaired_hypergradients", *(f"{name}/learning_rate" for name in config.tune)]
    return [*T1_METRICS, *(tuned if config.tune else ())]
