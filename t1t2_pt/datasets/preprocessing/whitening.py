"""Whitening: images less T1's mean, times a matrix after which T1's features are hardly correlated.

With T1's covariance C = V diag(v) Vᵀ and a ridge of 0.1, which keeps directions of little variance small, principal
components are whitened by V diag(v + 0.1)^(-1/2), and ZCA turns these back into images by Vᵀ. The covariance becomes
diag(v / (v + 0.1)), and that in the directions of V. C is computed in float64, but after contrast normalisation in
float32, as it always was: another rounding would be another algorithm.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from t1t2_pt.datasets.preprocessing import contrast_normalisation
from t1t2_pt.datasets.preprocessing.contrast_normalisation import normalised
from t1t2_pt.datasets.preprocessing.features import plain
from t1t2_pt.datasets.preprocessing.fitting import Fitted, Numbers
from t1t2_pt.datasets.preprocessing.piecewise import pieces
from t1t2_pt.system.files import keep, user_cache
from t1t2_pt.system.reading import open_file, read_arrays

RIDGE = 0.1
VERSION = 2  # of what a cached transform means

Whitening = tuple[np.ndarray, np.ndarray]  # mean [features] and matrix [features, features], float32


def fit_zca(images: np.ndarray, precision: type[np.floating] = np.float32) -> Whitening:
    """Mean and matrix of ZCA whitening: (x - mean) @ matrix has the covariance C (C + 0.1 I)^-1.

    `images` are float32 [samples, ...]; the result is float32 [features] and [features, features],
    the symmetric matrix (C + 0.1 I)^(-1/2). `precision` is that of the products in C.
    """
    mean, values, vectors = _principal_components(images, precision)
    matrix = (vectors / np.sqrt(np.maximum(values, 0) + RIDGE)) @ vectors.T
    return mean.astype(np.float32), matrix.astype(np.float32)


def fit_pca(images: np.ndarray) -> Whitening:
    """Mean and matrix of whitening by principal components, a column each, by falling variance.

    The largest element of each is positive. Columns without variance, whose directions are any, are 0.
    """
    mean, values, vectors = _principal_components(images, np.float64)
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    varies = values > len(values) * np.finfo(np.float64).eps * values[-1]
    matrix = vectors * np.sign(largest) * varies / np.sqrt(np.maximum(values, 0) + RIDGE)
    return mean.astype(np.float32), matrix[:, ::-1].astype(np.float32)


def _principal_components(
    images: np.ndarray, precision: type[np.floating]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, and eigenvalues (rising) and eigenvectors (columns) of the covariance, all float64."""
    import scipy.linalg  # slow to import, and needed for this alone

    flat = images.reshape(len(images), -1)
    mean = flat.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((flat.shape[1],) * 2)
    for piece in pieces(len(flat)):
        centred = flat[piece].astype(precision) - mean.astype(precision)
        covariance += centred.T @ centred
    values, vectors = scipy.linalg.eigh(covariance / len(flat), driver="evd", overwrite_a=True, check_finite=False)
    return mean, values, vectors


def _whitening(
    method: str, begin: Callable[[np.ndarray], np.ndarray], fit: Callable[[np.ndarray], Whitening]
) -> Fitted:
    """What begins so, a function of any images to float32, and is then whitened as fitted on T1."""

    def fitted(t1: np.ndarray) -> Numbers:
        mean, matrix = _cached(method, fit, t1, lambda: begin(t1))
        return {"mean": mean, "matrix": matrix}

    def apply(numbers: Mapping[str, np.ndarray], part: np.ndarray) -> np.ndarray:
        result = begin(part)
        flat = result.reshape(len(result), -1)
        for piece in pieces(len(flat)):
            flat[piece] = (flat[piece] - numbers["mean"]) @ numbers["matrix"]
        return result

    return Fitted(apply, fitted)


def _cached(
    method: str, fit: Callable[[np.ndarray], Whitening], original: np.ndarray, images: Callable[[], np.ndarray]
) -> Whitening:
    """The transform, kept in the user's cache under a digest of T1, so that it is fitted once."""
    features = original[0].size
    scale = contrast_normalisation.SCALE
    key = hashlib.sha256(f"{VERSION} {method} {scale} {RIDGE} {original.shape} {original.dtype}".encode())
    key.update(np.ascontiguousarray(original))
    path = user_cache() / "whitening" / f"{key.hexdigest()}.npz"
    found = _read(path, features)
    if found is None:
        found = fit(images())
        mean, matrix = found
        keep(path, lambda partial: np.savez(partial, mean=mean, matrix=matrix))
    return found


def _read(path: Path, features: int) -> Whitening | None:
    """A transform from the cache; None where it is missing or damaged."""
    try:
        with open_file(path) as stream:
            content = read_arrays(stream)
        mean, matrix = content["mean"], content["matrix"]
    except (OSError, ValueError, KeyError):  # it is fitted again
        return None
    fits = mean.shape == (features,) and matrix.shape == (features, features)
    return (mean, matrix) if fits and mean.dtype == matrix.dtype == np.float32 else None


# ZCA whitening of grey levels in [0, 1], fitted on T1.
zca = _whitening("zca", plain, lambda images: fit_zca(images, np.float64))
# Whitened principal components of grey levels in [0, 1], those of most variance on T1 first. There are as many as
# features, and they lie in the shape of the images. Those without variance on T1 are 0.
pca = _whitening("pca", plain, lambda images: fit_pca(images))
# Global contrast normalisation, then ZCA whitening fitted on T1.
contrast_normalise_and_whiten = _whitening("gcn-zca", normalised, lambda images: fit_zca(images))

METHODS = {"pca": pca, "zca": zca, "gcn-zca": contrast_normalise_and_whiten}
