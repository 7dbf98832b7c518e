"""Preprocessing of images by name (Section 3), from uint8 to float32.

A method is a function of T1 and any other parts, uint8 [samples, height, width, channels], to float32 arrays of the
same shapes; what it fits it fits on T1. Each module here that defines `METHODS` offers those: a new method is a
function in one of them, or a new file.

Imports `system`.
"""

from collections.abc import Callable, Mapping

import numpy as np

from t1t2_pt.datasets.preprocessing.nonlinearities import CONTRAST
from t1t2_pt.datasets.preprocessing.piecewise import pieces
from t1t2_pt.system.discovery import modules_of
from t1t2_pt.system.errors import InputError

__all__ = ["CONTRAST", "PREPROCESSING", "USUAL", "Method", "prepare"]

Method = Callable[..., list[np.ndarray]]
USUAL = "usual"  # what the data set itself names


def _methods() -> dict[str, Method]:
    found: dict[str, Method] = {}
    for module in modules_of(__name__, __path__):
        methods = getattr(module, "METHODS", {})
        twice = found.keys() & methods.keys() | methods.keys() & {USUAL}
        if twice:
            raise ValueError(f"{module.__name__}: preprocessing {', '.join(sorted(twice))} is there already")
        found |= methods
    return found


_METHODS = _methods()

# By name; None: what the data set itself names.
PREPROCESSING: Mapping[str, Method | None] = {USUAL: None, **_METHODS}


def prepare(preprocessing: str, contrast: str, t1: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """T1 and other parts, preprocessed by a method of that name, and then squeezed.

    Parameters
    ----------
    preprocessing
        A name in `PREPROCESSING`, but not "usual".
    contrast
        A name in `CONTRAST`.
    """
    parts = _METHODS[preprocessing](t1, *others)
    squeeze = CONTRAST[contrast]
    if squeeze is not None:
        for part in parts:
            for piece in pieces(len(part)):
                part[piece] = squeeze(part[piece].astype(np.float64))
    return parts


def check_known(field: str, name: str, known: Mapping[str, object]) -> None:
    """Check that there is something of this name.

    Raises
    ------
    InputError
        Naming what there is.
    """
    if name not in known:
        raise InputError(field, name, "is unknown", f"give {', '.join(known)}")
