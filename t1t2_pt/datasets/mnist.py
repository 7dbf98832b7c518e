"""MNIST: handwritten digits, 28x28, 60,000 for training and 10,000 for test (LeCun et al., 1998)."""

from pathlib import Path

import numpy as np

from t1t2_pt.datasets import preprocessing, sources
from t1t2_pt.datasets.base import Dataset, Source
from t1t2_pt.datasets.idx import read_idx

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


REMOTE = sources.Remote("mnist", BASE_URL, ARCHIVES)


def load(data_dir: Path | None = None) -> Dataset:
    """MNIST: images [28, 28, 1] and labels 0 to 9.

    Raises
    ------
    InputError
        If a file is missing and cannot be fetched, or is not the published one.
    """
    folder = sources.locate(REMOTE, data_dir)

    def read(name: str, *shape: int) -> np.ndarray:
        return read_idx(folder / name, shape, CONTENTS[name])

    return Dataset(
        name="mnist",
        train_images=read("train-images-idx3-ubyte.gz", 60_000, 28, 28)[..., None],
        train_labels=read("train-labels-idx1-ubyte.gz", 60_000).astype(np.int32),
        test_images=read("t10k-images-idx3-ubyte.gz", 10_000, 28, 28)[..., None],
        test_labels=read("t10k-labels-idx1-ubyte.gz", 10_000).astype(np.int32),
        classes=10,
        provenance="MNIST, the official files (SHA-256 checked)",
    )


SOURCE = Source(
    description="handwritten digits, 28x28 grey, 60,000 + 10,000 (LeCun et al., 1998); centred",
    find=lambda data_dir: sources.find(REMOTE, data_dir),
    fetch=lambda progress: sources.fetch(REMOTE, progress),
    load=load,
    prepare=preprocessing.centre,
)
