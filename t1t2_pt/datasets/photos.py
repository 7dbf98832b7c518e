"""digits-on-photos: MNIST's digits over patches of photographs, 32x32 RGB, made of embedded data.

A stand-in with the sizes of SVHN where that cannot be had: coloured digits before cluttered
backgrounds. It is made as MNIST-M (Ganin et al., 2016): the absolute difference of patch and digit.
The 73,257 training images use 13,257 of the 60,000 training digits twice, on different patches.
"""

import hashlib
import os
from pathlib import Path

import numpy as np

from t1t2_pt.datasets import mnist, sources
from t1t2_pt.datasets.dataset import Dataset, Source
from t1t2_pt.datasets.sources import REPOSITORY_DATA
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.reading import open_picture

FOLDER = REPOSITORY_DATA / "photos"
PHOTOS = {
    "china.png": "e701459344fd69797154c91add3bb5d70e5ed1a61d8bed889bab3a796104698d",
    "flower.png": "3202904ed246795bf616c66d7859cd7c6080eff736c6e38dc5cc62779742033f",
}
TRAIN, TEST = 73_257, 10_000
SIDE = 32
SEED = 2016
PIECE = 4096
PUBLISHED = "digits-on-photos, a stand-in"
FINGERPRINT = "b1b2b3298eee678750fa643d2f6ddfb2"


def load(data_dir: Path | None = None) -> Dataset:
    """digits-on-photos: images [32, 32, 3] and labels 0 to 9, the same every time.

    Raises
    ------
    InputError
        If a photograph or MNIST is missing or is not what it should be, or other digits are in its place.
    """
    _check(sources.locate(mnist.REMOTE, data_dir))
    digits = mnist.load(data_dir)
    photos = [read_photo(FOLDER / name, digest) for name, digest in PHOTOS.items()]
    groups = np.arange(TRAIN) % len(digits.train_labels)
    return Dataset(
        name="digits-on-photos",
        train_images=blend(digits.train_images, groups, photos, seed=SEED),
        train_labels=digits.train_labels[groups],
        test_images=blend(digits.test_images, np.arange(TEST), photos, seed=SEED + 1),
        test_labels=digits.test_labels[:TEST],
        classes=10,
        provenance=f"{PUBLISHED} made of MNIST and two photographs",
        groups=groups,
    )


def read_photo(path: Path, sha256: str) -> np.ndarray:
    """The pixels of a photograph, uint8 [height, width, 3].

    Raises
    ------
    InputError
        Naming the file, if it cannot be read or its pixels have another SHA-256.
    """
    remedy = "restore it from version control"
    try:
        with open_picture(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise InputError("data file", str(path), f"cannot be read ({reason(error)})", remedy) from None
    if hashlib.sha256(pixels.tobytes()).hexdigest() != sha256:
        raise InputError("data file", str(path), "has a wrong SHA-256 checksum of its pixels", remedy)
    return pixels


def blend(digits: np.ndarray, rows: np.ndarray, photos: list[np.ndarray], seed: int) -> np.ndarray:
    """The absolute difference of digits, in the middle, and random patches of the photographs.

    Parameters
    ----------
    digits
        uint8 [samples, height, width, 1], at most 32x32.
    rows
        Which digit each image shows.
    photos
        uint8 [height, width, 3], all of one size.
    seed
        Of the choice of the patches.

    Returns
    -------
    uint8 [len(rows), 32, 32, 3].
    """
    stack = np.stack(photos)
    rng = np.random.Generator(np.random.Philox(seed))
    ends = (len(stack), stack.shape[1] - SIDE + 1, stack.shape[2] - SIDE + 1)
    photo, top, left = (rng.integers(0, end, len(rows)) for end in ends)
    margins = [((SIDE - n) // 2, SIDE - n - (SIDE - n) // 2) for n in digits.shape[1:3]]
    offsets = np.arange(SIDE)
    images = np.empty((len(rows), SIDE, SIDE, 3), np.uint8)
    for start in range(0, len(rows), PIECE):
        now = slice(start, start + PIECE)
        y, x = top[now, None, None] + offsets[:, None], left[now, None, None] + offsets
        patches = stack[photo[now, None, None], y, x].astype(np.int16)
        digit = np.pad(digits[rows[now]], ((0, 0), *margins, (0, 0)))
        images[now] = np.abs(patches - digit)
    return images


def _find(data_dir: Path | None) -> sources.Place | None:
    photos = {name: FOLDER / name for name in PHOTOS}
    digits = mnist.SOURCE.find(data_dir)
    if digits is None or not all(map(os.path.isfile, photos.values())):
        return None
    _check(digits)
    return sources.Place(FOLDER, photos)


def _check(digits: sources.Place) -> None:
    """It is the same everywhere, so it is made of the published digits only."""
    if digits.declared is not None:
        problem = f"has a {sources.PROVENANCE} of its own, and digits-on-photos is made of the published MNIST"
        raise InputError("data folder", str(digits.path), problem, "name a folder that has that, or none of MNIST")


SOURCE = Source(
    name="digits-on-photos",
    title="digits-on-photos (SVHN's stand-in)",
    description="digits on photographs, 32x32 RGB, {}, in SVHN's place (made here); contrast-normalised",
    published=(TRAIN, TEST),
    usual=(65_000, 8_257),
    preprocessing="gcn",
    find=_find,
    fetch=None,
    load=load,
    fingerprint=FINGERPRINT,
    official=PUBLISHED,
)
