"""Runs of demonstrations: what the store has of them is taken from it, the rest is trained and put there."""

import dataclasses
import datetime
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from t1t2_pt.classics.demonstration import Demonstration, Results
from t1t2_pt.classics.hyper_cleaning import HyperCleaning
from t1t2_pt.classics.hypergradient_descent import HypergradientDescent
from t1t2_pt.classics.learned_images import LearnedImages
from t1t2_pt.classics.rate_schedules import RateSchedules
from t1t2_pt.classics.weight_penalties import WeightPenalties
from t1t2_pt.runs.provenance import environment
from t1t2_pt.runs.record import FINISHED
from t1t2_pt.sweeps.other_runs import OtherRuns, OtherTrainer, data_of, fields_of, settled
from t1t2_pt.sweeps.planning import Planned
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.sweeps.work import Splits

PARTS: dict[str, type[Demonstration]] = {
    kind.part: kind for kind in (WeightPenalties, RateSchedules, LearnedImages, HyperCleaning, HypergradientDescent)
}
# Processor seconds of a run at the quick preset, two cores of an Intel Xeon; an hour is told where nobody knows.
SECONDS = {"weights": 60.0, "schedules": 120.0, "images": 10.0, "cleaning": 60.0, "learning-rate": 30.0}


@dataclasses.dataclass(frozen=True)
class ClassicRun:
    """A run as the store has it, with what captions and the files of figures say of any run.

    Parameters
    ----------
    history
        `seconds` that it took.
    provenance
        What produced it: backend, versions, device, commit, data.
    """

    config: Demonstration
    results: Results
    history: dict[str, list[float]]
    provenance: dict[str, str]
    finished: str

    @property
    def digest(self) -> str:
        """What names it."""
        return self.config.digest()

    @property
    def status(self) -> str:
        """Always `finished`: what diverges is among the results."""
        return FINISHED

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"part": self.config.part, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ClassicRun":
        """The inverse of `as_dict`; whatever else `values` are raises an error of some kind."""
        rest = {name: value for name, value in values.items() if name not in ("part", "config")}
        return cls(PARTS[values["part"]](**fields_of(values["config"])), **rest)


CLASSIC_RUNS = OtherRuns("demonstrations", "classics", "classics.jsonl.gz", ClassicRun.from_dict)


class ClassicSweep(OtherTrainer[Demonstration, ClassicRun]):
    """The `Trainer` of these runs."""

    kept = CLASSIC_RUNS

    def train(
        self, parts: Mapping[Any, Sequence[Demonstration]], sweep: Sweep, again: bool
    ) -> dict[Any, list[ClassicRun]]:
        """The runs of each part, in order; stored ones are trained anew where it says `again`.

        Raises
        ------
        InputError
            If the data cannot be loaded, or the store cannot be read or written.
        """
        splits = Splits(sweep.data_dir)
        parts = {part: [settled(config, splits) for config in configs] for part, configs in parts.items()}
        wanted = list(dict.fromkeys(itertools.chain.from_iterable(parts.values())))
        found = {} if again else CLASSIC_RUNS.stored(wanted, sweep.store)
        missing = [config for config in wanted if config not in found]
        counts = f"{len(wanted)} demonstrations: {len(found)} in the store, {len(missing)} to run"
        sweep.display.log(f"{counts} on {sweep.backend.name}")
        for config in missing:
            split, start = splits.get(*data_of(config)), time.monotonic()
            results = config.run(split, sweep.backend)
            seconds = round(time.monotonic() - start, 2)
            found[config] = run = ClassicRun(
                config,
                results,
                {"seconds": [seconds]},
                provenance={**environment(sweep.backend), "data": split.provenance},
                finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            )
            CLASSIC_RUNS.store([run], sweep.store)
            sweep.display.log(f"{config.part}: {seconds:.0f} s")
        return {part: [found[config] for config in configs] for part, configs in parts.items()}

    def plan(
        self, parts: Mapping[Any, Sequence[Demonstration]], later: Sequence[Demonstration], sweep: Sweep
    ) -> tuple[list[Planned], int]:
        """What is to be run, as `planning.plan`; times are those of the quick preset, measured once."""
        splits = Splits(sweep.data_dir)
        wanted = [settled(config, splits) for configs in parts.values() for config in configs]
        found = {} if sweep.recompute else CLASSIC_RUNS.stored(wanted, sweep.store)
        planned = []
        for config in wanted:
            if config not in found:
                name = (config.dataset, f"{config.t1_samples:,}", config.part, str(config.epochs))
                size = sum(array.nbytes for array in splits.get(*data_of(config)).arrays.values())
                planned.append(Planned(name, 1, config.hyperparameter_steps, SECONDS[config.part], size))
        return planned, len(found)
