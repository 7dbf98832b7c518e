"""Phrases that captions of different figures share."""

from collections.abc import Sequence

from t1t2_pt.config import RunConfig
from t1t2_pt.runs import StoredRun


def data_name(run: StoredRun) -> str:
    """What the data of a run are, without the sizes of their split."""
    return run.provenance["data"].split("; T1")[0]


def split_sizes(config: RunConfig) -> str:
    """Samples in T1 and T2, such as `T1 10,000, T2 5,000`."""
    return f"T1 {config.t1_samples:,}, T2 {config.t2_samples:,}"


def mnist_preset(preset: str, config: RunConfig) -> str:
    """Preset and data of a figure on MNIST."""
    return f"Preset {preset}: MNIST, {split_sizes(config)}, test 10,000 samples"


def diverged(runs: Sequence[StoredRun], how: str) -> str:
    """A sentence on the runs that diverged and how they are drawn; nothing where none did."""
    count = sum(run.status == "diverged" for run in runs)
    return f" {count} of {len(runs)} runs diverged ({how})." if count else ""
