"""Data of one's own: arrays or tables, checked before anything is trained, as a data set like any other.

Grey levels and colours (uint8 [samples, height, width] or [samples, height, width, channels]) are pictures, and
centred by default; all else are numbers, standardised feature by feature. What a run is named by covers the content.
"""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from t1t2_pt.datasets.dataset import Dataset, Names, Source
from t1t2_pt.datasets.own_labels import UnusableLabelsError, classes_of, encoded, plain_labels, shown, told
from t1t2_pt.datasets.sources import Place, content
from t1t2_pt.system.errors import InputError

NUMBERS, PICTURES = "own", "own-pictures"  # as `RunConfig.dataset`
TEST_SHARE = 0.2
TEST_SEED = 0  # of the share that is taken for a test
MOST_OF_T2 = 5_000  # samples, as the paper has of MNIST
LARGEST = 1e30  # beyond it squares overflow float32 and float64 sums lose all
UNNAMED = "arrays"


def _absent(data_dir: Path | None) -> Any:
    raise InputError("dataset", NUMBERS, "is data of your own", "name its file by --data")


def _nowhere(data_dir: Path | None) -> Place | None:
    return None


def _source(name: str, preprocessing: str) -> Source:
    described = "data of your own, {}"
    return Source(name, "own data", described, (2, 0), (1, 1), preprocessing, _nowhere, None, _absent)


# What is usual for them, as for the data sets that have a name.
OWN_SOURCES = {NUMBERS: _source(NUMBERS, "standardise"), PICTURES: _source(PICTURES, "centre")}


def own_dataset(
    x: Any,
    y: Any,
    x_test: Any = None,
    y_test: Any = None,
    *,
    name: str = UNNAMED,
    test_share: float = TEST_SHARE,
) -> Dataset:
    """A data set of arrays or tables.

    Parameters
    ----------
    x
        Numbers or booleans [samples, ...], or a table (of pandas, polars) with named columns.
    y
        Labels [samples]: strings, whole numbers or booleans; they are kept as they are.
    x_test, y_test
        The same of the test set; without them a share of each class is taken from the others.
    name
        What results call it: the name of its file.
    test_share
        That share, in (0, 1).

    Raises
    ------
    InputError
        If they cannot be trained on: values that are not finite or no numbers, sizes that differ, a constant label,
        a class with one sample, labels in the test set alone.
    """
    if (x_test is None) != (y_test is None):
        there, lacking = ("x_test", "y_test") if y_test is None else ("y_test", "x_test")
        raise InputError("data", name, f"has {there} and no {lacking}", "give both, or none")
    features = feature_names(x)
    inputs = _inputs(name, "x", x, features)
    labels, classes = _labels(name, y, len(inputs))
    if x_test is None:
        if not 0 < test_share < 1:
            raise InputError("test_share", test_share, "is no share", "give a number between 0 and 1, such as 0.2")
        rows = _test_rows(labels, test_share)
        if not rows.any():
            remedy = "give more samples, a larger share, or a test set of their own"
            raise InputError("data", name, f"has too few samples ({len(labels)}) to take a share for the test", remedy)
        test_inputs, test_labels = inputs[rows], labels[rows]
        inputs, labels = inputs[~rows], labels[~rows]
        split_off = f", {test_share:g} of each class taken for the test"
    else:
        test_inputs = inputs_like(name, "x_test", x_test, inputs, features)
        if not len(test_inputs):
            raise InputError("data", name, "has no samples in x_test", "give some, or leave x_test and y_test out")
        test_labels = labels_like(name, "y_test", y_test, classes, len(test_inputs))
        split_off = ""
    kind = PICTURES if is_pictures(inputs) else NUMBERS
    shape = "x".join(map(str, inputs.shape[1:]))
    what = f"pictures of {shape}" if kind == PICTURES else f"{shape} feature{'s' * (shape != '1')}"
    sizes = f"{len(labels):,} + {len(test_labels):,} samples of {what}, {len(classes)} classes{split_off}"
    names = Names(classes, features, str(getattr(y, "name", None) or ""))
    made = Dataset(kind, inputs, labels, test_inputs, test_labels, len(classes), "", names=names)
    provenance = f"{name}, own data: {sizes} ({content(*made.contents)})"
    return dataclasses.replace(made, provenance=provenance)


def usual_sizes(samples: int) -> tuple[int, int]:
    """T1 and T2 of so many training samples, for `sizes_that_fit`: a fifth of a few for T2, 5,000 of very many."""
    return samples, max(1, min(samples // 4, MOST_OF_T2))


def feature_names(x: Any) -> tuple[str, ...]:
    """The names of a table's columns; nothing for arrays."""
    columns = getattr(x, "columns", None)
    return () if columns is None else tuple(str(column) for column in columns)


def is_pictures(inputs: np.ndarray) -> bool:
    """Whether these inputs are grey levels or colours."""
    return inputs.dtype == np.uint8


def inputs_like(name: str, what: str, x: Any, of_training: np.ndarray, features: Sequence[str] = ()) -> np.ndarray:
    """Inputs as those of training: of a table the same columns, in whatever order it has them.

    Parameters
    ----------
    name, what
        What errors call the data, and the array in them.
    of_training
        Inputs of training, of which shape and type count.
    features
        Their names, where they have some.

    Raises
    ------
    InputError
        If they are others.
    """
    found = feature_names(x)
    if features and found:
        lacking = [feature for feature in features if feature not in found]
        if lacking:
            raise InputError("data", name, f"{what} has no column {shown(lacking)}", "give the columns of training")
        x = x[list(features)]
    inputs = _inputs(name, what, x, features)
    if inputs.shape[1:] != of_training.shape[1:]:
        here, there = list(inputs.shape[1:]), list(of_training.shape[1:])
        raise InputError("data", name, f"{what} has samples of shape {here} where training has {there}", "give those")
    if is_pictures(inputs) != is_pictures(of_training):
        kinds = ("pictures (uint8)", "numbers")[:: 1 if is_pictures(inputs) else -1]
        raise InputError("data", name, f"{what} has {kinds[0]} where training has {kinds[1]}", "give the same kind")
    return inputs


def labels_like(name: str, what: str, y: Any, classes: tuple, samples: int) -> np.ndarray:
    """int32 [samples]: labels of these classes, by their number.

    Raises
    ------
    InputError
        If they are others, or not so many.
    """
    try:
        labels = encoded(plain_labels(y), classes)
    except UnusableLabelsError as error:
        raise told(name, what, error) from None
    return _as_many(name, what, labels, samples)


def _labels(name: str, y: Any, samples: int) -> tuple[np.ndarray, tuple]:
    try:
        plain = _as_many(name, "y", plain_labels(y), samples)
        if not len(plain):
            raise InputError("data", name, "has no samples", "give some")
        classes = classes_of(plain)
        return encoded(plain, classes), classes
    except UnusableLabelsError as error:
        raise told(name, "y", error) from None


def _as_many(name: str, what: str, labels: np.ndarray, samples: int) -> np.ndarray:
    if len(labels) != samples:
        of = "x_test" if what == "y_test" else "x"
        problem = f"has {samples} samples in {of} and {len(labels)} labels in {what}"
        raise InputError("data", name, problem, "give a label a sample")
    return labels


def _inputs(name: str, what: str, x: Any, features: Sequence[str]) -> np.ndarray:
    """Inputs [samples, ...]: uint8 [samples, height, width, channels] for pictures, else floats."""
    inputs = _of_table(name, x) if feature_names(x) else _of_array(name, what, x)
    if inputs.ndim < 2 or 0 in inputs.shape[1:]:
        problem = f"{what} has the shape {list(inputs.shape)}"
        raise InputError("data", name, problem, "give [samples, features] or [samples, height, width, channels]")
    if inputs.ndim > 4:
        problem = f"{what} has {inputs.ndim} axes"
        raise InputError("data", name, problem, "give at most [samples, height, width, channels]")
    if inputs.dtype == np.uint8 and inputs.ndim > 2:
        return inputs if inputs.ndim == 4 else inputs[..., None]
    if inputs.dtype not in (np.float32, np.float64):
        inputs = inputs.astype(np.float32 if inputs.dtype == np.float16 else np.float64)
    _check_finite(name, what, inputs, features)
    return inputs if inputs.ndim != 3 else inputs[..., None]


def _of_array(name: str, what: str, x: Any) -> np.ndarray:
    try:
        inputs = np.asarray(x)
    except ValueError:  # rows of several lengths
        raise InputError("data", name, f"{what} has samples of several sizes", "give samples of one shape") from None
    if inputs.dtype == object and inputs.ndim > 1:
        with contextlib.suppress(TypeError, ValueError):
            inputs = inputs.astype(np.float64)
    if inputs.dtype.kind not in "biuf":
        problem = f"{what} is of type {inputs.dtype}"
        raise InputError("data", name, problem, "give numbers; encode what is none, such as by a column a category")
    return inputs


def _of_table(name: str, table: Any) -> np.ndarray:
    columns, others = [], []
    for column in table.columns:
        values = np.asarray(table[column])
        if values.dtype == object:
            try:
                values = values.astype(np.float64)  # of integers with gaps
            except (TypeError, ValueError):
                others.append(str(column))
                continue
        if values.ndim != 1 or values.dtype.kind not in "biuf":
            others.append(str(column))
        else:
            columns.append(values.astype(np.float64))
    if others:
        problem = f"has columns that are no numbers: {shown(others)}"
        raise InputError("data", name, problem, f"encode them, or leave them out: --drop {','.join(others)}")
    return np.stack(columns, axis=1)


def _check_finite(name: str, what: str, inputs: np.ndarray, features: Sequence[str]) -> None:
    for problem, wrong in (
        ("that are missing or not finite", ~np.isfinite(inputs)),
        (f"beyond {LARGEST:g}", np.abs(inputs) > LARGEST),
    ):
        if wrong.any():
            first = tuple(int(place) for place in np.argwhere(wrong)[0])
            where = f"{what}[{', '.join(map(str, first))}]"
            if features:
                where = f"row {first[0] + 1} of column {features[first[1]]!r}"
            remedy = "fill or leave out those samples" if "missing" in problem else "scale them"
            told_of = f"{what} has {int(wrong.sum()):,} numbers {problem}, the first of them {where}"
            raise InputError("data", name, told_of, remedy)


def _test_rows(labels: np.ndarray, share: float) -> np.ndarray:
    """bool [samples]: a share of each class, at random by a fixed seed; two of each stay."""
    generator = np.random.Generator(np.random.Philox(TEST_SEED))
    taken = np.zeros(len(labels), bool)
    for label in range(int(labels.max()) + 1):
        rows = generator.permutation(np.flatnonzero(labels == label))
        taken[rows[: min(round(share * len(rows)), len(rows) - 2)]] = True
    return taken
