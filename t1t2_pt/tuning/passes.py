"""Passes over two data sets in batches: which samples are in which step is a function of seed and count alone."""

import dataclasses
import numbers
from typing import Any

import numpy as np

from t1t2_pt.system.errors import InputError
from t1t2_pt.tuning.feeding import Arrays, Inputs


@dataclasses.dataclass(frozen=True)
class Passes:
    """Epochs over T1, as `training.batches` orders them and the progress display counts them."""

    seed: int
    t1_samples: int
    t2_samples: int
    batch_size: int
    samples_of_t2: int
    epochs: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of T1."""
        return self.t1_samples // self.batch_size

    @property
    def steps(self) -> int:
        """In all."""
        return self.epochs * self.steps_per_epoch


def data_of(inputs: Inputs, given: Any, role: str) -> tuple[Arrays, int]:
    """A data set as arrays by name whose first axis are its samples, and their number.

    Raises
    ------
    InputError
        As for a batch; for arrays of different lengths, or inputs that have no axis of samples.
    """
    inputs = dataclasses.replace(inputs, batch=role)
    for name, variable in inputs.variables.items():
        if variable.type.ndim == 0:
            raise InputError(
                f"{role}: {name}", "a scalar", "has no samples to take batches of", "use .step, or a shared"
            )
    arrays = inputs.arrays(given, any_length=True)
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(role, told, "have different numbers of samples", "give arrays of one length")
    return arrays, next(iter(lengths.values()), 0)


def whole_number(option: str, value: Any, least: int) -> int:
    """A whole number of at least so much.

    Raises
    ------
    InputError
        For anything else.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        raise InputError(option, value, "is out of range", f"give a whole number of at least {least}")
    return int(value)


def batch_length(option: str, given: Any, samples: int, usual: int) -> int:
    """The samples in a batch; `usual` or all of them where none are given.

    Raises
    ------
    InputError
        If there are not so many.
    """
    if given is None:
        return min(usual, samples) or 1
    length = whole_number(option, given, 1)
    if samples and length > samples:
        raise InputError(option, length, f"there are only {samples} samples", f"give at most {samples}")
    return length


def rows_of(arrays: Arrays, rows: np.ndarray) -> Arrays:
    """Some of the samples."""
    return {name: array[rows] for name, array in arrays.items()}
