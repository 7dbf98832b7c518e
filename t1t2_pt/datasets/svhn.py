"""SVHN: house numbers, 32x32 RGB, 73,257 for training and 26,032 for test (Netzer et al., 2011, format 2)."""

from pathlib import Path

import numpy as np
import scipy.io

from t1t2_pt.datasets import preprocessing, sources
from t1t2_pt.datasets.base import Dataset, Source
from t1t2_pt.errors import InputError

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
    try:
        content = scipy.io.loadmat(path, variable_names=("X", "y"))
    except Exception as error:  # a damaged file makes SciPy raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError("data file", str(path), f"cannot be read as a MATLAB file ({reason[:120]})", REMEDY) from None
    for name, shape in (("X", (32, 32, 3, samples)), ("y", (samples, 1))):
        if name not in content:
            raise InputError("data file", str(path), f"has no variable {name}", REMEDY)
        value = content[name]
        if not isinstance(value, np.ndarray) or value.shape != shape:
            raise InputError(
                "data file",
                str(path),
                f"has {name} of dimensions {np.shape(value)}, where {shape} are expected",
                REMEDY,
            )
        if value.dtype != np.uint8:
            raise InputError(
                "data file", str(path), f"has {name} of type {value.dtype}, where uint8 is expected", REMEDY
            )
    labels = content["y"].ravel().astype(np.int32)
    if labels.min() < 1 or labels.max() > 10:
        raise InputError(
            "data file",
            str(path),
            f"has labels from {labels.min()} to {labels.max()}, where 1 to 10 are expected",
            REMEDY,
        )
    return np.ascontiguousarray(content["X"].transpose(3, 0, 1, 2)), labels % 10


REMEDY = sources.REMEDY
SOURCE = Source(
    description="house numbers, 32x32 RGB, 73,257 + 26,032 (Netzer et al., 2011); contrast-normalised",
    find=lambda data_dir: sources.find(REMOTE, data_dir),
    fetch=lambda progress: sources.fetch(REMOTE, progress),
    load=load,
    prepare=preprocessing.contrast_normalise,
)
