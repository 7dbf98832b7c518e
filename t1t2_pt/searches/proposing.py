"""What proposes trials, and what ends them early: Optuna's samplers and pruners, by name.

Optuna's Gaussian process needs PyTorch (`optuna.samplers.GPSampler`, and BoTorch's in optuna-integration likewise);
Optuna has none without it. All the others need nothing more.
"""

import importlib.util
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from t1t2_pt.searches.space import Dimension
from t1t2_pt.system.errors import InputError

SAMPLERS = {
    "random": "uniform draws",
    "grid": "the points of a grid of at most so many trials, in an order by the seed",
    "tpe": "the tree-structured Parzen estimator (Bergstra et al., 2011)",
    "gp": "a Gaussian process; needs PyTorch",
}
PRUNERS = {
    "none": "every trial is trained to its end",
    "median": "a trial ends early that is worse than the median of those before it",
    "halving": "successive halving (Jamieson and Talwalkar, 2016): the best third goes on",
}
INSTALL = "install it (`pip install 't1t2_pt[search]'`)"


def optuna() -> Any:
    """Optuna, without its messages.

    Raises
    ------
    InputError
        If it is not installed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise InputError("search", "optuna", "is not installed", INSTALL)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def check_sampler(name: str) -> None:
    """Check that a sampler is known, and that what it needs is there.

    Raises
    ------
    InputError
        Naming the option, and what to do.
    """
    if name not in SAMPLERS:
        raise InputError("--sampler", name, "is unknown", f"give one of {', '.join(SAMPLERS)}")
    optuna()
    if name == "gp" and importlib.util.find_spec("torch") is None:
        problem = "needs PyTorch, which is not installed"
        raise InputError("--sampler", name, problem, "install it (`pip install torch`), or give tpe")


def make_sampler(name: str, seed: int) -> Any:
    """A sampler of Optuna's; the same seed proposes the same, after the same results.

    The points of a grid are to be enqueued: Optuna's own grid has no end where trials are asked for.
    """
    check_sampler(name)
    samplers = optuna().samplers
    if name == "tpe":
        # Of trials that train side by side none knows another's result: those that run count as bad ones.
        return samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    if name == "gp":
        return samplers.GPSampler(seed=seed, deterministic_objective=True)
    return samplers.RandomSampler(seed=seed)


def grid_points(places: Mapping[str, Dimension], trials: int, seed: int) -> list[dict[str, float]]:
    """A grid of at most `trials` points in an order by seed: equally spaced levels of each number, with both bounds.

    Raises
    ------
    InputError
        If that is less than two levels of each.
    """
    side = int(trials ** (1 / len(places)) + 1e-9)
    if side < 2:
        problem = f"is too few for a grid in {len(places)} dimensions"
        raise InputError("--trials", trials, problem, f"give at least {2 ** len(places)}, or another sampler")
    spaced = {name: np.geomspace if place.log else np.linspace for name, place in places.items()}
    levels = [[float(v) for v in spaced[name](place.low, place.high, side)] for name, place in places.items()]
    points = [dict(zip(places, point, strict=True)) for point in itertools.product(*levels)]
    return [points[place] for place in np.random.default_rng(seed).permutation(len(points))]


def make_pruner(name: str) -> Any:
    """A pruner of Optuna's.

    Raises
    ------
    InputError
        If it is unknown.
    """
    if name not in PRUNERS:
        raise InputError("--pruner", name, "is unknown", f"give one of {', '.join(PRUNERS)}")
    pruners = optuna().pruners
    if name == "median":
        return pruners.MedianPruner(n_startup_trials=4)
    if name == "halving":
        return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=FACTOR)
    return pruners.NopPruner()


FACTOR = 3  # from one rung of a pruned search to the next


def rungs(pruner: str, epochs: int) -> list[int]:
    """For how many epochs a trial is trained, one after the other: the whole, and before it parts by `FACTOR`."""
    parts = [] if pruner == "none" else [epochs // FACTOR**power for power in (2, 1)]
    return [*(part for part, _ in itertools.groupby(parts) if part >= 1), epochs]
