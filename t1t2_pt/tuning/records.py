"""The history of a tuner: a row for each T1+T2 step."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


class Records:
    """Rows as they come, and the T1 steps since the last of them."""

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {}
        self._cost, self._steps = 0.0, 0

    def add(self, step: int, epoch: int, costs: Mapping[str, float], hyperparams: Mapping[str, np.ndarray]) -> None:
        """A step that is done; hyperparameters are recorded after those that move them."""
        self._cost += costs["train_cost"]
        self._steps += 1
        if "val_cost" not in costs:
            return
        row: dict[str, float] = {"step": step, "epoch": epoch, "train_cost": self._cost / self._steps}
        row["val_cost"] = costs["val_cost"]
        for name, value in hyperparams.items():
            row |= {name: float(value)} if np.ndim(value) == 0 else _summary(name, np.asarray(value))
        for column, number in row.items():
            self._columns.setdefault(column, []).append(number)
        self._cost, self._steps = 0.0, 0

    def table(self) -> pd.DataFrame:
        """The rows so far."""
        return pd.DataFrame(self._columns)

    def state(self) -> dict[str, Any]:
        """Values for JSON, from which `restored` makes the same again."""
        return {"history": {name: list(c) for name, c in self._columns.items()}, "pending": [self._cost, self._steps]}

    @classmethod
    def restored(cls, history: Mapping[str, Any], pending: Any) -> "Records":
        """The records of such a state."""
        found = cls()
        found._columns = {name: list(column) for name, column in history.items()}
        found._cost, found._steps = float(pending[0]), int(pending[1])
        return found


def _summary(name: str, values: np.ndarray) -> dict[str, float]:
    """What is recorded of many numbers."""
    if not values.size:
        return {f"{name}/mean": math.nan, f"{name}/min": math.nan, f"{name}/max": math.nan}
    return {
        f"{name}/mean": float(values.mean()),
        f"{name}/min": float(values.min()),
        f"{name}/max": float(values.max()),
    }
