"""MNIST: handwritten digits, 28x28, 60,000 for training and 10,000 for test (LeCun et al., 1998)."""

from pathlib import Path

import numpy as np

from t1t2_pt.datasets import idx, preprocessing, sources
from t1t2_pt.datasets.dataset import Dataset, Source
from t1t2_pt.datasets.idx import read_idx
from t1t2_pt.datasets.sources import bad_file

BASE_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"

# MD5 of the archives as published, for the download; SHA-256 of their contents, for every load.
ARCHIVES = {
    "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
}
CONTENTS = {
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def _names(archive: str) -> tuple[str, ...]:
    """What else an archive's file is called: unpacked, and as by programs that take `-idx` for an ending."""
    name = archive.removesuffix(".gz")
    dotted = name.replace("-idx", ".idx")
    return name, dotted, f"{dotted}.gz"


# torchvision keeps the files in MNIST/raw.
REMOTE = sources.Remote(
    "mnist", BASE_URL, ARCHIVES, forms=({name: _names(name) for name in ARCHIVES},), folders=("mnist/raw",)
)
TRAIN, TEST, SIDE, CLASSES = 60_000, 10_000, 28, 10
PUBLISHED = "MNIST, the official files (SHA-256 checked)"
FINGERPRINT = "615a98aea41c61d0ff8fbfff79b428e8"


def load(data_dir: Path | None = None) -> Dataset:
    """MNIST: images [28, 28, 1] and labels 0 to 9.

    Files without a PROVENANCE beside them must be the published ones.

    Raises
    ------
    InputError
        If a file is missing and cannot be fetched, or is not what it should be.
    """
    place = sources.locate(REMOTE, data_dir)
    part = place.declared is not None

    def read(name: str, *shape: int) -> np.ndarray:
        return read_idx(place.files[name], shape, None if part else CONTENTS[name], part)

    arrays = []
    for name, samples in (("train", TRAIN), ("t10k", TEST)):
        images = read(f"{name}-images-idx3-ubyte.gz", samples, SIDE, SIDE)[..., None]
        labels = read(f"{name}-labels-idx1-ubyte.gz", samples).astype(np.int32)
        path = place.files[f"{name}-labels-idx1-ubyte.gz"]
        if len(labels) != len(images):
            raise bad_file(path, f"has {len(labels)} labels, where there are {len(images)} images")
        if labels.max() >= CLASSES:
            raise bad_file(path, f"has a label {labels.max()}, where 0 to 9 are expected")
        arrays += [images, labels]
    text = place.provenance(PUBLISHED, *arrays)
    return Dataset("mnist", *arrays, CLASSES, text)


def _count(place: sources.Place) -> tuple[int, int]:
    train, test = (idx.count(place.files[f"{name}-labels-idx1-ubyte.gz"], 1) for name in ("train", "t10k"))
    return train, test


SOURCE = Source(
    description="handwritten digits, 28x28 grey, {} (LeCun et al., 1998); centred",
    published=(TRAIN, TEST),
    find=lambda data_dir: sources.find(REMOTE, data_dir),
    fetch=lambda progress: sources.fetch(REMOTE, progress),
    load=load,
    prepare=preprocessing.centre,
    count=_count,
    fingerprint=FINGERPRINT,
)
