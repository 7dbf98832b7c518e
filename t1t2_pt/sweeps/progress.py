"""One display of a sweep's progress, over all its stages: a bar in a terminal, now and then a line elsewhere."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Protocol, TextIO, cast

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.sweeps.reports import EpochReport
from t1t2_pt.system.readable import readable
from t1t2_pt.system.streams import Guarded, log

PREDICTABLE = 0.05  # share of the updates before which nobody can say how long the rest takes
COSTS = {"train_cost": "train cost", "t2_cost": "T2 cost"}
ERRORS = {"train_error": "train error", "t2_error": "T2 error", "test_error": "test error"}
LINE_EVERY = 30  # seconds between lines of progress outside a terminal


class Timed(Protocol):
    """What of a run says how long it is."""

    @property
    def epochs(self) -> int:
        """Passes over T1."""
        ...

    @property
    def steps(self) -> int:
        """Updates in all."""
        ...


class Display:
    """Counts runs and updates, from any thread; nothing that goes wrong here ends the work.

    Parameters
    ----------
    quiet
        Show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        errors = None if sys.stderr is None else cast(TextIO, Guarded(sys.stderr))  # which stands in for one
        self._console = Console(file=errors, stderr=True)
        self._lock = threading.Lock()
        self._bar: Progress | None = None
        self._start: float | None = None
        self._last_line = 0.0
        self._runs, self._all_runs, self._steps, self._all_steps = 0, 0, 0, 0
        self._epochs = 0  # of the only run
        self._measured = ""  # of its last epoch

    def log(self, text: str) -> None:
        """A line for the user."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.console.print(Text(readable(text)))
        else:
            log(text)

    @contextlib.contextmanager
    def shown(self, configs: Sequence[Timed]) -> Iterator[None]:
        """While the block runs, show the progress towards the ends of so many more runs."""
        with self._lock:
            self._start = self._start or time.monotonic()
            self._all_runs = self._runs + len(configs)
            self._all_steps = self._steps + sum(config.steps for config in configs)
            self._epochs = configs[0].epochs if self._all_runs == 1 else 0
            self._measured = ""
        if self._quiet or not configs or not self._console.is_terminal:
            yield
            return
        with _Lines(
            self,
            TextColumn("{task.fields[count]}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            _Time(self),
            console=self._console,
        ) as bar:
            bar.add_task("training", total=self._all_steps, completed=self._steps, count=self._count())
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def advance(self, steps: int) -> None:
        """So many more updates are done."""
        with self._lock:
            self._steps += steps
            self._show(time.monotonic() - self._last_line > LINE_EVERY)

    def finish(self, runs: int) -> None:
        """So many more runs are stored."""
        with self._lock:
            self._runs += runs
            self._show(True)

    def watch(self, report: EpochReport) -> None:
        """Show what an epoch measured from now on, where there is one run."""
        with self._lock:
            self._measured = measured(report) if self._epochs else ""

    @property
    def words(self) -> str:
        """What the last epoch of the only run measured."""
        return self._measured

    def time(self) -> str:
        """How long it has taken, and how long it still takes once that can be told: `23 s, about 1 min 12 s left`."""
        taken = 0.0 if self._start is None else time.monotonic() - self._start
        if not PREDICTABLE * self._all_steps < self._steps < self._all_steps:
            return duration(taken)
        return f"{duration(taken)}, about {duration(taken * (self._all_steps / self._steps - 1))} left"

    def _count(self) -> str:
        """Of many runs those that are done; of a single one its epoch."""
        if self._epochs:
            return f"epoch {self._steps * self._epochs // self._all_steps} of {self._epochs}"
        return f"{self._runs} of {self._all_runs} runs"

    def _show(self, line: bool) -> None:
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._steps, count=self._count())
        elif line and not self._console.is_terminal and self._start is not None:
            self._last_line = time.monotonic()
            log(f"{self._count()}, {self.time()}" + (f": {self._measured}" if self._measured else ""))


class _Lines(Progress):
    """The bar, and below it what was measured."""

    def __init__(self, display: Display, *columns: ProgressColumn, console: Console) -> None:
        self._display = display
        super().__init__(*columns, console=console)

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        if self._display.words:
            yield Text(readable(self._display.words), overflow="fold")


class _Time(ProgressColumn):
    """The time of a display, which goes on between two epochs."""

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def render(self, task: Task) -> Text:
        return Text(self._display.time())


def measured(report: EpochReport) -> str:
    """Costs, errors and hyperparameters of an epoch in a line: `train cost 0.31, test error 2.90%, n0 0.312`."""
    row, parts = report.row, []
    for name, words in COSTS.items():
        if name in row:
            parts.append(f"{words} {row[name]:.4g}")
    for name, words in ERRORS.items():
        if name in row:
            parts.append(f"{words} {100 * row[name]:.2f}%")
    for name in report.config.hyperparameters:
        columns = report.config.levels(name).columns
        numbers = ", ".join(f"{row[column]:.3g}" for column in columns if column in row)
        parts.append(f"{HYPERPARAMETERS[name].symbol} {numbers}")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time in its two largest units: `23 s`, `1 min 12 s`, `2 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
