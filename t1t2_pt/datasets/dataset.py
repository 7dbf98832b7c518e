"""What a data set is before and after its split: arrays, and where they came from."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from t1t2_pt.datasets.sources import Place, fingerprint
from t1t2_pt.system.errors import InputError


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set as published.

    Parameters
    ----------
    train_images, test_images
        uint8 [samples, height, width, maps].
    train_labels, test_labels
        int32 [samples], from 0 to classes - 1.
    provenance
        What these data are and how that was checked.
    groups
        int [samples]: training samples with the same number show the same thing and stay on one
        side of the split; None: each is its own.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: int
    provenance: str
    groups: np.ndarray | None = None

    @functools.cached_property
    def fingerprint(self) -> str:
        """What names its content: `RunConfig.data` of the runs that are trained on it."""
        return fingerprint(self.train_images, self.train_labels, self.test_images, self.test_labels)


@dataclasses.dataclass(frozen=True)
class Source:
    """A kind of data set: how to find, read and prepare it.

    Parameters
    ----------
    description
        What it is, in a line, with `{}` for the numbers of samples.
    published
        Samples for training and for test.
    find
        `find(data_dir)` gives the place of its files on this machine, or None.
    fetch
        `fetch(progress)` downloads them; None where there is nothing to download.
    load
        `load(data_dir)` reads and checks all of it, fetching it where it is absent.
    prepare
        `prepare(t1, t2, test)` preprocesses uint8 images, with whatever is fitted fitted on T1, to
        float32 arrays of the same shapes.
    count
        `count(place)` gives the samples for training and for test of files that need not be the published ones;
        None where they always are.
    fingerprint
        That of the published content, of which all files are without a PROVENANCE beside them; None where it is
        not known before they are read.
    """

    description: str
    published: tuple[int, int]
    find: Callable[[Path | None], Place | None]
    fetch: Callable[[bool], Place] | None
    load: Callable[[Path | None], Dataset]
    prepare: Callable[[np.ndarray, np.ndarray, np.ndarray], list[np.ndarray]]
    count: Callable[[Place], tuple[int, int]] | None = None
    fingerprint: str | None = None

    def describe(self, place: Place | None = None) -> str:
        """What it is in a line, with the numbers of samples that lie there, or else of the published ones.

        Raises
        ------
        InputError
            If the files there cannot be read.
        """
        partial = self.count is not None and place is not None and place.declared is not None
        train, test = self.count(place) if partial else self.published
        return self.description.format(f"{train:,} + {test:,}")


@dataclasses.dataclass(frozen=True)
class Split:
    """T1, T2 and test, preprocessed: what training sees.

    `arrays` holds `t1_inputs` (float32 [samples, ...]), `t1_labels` (int32 [samples]), and the
    same of `t2` and `test`. `fingerprint` is that of the data set; none is compared with nothing.
    """

    arrays: dict[str, np.ndarray]
    classes: int
    provenance: str
    fingerprint: str = ""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.arrays["t1_inputs"].shape[1:]

    @property
    def samples(self) -> dict[str, int]:
        """How many there are in each part."""
        return {name: len(self.arrays[f"{name}_labels"]) for name in ("t1", "t2", "test")}


def split_rows(
    samples: int, t1: int, t2: int, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of T1 and T2: two disjoint random parts of the training set, by seed.

    Parameters
    ----------
    groups
        As in `Dataset`: no group has samples in both parts.

    Raises
    ------
    InputError
        If either is empty or both together are larger than the training set.
    """
    for name, size in (("t1_samples", t1), ("t2_samples", t2)):
        if size < 1:
            raise InputError(name, size, "leaves the split empty", "give at least 1")
    if t1 + t2 > samples:
        share = max(1, samples * t2 // (t1 + t2))
        raise InputError(
            "t1_samples",
            t1,
            f"with {t2} t2_samples exceeds the {samples} training samples",
            f"give at most {samples} together, such as --t1-samples {samples - share} --t2-samples {share}",
        )
    order = np.random.Generator(np.random.Philox(seed)).permutation(samples)
    if groups is None:
        return order[:t1], order[t1 : t1 + t2]
    return _split_groups(order, t1, t2, groups)


def _split_groups(order: np.ndarray, t1: int, t2: int, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """T2 from samples that are alone in their group, the first of them in a random order; T1 from the rest."""
    alone = np.bincount(groups)[groups[order]] == 1
    single = order[alone]
    if len(single) < t2:
        raise InputError(
            "t2_samples", t2, f"exceeds the {len(single)} training samples that show what no other shows", "give fewer"
        )
    t2_rows = single[:t2]
    return order[~np.isin(order, t2_rows)][:t1], t2_rows
