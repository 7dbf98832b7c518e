"""Global contrast normalisation: each image by itself, whatever its brightness and contrast."""

from collections.abc import Mapping

import numpy as np

from t1t2_pt.datasets.preprocessing.fitting import Fitted
from t1t2_pt.datasets.preprocessing.piecewise import pieces

SCALE = 55.0
SMALLEST_NORM = 1e-6


def normalised(images: np.ndarray) -> np.ndarray:
    """Each image less its mean, scaled to a Euclidean norm of 55.

    Norms under 1e-6 are taken as 1e-6, which leaves an image of one colour at 0.
    """
    result = np.empty(images.shape, np.float32)
    for now in pieces(len(images)):
        piece = images[now]
        flat = piece.reshape(len(piece), -1).astype(np.float64)
        flat -= flat.mean(axis=1, keepdims=True)
        norms = np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), SMALLEST_NORM)
        result[now] = (flat * (SCALE / norms)).reshape(piece.shape)
    return result


def _apply(numbers: Mapping[str, np.ndarray], part: np.ndarray) -> np.ndarray:
    return normalised(part)


contrast_normalise = Fitted(_apply)
METHODS = {"gcn": contrast_normalise}
