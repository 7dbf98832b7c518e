"""What a script in `reproduce/` declares: which runs its figure wants at a preset, and how they are drawn."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from matplotlib.figure import Figure

from t1t2_pt.config import PUBLISHED, RunConfig, replace, run_config
from t1t2_pt.datasets import sizes_that_fit
from t1t2_pt.plotting.parts import Configs, Part, Runs
from t1t2_pt.plotting.report import Section
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.method_survey import SurveyConfig
from t1t2_pt.sweeps.planning import Planned
from t1t2_pt.sweeps.sweep import Sweep

Drawing = tuple[Figure | None, pd.DataFrame, str]


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of a script.

    Parameters
    ----------
    preset, seed
        The scale, and the first seed.
    datasets
        Those that may be used.
    program
        A name in `PROGRAMS`; None: the library's own defaults.
    samples
        For training, by data set, where there may be fewer than published.
    """

    preset: str = "quick"
    seed: int = 0
    datasets: tuple[str, ...] = ("mnist", "digits-on-photos")
    program: str | None = PUBLISHED
    samples: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def config(self, **fields: Any) -> RunConfig:
        """A run with these fields: its program's where they say nothing, T1 and T2 no more than there is."""
        config = run_config(program=self.program, **fields)
        wanted = config.t1_samples, config.t2_samples
        t1, t2 = sizes_that_fit(wanted, self.samples.get(config.dataset, sum(wanted)))
        return config if (t1, t2) == wanted else replace(config, t1_samples=t1, t2_samples=t2)


class Trainer(Protocol):
    """Trains runs of some other kind than `RunConfig`s describe, and keeps them in the sweep's store."""

    def train(self, parts: Mapping[Part, Sequence[Any]], sweep: Sweep, again: bool) -> dict[Part, list[Any]]:
        """The runs of each part in order, trained where the store lacks them, or all `again`."""

    def plan(
        self, parts: Mapping[Part, Sequence[Any]], later: Sequence[Any], sweep: Sweep
    ) -> tuple[list[Planned], int]:
        """What is to be trained of these runs, and of those `later` trained anew, and how many are in the store."""

    def export(self, runs: Sequence[Any], folder: Path) -> Path:
        """Write runs into a folder; returns the file."""

    def fill(self, store: RunStore, folder: Path) -> None:
        """Put runs that were exported into a folder into the store."""

    def stored(self, configs: Sequence[Any], store: RunStore) -> dict[Any, Any]:
        """Those of some runs that the store has, by their configs."""


@dataclasses.dataclass(frozen=True)
class FigureScript:
    """A figure of the paper.

    Parameters
    ----------
    name
        Stem of the files, such as `fig1`.
    summary
        What it shows, for `--help`.
    runs
        `runs(request)` gives the configs wanted, by their part in the figure.
    reruns
        `reruns(runs)` gives more configs, which depend on how the first runs ended, a part for each tuned part
        that is trained anew; None: no more.
    draw
        `draw(runs, preset, reference)` gives figure (None: a table alone), table of the plotted numbers,
        and caption; `reference` is the folder of the paper's own numbers, or None to leave them out.
    timed
        `timed(request)` gives a run whose steps are timed; `draw` gets the `Timing` as a fourth argument.
    surveyed
        `surveyed(request)` gives what `method_survey.surveyed` compares and times; `draw` gets the `Survey` as a fourth
        argument.
    trainer
        Trains its runs where they are none of the sweep's: `runs` and `reruns` then give configs of the trainer's own
        kind, and `draw` gets its runs, which say what captions and metadata need of a `StoredRun`.
    only_stored
        Whether nothing is trained for it: it draws the parts, of every preset, whose runs the store has.
    report
        What the report says of it; None: it is not shown there.
    place
        Where it comes among the figures: the smaller, the earlier. Those without a place come last.
    alone
        Whether it is left out where all figures are drawn, as it trains many runs that no other draws.
    """

    name: str
    summary: str
    runs: Callable[[Request], Configs]
    draw: Callable[..., Drawing]
    reruns: Callable[[Runs], Configs] | None = None
    timed: Callable[[Request], RunConfig] | None = None
    surveyed: Callable[[Request], tuple[SurveyConfig, Mapping[str, Sequence[RunConfig]]]] | None = None
    trainer: Trainer | None = None
    only_stored: bool = False
    report: Section | None = None
    place: float = math.inf
    alone: bool = False
