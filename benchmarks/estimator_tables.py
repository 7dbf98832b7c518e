"""The page of the comparison of the estimators, from its results."""

from collections.abc import Iterator

import numpy as np

OURS, GRID_SEARCH, BOOSTING, RANDOM = "T1T2", "grid search", "gradient boosting", "random search"
CONTENDERS = (OURS, GRID_SEARCH, BOOSTING, RANDOM)
SHARE, FLOOR = 1 / 5, 5.0  # of the grid's time, or so many seconds where that is more

WORDS = """# One fit against a search

`python -m benchmarks.estimators` wrote this page. Ours is `T1T2Classifier()` or `T1T2Regressor()`, a fit
from its defaults. The grid search is scikit-learn's perceptron with standardised inputs, 5 strengths x 3 sizes x 3
folds; the random search is the same with as much processor time as ours had; gradient boosting is
`HistGradientBoosting` as it comes. Errors are 1 - accuracy, or 1 - R², means over splits: of the small sets three
quarters to train on and a quarter to test, of MNIST and CIFAR-10 (its 3,072 numbers) as many training samples as are
named, and the official test set. A difference is ours less the other's, with its standard error over splits. Against
the grid search it holds where it is at most one of them; ± is `nan` where there is one split. The tables say how many
splits there are, of ten that are wanted; sets that `--datasets` can name and that are not in them have not been run.

Times are medians of processor seconds of all threads, with one thread for BLAS and one for OpenMP. The first fit is in
a process with empty caches, and the ratio is the slower of ours to the grid search: it may be a fifth, or 5 seconds.
""".splitlines()


def page(results: dict) -> list[str]:
    """Lines of the page."""
    return [*WORDS, *table(results)]


def table(results: dict) -> Iterator[str]:
    """Errors, differences, log losses and times: Markdown, a line for each data set in each."""
    complete = {name: rows for name, found in results.items() if (rows := _complete(found))}
    yield from _head("data set", "splits", *(f"error: {name}" for name in CONTENDERS))
    for name, rows in complete.items():
        means = [f"{np.mean([row[one]['error'] for row in rows]):.4f}" for one in CONTENDERS]
        yield _line(name, len(rows), *means)
    yield ""
    yield from _head("difference", *CONTENDERS[1:], "verdict")
    for name, rows in complete.items():
        yield _line(name, *(_difference(rows, one) for one in CONTENDERS[1:]), verdict(rows))
    yield ""
    yield from _head("data set", *(f"log loss: {one}" for one in CONTENDERS))
    for name, rows in complete.items():
        if "loss" in rows[0][OURS]:
            yield _line(name, *(f"{np.mean([row[one]['loss'] for row in rows]):.4f}" for one in CONTENDERS))
    yield ""
    yield from _head("processor seconds", *CONTENDERS, "first fit", "ratio", "verdict")
    for name, rows in complete.items():
        took = {one: float(np.median([row[one]["cpu_seconds"] for row in rows])) for one in CONTENDERS}
        first = results[name]["first_fit"]["cpu_seconds"]
        slowest = max(took[OURS], first)
        held = "holds" if slowest <= max(FLOOR, SHARE * took[GRID_SEARCH]) else "missed"
        yield _line(name, *(f"{took[one]:.2f}" for one in CONTENDERS), f"{first:.2f}", _ratio(slowest, took), held)
    yield ""


def _complete(found: dict) -> list[dict]:
    """The splits on which all have had their turn."""
    return [row for row in found["splits"].values() if set(CONTENDERS) <= row.keys()] if "first_fit" in found else []


def differences(rows: list[dict], other: str) -> tuple[float, float]:
    """Mean of our error less another's, and its standard error."""
    each = np.array([row[OURS]["error"] - row[other]["error"] for row in rows])
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else np.nan


def verdict(rows: list[dict]) -> str:
    """Whether ours is no worse than the grid search by more than a standard error."""
    mean, error = differences(rows, GRID_SEARCH)
    return "one split" if np.isnan(error) else "holds" if mean <= error else "missed"


def _difference(rows: list[dict], other: str) -> str:
    mean, error = differences(rows, other)
    return f"{mean:+.4f} ± {error:.4f}"


def _ratio(slowest: float, took: dict[str, float]) -> str:
    return f"{slowest / took[GRID_SEARCH]:.2f}"


def _head(*names: str) -> Iterator[str]:
    yield _line(*names)
    yield _line(*["---"] * len(names))


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"
