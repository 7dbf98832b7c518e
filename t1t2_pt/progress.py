"""One display of a sweep's progress, over all its stages: a bar in a terminal, now and then a line elsewhere."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

FORETOLD = 0.05  # share of the updates before which nobody can say how long the rest takes
LINE_EVERY = 30  # seconds between lines of progress outside a terminal


class Display:
    """Counts runs and updates, from any thread.

    Parameters
    ----------
    quiet
        Show nothing.
    """

    def __init__(self, quiet: bool = False):
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._lock = threading.Lock()
        self._bar: Progress | None = None
        self._start: float | None = None
        self._told = 0.0
        self._runs, self._all_runs, self._steps, self._all_steps = 0, 0, 0, 0

    def say(self, text: str) -> None:
        """A line for the user."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def shown(self, runs: int, steps: int) -> Iterator[None]:
        """While the block runs, show the progress towards so many runs and updates from now on."""
        with self._lock:
            self._start = self._start or time.monotonic()
            self._all_runs, self._all_steps = self._runs + runs, self._steps + steps
        columns = (
            TextColumn("{task.fields[runs]} runs"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        if self._quiet or not runs or not self._console.is_terminal:
            yield
            return
        with Progress(*columns, console=self._console) as bar:
            bar.add_task("training", total=self._all_steps, completed=self._steps, runs=self._count())
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def advance(self, steps: int) -> None:
        """So many more updates are done."""
        with self._lock:
            self._steps += steps
            self._show(time.monotonic() - self._told > LINE_EVERY)

    def finish(self, runs: int) -> None:
        """So many more runs are stored."""
        with self._lock:
            self._runs += runs
            self._show(True)

    def _count(self) -> str:
        return f"{self._runs} of {self._all_runs}"

    def _show(self, line: bool) -> None:
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._steps, runs=self._count())
        elif line and not self._console.is_terminal and self._start is not None:
            self._told = time.monotonic()
            taken = self._told - self._start
            text = f"{self._count()} runs, {taken:.0f} s"
            if self._steps > FORETOLD * self._all_steps:
                text += f", about {max(0.0, taken * (self._all_steps / self._steps - 1)):.0f} s left"
            print(text, file=sys.stderr, flush=True)
