"""The estimators against a grid search over scikit-learn's perceptron, gradient boosting and a random search.

    python -m benchmarks.estimators [--seeds N] [--datasets "A; B"] [--contenders NAMES] [--again] [--draw]

Ours starts from its defaults (noise of 1, strength of 0.1) and has one fit; its first fit of each data set is timed
once more in a process with empty caches. The perceptron gets standardised inputs (and targets), 5 strengths x 3 sizes x
3 folds, and the same in a random search that ends with the fit in which it has used as much time as ours. Results are
in docs/estimators.json after every fit, each by data set, seed and contender: what is there is not done again but with
`--again`. The table is in docs/estimators.md; `--draw` makes it alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, ParameterSampler, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.estimator_data import CLASSES, NAMES, is_here, split
from benchmarks.estimator_tables import BOOSTING, CONTENDERS, GRID_SEARCH, OURS, RANDOM, page
from t1t2_pt.sklearn import T1T2Classifier, T1T2Regressor
from t1t2_pt.system.files import replacing

DOCS = Path(__file__).parents[1] / "docs"
RESULTS, TABLE = DOCS / "estimators.json", DOCS / "estimators.md"

GRID = {"alpha": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1], "hidden_layer_sizes": [(50,), (100,), (100, 100)]}
FOLDS = 3


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
    """Gradient boosting as it comes; of several targets one for each."""
    if name in CLASSES:
        return HistGradientBoostingClassifier(random_state=seed).fit(x, y)
    model = HistGradientBoostingRegressor(random_state=seed)
    return (model if y.ndim == 1 else MultiOutputRegressor(model)).fit(x, y)


def run(name: str, seed: int, contender: str, data_dir: Path | None, seconds: float) -> dict[str, float]:
    """One contender on one split: `seconds` and `cpu_seconds`, `error`, and of classes `loss`."""
    x, x_test, y, y_test = split(name, seed, data_dir)
    started, cpu = time.perf_counter(), time.process_time()
    if contender == RANDOM:
        model = random_search(name, seed, x, y, seconds)
    else:
        model = {OURS: ours, GRID_SEARCH: grid_search, BOOSTING: boosting}[contender](name, seed, x, y)
    found = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
    found["error"] = 1 - model.score(x_test, y_test)
    if name in CLASSES:
        found["loss"] = log_loss(y_test, model.predict_proba(x_test))
    return found


def first_fit(name: str, data_dir: Path | None) -> dict[str, float]:
    """Seconds of the first fit in a process whose caches are empty; imports of our own modules are not counted."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "benchmarks.estimators", "--first-fit", name]
        command += [] if data_dir is None else ["--data-dir", str(data_dir)]
        flags = ",".join(part for part in (os.environ.get("PYTENSOR_FLAGS"), f"base_compiledir={cache}") if part)
        environment = {**os.environ, "XDG_CACHE_HOME": cache, "PYTENSOR_FLAGS": flags}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _first_fit(name: str, data_dir: Path | None) -> None:
    x, _, y, _ = split(name, 0, data_dir)
    started, cpu = time.perf_counter(), time.process_time()
    ours(name, 0, x, y)
    print(json.dumps({"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}))


def compare(results: dict, name: str, seed: int, given: argparse.Namespace) -> None:
    """What is asked for on one split and is not there yet."""
    found = results.setdefault(name, {"splits": {}})
    row = found["splits"].setdefault(str(seed), {})
    for contender in given.contenders.split(","):
        if contender in row and not given.again:
            continue
        if contender == RANDOM and OURS not in row:
            continue  # it gets as much time as ours had
        if contender == OURS and ("first_fit" not in found or (given.again and seed == 0)):
            found["first_fit"] = first_fit(name, given.data_dir)
        row[contender] = run(name, seed, contender, given.data_dir, row.get(OURS, {}).get("cpu_seconds", 0))
        print(name, seed, contender, json.dumps(row[contender]), flush=True)
        with replacing(RESULTS) as partial:
            partial.write_text(json.dumps(results, indent=1) + "\n")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--datasets", default=";".join(NAMES), help="names separated by semicolons")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="names separated by commas")
    parser.add_argument("--data-dir", type=Path, default=None, help="folder of data sets, as of `t1t2 train`")
    parser.add_argument("--again", action="store_true", help="also what has been done")
    parser.add_argument("--draw", action="store_true", help="only write the page")
    parser.add_argument("--first-fit", default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")  # the perceptron's, that it has not converged
    threadpool_limits(1)  # small products are faster so, and on a busy machine far faster
    if given.first_fit is not None:
        _first_fit(given.first_fit, given.data_dir)
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for seed in range(0 if given.draw else given.seeds):
        for name in (name.strip() for name in given.datasets.split(";")):
            if is_here(name, given.data_dir):
                compare(results, name, seed, given)
            elif seed == 0:
                print(f"{name} is not on this machine and is left out", flush=True)
    with replacing(TABLE) as partial:
        partial.write_text("\n".join(page(results)))


if __name__ == "__main__":
    main()
