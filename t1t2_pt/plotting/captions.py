"""Phrases that captions of different figures share."""

from collections.abc import Iterable, Sequence

from t1t2_pt.config import RunConfig
from t1t2_pt.datasets import DATASETS
from t1t2_pt.runs.record import StoredRun


def data_name(run: StoredRun) -> str:
    """What the data of a run are, without the sizes of their split."""
    return run.provenance["data"].rsplit("; T1", 1)[0]


def split_sizes(config: RunConfig) -> str:
    """Samples in T1 and T2, such as `T1 10,000, T2 5,000`."""
    return f"T1 {config.t1_samples:,}, T2 {config.t2_samples:,}"


def data_names(runs: Iterable[StoredRun]) -> str:
    """What the data of some runs are: one thing, unless the store has runs on others too."""
    return " and ".join(dict.fromkeys(map(data_name, runs)))


def preset_and_data(preset: str, runs: Sequence[StoredRun]) -> str:
    """Preset and data of a figure on one data set, as published or as declared in its place."""
    names, sizes = data_names(runs), split_sizes(runs[0].config)
    source = DATASETS[runs[0].config.dataset]
    if names == source.official:
        return f"Preset {preset}: {source.title}, {sizes}, test {source.published[1]:,} samples"
    return f"Preset {preset}: {names}, {sizes}"


def diverged(runs: Sequence[StoredRun], how: str) -> str:
    """A sentence on the runs that diverged and how they are drawn; nothing where none did."""
    count = sum(run.status == "diverged" for run in runs)
    return f" {count} of {len(runs)} runs diverged ({how})." if count else ""
