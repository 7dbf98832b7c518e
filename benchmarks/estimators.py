"""The estimators against a grid search over scikit-learn's perceptron, gradient boosting and a random search.

    python -m benchmarks.estimators [--seeds N] [--datasets NAMES] [--draw]

Contenders take turns on every split, three quarters of the samples to train on. Ours starts from its defaults (noise of
1, strength of 0.1) and has one fit; its first fit of each data set is timed once more in a process with an empty cache.
The perceptron gets standardised inputs (and targets), 5 strengths x 3 sizes x 3 folds, and the same in a random search
that ends with the fit in which it has used as much time as ours. Results are in docs/estimators.json after every split,
and as a table in docs/estimators.md; `--draw` makes the table alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, ParameterSampler, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from t1t2_pt.sklearn import T1T2Classifier, T1T2Regressor

DOCS = Path(__file__).parents[1] / "docs"
RESULTS, TABLE = DOCS / "estimators.json", DOCS / "estimators.md"

GRID = {"alpha": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1], "hidden_layer_sizes": [(50,), (100,), (100, 100)]}
FOLDS = 3
SHARE, FLOOR = 1 / 5, 5.0  # of the grid's time, or so many seconds where that is more


def _column_of(x: np.ndarray, column: int) -> tuple[np.ndarray, np.ndarray]:
    """One column from all others."""
    return np.delete(x, column, axis=1), x[:, column]


CLASSES: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
}
NUMBERS: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "friedman1": lambda: datasets.make_friedman1(400, noise=1.0, random_state=0),
    "alcohol of wine": lambda: _column_of(datasets.load_wine().data, 0),
}
OURS, GRID_SEARCH, BOOSTING, RANDOM = "T1T2", "grid search", "gradient boosting", "random search"
CONTENDERS = (OURS, GRID_SEARCH, BOOSTING, RANDOM)


def perceptron(name: str, seed: int):
    """Scikit-learn's, with what it needs, and how its parameters are called."""
    if name in CLASSES:
        return make_pipeline(StandardScaler(), MLPClassifier(random_state=seed)), "mlpclassifier__"
    inner = make_pipeline(StandardScaler(), MLPRegressor(random_state=seed))
    return TransformedTargetRegressor(inner, transformer=StandardScaler()), "regressor__mlpregressor__"


def grid_search(name: str, seed: int, x, y):
    """The best of all combinations, fitted."""
    model, prefix = perceptron(name, seed)
    return GridSearchCV(model, {prefix + key: values for key, values in GRID.items()}, cv=FOLDS).fit(x, y)


def random_search(name: str, seed: int, x, y, seconds: float):
    """The best of as many draws as fit into some seconds, at least one, fitted."""
    model, prefix = perceptron(name, seed)
    spaces = {f"{prefix}alpha": np.logspace(-6, 0, 100), f"{prefix}hidden_layer_sizes": GRID["hidden_layer_sizes"]}
    started, best = time.process_time(), (-np.inf, {})
    for drawn in ParameterSampler(spaces, 1000, random_state=seed):
        found = float(cross_val_score(clone(model).set_params(**drawn), x, y, cv=FOLDS).mean())
        best = max(best, (found, drawn), key=lambda pair: pair[0])
        if time.process_time() - started > seconds:
            break
    return clone(model).set_params(**best[1]).fit(x, y)


def ours(name: str, seed: int, x, y):
    """One fit from the defaults."""
    return (T1T2Classifier if name in CLASSES else T1T2Regressor)(random_state=seed).fit(x, y)


def boosting(name: str, seed: int, x, y):
    """Gradient boosting as it comes."""
    kind = HistGradientBoostingClassifier if name in CLASSES else HistGradientBoostingRegressor
    return kind(random_state=seed).fit(x, y)


def split(name: str, seed: int):
    """Three quarters to train on, and the rest."""
    x, y = {**CLASSES, **NUMBERS}[name]()
    return train_test_split(x, y, random_state=seed, stratify=y if name in CLASSES else None)


def run(name: str, seed: int) -> dict[str, dict[str, float]]:
    """Every contender on one split: `seconds` and `cpu_seconds`, `error`, `loss`."""
    x, x_test, y, y_test = split(name, seed)
    found: dict[str, dict[str, float]] = {}
    order = CONTENDERS if seed % 2 else (OURS, BOOSTING, GRID_SEARCH, RANDOM)
    for contender in order:
        started, cpu = time.perf_counter(), time.process_time()
        if contender == RANDOM:
            model = random_search(name, seed, x, y, found[OURS]["cpu_seconds"])
        else:
            model = {OURS: ours, GRID_SEARCH: grid_search, BOOSTING: boosting}[contender](name, seed, x, y)
        seconds = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
        found[contender] = {**seconds, "error": 1 - model.score(x_test, y_test)}
        if name in CLASSES:
            found[contender]["loss"] = log_loss(y_test, model.predict_proba(x_test))
    return found


def cold_seconds(name: str) -> dict[str, float]:
    """Of the first fit in a process whose cache is empty; imports of our own modules are not counted."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "benchmarks.estimators", "--first-fit", name]
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def first_fit(name: str) -> None:
    """Print the seconds of one fit."""
    x, _, y, _ = split(name, 0)
    started, cpu = time.perf_counter(), time.process_time()
    ours(name, 0, x, y)
    print(json.dumps({"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}))


def table(results: dict) -> Iterator[str]:
    """Markdown, a line for each data set."""
    yield "| data set | splits | " + " | ".join(f"error: {name}" for name in CONTENDERS) + " | difference | verdict |"
    yield "| --- |" + " --- |" * (len(CONTENDERS) + 3)
    for name, found in results.items():
        errors = {one: np.array([row[one]["error"] for row in found["splits"].values()]) for one in CONTENDERS}
        difference = errors[OURS] - errors[GRID_SEARCH]
        standard_error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else np.nan
        verdict = "holds" if difference.mean() <= standard_error else "missed"
        verdict = verdict if len(difference) > 1 else "one split"
        means = " | ".join(f"{errors[one].mean():.4f}" for one in CONTENDERS)
        difference_text = f"{difference.mean():+.4f} ± {standard_error:.4f}"
        yield f"| {name} | {len(difference)} | {means} | {difference_text} | {verdict} |"
    yield ""
    yield "| data set | " + " | ".join(f"log loss: {one}" for one in CONTENDERS) + " |"
    yield "| --- |" + " --- |" * len(CONTENDERS)
    for name, found in results.items():
        if name in CLASSES:
            rows = found["splits"].values()
            losses = [f"{np.mean([row[one]['loss'] for row in rows]):.4f}" for one in CONTENDERS]
            yield f"| {name} | {' | '.join(losses)} |"
    yield ""
    for kind, words in (("cpu_seconds", "processor seconds"), ("seconds", "seconds")):
        yield f"| {words} | " + " | ".join(CONTENDERS) + " | first fit | ratio | verdict |"
        yield "| --- |" + " --- |" * (len(CONTENDERS) + 3)
        for name, found in results.items():
            rows = found["splits"].values()
            took = {one: float(np.median([row[one][kind] for row in rows])) for one in CONTENDERS}
            slowest = max(took[OURS], found["cold"][kind])
            verdict = "holds" if slowest <= max(FLOOR, SHARE * took[GRID_SEARCH]) else "missed"
            medians = " | ".join(f"{took[one]:.2f}" for one in CONTENDERS)
            ratio = f"{slowest / took[GRID_SEARCH]:.2f}"
            yield f"| {name} | {medians} | {found['cold'][kind]:.2f} | {ratio} | {verdict} |"
        yield ""


def draw() -> None:
    """Write the table from the results."""
    results = json.loads(RESULTS.read_text())
    title = "# One fit against a search"
    TABLE.write_text("\n".join([title, "", *_words(), "", *table(results), ""]))


def _words() -> list[str]:
    text = """`python -m benchmarks.estimators` wrote this page. Ours is `T1T2Classifier()` or `T1T2Regressor()`, a fit
from its defaults. The grid search is scikit-learn's perceptron with standardised inputs, 5 strengths x 3 sizes x 3
folds; the random search is the same with as much processor time as ours had; gradient boosting is
`HistGradientBoosting` as it comes. Errors are 1 - accuracy, or 1 - R², means over splits of three quarters to a
quarter; the difference is ours less the grid search's, with its standard error over splits, and holds where it is at
most one of them. Times are medians, with one thread for BLAS and one for OpenMP. The first fit is in a process with an
empty cache, and the ratio is the slower of ours to the grid search: it may be a fifth, or 5 seconds. Where other work
shared the machine, seconds say little, and processor seconds of all threads are what to compare."""
    return text.splitlines()


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--datasets", default=",".join((*CLASSES, *NUMBERS)))
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--first-fit", default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")  # the perceptron's, that it has not converged
    threadpool_limits(1)  # small products are faster so, and on a busy machine far faster
    if given.first_fit is not None:
        first_fit(given.first_fit)
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for seed in range(0 if given.draw else given.seeds):
        for name in given.datasets.split(","):
            found = results.setdefault(name, {"splits": {}})
            if str(seed) in found["splits"]:
                continue
            if "cold" not in found:
                found["cold"] = cold_seconds(name)
            found["splits"][str(seed)] = run(name, seed)
            print(name, seed, json.dumps(found["splits"][str(seed)]), flush=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    draw()


if __name__ == "__main__":
    main()
