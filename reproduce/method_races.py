"""The races of the figure `methods`: which hyperparameters, on which data, by which method, from which starts.

Random search tries hyperparameters drawn at random, fixed; each method begins where random search's first trials
are, and moves them by Adam, for which the scale of a hypergradient does not matter.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from t1t2_pt.config import RunConfig
from t1t2_pt.plotting.figure_script import Request
from t1t2_pt.plotting.parts import Configs, Part, Stage

METHODS = {
    "t1t2": "T1-T2",
    "one-pass(terms=5)": "one-pass, 5 terms",
    "unrolled(steps=10)": "unrolled, 10 updates",
    "implicit(iterations=10, damping=0.1)": "implicit, 10 conjugate gradients",
}
PHOTOS = "digits-on-photos"
NOISE, L2 = (0.0, 1.0), (-5.0, -2.0)  # bounds; of the penalty as decimal logarithms


@dataclasses.dataclass(frozen=True)
class Race:
    """A problem in which methods meet.

    Parameters
    ----------
    name
        Of its panel.
    dataset
        What is trained on.
    hidden
        Widths of the hidden layers.
    levels
        By hyperparameter: how many levels it has, and between what bounds; more than one: a tuple of them.
    per_unit
        Those that have a level for every unit.
    methods
        Which take part.
    """

    name: str
    dataset: str
    hidden: tuple[int, ...]
    levels: Mapping[str, tuple[int, tuple[float, float]]]
    per_unit: tuple[str, ...] = ()
    methods: tuple[str, ...] = tuple(METHODS)

    @property
    def size(self) -> int:
        """How many hyperparameters it has."""
        return sum(count for count, _ in self.levels.values())

    def drawn(self, rng: np.random.Generator) -> dict[str, float | tuple[float, ...]]:
        """Levels at random: uniform, of penalties on the logarithmic scale; three digits of each."""
        found: dict[str, float | tuple[float, ...]] = {}
        for name, (count, bounds) in self.levels.items():
            values = rng.uniform(*bounds, count)
            values = 10**values if bounds[1] < 0 else values
            rounded = tuple(float(f"{value:.3g}") for value in values)
            found[name] = rounded if count > 1 else rounded[0]
        return found


TWO = {"input_noise": (1, NOISE), "l2": (1, L2)}
TWENTY = {"input_noise": (1, NOISE), "hidden_noise": (19, NOISE)}  # one for each hidden unit
RACES = (
    Race("MNIST, 2", "mnist", (32,), TWO),
    Race("MNIST, 20", "mnist", (19,), TWENTY, ("hidden_noise",)),
    Race("MNIST, 784", "mnist", (32,), {"input_noise": (784, NOISE)}, ("input_noise",)),
    Race("digits-on-photos, 2", PHOTOS, (32,), TWO),
    Race("digits-on-photos, 20", PHOTOS, (19,), TWENTY, ("hidden_noise",)),
)
CHEAP = tuple(method for method in METHODS if not method.startswith("unrolled"))  # which takes longest to compile
QUICK_RACES = (RACES[0], RACES[2], dataclasses.replace(RACES[3], methods=CHEAP))
GRID_RACE = RACES[0]  # whose grid shows where methods should end


@dataclasses.dataclass(frozen=True)
class Scale:
    """What a preset trains.

    Parameters
    ----------
    base
        What all runs share.
    seeds, trials, starts
        Seeds, of the split too; random trials of each; how many of them each method starts from.
    noise, log10_l2
        Levels of the grid.
    races
        Which are run.
    """

    base: Mapping[str, Any]
    seeds: int
    trials: int
    starts: int
    noise: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    log10_l2: tuple[float, ...] = (-5.0, -4.25, -3.5, -2.75, -2.0)
    races: tuple[Race, ...] = RACES


SHARED = {
    "evaluate_every": 0,
    "hyper_optimizer": "adam",
    "noise_learning_rate": 2e-2,
    "l2_learning_rate": 5e-5,
    "batch_norm": False,
}
FEW = {**SHARED, "batch_size": 50, "interval": 5, "learning_rate": 1e-2}
QUICK = {**FEW, "t1_samples": 500, "t2_samples": 500, "epochs": 30}
LAPTOP = {**FEW, "t1_samples": 2_000, "t2_samples": 1_000, "epochs": 30}
PAPERS = {**SHARED, "t1_samples": 55_000, "t2_samples": 5_000, "interval": 10}
SCALES = {
    "quick": Scale(QUICK, 3, 12, 2, (0.0, 0.2, 0.4, 0.6, 1.0), (-5.0, -4.0, -3.0, -2.0), QUICK_RACES),
    "laptop": Scale(LAPTOP, 10, 30, 4),
    "overnight": Scale({**PAPERS, "epochs": 40}, 10, 60, 6),
    "paper": Scale({**PAPERS, "epochs": 250}, 10, 60, 6),
}


def races(request: Request) -> list[Race]:
    """Those on data that are there; MNIST always is."""
    return [race for race in SCALES[request.preset].races if race.dataset in ("mnist", *request.datasets)]


def runs(request: Request) -> Configs:
    """Random trials, the methods' runs from the first of them, and the grid of one race; seed after seed."""
    scale = SCALES[request.preset]
    wanted: dict[Part, list[RunConfig]] = {}
    places = {race.name: place for place, race in enumerate(RACES)}
    for race in races(request):
        for number in range(scale.seeds):
            rng = np.random.default_rng([request.seed, places[race.name], number])
            drawn = [race.drawn(rng) for _ in range(scale.trials)]

            def trained(levels: Mapping[str, Any], of: Race = race, number: int = number, **more: Any) -> RunConfig:
                seed = request.seed + number
                fields = {**scale.base, "dataset": of.dataset, "hidden": of.hidden, "per_unit": of.per_unit}
                return request.config(**fields, **levels, **more, seed=seed, split_seed=seed)

            wanted[Part(Stage.FIXED, race.name, number)] = [trained(levels) for levels in drawn]
            for method in race.methods:
                part = Part(Stage.TUNED, f"{race.name}: {method}", number)
                wanted[part] = [
                    trained(levels, method=method, tune=tuple(race.levels)) for levels in drawn[: scale.starts]
                ]
            if race is GRID_RACE:
                wanted[Part(Stage.GRID, race.name, number)] = [
                    trained({"input_noise": noise, "l2": 10.0**log10_l2})
                    for log10_l2 in scale.log10_l2
                    for noise in scale.noise
                ]
    return wanted
