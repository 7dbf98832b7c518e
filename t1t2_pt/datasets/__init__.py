"""Data sets by name: found, fetched, checked, split into T1 and T2 by seed, and preprocessed as in Section 3.

Imports `system`.
"""

from pathlib import Path

from t1t2_pt.datasets import cifar10, mnist, photos, svhn
from t1t2_pt.datasets.dataset import Dataset, Source, Split, split_rows
from t1t2_pt.datasets.sources import GIVEN
from t1t2_pt.system.errors import InputError

__all__ = ["DATASETS", "Dataset", "Source", "Split", "absence", "describe", "find", "load_split", "make_split"]

DATASETS: dict[str, Source] = {
    "mnist": mnist.SOURCE,
    "svhn": svhn.SOURCE,
    "cifar10": cifar10.SOURCE,
    "digits-on-photos": photos.SOURCE,
}


def absence(name: str) -> str:
    """What is told of a data set that is not on this machine."""
    return f"absent; `t1t2 data fetch {name}` downloads it"


def find(name: str, data_dir: Path | None = None) -> str | None:
    """Where a data set lies on this machine, or what is wrong with what lies there; None where it is absent.

    Raises
    ------
    InputError
        If a folder of data sets that the user named is none.
    """
    try:
        place = DATASETS[name].find(data_dir)
    except InputError as error:
        if error.field in GIVEN:
            raise
        return str(error)
    return None if place is None else str(place.path)


def describe(name: str, data_dir: Path | None = None) -> str:
    """What a data set is, with the numbers of samples that lie on this machine, or else of the published ones."""
    source = DATASETS[name]
    try:
        return source.describe(source.find(data_dir))
    except InputError:
        return source.describe()


def load_split(dataset: str, t1_samples: int, t2_samples: int, split_seed: int, data_dir: Path | None = None) -> Split:
    """T1, T2 and test, by the data fields of a run.

    Raises
    ------
    InputError
        If the data set cannot be found or read, or is too small for the split.
    """
    source = DATASETS[dataset]
    return make_split(source, source.load(data_dir), t1_samples, t2_samples, split_seed)


def make_split(source: Source, dataset: Dataset, t1_samples: int, t2_samples: int, seed: int) -> Split:
    """Split a data set by seed and prepare it as its source says."""
    t1, t2 = split_rows(len(dataset.train_labels), t1_samples, t2_samples, seed, dataset.groups)
    inputs = source.prepare(dataset.train_images[t1], dataset.train_images[t2], dataset.test_images)
    labels = (dataset.train_labels[t1], dataset.train_labels[t2], dataset.test_labels)
    arrays = {}
    for name, x, y in zip(("t1", "t2", "test"), inputs, labels, strict=True):
        arrays |= {f"{name}_inputs": x, f"{name}_labels": y}
    provenance = f"{dataset.provenance}; T1 {t1_samples:,}, T2 {t2_samples:,}, split seed {seed}"
    return Split(arrays, dataset.classes, provenance, dataset.fingerprint)
