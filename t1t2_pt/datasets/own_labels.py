"""Labels of any kind as classes: strings, whole numbers from anywhere, booleans; what they were is kept."""

import numbers
from typing import Any

import numpy as np

from t1t2_pt.system.errors import InputError

Label = str | int | bool  # as it was given, and as a prediction is told

SHOWN = 5  # labels in a message


class UnusableLabelsError(ValueError):
    """Labels that cannot be classes, and what to do about them."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem, self.remedy = problem, remedy


def plain_labels(given: Any) -> np.ndarray:
    """Labels [samples] of one kind: strings, int64 or booleans.

    Raises
    ------
    UnusableLabelsError
        If they are of another shape or kind, or some are missing.
    """
    labels = np.asarray(given)
    if isinstance(given, list | tuple) and labels.dtype.kind == "U":
        labels = np.asarray(given, object)  # NumPy makes strings of whatever lies among strings
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise UnusableLabelsError(
            f"has the shape {list(labels.shape)}",
            "give a label a sample; of one-hot rows their argmax(axis=1)",
        )
    if labels.dtype.kind not in "OTUbiuf":
        raise UnusableLabelsError(f"is of type {labels.dtype}", "give strings, whole numbers or booleans")
    if labels.dtype.kind in "OT":
        labels = _of_objects(labels.astype(object))
    if labels.dtype.kind == "f":
        _check_whole(labels)
        return labels.astype(np.int64)
    return labels.astype(np.int64) if labels.dtype.kind in "iu" else labels


def _of_objects(labels: np.ndarray) -> np.ndarray:
    missing = [place for place, label in enumerate(labels) if label is None or label != label]
    if missing:
        raise UnusableLabelsError(
            f"has no label for {len(missing)} samples, the first of them number {missing[0] + 1}",
            "label them or leave them out",
        )
    for kind, dtype in ((str, str), (bool | np.bool_, bool), (numbers.Real, float)):
        if all(isinstance(label, kind) for label in labels):
            return labels.astype(dtype)
    kinds = ", ".join(sorted({type(label).__name__ for label in labels}))
    raise UnusableLabelsError(f"mixes labels of several kinds ({kinds})", "give all as strings, or all as numbers")


def _check_whole(labels: np.ndarray) -> None:
    if not np.isfinite(labels).all():
        place = int(np.flatnonzero(~np.isfinite(labels))[0])
        count = int((~np.isfinite(labels)).sum())
        raise UnusableLabelsError(
            f"has no label for {count} samples, the first of them number {place + 1}", "label them or leave them out"
        )
    broken = labels[labels != np.round(labels)]
    if len(broken):
        raise UnusableLabelsError(
            f"has labels such as {broken[0]:g}: a quantity, not a class", "give classes, such as its quartiles"
        )


def classes_of(labels: np.ndarray) -> tuple[Label, ...]:
    """The classes among labels, in order.

    Raises
    ------
    UnusableLabelsError
        If there is one, or nearly every sample is its own.
    """
    found, counts = np.unique(labels, return_counts=True)
    classes: tuple[Label, ...] = tuple(found.tolist())
    if len(classes) < 2:
        raise UnusableLabelsError(f"is constant: all samples are {classes[0]!r}", "give samples of two classes or more")
    if 2 * len(classes) > len(labels):
        raise UnusableLabelsError(
            f"has {len(classes)} classes in {len(labels)} samples", "give classes of two samples or more"
        )
    alone = [label for label, count in zip(classes, counts, strict=True) if count < 2]
    if alone:
        few = "one sample" if len(alone) == 1 else "one sample each"
        raise UnusableLabelsError(f"has {few} of {shown(alone)}", "give two or more of each class, or leave it out")
    return classes


def encoded(labels: np.ndarray, classes: tuple[Label, ...]) -> np.ndarray:
    """int32 [samples], the number of each label's class.

    Raises
    ------
    UnusableLabelsError
        If a label is none of them.
    """
    known = np.array(classes)
    if known.dtype.kind != labels.dtype.kind:
        raise UnusableLabelsError(
            f"has labels of another kind, such as {labels.tolist()[0]!r} where classes are {shown(classes)}",
            "give those of training",
        )
    places = np.searchsorted(known, labels).clip(0, len(known) - 1)
    others = np.unique(labels[known[places] != labels])
    if len(others):
        raise UnusableLabelsError(
            f"has labels that no training sample has: {shown(others.tolist())}", "leave those samples out"
        )
    return places.astype(np.int32)


def shown(labels: Any) -> str:
    """Some labels for a message."""
    some = ", ".join(repr(label) for label in list(labels)[:SHOWN])
    return f"{some}, ... ({len(labels)})" if len(labels) > SHOWN else some


def told(name: str, what: str, error: UnusableLabelsError) -> InputError:
    """The user's error: `what` of the data called `name`."""
    return InputError("data", name, f"{what} {error.problem}", error.remedy)
