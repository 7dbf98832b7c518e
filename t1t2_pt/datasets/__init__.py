"""Data sets by name: loaded, checked, split into T1 and T2 by seed, and preprocessed as in Section 3."""

from collections.abc import Callable
from pathlib import Path

from t1t2_pt.datasets import mnist
from t1t2_pt.datasets.base import Dataset, Split, centre, split_rows

__all__ = ["DATASETS", "Dataset", "Split", "load_split"]

DATASETS: dict[str, Callable[[Path | None], Dataset]] = {"mnist": mnist.load}


def load_split(dataset: str, t1_samples: int, t2_samples: int, split_seed: int, data_dir: Path | None = None) -> Split:
    """T1, T2 and test, by the data fields of a run.

    Raises
    ------
    InputError
        If the data set cannot be found or read, or is too small for the split.
    """
    return make_split(DATASETS[dataset](data_dir), t1_samples, t2_samples, split_seed)


def make_split(dataset: Dataset, t1_samples: int, t2_samples: int, seed: int) -> Split:
    """Split a data set by seed and centre every feature by the mean of T1."""
    t1, t2 = split_rows(len(dataset.train_labels), t1_samples, t2_samples, seed)
    inputs = centre(dataset.train_inputs[t1], dataset.train_inputs[t2], dataset.test_inputs)
    labels = (dataset.train_labels[t1], dataset.train_labels[t2], dataset.test_labels)
    arrays = {}
    for name, x, y in zip(("t1", "t2", "test"), inputs, labels, strict=True):
        arrays |= {f"{name}_inputs": x, f"{name}_labels": y}
    provenance = f"{dataset.provenance}; T1 {t1_samples:,}, T2 {t2_samples:,}, split seed {seed}"
    return Split(arrays, dataset.classes, provenance)
