"""What was measured of each epoch, for whoever watches: while a run trains, or from what is stored of it.

A watcher is called with each epoch of each run once and in order, wherever it was trained: of runs that were stored
already, or that trained where nothing can be told meanwhile, when they are at hand.
"""

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence

from t1t2_pt.config import RunConfig
from t1t2_pt.runs.record import StoredRun


@dataclasses.dataclass(frozen=True)
class EpochReport:
    """What was measured of an epoch of a run.

    Parameters
    ----------
    config
        Of the run.
    epoch
        Its number, from 1.
    row
        By the names of a history's columns: costs in nats, errors in [0, 1], hyperparameters after the epoch; what
        was not measured, or was NaN, is not there.
    """

    config: RunConfig
    epoch: int
    row: Mapping[str, float]


Watcher = Callable[[EpochReport], object]


@dataclasses.dataclass(frozen=True)
class EpochRows:
    """An epoch of some runs that train together, a row each."""

    configs: Sequence[RunConfig]
    epoch: int
    rows: Sequence[Mapping[str, float]]


Report = Callable[[EpochRows], None]


def silent(rows: EpochRows) -> None:
    """A `Report` that nobody hears."""


class Reports:
    """Tells watchers of epochs, from any thread; what a watcher raises ends the work.

    Parameters
    ----------
    watchers
        Each is called with an `EpochReport`.
    """

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = tuple(watchers)
        self._told: dict[str, int] = {}
        self._lock = threading.Lock()

    def tell(self, rows: EpochRows) -> None:
        """An epoch that has just ended; one that was told already, before a worker was lost, is not told again."""
        for config, row in zip(rows.configs, rows.rows, strict=True):
            self._tell(config, rows.epoch, row)

    def tell_whole(self, run: StoredRun) -> None:
        """What was not told yet of a run that is finished."""
        for epoch in range(1, len(run.history["epoch"])):
            row = {name: column[epoch] for name, column in run.history.items() if name != "epoch"}
            self._tell(run.config, epoch, row)

    def _tell(self, config: RunConfig, epoch: int, row: Mapping[str, float]) -> None:
        with self._lock:
            if epoch != self._told.get(config.digest(), 0) + 1:
                return
            self._told[config.digest()] = epoch
            measured = {name: value for name, value in row.items() if name != "epoch" and value == value}
            for watcher in self._watchers:
                watcher(EpochReport(config, epoch, measured))
