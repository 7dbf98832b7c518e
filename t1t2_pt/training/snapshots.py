"""Runs that train together, between two epochs: their state, and what was measured so far.

What was measured lies in arrays, so that a snapshot after every epoch copies bytes and does not go through
all the epochs before it again.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from t1t2_pt.backends import Arrays
from t1t2_pt.config import RunConfig
from t1t2_pt.steps.columns import EVALUATION, epoch_columns, first_columns
from t1t2_pt.steps.monitoring import PREFIX

EPOCH = "epoch"  # a row's number, which is not kept

Row = Mapping[str, float]


class Histories:
    """A row per epoch, from 0, of what was measured of each run; the runs measure the same.

    Parameters
    ----------
    names
        The columns.
    values
        float64 [runs, rows, columns].
    measured
        bool [rows, columns]; values that were not measured are NaN.
    """

    def __init__(self, names: Sequence[str], values: np.ndarray, measured: np.ndarray):
        self.names = list(names)
        self._values, self._measured = values, measured
        self._rows = len(measured)

    @classmethod
    def of(cls, *rows: Sequence[Row]) -> "Histories":
        """Begun with these rows, each a mapping for every run."""
        made = cls((), np.empty((len(rows[0]), 0, 0)), np.empty((0, 0), bool))
        for row in rows:
            made.append(row)
        return made

    @property
    def values(self) -> np.ndarray:
        return self._values[:, : self._rows]

    @property
    def measured(self) -> np.ndarray:
        return self._measured[: self._rows]

    def append(self, row: Sequence[Row]) -> None:
        """What the next epoch measured of each run."""
        names = [name for name in row[0] if name != EPOCH]
        columns = len(self.names)
        self.names += [name for name in names if name not in self.names]
        if self._rows == len(self._measured) or len(self.names) > columns:
            self._grow(max(2 * self._rows, self._rows + 1))
        places = [self.names.index(name) for name in names]
        self._values[:, self._rows, places] = [[run[name] for name in names] for run in row]
        self._measured[self._rows, places] = True
        self._rows += 1

    def _grow(self, rows: int) -> None:
        values = np.full((len(self._values), rows, len(self.names)), np.nan)
        measured = np.zeros(values.shape[1:], bool)
        columns = self._values.shape[2]
        values[:, : self._rows, :columns], measured[: self._rows, :columns] = self.values, self.measured
        self._values, self._measured = values, measured

    def copy(self, runs: Sequence[int] | None = None) -> "Histories":
        """A copy, of all runs or of some."""
        values = self.values.copy() if runs is None else self.values[list(runs)]
        return Histories(self.names, values, self.measured.copy())

    def column(self, name: str, unmeasured: float = math.nan) -> np.ndarray:
        """[runs, rows] of a column."""
        place = self.names.index(name)
        return np.where(self.measured[:, place], self.values[:, :, place], unmeasured)

    def rows(self, row: int) -> list[dict[str, float]]:
        """What an epoch measured of each run."""
        places = [place for place in range(len(self.names)) if self.measured[row, place]]
        return [{self.names[place]: float(run[row, place]) for place in places} for run in self.values]

    def of_run(self, run: int) -> dict[str, list[float]]:
        """The columns of one run by name, the epochs first."""
        columns = dict(zip(self.names, self.values[run].T.tolist(), strict=True))
        return {EPOCH: list(range(self._rows)), **columns}


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Runs between two epochs: all that it takes to go on as if nothing had happened.

    Parameters
    ----------
    epoch
        Epochs that are done.
    state
        The whole state of each run, every array [runs, ...].
    histories
        What was measured of each run so far.
    """

    epoch: int
    state: Arrays
    histories: Histories

    def of_runs(self, runs: Sequence[int]) -> "Snapshot":
        """Of some of the runs, by their places."""
        state = {name: array[list(runs)] for name, array in self.state.items()}
        return Snapshot(self.epoch, state, self.histories.copy(runs))


def misfit(snapshot: Snapshot, initial: Snapshot, config: RunConfig) -> str:
    """Why runs cannot go on from a snapshot; nothing if they can.

    Parameters
    ----------
    initial
        The same runs before their first epoch.
    config
        One of them.
    """
    return _state_misfit(snapshot.state, initial.state) or _history_misfit(snapshot, initial, config)


def _state_misfit(state: Arrays, initial: Arrays) -> str:
    if state.keys() != initial.keys():
        return f"its state has other arrays ({', '.join(sorted(state.keys() ^ initial.keys())[:3])})"
    for name, array in state.items():
        (shape, kind), (right, right_kind) = ((a.shape, a.dtype) for a in (array, initial[name]))
        if shape != right or kind != right_kind:
            return f"its {name} is {kind} {list(shape)} where this program has {right_kind} {list(right)}"
    return ""


def _history_misfit(snapshot: Snapshot, initial: Snapshot, config: RunConfig) -> str:
    epoch, found, first = snapshot.epoch, snapshot.histories, initial.histories
    if type(epoch) is not int or not 1 <= epoch < config.epochs:
        return f"its epoch is {epoch!r} of {config.epochs}"
    shape = (len(first.values), epoch + 1, len(found.names))
    if (found.values.dtype, found.values.shape) != (np.float64, shape):
        return f"its history is {found.values.dtype} {list(found.values.shape)} where epoch {epoch} has {list(shape)}"
    if (found.measured.dtype, found.measured.shape) != (np.bool_, shape[1:]):
        return "what its history measured is not told"
    for row, measured in enumerate(found.measured):
        names = {name for name, was in zip(found.names, measured, strict=True) if was}
        lacking = _columns(config, row) - names
        if lacking:
            return f"its history lacks {min(lacking)} of epoch {row}"
    known = _columns(config, 0) | _columns(config, 1) | {*EVALUATION}
    others = {name for name in {*found.names} - known if not (config.monitor and name.startswith(PREFIX))}
    if len({*found.names}) < len(found.names) or others:
        return "its history has other columns"
    if any(not np.array_equal(found.column(name)[:, 0], first.column(name)[:, 0]) for name in first.names):
        return "its history begins elsewhere"
    return ""


def _columns(config: RunConfig, epoch: int) -> set[str]:
    """What every run has measured of an epoch."""
    names = {*first_columns(config)} - {EPOCH}
    if epoch == 0:
        return names
    due = config.evaluate_every and epoch % config.evaluate_every == 0
    return names | {*epoch_columns(config)} | ({*EVALUATION} if due else set())
