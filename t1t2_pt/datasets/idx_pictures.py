"""Data sets in MNIST's form: four IDX files, of images and labels for training and for test.

Several of them have files of the very same names. What is not declared by a PROVENANCE must be the published
content, so that none is taken for another.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from t1t2_pt.datasets import idx, sources
from t1t2_pt.datasets.dataset import Dataset, Source
from t1t2_pt.datasets.sources import Place, Remote, bad_file


def names_of(archive: str) -> tuple[str, ...]:
    """What else an archive's file is called: unpacked, and as by programs that take `-idx` for an ending."""
    name = archive.removesuffix(".gz")
    dotted = name.replace("-idx", ".idx")
    return name, dotted, f"{dotted}.gz"


def idx_remote(
    dataset: str, base_url: str, archives: Mapping[str, str], folders: tuple[str, ...] = (), shared_names: bool = True
) -> Remote:
    """Where such a data set is published, and the names that its files may have here.

    Parameters
    ----------
    archives
        The four in the order of `IdxPictures`, and their checksums.
    folders, shared_names
        As in `Remote`.
    """
    forms = ({name: names_of(name) for name in archives},)
    return Remote(dataset, base_url, archives, forms, folders, shared_names=shared_names)


@dataclasses.dataclass(frozen=True)
class IdxPictures:
    """A data set of grey pictures in four IDX files.

    Parameters
    ----------
    remote
        Its files are, in this order, those of training images, training labels, test images and test labels.
    contents
        SHA-256 of the uncompressed files, by the names of the archives. Where one is not known, the file must be
        the archive as published.
    official
        What results say of the published files.
    samples
        Numbers of pictures for training and for test.
    side
        Height and width of a picture.
    classes
        Labels are from 0 to one less.
    """

    remote: Remote
    contents: Mapping[str, str]
    official: str
    samples: tuple[int, int] = (60_000, 10_000)
    side: int = 28
    classes: int = 10

    def load(self, data_dir: Path | None = None) -> Dataset:
        """Images [side, side, 1] and labels.

        Files without a PROVENANCE beside them must be the published ones.

        Raises
        ------
        InputError
            If a file is missing and cannot be fetched, or is not what it should be.
        """
        place = sources.locate(self.remote, data_dir)
        train_images, train_labels, test_images, test_labels = self.remote.files
        train, test = self.samples
        arrays = (
            *self._pictures(place, train_images, train_labels, train),
            *self._pictures(place, test_images, test_labels, test),
        )
        return Dataset(self.remote.dataset, *arrays, self.classes, place.provenance(self.official, *arrays))

    def count(self, place: Place) -> tuple[int, int]:
        """Samples for training and for test that files say they have."""
        _, train, _, test = self.remote.files
        return idx.count(place.files[train], 1), idx.count(place.files[test], 1)

    def source(self, title: str, description: str, usual: tuple[int, int], fingerprint: str | None = None) -> Source:
        """The data set for the registry; its features are usually centred, as MNIST's."""
        return Source(
            name=self.remote.dataset,
            title=title,
            description=description,
            published=self.samples,
            usual=usual,
            preprocessing="centre",
            find=lambda data_dir: sources.find(self.remote, data_dir),
            fetch=lambda progress: sources.fetch(self.remote, progress),
            load=self.load,
            count=self.count,
            fingerprint=fingerprint,
            official=self.official,
        )

    def _pictures(
        self, place: Place, images_name: str, labels_name: str, samples: int
    ) -> tuple[np.ndarray, np.ndarray]:
        images = self._read(place, images_name, samples, self.side, self.side)[..., None]
        labels = self._read(place, labels_name, samples).astype(np.int32)
        path = place.files[labels_name]
        if len(labels) != len(images):
            raise bad_file(path, f"has {len(labels)} labels, where there are {len(images)} images")
        if labels.max() >= self.classes:
            raise bad_file(path, f"has a label {labels.max()}, where 0 to {self.classes - 1} are expected")
        return images, labels

    def _read(self, place: Place, name: str, *shape: int) -> np.ndarray:
        if place.declared is not None:
            return idx.read_idx(place.files[name], shape, part=True)
        sha256 = self.contents.get(name)
        md5 = self.remote.files[name] if sha256 is None else None
        return idx.read_idx(place.files[name], shape, sha256, md5=md5)
