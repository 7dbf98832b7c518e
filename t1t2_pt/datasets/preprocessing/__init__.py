"""Preprocessing of inputs by name (Section 3), to float32.

A method is a function of T1 and any other parts to float32 arrays of the same shapes: uint8 [samples, height, width,
channels] of grey levels, or floats of any shape as they are; what it fits it fits on T1. One that is `Fitted` says
what that is, so that a network can be kept together with it. Each module here that defines `METHODS` offers those:
a new method is a function in one of them, or a new file.

Imports `system`.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from t1t2_pt.datasets.preprocessing.fitting import Fitted
from t1t2_pt.datasets.preprocessing.nonlinearities import CONTRAST
from t1t2_pt.datasets.preprocessing.piecewise import pieces
from t1t2_pt.system.discovery import modules_of
from t1t2_pt.system.errors import InputError

__all__ = ["CONTRAST", "PREPROCESSING", "USUAL", "Method", "Preparation", "prepare", "prepared"]

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


@dataclasses.dataclass(frozen=True)
class Preparation:
    """What a method has fitted on T1, for any samples that come later.

    Parameters
    ----------
    preprocessing, contrast
        Names in `PREPROCESSING` and `CONTRAST`.
    numbers
        What was fitted, by name.
    """

    preprocessing: str
    contrast: str
    numbers: Mapping[str, np.ndarray]

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """float32 inputs of the network, from samples as those that it was fitted on."""
        method = _METHODS[self.preprocessing]
        assert isinstance(method, Fitted)
        return _squeezed(self.contrast, [method.apply(self.numbers, samples)])[0]


def prepare(preprocessing: str, contrast: str, t1: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """T1 and other parts, preprocessed by a method of that name, and then squeezed.

    Parameters
    ----------
    preprocessing
        A name in `PREPROCESSING`, but not "usual".
    contrast
        A name in `CONTRAST`.
    """
    return prepared(preprocessing, contrast, t1, *others)[0]


def prepared(
    preprocessing: str, contrast: str, t1: np.ndarray, *others: np.ndarray
) -> tuple[list[np.ndarray], Preparation | None]:
    """As `prepare`, with what does the same to other samples; None where the method does not say what it fits."""
    method = _METHODS[preprocessing]
    if not isinstance(method, Fitted):
        return _squeezed(contrast, method(t1, *others)), None
    numbers = method.fit(t1)
    parts = [method.apply(numbers, part) for part in (t1, *others)]
    return _squeezed(contrast, parts), Preparation(preprocessing, contrast, numbers)


def _squeezed(contrast: str, parts: list[np.ndarray]) -> list[np.ndarray]:
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
