"""A search: trials in populations, proposed by a sampler, trained by a sweep, and T1-T2 before or after them.

The run store is its memory. A search given again proposes the same trials, finds their runs in the store, and goes on
where it was stopped; trials that any other search or figure trained are not trained again.

A trial that is pruned is trained for a ninth and a third of the epochs first, as runs of their own with whole
schedules, of which every one is stored: nothing is kept that is half a run.
"""

import contextlib
import dataclasses
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from t1t2_pt.config import replace
from t1t2_pt.runs.record import FINISHED, StoredRun
from t1t2_pt.searches.proposing import FACTOR, check_sampler, grid_points, make_pruner, make_sampler, optuna, rungs
from t1t2_pt.searches.space import OPTION, Space, check_selection
from t1t2_pt.sweeps.reruns import rerun_config
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.system.errors import InputError

T1T2 = Literal["none", "t1t2"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """How is searched.

    Parameters
    ----------
    sampler, pruner
        Names in `SAMPLERS` and `PRUNERS`.
    trials
        How many, those at ends of T1-T2 among them.
    population
        How many are proposed at once and train side by side; a sampler that learns does so between populations.
    by
        What of T2 is lowered, `t2_error` or `t2_cost`.
    before
        `t1t2`: the first population are the ends of T1-T2 from random starts.
    after
        `t1t2`: T1-T2 goes on from the best trial, and what it found is trained anew (Section 4 of the paper).
    seed
        Of the sampler.
    """

    sampler: str = "tpe"
    trials: int = 32
    population: int = 8
    pruner: str = "none"
    by: str = "t2_error"
    before: T1T2 = "none"
    after: T1T2 = "none"
    seed: int = 0

    def check(self, space: Space) -> None:
        """Check all of it, before anything is trained.

        Raises
        ------
        InputError
            Naming the option, its value and what to do.
        """
        check_selection(self.by)
        for name in ("trials", "population"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name}", getattr(self, name), "is no number of trials", "give at least 1")
        for name in ("before", "after"):
            if getattr(self, name) not in ("none", "t1t2"):
                raise InputError(f"--{name}", getattr(self, name), "is unknown", "give t1t2 or none")
            if getattr(self, name) == "t1t2" and not space.tunable:
                names = ", ".join(dimension.name for dimension in space.dimensions)
                raise InputError(
                    f"--{name}", "t1t2", f"can tune none of {names}", f"search one by {OPTION} that it can"
                )
        check_sampler(self.sampler)
        make_pruner(self.pruner)
        if self.sampler == "grid":
            grid_points(space.places, self.trials, self.seed)


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial, or a run of T1-T2.

    Parameters
    ----------
    kind
        `trial`; `pruned`, for one that was given up after a part of its epochs; `t1t2`, for a tuned run; `rerun`, for
        one with what such a run found.
    run
        The last that was trained of it.
    """

    kind: Literal["trial", "pruned", "t1t2", "rerun"]
    run: StoredRun

    def value(self, by: str) -> float:
        """What is lowered; infinite for a run that diverged."""
        return self.run.final[by] if self.run.status == FINISHED else math.inf


def search(space: Space, plan: Plan, sweep: Sweep, told: Callable[[str], None] = lambda line: None) -> list[Trial]:
    """Search, and return everything that was trained, in its order; `best` chooses.

    Parameters
    ----------
    told
        Called with a line on what is best after each population.

    Raises
    ------
    InputError
        As `Plan.check`, and as `Sweep.run`.
    Interrupted
        As `Sweep.run`; the same search goes on from there.
    """
    plan.check(space)
    return _Search(space, plan, sweep, told).run()


def best(trials: Sequence[Trial], by: str) -> Trial:
    """The one with the lowest value of those that were trained whole; the first of equal ones."""
    return min((trial for trial in trials if trial.kind != "pruned"), key=lambda trial: trial.value(by))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without Optuna's warnings of what it calls experimental."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="optuna")
        warnings.filterwarnings("ignore", category=optuna().exceptions.ExperimentalWarning)
        yield


class _Search:
    def __init__(self, space: Space, plan: Plan, sweep: Sweep, told: Callable[[str], None]) -> None:
        self._space, self._plan, self._sweep, self._told = space, plan, sweep, told
        self._trials: list[Trial] = []
        module = optuna()
        distribution = module.distributions.FloatDistribution
        self._distributions = {
            name: distribution(place.low, place.high, log=place.log) for name, place in space.places.items()
        }
        with _quietly():
            sampler, pruner = make_sampler(plan.sampler, plan.seed), make_pruner(plan.pruner)
            self._study = module.create_study(sampler=sampler, pruner=pruner, direction="minimize")
        self._grid = grid_points(space.places, plan.trials, plan.seed) if plan.sampler == "grid" else []

    def run(self) -> list[Trial]:
        with _quietly():
            if self._plan.before == "t1t2":
                self._tuned_first()
            points = self._grid[: max(0, self._plan.trials - len(self._study.trials))]
            for point in points:
                self._study.enqueue_trial(point)
            asked, most = 0, len(self._study.trials) if self._grid else self._plan.trials
            while asked < most:
                population = min(self._plan.population, most - asked)
                self._population([self._study.ask(self._distributions) for _ in range(population)])
                asked += population
                self._tell(f"{asked} of {most} trials")
        if self._plan.after == "t1t2":
            self._tuned_after()
        return self._trials

    def _tuned_first(self) -> None:
        module = optuna()
        count = min(self._plan.population, self._plan.trials)
        draws = module.create_study(sampler=module.samplers.RandomSampler(seed=self._plan.seed))
        starts = [draws.ask(self._distributions).params for _ in range(count)]
        tuned = self._sweep.run([self._space.config(start, tune=self._space.tunable) for start in starts])
        self._trials += [Trial("t1t2", run) for run in tuned]
        for run in tuned:
            if run.status == FINISHED:
                self._study.enqueue_trial(self._space.point(run))
        self._tell(f"{count} runs of T1-T2 from random starts")

    def _population(self, trials: list[Any]) -> None:
        """Train some trials, rung by rung; what the pruner gives up is not trained further."""
        module = optuna()
        stages = rungs(self._plan.pruner, self._space.base.epochs)
        for number, epochs in enumerate(stages):  # of epochs there are so many times more in each
            runs = self._sweep.run([self._space.config(trial.params, epochs=epochs) for trial in trials])
            found = [Trial("trial", run) for run in runs]
            for trial, one in zip(trials, found, strict=True):
                trial.report(one.value(self._plan.by), FACTOR**number)
            going = []
            for trial, one in zip(trials, found, strict=True):
                if epochs == stages[-1]:
                    self._trials.append(one)
                    lost = not math.isfinite(one.value(self._plan.by))
                    state = module.trial.TrialState.FAIL if lost else module.trial.TrialState.COMPLETE
                    self._study.tell(trial, None if lost else one.value(self._plan.by), state=state)
                elif trial.should_prune():
                    self._trials.append(dataclasses.replace(one, kind="pruned"))
                    self._study.tell(trial, state=module.trial.TrialState.PRUNED)
                else:
                    going.append(trial)
            trials = going
            if not trials:
                break

    def _tuned_after(self) -> None:
        """T1-T2 from where the best trial is, in a run of its own; and that anew with what it found."""
        fixed = [trial for trial in self._trials if trial.kind == "trial"]
        if not fixed:
            return
        start = best(fixed, self._plan.by)
        (tuned,) = self._sweep.run([replace(start.run.config, tune=self._space.tunable)])
        self._trials.append(Trial("t1t2", tuned))
        if tuned.status == FINISHED:
            (rerun,) = self._sweep.run([rerun_config(tuned)])
            self._trials.append(Trial("rerun", rerun))
        self._tell("T1-T2 from the best trial, and its rerun")

    def _tell(self, done: str) -> None:
        if any(trial.kind != "pruned" for trial in self._trials):
            value = best(self._trials, self._plan.by).value(self._plan.by)
            shown = f"{100 * value:.2f}%" if self._plan.by.endswith("error") else f"{value:.4f}"
            self._told(f"{done}: best {self._plan.by} {shown}")
