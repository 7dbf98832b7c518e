"""SVHN: house numbers, 32x32 RGB, 73,257 for training and 26,032 for test (Netzer et al., 2011, format 2)."""

from pathlib import Path

import numpy as np

from t1t2_pt.datasets import sources
from t1t2_pt.datasets.dataset import Dataset, Source
from t1t2_pt.datasets.matlab import read_bytes_arrays
from t1t2_pt.datasets.sources import bad_file
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.reading import open_file

REMOTE = sources.Remote(
    "svhn",
    "http://ufldl.stanford.edu/housenumbers/",
    {
        "train_32x32.mat": "md5:e26dedcc434d2e4c54c9b2d4a06d8373",
        "test_32x32.mat": "md5:eb5a983be6a315427106f1b164d9cef3",
    },
)
SAMPLES = {"train_32x32.mat": 73_257, "test_32x32.mat": 26_032}
_SAMPLE_AXIS = {"X": 3, "y": 0}


def load(data_dir: Path | None = None) -> Dataset:
    """SVHN: images [32, 32, 3] and labels 0 to 9.

    Files without a PROVENANCE beside them must be the published ones.

    Raises
    ------
    InputError
        If a file is missing and cannot be fetched, or is not what it should be.
    """
    place = sources.locate(REMOTE, data_dir)
    (images, labels), (test_images, test_labels) = (
        read_mat(
            place.files[name], SAMPLES[name], checksum if place.declared is None else None, place.declared is not None
        )
        for name, checksum in REMOTE.files.items()
    )
    arrays = (images, labels, test_images, test_labels)
    return Dataset("svhn", *arrays, 10, place.provenance("SVHN, the official files (MD5 checked)", *arrays))


def read_mat(
    path: Path, samples: int, checksum: str | None = None, part: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Read a file of format 2: `X` uint8 [32, 32, 3, samples], `y` uint8 [samples, 1] with 10 for the digit 0.

    Parameters
    ----------
    checksum
        What the file's must be; None skips this check.
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

    def accept(name: str, shape: tuple[int, ...], kind: str) -> bool:
        if name not in _SAMPLE_AXIS:
            return False
        found, expected = _samples(name, shape), _shape(name, samples)
        if found != samples and not (part and 1 <= found < samples):
            raise bad_file(
                path, f"has {name} of dimensions {shape}, where {expected} are expected", declarable=not part
            )
        if kind != "uint8":
            raise bad_file(path, f"has {name} of type {kind}, where uint8 is expected")
        return True

    try:
        with open_file(path) as stream:
            if checksum is not None:
                sources.check_md5(path, stream, checksum)
            content = read_bytes_arrays(stream, accept)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    for name in _SAMPLE_AXIS:
        if name not in content:
            raise bad_file(path, f"has no variable {name}")
    images = np.ascontiguousarray(content["X"].transpose(3, 0, 1, 2))
    labels = content["y"].ravel().astype(np.int32)
    if len(images) != len(labels):
        raise bad_file(path, f"has {len(images)} images and {len(labels)} labels")
    if labels.min() < 1 or labels.max() > 10:
        raise bad_file(path, f"has labels from {labels.min()} to {labels.max()}, where 1 to 10 are expected")
    return images, labels % 10


def _shape(name: str, samples: int) -> tuple[int, ...]:
    return (32, 32, 3, samples) if name == "X" else (samples, 1)


def _samples(name: str, shape: tuple[int, ...]) -> int:
    """How many samples a variable of this shape holds; 0 where it is not that of images or labels."""
    samples = shape[_SAMPLE_AXIS[name] :][:1]
    return samples[0] if samples and shape == _shape(name, *samples) else 0


def _unreadable(path: Path, error: Exception) -> InputError:
    return bad_file(path, f"cannot be read as a MATLAB file ({reason(error)})")


def _count(place: sources.Place) -> tuple[int, int]:
    train, test = (_labels(place.files[name]) for name in SAMPLES)
    return train, test


def _labels(path: Path) -> int:
    """How many labels a file says that it has."""
    found = [0]

    def look(name: str, shape: tuple[int, ...], kind: str) -> bool:
        if name == "y":
            found.append(_samples(name, shape))
        return False

    try:
        with open_file(path) as stream:
            read_bytes_arrays(stream, look)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    return found[-1]


SOURCE = Source(
    name="svhn",
    title="SVHN",
    description="house numbers, 32x32 RGB, {} (Netzer et al., 2011); contrast-normalised",
    published=(SAMPLES["train_32x32.mat"], SAMPLES["test_32x32.mat"]),
    usual=(65_000, 8_257),
    preprocessing="gcn",
    find=lambda data_dir: sources.find(REMOTE, data_dir),
    fetch=lambda progress: sources.fetch(REMOTE, progress),
    load=load,
    count=_count,
)
