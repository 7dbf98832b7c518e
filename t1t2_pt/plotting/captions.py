"""Phrases that captions of different figures share."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from t1t2_pt.config import PROGRAMS, PUBLISHED, RunConfig, replace
from t1t2_pt.config.fields import default
from t1t2_pt.datasets import source_of
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.system.errors import InputError


def data_name(run: StoredRun) -> str:
    """What the data of a run are, without the sizes of their split."""
    return run.provenance["data"].rsplit("; T1", 1)[0]


def network_name(config: RunConfig) -> str:
    """The widths of the hidden layers, such as `64-64-64`, or the network's name."""
    return "-".join(map(str, config.hidden)) if config.hidden else config.network


def network_names(runs: Iterable[StoredRun]) -> str:
    """The networks of some runs, each once: `64-64-64, 96-96`."""
    return ", ".join(dict.fromkeys(network_name(run.config) for run in runs))


def hyperparameter_steps(config: Any) -> int:
    """How many of a run's steps move the hyperparameters; runs of other kinds than a `RunConfig` say so themselves."""
    if not isinstance(config, RunConfig):
        return config.hyperparameter_steps
    ends = [epoch * config.steps_per_epoch // config.interval for epoch in range(config.epochs + 1)]
    return sum(ends[epoch] - ends[epoch - 1] for epoch in range(1, config.epochs + 1) if config.tunes_in(epoch))


def seconds_of(run: StoredRun) -> str:
    """The time that a run trained, in seconds, by its history; of runs trained together each has its share."""
    return f"{sum(run.history['seconds']):.2f}" if "seconds" in run.history else ""


def split_sizes(config: RunConfig) -> str:
    """Samples in T1 and T2, such as `T1 10,000, T2 5,000`."""
    return f"T1 {config.t1_samples:,}, T2 {config.t2_samples:,}"


def data_names(runs: Iterable[StoredRun]) -> str:
    """What the data of some runs are: one thing, unless the store has runs on others too."""
    return " and ".join(dict.fromkeys(map(data_name, runs)))


def preset_and_data(preset: str, runs: Sequence[StoredRun]) -> str:
    """Preset and data of a figure on one data set, as published or as declared in its place."""
    names, sizes = data_names(runs), split_sizes(runs[0].config)
    source = source_of(runs[0].config.dataset)
    if names == source.official:
        names, sizes = source.title, f"{sizes}, test {source.published[1]:,} samples"
    return f"{preset_words(preset, runs)}: {names}, {sizes}"


def preset_words(preset: str, runs: Iterable[StoredRun]) -> str:
    """The preset, and whose choices all of the runs have, where they are not those of the published pictures."""
    configs = [run.config for run in runs if isinstance(run.config, RunConfig)]
    ours = {name: default(name, RunConfig) for fields in PROGRAMS.values() for name in fields}
    found = [name for name, fields in PROGRAMS.items() if all(_has(config, fields) for config in configs)]
    if PUBLISHED in found:
        return f"Preset {preset}"
    if all(_has(config, ours) for config in configs):
        return f"Preset {preset} with this library's defaults"
    return f"Preset {preset}" + (f" with the choices of {' or '.join(found)}" if found else "")


def _has(config: RunConfig, fields: Mapping[str, Any]) -> bool:
    """Whether the run is the same with these fields."""
    try:
        return replace(config, **fields).canonical == config.canonical
    except InputError:  # they do not fit into it
        return False


def smaller(config: Any, paper: Mapping[str, Any], **words: str) -> str:
    """A sentence on what a run has less of than the paper's; nothing where it has as much of all.

    Parameters
    ----------
    config
        A run, of whatever kind.
    paper
        Fields of the paper's.
    words
        What the sentence calls some of these, in its order; default: network, samples and epochs.
    """
    words = words or {"hidden": "network", "t1_samples": "samples", "epochs": f"{paper['epochs']} epochs"}
    less = [name for name in words if _size(getattr(config, name)) < _size(paper[name])]
    if not less:
        return ""
    *first, last = (words[name] for name in less)
    kind = "Fewer" if less == ["epochs"] else "Smaller"
    return f" {kind} than the paper's {', '.join(first)}{' and ' if first else ''}{last}."


def _size(value: Any) -> float:
    return sum(value) if isinstance(value, Sequence) else value


def diverged(runs: Sequence[StoredRun], how: str) -> str:
    """A sentence on the runs that diverged and how they are drawn; nothing where none did."""
    count = sum(run.status == "diverged" for run in runs)
    return f" {count} of {len(runs)} runs diverged ({how})." if count else ""
