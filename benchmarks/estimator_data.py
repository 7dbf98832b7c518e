"""Data sets of the comparison of the estimators, and how each is split by a seed.

Small ones come with scikit-learn: three quarters of the samples are trained on. Of MNIST, Fashion-MNIST and CIFAR-10 a
seed draws 5,000 or 2,000 training samples, and the official test set is the test; they are taken where they are on
this machine (`T1T2_DATA`, `t1t2 data list`).
"""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split

from t1t2_pt.datasets import DATASETS, find

Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # x, x_test, y, y_test
Samples = Callable[[], tuple[np.ndarray, np.ndarray]]


def _column_of(x: np.ndarray, column: int) -> tuple[np.ndarray, np.ndarray]:
    """One column from all others."""
    return np.delete(x, column, axis=1), x[:, column]


SMALL_CLASSES: dict[str, Samples] = {
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
}
NUMBERS: dict[str, Samples] = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "friedman1": lambda: datasets.make_friedman1(400, noise=1.0, random_state=0),
    "linnerud": lambda: datasets.load_linnerud(return_X_y=True),
    "alcohol of wine": lambda: _column_of(datasets.load_wine().data, 0),
}
PICTURES = {  # the data set, and how many samples are trained on
    "MNIST, 5,000": ("mnist", 5_000),
    "Fashion-MNIST, 5,000": ("fashion-mnist", 5_000),
    "CIFAR-10, 2,000": ("cifar10", 2_000),
}
CLASSES = (*SMALL_CLASSES, *PICTURES)
NAMES = (*SMALL_CLASSES, *NUMBERS, *PICTURES)


def is_here(name: str, data_dir: Path | None) -> bool:
    """Whether a data set is on this machine."""
    return name not in PICTURES or find(PICTURES[name][0], data_dir) is not None


def split(name: str, seed: int, data_dir: Path | None = None) -> Split:
    """What is trained on and what is tested on."""
    if name in PICTURES:
        return _pictures(name, seed, data_dir)
    x, y = {**SMALL_CLASSES, **NUMBERS}[name]()
    return tuple(train_test_split(x, y, random_state=seed, stratify=y if name in CLASSES else None))


def _pictures(name: str, seed: int, data_dir: Path | None) -> Split:
    known, size = PICTURES[name]
    data = _loaded(known, data_dir)
    chosen = np.random.default_rng(seed).choice(len(data.train_labels), size, replace=False)
    x, x_test = (images.reshape(len(images), -1) / np.float32(255) for images in (data.train_images, data.test_images))
    return x[chosen], x_test, data.train_labels[chosen], data.test_labels


@functools.lru_cache(maxsize=1)
def _loaded(name: str, data_dir: Path | None):
    return DATASETS[name].load(data_dir)
