"""What a data set is before and after its split: arrays, and where they came from."""

import dataclasses
import functools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from t1t2_pt.datasets.own_labels import Label
from t1t2_pt.datasets.preprocessing import PREPROCESSING, USUAL, Preparation
from t1t2_pt.datasets.sources import Place, fingerprint


@dataclasses.dataclass(frozen=True)
class Names:
    """What things are called in data of one's own.

    Parameters
    ----------
    classes
        The labels by the number of their class; nothing where they are these numbers.
    features
        The columns of a table.
    label
        The column of the labels.
    """

    classes: tuple[Label, ...] = ()
    features: tuple[str, ...] = ()
    label: str = ""


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set as published.

    Parameters
    ----------
    train_images, test_images
        uint8 [samples, height, width, channels]; of data that are no pictures floats [samples, ...].
    train_labels, test_labels
        int32 [samples], from 0 to classes - 1.
    provenance
        What these data are and how that was checked.
    groups
        int [samples]: training samples with the same number show the same thing and stay on one
        side of the split; None: each is its own.
    names
        What classes, features and labels are called.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: int
    provenance: str
    groups: np.ndarray | None = None
    names: Names = Names()

    @functools.cached_property
    def fingerprint(self) -> str:
        """What names its content: `RunConfig.data` of the runs that are trained on it."""
        return fingerprint(*self.contents)

    @property
    def contents(self) -> tuple[np.ndarray, ...]:
        """The arrays that make it up, and the names of its classes as bytes of JSON where they have some."""
        arrays = self.train_images, self.train_labels, self.test_images, self.test_labels
        names = json.dumps(self.names.classes).encode()
        return (*arrays, np.frombuffer(names, np.uint8)) if self.names.classes else arrays


@dataclasses.dataclass(frozen=True)
class Source:
    """A kind of data set: how to find, read and prepare it.

    Parameters
    ----------
    name
        What runs and options call it: small letters, digits and hyphens.
    title
        What figures call it.
    description
        What it is, in a line, with `{}` for the numbers of samples.
    published
        Samples for training and for test.
    usual
        Samples in T1 and T2 where nobody says otherwise: the paper's, or the field's.
    preprocessing
        The usual kind: a name in `PREPROCESSING`.
    find
        `find(data_dir)` gives the place of its files on this machine, or None.
    fetch
        `fetch(progress)` downloads them; None where there is nothing to download.
    load
        `load(data_dir)` reads and checks all of it, fetching it where it is absent.
    count
        `count(place)` gives the samples for training and for test of files that need not be the published ones;
        None where they always are.
    fingerprint
        That of the published content, of which all files are without a PROVENANCE beside them; None where it is
        not known before they are read.
    official
        How the provenance of the published content begins, where there is a fingerprint.

    Raises
    ------
    ValueError
        If its name cannot be one, its usual sizes do not fit or its preprocessing is unknown.
    """

    name: str
    title: str
    description: str
    published: tuple[int, int]
    usual: tuple[int, int]
    preprocessing: str
    find: Callable[[Path | None], Place | None]
    fetch: Callable[[bool], Place] | None
    load: Callable[[Path | None], Dataset]
    count: Callable[[Place], tuple[int, int]] | None = None
    fingerprint: str | None = None
    official: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"data set {self.name!r}: a name has small letters, digits and hyphens")
        if min(self.usual) < 1 or sum(self.usual) > self.published[0]:
            raise ValueError(f"data set {self.name}: T1 and T2 of {self.usual} do not fit into {self.published[0]}")
        if self.preprocessing == USUAL or self.preprocessing not in PREPROCESSING:
            raise ValueError(f"data set {self.name}: there is no preprocessing {self.preprocessing!r}")

    def samples(self, place: Place | None = None) -> tuple[int, int]:
        """How many lie there for training and for test, or else how many were published.

        Raises
        ------
        InputError
            If the files there cannot be read.
        """
        if self.count is None or place is None or place.declared is None:
            return self.published
        return self.count(place)

    def describe(self, place: Place | None = None) -> str:
        """What it is in a line, with the numbers of samples that lie there, or else of the published ones.

        Raises
        ------
        InputError
            If the files there cannot be read.
        """
        train, test = self.samples(place)
        return self.description.format(f"{train:,} + {test:,}")


@dataclasses.dataclass(frozen=True)
class Split:
    """T1, T2 and test, preprocessed: what training sees.

    `arrays` holds `t1_inputs` (float32 [samples, ...]), `t1_labels` (int32 [samples]), and the
    same of `t2` and `test`. `fingerprint` is that of the data set; none is compared with nothing.
    `names` are those of the data set, `preparation` does to other samples what was done to these, and `kind` is the
    type of the samples before.
    """

    arrays: dict[str, np.ndarray]
    classes: int
    provenance: str
    fingerprint: str = ""
    names: Names = Names()
    preparation: Preparation | None = None
    kind: str = "uint8"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.arrays["t1_inputs"].shape[1:]

    @property
    def samples(self) -> dict[str, int]:
        """How many there are in each part."""
        return {name: len(self.arrays[f"{name}_labels"]) for name in ("t1", "t2", "test")}
