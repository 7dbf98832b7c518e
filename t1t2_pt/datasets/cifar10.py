"""CIFAR-10: small photographs, 32x32 RGB, 50,000 for training and 10,000 for test (Krizhevsky, 2009).

Read from the official binary version, the archive as published or the files in it; never from the
pickled one.
"""

import hashlib
from pathlib import Path

import numpy as np

from t1t2_pt.datasets import preprocessing, sources
from t1t2_pt.datasets.archives import read_members
from t1t2_pt.datasets.base import Dataset, Source
from t1t2_pt.datasets.sources import bad_file
from t1t2_pt.errors import InputError

ARCHIVE = "cifar-10-binary.tar.gz"
REMOTE = sources.Remote(
    "cifar10", "https://www.cs.toronto.edu/~kriz/", {ARCHIVE: "md5:c32a1d4ab5d03f1284b67883e8d87530"}
)
UNPACKED = "cifar-10-batches-bin"
BATCHES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
SAMPLES = 10_000
RECORD = 1 + 3 * 32 * 32


def find(data_dir: Path | None = None) -> Path | None:
    """The first place with all of CIFAR-10: a folder of binary batches, or the archive.

    Raises
    ------
    InputError
        If a folder holds the pickled version instead.
    """
    for folder in sources.candidates("cifar10", data_dir):
        for place in (folder, folder / UNPACKED, folder.parent / UNPACKED, folder.parent):
            if all((place / name).is_file() for name in BATCHES):
                return place
            if (place / ARCHIVE).is_file():
                return place / ARCHIVE
            if (place / "data_batch_1").is_file() and (place / "test_batch").is_file():
                raise InputError(
                    "data folder",
                    str(place),
                    "holds the pickled version of CIFAR-10, which is never loaded",
                    f"put the binary version there ({REMOTE.base_url}{ARCHIVE})",
                )
    return None


def load(data_dir: Path | None = None) -> Dataset:
    """CIFAR-10: images [32, 32, 3] and labels 0 to 9.

    Raises
    ------
    InputError
        If it is missing and cannot be fetched, or a file is not what it should be.
    """
    place = find(data_dir) or sources.fetch(REMOTE) / ARCHIVE
    if place.name == ARCHIVE:
        sources.check_md5(place, REMOTE.files[ARCHIVE])
        contents = read_members(place, dict.fromkeys(BATCHES, SAMPLES * RECORD))
        text = sources.provenance(place.parent, "CIFAR-10, the official binary archive (MD5 checked)")
    else:
        contents = {name: _read(place / name) for name in BATCHES}
        digest = hashlib.sha256()
        for content in contents.values():
            digest.update(content)
        text = sources.provenance(place, "CIFAR-10, binary batches as found, origin not checked")
        text = f"{text} (content {digest.hexdigest()[:12]})"
    *train, (test_images, test_labels) = (read_batch(place, name, contents[name], SAMPLES) for name in BATCHES)
    images, labels = (np.concatenate(parts) for parts in zip(*train, strict=True))
    return Dataset("cifar10", images, labels, test_images, test_labels, 10, text)


def read_batch(place: Path, name: str, content: bytes, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode a binary batch: for each sample its label and its red, green and blue planes.

    Returns
    -------
    uint8 images [samples, 32, 32, 3] and int32 labels [samples] from 0 to 9.

    Raises
    ------
    InputError
        Naming the file and what is wrong with it.
    """
    expected = samples * RECORD
    if len(content) != expected:
        problem = f"holds {'more' if len(content) > expected else 'fewer'} than the expected {expected} bytes"
        raise bad_file(place / name, problem)
    records = np.frombuffer(content, np.uint8).reshape(samples, RECORD)
    labels = records[:, 0].astype(np.int32)
    if labels.max() > 9:
        raise bad_file(place / name, f"has a label {labels.max()}, where 0 to 9 are expected")
    return np.ascontiguousarray(records[:, 1:].reshape(samples, 3, 32, 32).transpose(0, 2, 3, 1)), labels


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(SAMPLES * RECORD + 1)  # one byte more is enough to see that there is too much
    except OSError as error:
        raise bad_file(path, f"cannot be read ({error.strerror})") from None


SOURCE = Source(
    description="photographs of 10 kinds of things, 32x32 RGB, 50,000 + 10,000 (Krizhevsky, 2009); whitened",
    find=find,
    fetch=lambda progress: sources.fetch(REMOTE, progress),
    load=load,
    prepare=preprocessing.contrast_normalise_and_whiten,
)
