"""Many runs of networks of continuous depth: what the store has of them is taken from it, the rest is trained.

They have a table of their own in the store, where each is put as soon as it is finished.
"""

import dataclasses
import datetime
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from t1t2_pt.networks.depth import DEPTH
from t1t2_pt.runs.names import DIVERGED, FINISHED
from t1t2_pt.runs.provenance import environment
from t1t2_pt.runs.record import to_json
from t1t2_pt.sweeps.other_runs import OtherRuns, OtherTrainer, data_of, fields_of, settled
from t1t2_pt.sweeps.planning import Planned
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.sweeps.work import Splits
from t1t2_pt.training.depth_training import DepthConfig, DepthProgram, History, step_times, train_depth

TOLD_AFTER = 10  # runs: outside a terminal each time makes a line


@dataclasses.dataclass(frozen=True)
class DepthRun:
    """A run as the store has it, with what captions and the files of figures say of any run; see `DepthTrained`.

    Parameters
    ----------
    provenance
        What produced it: backend, versions, device, commit, data.
    """

    config: DepthConfig
    history: History
    final: dict[str, float]
    provenance: dict[str, str]
    finished: str

    @property
    def digest(self) -> str:
        """What names it."""
        return self.config.digest()

    @property
    def status(self) -> str:
        """`finished`, or `diverged` where a cost is not finite."""
        return FINISHED if all(map(math.isfinite, self.final.values())) else DIVERGED

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with null for what is not finite."""
        plain = dataclasses.asdict(self)
        plain["history"] = {name: [to_json(value) for value in column] for name, column in self.history.items()}
        return plain | {"final": {name: to_json(value) for name, value in self.final.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DepthRun":
        """The inverse of `as_dict`; whatever else `values` are raises an error of some kind."""
        history = {name: [_from_json(value) for value in column] for name, column in values["history"].items()}
        if len({len(column) for column in history.values()}) > 1:
            raise ValueError("the columns of its history differ in length")
        final = {name: _from_json(value) for name, value in values["final"].items()}
        return cls(
            **{**values, "config": DepthConfig(**fields_of(values["config"])), "history": history, "final": final}
        )


DEPTH_RUNS = OtherRuns("continuous depth", "depths", "depth.jsonl.gz", DepthRun.from_dict)


class DepthSweep(OtherTrainer[DepthConfig, DepthRun]):
    """The `Trainer` of these runs."""

    kept = DEPTH_RUNS

    def train(self, parts: Mapping[Any, Sequence[DepthConfig]], sweep: Sweep, again: bool) -> dict[Any, list[DepthRun]]:
        """The runs of each part, in order.

        Parameters
        ----------
        sweep
            Whose backend, store, data and display are used.
        again
            Train stored runs anew.

        Raises
        ------
        InputError
            If the data cannot be loaded, or the store cannot be read or written.
        """
        splits = Splits(sweep.data_dir)
        parts = {part: [settled(config, splits) for config in configs] for part, configs in parts.items()}
        wanted = list(dict.fromkeys(config for configs in parts.values() for config in configs))
        found = {} if again else DEPTH_RUNS.stored(wanted, sweep.store)
        missing = [config for config in wanted if config not in found]
        counts = f"{len(wanted)} runs of continuous depth: {len(found)} in the store, {len(missing)} to train"
        sweep.display.log(f"{counts} on {sweep.backend.name}")
        programs: dict[Any, DepthProgram] = {}
        with sweep.display.shown(missing):
            for batch in itertools.batched(missing, TOLD_AFTER):
                for config in batch:
                    found[config] = run = _trained(config, splits, programs, sweep)
                    DEPTH_RUNS.store([run], sweep.store)
                sweep.display.finish(len(batch))
        return {part: [found[config] for config in configs] for part, configs in parts.items()}

    def plan(
        self, parts: Mapping[Any, Sequence[DepthConfig]], later: Sequence[DepthConfig], sweep: Sweep
    ) -> tuple[list[Planned], int]:
        """What is to be trained of the runs of all parts, and of those `later` trained anew with what they found.

        Returns
        -------
        As `planning.plan`.
        """
        splits = Splits(sweep.data_dir)
        wanted, tuned = (
            list(dict.fromkeys(settled(config, splits) for config in configs))
            for configs in (itertools.chain.from_iterable(parts.values()), later)
        )
        found = {} if sweep.recompute else DEPTH_RUNS.stored(wanted, sweep.store)
        again = [rerun_depth_config(found[config]) for config in tuned if config in found]
        found |= DEPTH_RUNS.stored(again, sweep.store)
        missing = [config for config in (*wanted, *again) if config not in found]
        # How the others will begin that are trained anew nobody knows.
        missing += [dataclasses.replace(config, tune=()) for config in tuned if config not in found]
        if not missing:
            return [], len(found)
        first, split = wanted[0], splits.get(*data_of(wanted[0]))
        times = step_times(first, DepthProgram(first, split, sweep.backend))
        name = (first.dataset, f"{first.t1_samples:,}", f"{'-'.join(map(str, first.hidden))}, depth", str(first.epochs))
        seconds = sum(config.steps * times[bool(config.tune)] for config in missing)
        size = sum(array.nbytes for array in split.arrays.values())
        return [Planned(name, len(missing), sum(config.steps for config in missing), seconds, size)], len(found)


def rerun_depth_config(run: DepthRun) -> DepthConfig:
    """A new run from the start with the m and v that T1-T2 ended with."""
    changes: dict[str, Any] = {name: run.final[name] for name in DEPTH}
    return dataclasses.replace(run.config, **changes, tune=())


def _from_json(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _trained(config: DepthConfig, splits: Splits, programs: dict[Any, DepthProgram], sweep: Sweep) -> DepthRun:
    split = splits.get(*data_of(config))
    key = (config.hidden, config.batch_size, data_of(config))
    if key not in programs:
        programs[key] = DepthProgram(config, split, sweep.backend)
    trained = train_depth(config, programs[key], lambda: sweep.display.advance(config.steps_per_epoch))
    return DepthRun(
        **{field.name: getattr(trained, field.name) for field in dataclasses.fields(trained)},
        provenance={**environment(sweep.backend), "data": split.provenance},
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
