"""SVHN: house numbers, 32x32 RGB, 73,257 for training and 26,032 for test (Netzer et al., 2011, format 2)."""

from pathlib import Path

import numpy as np

from t1t2_pt.datasets import preprocessing, sources
from t1t2_pt.datasets.base import Dataset, Source
from t1t2_pt.datasets.sources import bad_file
from t1t2_pt.errors import InputError, reason

REMOTE = sources.Remote(
    "svhn",
    "http://ufldl.stanford.edu/housenumbers/",
    {
        "train_32x32.mat": "md5:e26dedcc434d2e4c54c9b2d4a06d8373",
        "test_32x32.mat": "md5:eb5a983be6a315427106f1b164d9cef3",
    },
)
SAMPLES = {"train_32x32.mat": 73_257, "test_32x32.mat": 26_032}


def load(data_dir: Path | None = None) -> Dataset:
    """SVHN: images [32, 32, 3] and labels 0 to 9.

    Files without a PROVENANCE beside them must be the published ones.

    Raises
    ------
    InputError
        If a file is missing and cannot be fetched, or is not what it should be.
    """
    folder = sources.locate(REMOTE, data_dir)
    declared = (folder / sources.PROVENANCE).is_file()
    parts = {}
    for name, checksum in REMOTE.files.items():
        if not declared:
            sources.check_md5(folder / name, checksum)
        parts[name] = read_mat(folder / name, SAMPLES[name])
    (train_images, train_labels), (test_images, test_labels) = parts.values()
    text = sources.provenance(folder, "SVHN, the official files (MD5 checked)")
    return Dataset("svhn", train_images, train_labels, test_images, test_labels, 10, text)


def read_mat(path: Path, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Read a file of format 2: `X` uint8 [32, 32, 3, samples], `y` uint8 [samples, 1] with 10 for the digit 0.

    Returns
    -------
    uint8 images [samples, 32, 32, 3] and int32 labels [samples] from 0 to 9.

    Raises
    ------
    InputError
        Naming the file and what is wrong with it.
    """
    import scipy.io  # slow to import, and needed for this alone

    try:
        # The headers of all variables, up to the end of the file, before the data of any.
        found = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(path)}
    except Exception as error:  # a damaged file makes SciPy raise nearly anything
        raise _unreadable(path, error) from None
    for name, shape in (("X", (32, 32, 3, samples)), ("y", (samples, 1))):
        if name not in found:
            raise bad_file(path, f"has no variable {name}")
        its_shape, kind = found[name]
        if its_shape != shape:
            raise bad_file(path, f"has {name} of dimensions {its_shape}, where {shape} are expected")
        if kind != "uint8":
            raise bad_file(path, f"has {name} of type {kind}, where uint8 is expected")
    try:
        content = scipy.io.loadmat(path, variable_names=("X", "y"))
        images = np.ascontiguousarray(content["X"].astype(np.uint8).transpose(3, 0, 1, 2))
        labels = content["y"].ravel().astype(np.int32)
    except Exception as error:
        raise _unreadable(path, error) from None
    if images.shape != (samples, 32, 32, 3) or labels.shape != (samples,):
        raise bad_file(path, "holds other data than its headers say")
    if labels.min() < 1 or labels.max() > 10:
        raise bad_file(path, f"has labels from {labels.min()} to {labels.max()}, where 1 to 10 are expected")
    return images, labels % 10


def _unreadable(path: Path, error: Exception) -> InputError:
    return bad_file(path, f"cannot be read as a MATLAB file ({reason(error)})")


SOURCE = Source(
    description="house numbers, 32x32 RGB, 73,257 + 26,032 (Netzer et al., 2011); contrast-normalised",
    find=lambda data_dir: sources.find(REMOTE, data_dir),
    fetch=lambda progress: sources.fetch(REMOTE, progress),
    load=load,
    prepare=preprocessing.contrast_normalise,
)
