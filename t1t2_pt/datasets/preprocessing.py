"""Preprocessing of images (Section 3): centring, global contrast normalisation, ZCA whitening.

From uint8 to float32 in pieces that fit into memory beside the data.
"""

import hashlib
from pathlib import Path

import numpy as np

from t1t2_pt.system.files import keep, user_cache
from t1t2_pt.system.reading import open_file, read_arrays

SCALE = 55.0
SMALLEST_NORM = 1e-6
RIDGE = 0.1
PIECE = 4096
VERSION = 1  # of what a cached transform means


def centre(t1: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Grey levels in [0, 1], less the mean of T1 of each feature."""
    parts = [part.astype(np.float32) / np.float32(255) for part in (t1, *others)]
    mean = parts[0].mean(axis=0, dtype=np.float64).astype(np.float32)
    return [part - mean for part in parts]


def contrast_normalise(*parts: np.ndarray) -> list[np.ndarray]:
    """Global contrast normalisation: each image less its mean, scaled to a Euclidean norm of 55.

    Norms under 1e-6 are taken as 1e-6, which leaves an image of one colour at 0.
    """
    return [_contrast_normalise(part) for part in parts]


def contrast_normalise_and_whiten(t1: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Global contrast normalisation, then ZCA whitening fitted on T1.

    The transform is kept in the user's cache under a digest of T1, so that it is fitted once.
    """
    parts = contrast_normalise(t1, *others)
    mean, matrix = _cached_whitening(t1, parts[0])
    for part in parts:
        flat = part.reshape(len(part), -1)
        for start in range(0, len(flat), PIECE):
            flat[start : start + PIECE] = (flat[start : start + PIECE] - mean) @ matrix
    return parts


def fit_whitening(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and matrix of ZCA whitening: (x - mean) @ matrix has the covariance C (C + 0.1 I)^-1.

    `images` are float32 [samples, ...]; the result is float32 [features] and [features, features],
    the symmetric matrix (C + 0.1 I)^(-1/2).
    """
    import scipy.linalg  # slow to import, and needed for this alone

    flat = images.reshape(len(images), -1)
    mean = flat.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((flat.shape[1],) * 2)
    for start in range(0, len(flat), PIECE):
        centred = flat[start : start + PIECE] - mean.astype(np.float32)
        covariance += centred.T @ centred
    values, vectors = scipy.linalg.eigh(covariance / len(flat), driver="evd", overwrite_a=True, check_finite=False)
    matrix = (vectors / np.sqrt(np.maximum(values, 0) + RIDGE)) @ vectors.T
    return mean.astype(np.float32), matrix.astype(np.float32)


def _contrast_normalise(images: np.ndarray) -> np.ndarray:
    result = np.empty(images.shape, np.float32)
    for start in range(0, len(images), PIECE):
        piece = images[start : start + PIECE]
        flat = piece.reshape(len(piece), -1).astype(np.float64)
        flat -= flat.mean(axis=1, keepdims=True)
        norms = np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), SMALLEST_NORM)
        result[start : start + PIECE] = (flat * (SCALE / norms)).reshape(piece.shape)
    return result


def _cached_whitening(original: np.ndarray, normalised: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = normalised[0].size
    key = hashlib.sha256(f"{VERSION} {SCALE} {RIDGE} {original.shape} {original.dtype}".encode())
    key.update(np.ascontiguousarray(original))
    path = user_cache() / "whitening" / f"{key.hexdigest()}.npz"
    found = _read_whitening(path, features)
    if found is None:
        found = fit_whitening(normalised)
        mean, matrix = found
        keep(path, lambda beside: np.savez(beside, mean=mean, matrix=matrix))
    return found


def _read_whitening(path: Path, features: int) -> tuple[np.ndarray, np.ndarray] | None:
    """A transform from the cache; None where it is missing or damaged."""
    try:
        with open_file(path) as stream:
            content = read_arrays(stream)
        mean, matrix = content["mean"], content["matrix"]
    except (OSError, ValueError, KeyError):  # it is fitted again
        return None
    fits = mean.shape == (features,) and matrix.shape == (features, features)
    return (mean, matrix) if fits and mean.dtype == matrix.dtype == np.float32 else None
