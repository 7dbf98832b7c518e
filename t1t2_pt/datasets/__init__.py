"""Data sets by name: found, fetched, checked, split into T1 and T2 by seed, and preprocessed as in Section 3.

Each module here that defines a `SOURCE` is a data set: a new one is a new file, and nothing else. Preprocessing is
chosen apart from the data set, by a name in `PREPROCESSING`; "usual" stands for what the source names.

Imports `system`.
"""

from pathlib import Path

import numpy as np

from t1t2_pt.datasets.dataset import Dataset, Names, Source, Split
from t1t2_pt.datasets.own_data import OWN_SOURCES, own_dataset
from t1t2_pt.datasets.own_labels import shown
from t1t2_pt.datasets.preprocessing import CONTRAST, PREPROCESSING, USUAL, check_known, prepared
from t1t2_pt.datasets.sources import GIVEN
from t1t2_pt.datasets.splitting import T2_FROM, sizes_that_fit, split_rows
from t1t2_pt.system.discovery import modules_of
from t1t2_pt.system.errors import InputError

__all__ = [
    "CONTRAST",
    "DATASETS",
    "OWN_SOURCES",
    "PREPROCESSING",
    "T2_FROM",
    "USUAL_SIZES",
    "Dataset",
    "Names",
    "Source",
    "Split",
    "absence",
    "describe",
    "find",
    "load_split",
    "make_split",
    "own_dataset",
    "sizes_that_fit",
    "source_of",
    "training_samples",
]

FIRST = ("mnist", "svhn", "cifar10", "digits-on-photos")  # the paper's, and a stand-in; then others by name


def _sources() -> dict[str, Source]:
    found: dict[str, Source] = {}
    for module in modules_of(__name__, __path__):
        source = getattr(module, "SOURCE", None)
        if source is not None:
            if source.name in found:
                raise ValueError(f"{module.__name__}: there is a data set {source.name} already")
            found[source.name] = source
    return {name: found[name] for name in (*FIRST, *sorted(found.keys() - set(FIRST))) if name in found}


DATASETS: dict[str, Source] = _sources()

# By name: the numbers of samples where nobody says otherwise.
USUAL_SIZES = {
    name: dict(zip(("t1_samples", "t2_samples"), source.usual, strict=True)) for name, source in DATASETS.items()
}


def source_of(name: str) -> Source:
    """The source of a data set, or what is usual for data of one's own."""
    return OWN_SOURCES[name] if name in OWN_SOURCES else DATASETS[name]


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


def training_samples(name: str, data_dir: Path | None = None) -> int:
    """How many a data set has on this machine; where it is absent, or cannot be read, how many it has as published."""
    source = DATASETS[name]
    try:
        return source.samples(source.find(data_dir))[0]
    except InputError:  # told when it is loaded
        return source.published[0]


def load_split(
    dataset: str,
    t1_samples: int,
    t2_samples: int,
    split_seed: int,
    data_dir: Path | None = None,
    *,
    preprocessing: str = USUAL,
    contrast: str = "none",
    t2_from: str = "apart",
) -> Split:
    """T1, T2 and test, by the data fields of a run; see `make_split`.

    Raises
    ------
    InputError
        If the data set is unknown or cannot be found or read, and as `make_split`.
    """
    check_known("dataset", dataset, DATASETS)
    source = DATASETS[dataset]
    choices = (preprocessing, contrast, t2_from)
    _check(*choices)
    return make_split(source, source.load(data_dir), t1_samples, t2_samples, split_seed, *choices)


def make_split(
    source: Source,
    dataset: Dataset,
    t1_samples: int,
    t2_samples: int,
    seed: int,
    preprocessing: str = USUAL,
    contrast: str = "none",
    t2_from: str = "apart",
) -> Split:
    """Split a data set by seed and prepare it.

    Parameters
    ----------
    preprocessing
        A name in `PREPROCESSING`.
    contrast
        A name in `CONTRAST`: what is applied to each element after that.
    t2_from
        A name in `T2_FROM`.

    Raises
    ------
    InputError
        If one of these is unknown, or the data set too small for the split.
    """
    _check(preprocessing, contrast, t2_from)
    t1, t2 = split_rows(len(dataset.train_labels), t1_samples, t2_samples, seed, dataset.groups, t2_from)
    method = source.preprocessing if preprocessing == USUAL else preprocessing
    labels = (dataset.train_labels[t1], dataset.train_labels[t2], dataset.test_labels)
    if dataset.names.classes:
        _check_classes(dataset, labels[0])
    raw = dataset.train_images[t1], dataset.train_images[t2], dataset.test_images
    inputs, preparation = prepared(method, contrast, *raw)
    arrays: dict[str, np.ndarray] = {}
    for name, x, y in zip(("t1", "t2", "test"), inputs, labels, strict=True):
        arrays |= {f"{name}_inputs": x, f"{name}_labels": y}
    provenance = f"{dataset.provenance}; T1 {t1_samples:,}, T2 {t2_samples:,}, split seed {seed}"
    provenance += ", T2 a part of T1" if t2_from == "t1" else ""
    provenance += f", preprocessing {method}" if method != source.preprocessing else ""
    provenance += f", contrast {contrast}" if contrast != "none" else ""
    kind = str(dataset.train_images.dtype)
    return Split(arrays, dataset.classes, provenance, dataset.fingerprint, dataset.names, preparation, kind)


def _check_classes(dataset: Dataset, labels: np.ndarray) -> None:
    """Check that T1 has samples of all classes: a network learns nothing of the others."""
    lacking = np.flatnonzero(np.bincount(labels, minlength=dataset.classes) == 0)
    if len(lacking):
        few = shown([dataset.names.classes[place] for place in lacking])
        problem = f"leaves T1 without samples of {few}"
        raise InputError("t1_samples", len(labels), problem, "give more t1_samples, another split_seed, or more data")


def _check(preprocessing: str, contrast: str, t2_from: str) -> None:
    check_known("preprocessing", preprocessing, PREPROCESSING)
    check_known("contrast", contrast, CONTRAST)
    check_known("t2_from", t2_from, T2_FROM)
