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
    "grid": "the points of a grid, in an order of its own",
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


def make_sampler(name: str, places: Mapping[str, Dimension], trials: int, seed: int) -> Any:
    """A sampler of Optuna's.

    Parameters
    ----------
    places
        What is searched.
    trials
        How many are asked for; a grid has at most so many points, as many along each side.
    seed
        The same seed proposes the same, after the same results.
    """
    check_sampler(name)
    samplers = optuna().samplers
    if name == "random":
        return samplers.RandomSampler(seed=seed)
    if name == "tpe":
        # Of trials that train side by side none knows another's result: those that run count as bad ones.
        return samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True, warn_independent_sampling=False)
    if name == "gp":
        return samplers.GPSampler(seed=seed, deterministic_objective=True)
    return samplers.GridSampler(grid_points(places, trials), seed=seed)


def grid_points(places: Mapping[str, Dimension], trials: int) -> dict[str, list[float]]:
    """Equally spaced levels of each number, with both bounds, so many that the grid has at most `trials` points.

    Raises
    ------
    InputError
        If that is less than two levels of each.
    """
    side = int(trials ** (1 / len(places)) + 1e-9)
    if side < 2:
        least = 2 ** len(places)
        problem = f"is too few for a grid in {len(places)} dimensions"
        raise InputError("--trials", trials, problem, f"give at least {least}, or another sampler")
    spaced = {name: np.geomspace if place.log else np.linspace for name, place in places.items()}
    return {name: [float(v) for v in spaced[name](place.low, place.high, side)] for name, place in places.items()}


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
