"""Runs that follow from runs: with hyperparameters left fixed, or fixed where T1-T2 ended."""

import re

from t1t2_pt.config import RunConfig, replace
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.steps.columns import level_columns


def untuned(config: RunConfig) -> RunConfig:
    """The same run with its hyperparameters fixed at their initial values."""
    return replace(config, tune=())


def rerun_config(run: StoredRun) -> RunConfig:
    """A new run from the start with the hyperparameters fixed at those that T1-T2 ended with (Section 3)."""
    config = run.config
    levels = {name: final_level(run, name) for name in config.tune}
    if config.noise_before_softmax == "fixed" and "hidden_noise" in levels:
        levels["hidden_noise"] = _with_initial_last_layer(run, levels["hidden_noise"])
    return replace(untuned(config), **levels)


def _with_initial_last_layer(run: StoredRun, final) -> tuple[float, ...]:
    """Hidden noise per layer, or per map, of which the last layer kept its initial level."""
    config = run.config
    initial = config.hidden_noise if isinstance(config.hidden_noise, tuple) else (config.hidden_noise,)
    if "hidden_noise" not in config.per_map:
        hidden = final if isinstance(final, tuple) else (final,) * len(config.hidden_layers)
        return (*hidden[:-1], initial[-1])
    last = len(_map_columns(run, "hidden_noise", layer=len(config.hidden_layers)))
    kept = initial[-last:] if len(initial) == len(final) else initial[-1:] * last
    return (*final[:-last], *kept)


def final_level(run: StoredRun, name: str) -> float | tuple[float, ...]:
    """Where a hyperparameter ended: a number where tied, else one per layer or per map."""
    if name in run.config.per_map:
        return tuple(run.final[column] for column in _map_columns(run, name))
    columns = level_columns(run.config, name)
    return run.final[name] if columns == [name] else tuple(run.final[column] for column in columns)


def _map_columns(run: StoredRun, name: str, layer: int | None = None) -> list[str]:
    """The columns of `map_columns` that a run has, of all layers or of one, in their order."""
    found = (re.fullmatch(rf"{name}_(\d+)_(\d+)", column) for column in run.final)
    places = sorted((int(match[1]), int(match[2])) for match in found if match)
    return [f"{name}_{at}_{number}" for at, number in places if layer in (None, at)]
