"""CIFAR-10: small photographs, 32x32 RGB, 50,000 for training and 10,000 for test (Krizhevsky, 2009).

Read from the official binary version, the archive as published or the files in it; never from the
pickled one.
"""

from pathlib import Path

import numpy as np

from t1t2_pt.datasets import sources
from t1t2_pt.datasets.archives import read_members
from t1t2_pt.datasets.dataset import Dataset, Source
from t1t2_pt.datasets.sources import bad_file
from t1t2_pt.system.errors import reason
from t1t2_pt.system.reading import open_file

ARCHIVE = "cifar-10-binary.tar.gz"
UNPACKED = "cifar-10-batches-bin"
BATCHES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
SAMPLES = 10_000  # in a batch
RECORD = 1 + 3 * 32 * 32
PICKLED = "holds the pickled version of CIFAR-10, which is never loaded"
REMOTE = sources.Remote(
    "cifar10",
    "https://www.cs.toronto.edu/~kriz/",
    {ARCHIVE: "md5:c32a1d4ab5d03f1284b67883e8d87530"},
    forms=(dict.fromkeys(BATCHES, ()), {ARCHIVE: ()}),
    folders=(f"cifar10/{UNPACKED}", UNPACKED, "cifar10/cifar-10-batches-py", "cifar-10-batches-py"),
    useless={"data_batch_1": PICKLED, "cifar-10-python.tar.gz": PICKLED},
)


def load(data_dir: Path | None = None) -> Dataset:
    """CIFAR-10: images [32, 32, 3] and labels 0 to 9.

    The archive must be the published one unless there is a PROVENANCE beside it; the files in it have no
    published checksums.

    Raises
    ------
    InputError
        If it is missing and cannot be fetched, or a file is not what it should be.
    """
    place = sources.locate(REMOTE, data_dir)
    part = place.declared is not None
    contents = _contents(place, part)
    batches = [read_batch(place.path, name, contents[name], SAMPLES, part) for name in BATCHES]
    *train, (test_images, test_labels) = batches
    images, labels = (np.concatenate(parts) for parts in zip(*train, strict=True))
    arrays = (images, labels, test_images, test_labels)
    if ARCHIVE in place.files:
        official = "CIFAR-10, the official binary archive (MD5 checked)"
    else:
        official = f"CIFAR-10, binary batches as found, origin not checked ({sources.content(*arrays)})"
    return Dataset("cifar10", *arrays, 10, place.provenance(official, *arrays))


def _contents(place: sources.Place, part: bool) -> dict[str, bytes]:
    """The six batches, as bytes."""
    if ARCHIVE not in place.files:
        return {name: _read(path) for name, path in place.files.items()}
    checksum = None if part else REMOTE.files[ARCHIVE]
    return read_members(place.files[ARCHIVE], dict.fromkeys(BATCHES, SAMPLES * RECORD), checksum, part)


def read_batch(
    place: Path, name: str, content: bytes, samples: int, part: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Decode a binary batch: for each sample its label and its red, green and blue planes.

    Parameters
    ----------
    part
        Whether there may be fewer samples, but not none.

    Returns
    -------
    uint8 images [samples, 32, 32, 3] and int32 labels [samples] from 0 to 9.

    Raises
    ------
    InputError
        Naming the file and what is wrong with it.
    """
    expected = samples * RECORD
    fewer = len(content) < expected
    if len(content) != expected and not (part and fewer and content and len(content) % RECORD == 0):
        problem = f"holds {'fewer' if fewer else 'more'} than the expected {expected} bytes"
        raise bad_file(place / name, problem, declarable=not part and len(content) % RECORD == 0)
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    labels = records[:, 0].astype(np.int32)
    if labels.max() > 9:
        raise bad_file(place / name, f"has a label {labels.max()}, where 0 to 9 are expected")
    return np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels


def _read(path: Path) -> bytes:
    try:
        with open_file(path) as stream:
            return stream.read(SAMPLES * RECORD + 1)  # one byte more is enough to see that there is too much
    except OSError as error:
        raise bad_file(path, f"cannot be read ({reason(error)})") from None


def _count(place: sources.Place) -> tuple[int, int]:
    sizes = {name: len(content) // RECORD for name, content in _contents(place, part=True).items()}
    return sum(sizes[name] for name in BATCHES[:-1]), sizes[BATCHES[-1]]


SOURCE = Source(
    name="cifar10",
    title="CIFAR-10",
    description="photographs of 10 kinds of things, 32x32 RGB, {} (Krizhevsky, 2009); whitened",
    published=(5 * SAMPLES, SAMPLES),
    usual=(45_000, 5_000),
    preprocessing="gcn-zca",
    find=lambda data_dir: sources.find(REMOTE, data_dir),
    fetch=lambda progress: sources.fetch(REMOTE, progress),
    load=load,
    count=_count,
)
