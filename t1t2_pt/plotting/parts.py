"""The parts of a figure: runs that are asked for, trained and drawn together, under a name with fields."""

import dataclasses
import enum
from collections.abc import Mapping, Sequence

from t1t2_pt.config import RunConfig
from t1t2_pt.runs.record import StoredRun


class Stage(enum.StrEnum):
    """Where the hyperparameters of runs come from."""

    GRID = "grid"  # fixed, a run for each cell
    FIXED = "fixed"  # fixed at their initial values
    TUNED = "tuned"  # tuned by T1-T2
    RERUN = "rerun"  # fixed at those that T1-T2 ended with


@dataclasses.dataclass(frozen=True)
class Part:
    """What tells some runs of a figure from its others.

    Parameters
    ----------
    stage
        Where their hyperparameters come from.
    panel
        Where they are drawn; empty: there is one place for all.
    setup
        Which of several configurations they have: its name, or the number that differs; None: there is one.
    figure
        Whose runs they are, where one script draws those of several.
    preset
        At which scale, where one script draws those of several.
    """

    stage: Stage
    panel: str = ""
    setup: str | int | None = None
    figure: str = ""
    preset: str = ""

    def at(self, stage: Stage) -> "Part":
        """The part of the same runs at another stage."""
        return dataclasses.replace(self, stage=stage)

    def name(self, *fields: str) -> str:
        """What messages call it, by these of its fields or by all: `laptop fig1 left grid`."""
        values = (getattr(self, field) for field in fields or ("preset", "figure", "panel", "setup", "stage"))
        return " ".join(str(value) for value in values if value not in ("", None))


Configs = Mapping[Part, Sequence[RunConfig]]
Runs = Mapping[Part, Sequence[StoredRun]]


def within[Value](parts: Mapping[Part, Value], *, figure: str = "", preset: str = "") -> dict[Part, Value]:
    """The parts of one figure or preset, or of one figure at one preset, under their names inside it."""
    given = {name: value for name, value in (("figure", figure), ("preset", preset)) if value}
    return {
        dataclasses.replace(part, figure="" if figure else part.figure, preset="" if preset else part.preset): value
        for part, value in parts.items()
        if all(getattr(part, name) == wanted for name, wanted in given.items())
    }
