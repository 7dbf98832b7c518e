"""The space of a search: which numbers of a run are tried, and between what bounds."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from t1t2_pt.config import FIELDS, RunConfig, replace
from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.system.errors import InputError

OPTION = "--space"
FORM = "write NAME=LOW:HIGH, or NAME=LOW:HIGH:log, such as --space l2=1e-5:1e-2:log"
DIGITS = 6  # of a level in a run's config: no more can matter


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One hyperparameter, or all of a run's levels of it: where the run has several, each is a number of its own.

    Parameters
    ----------
    name
        A field of `RunConfig` that takes a number.
    low, high
        Bounds.
    log
        Whether it is searched on the scale of its logarithm.
    """

    name: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if self.name not in FIELDS or "float" not in str(FIELDS[self.name].type):
            remedy = f"give {', '.join(HYPERPARAMETERS)}, learning_rate or another option that is a number"
            raise InputError(OPTION, self.name, "is no number of a run", remedy)
        text = f"{self.name}={self.low:g}:{self.high:g}"
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(OPTION, text, "has no room between its bounds", "give a lower and a higher number")
        if self.log and self.low <= 0:
            raise InputError(OPTION, f"{text}:log", "has no logarithm at its lower bound", "give one above 0")

    @classmethod
    def read(cls, text: str) -> "Dimension":
        """Of `NAME=LOW:HIGH` or `NAME=LOW:HIGH:log`.

        Raises
        ------
        InputError
            For another form, an unknown name, or bounds that are none.
        """
        match = re.fullmatch(r"\s*([\w-]+)\s*=\s*([^:]+):([^:]+?)(:log)?\s*", text)
        try:
            if match is None:
                raise ValueError
            low, high = float(match[2]), float(match[3])
        except ValueError:
            raise InputError(OPTION, text, "has the wrong form", FORM) from None
        return cls(match[1].replace("-", "_"), low, high, match[4] is not None)


@dataclasses.dataclass(frozen=True)
class Space:
    """Where a search looks: a run, and what of it is tried.

    Parameters
    ----------
    base
        What every trial has beside that. Its levels of a hyperparameter say how many there are: a tuple is searched
        number by number.
    dimensions
        At least one, each name once.
    """

    base: RunConfig
    dimensions: Sequence[Dimension]

    def __post_init__(self) -> None:
        if not self.dimensions:
            raise InputError(OPTION, "", "is empty", FORM)
        names = [dimension.name for dimension in self.dimensions]
        for name in names:
            if names.count(name) > 1:
                raise InputError(OPTION, name, "is there twice", "give it once")
        if self.base.tune:
            problem = "is tuned in a search, whose trials are fixed"
            raise InputError("tune", ",".join(self.base.tune), problem, "give --before or --after t1t2 instead")
        for bound in ("low", "high"):  # values that no run can have are told before any is trained
            self.config({name: getattr(d, bound) for name, d in self.places.items()})

    @property
    def places(self) -> dict[str, Dimension]:
        """The numbers that are searched, by name: `l2`, or `l2_0`, `l2_1` where the run has several."""
        found: dict[str, Dimension] = {}
        for dimension in self.dimensions:
            level = getattr(self.base, dimension.name)
            if isinstance(level, tuple):
                found |= {f"{dimension.name}_{place}": dimension for place in range(len(level))}
            else:
                found[dimension.name] = dimension
        return found

    @property
    def tunable(self) -> tuple[str, ...]:
        """Those of the hyperparameters that T1-T2 can tune."""
        names = [dimension.name for dimension in self.dimensions]
        return tuple(name for name in names if name in HYPERPARAMETERS and HYPERPARAMETERS[name].step_size is not None)

    def config(self, values: Mapping[str, float], **changes: Any) -> RunConfig:
        """The run at a point, and with further changes."""
        fields: dict[str, Any] = {}
        for dimension in self.dimensions:
            level = getattr(self.base, dimension.name)
            count = len(level) if isinstance(level, tuple) else 0
            names = [f"{dimension.name}_{place}" for place in range(count)] or [dimension.name]
            numbers = [float(f"{values[name]:.{DIGITS}g}") for name in names]
            fields[dimension.name] = tuple(numbers) if count else numbers[0]
        return replace(self.base, **fields, **changes)

    def point(self, run: StoredRun) -> dict[str, float]:
        """Where a run ended, put back into the bounds."""
        found = {}
        for dimension in self.dimensions:
            name = dimension.name
            level = run.final_level(name) if name in HYPERPARAMETERS else getattr(run.config, name)
            levels = {f"{name}_{place}": one for place, one in enumerate(level)} if isinstance(level, tuple) else None
            for place, value in (levels or {name: level}).items():
                found[place] = min(max(float(value), dimension.low), dimension.high)
        return found


def check_selection(by: str) -> None:
    """Check that trials are chosen by what T2 measures.

    Raises
    ------
    InputError
        For anything else, the test set above all.
    """
    if by not in ("t2_error", "t2_cost"):
        problem = "chooses by the test set, which then tests nothing" if by.startswith("test") else "is unknown"
        raise InputError("--by", by, problem, "give t2_error or t2_cost")
