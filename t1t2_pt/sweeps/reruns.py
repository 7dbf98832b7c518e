"""Runs that follow from runs: with hyperparameters left fixed, or fixed where T1-T2 ended."""

from typing import Any

from t1t2_pt.config import RunConfig, replace
from t1t2_pt.regularizers import HIDDEN, HYPERPARAMETERS, PER_LAYER
from t1t2_pt.runs.record import StoredRun


def untuned(config: RunConfig) -> RunConfig:
    """The same run with its hyperparameters fixed at their initial values."""
    return replace(config, tune=())


def rerun_config(run: StoredRun) -> RunConfig:
    """A new run from the start with the hyperparameters fixed at those that T1-T2 ended with (Section 3)."""
    config = run.config
    changes: dict[str, Any] = {}
    for name in config.tune:
        changes[name] = run.final_level(name)
        if config.noise_before_softmax == "fixed" and HYPERPARAMETERS[name].places is HIDDEN:
            initial = config.level(name)
            assert initial is not None
            levels = config.levels(name).with_units_of(run.final)
            changes[name], grain = levels.with_last(changes[name], initial)
            if grain == PER_LAYER:
                changes["first_apart"] = tuple(other for other in config.first_apart if other != name)
    return replace(untuned(config), **changes)
