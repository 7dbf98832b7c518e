"""Many runs: what is stored is taken from the store, the rest is trained in groups and stored.

Runs of one structure and one split of the data share a compiled graph and train together, some at a
time (convolutional ones, which fill the machine, one at a time); each group is stored when it is
done, so that Ctrl-C loses the current group only.
"""

import argparse
import contextlib
import dataclasses
import functools
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from t1t2_pt.backends import Backend, get_backend
from t1t2_pt.backends.memory import runs_that_fit
from t1t2_pt.config import RunConfig
from t1t2_pt.datasets import DATASETS, Split, make_split
from t1t2_pt.networks import CONVOLUTIONAL
from t1t2_pt.runs import RunStore, StoredRun, finished_run
from t1t2_pt.step import make_network
from t1t2_pt.training import train

TOGETHER = 16
LINE_EVERY = 30  # seconds between lines of progress outside a terminal


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Where and how runs are trained.

    Parameters
    ----------
    store
        Holds the runs.
    backend
        Trains those that are missing.
    data_dir
        Folder of the data sets; None looks in the usual places.
    recompute
        Train stored runs again.
    together
        The largest number of runs that train at once on a device; fewer where memory is short.
    quiet
        No progress and no messages.
    """

    store: RunStore
    backend: Backend
    data_dir: Path | None = None
    recompute: bool = False
    together: int = TOGETHER
    quiet: bool = False

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> "Sweep":
        """The sweep that the options `store`, `backend`, `data_dir`, `recompute` and `quiet` ask for.

        Raises
        ------
        InputError
            If the store cannot be used or the backend is not installed.
        """
        return cls(
            store=RunStore(options.store),
            backend=get_backend(options.backend),
            data_dir=options.data_dir,
            recompute=options.recompute,
            quiet=options.quiet,
        )

    def run(self, configs: Sequence[RunConfig]) -> list[StoredRun]:
        """The runs of these configs, in order, trained where the store does not have them.

        Raises
        ------
        InputError
            If the data cannot be loaded, before anything is trained.
        """
        wanted = list(dict.fromkeys(configs))
        found = {} if self.recompute else {config: run for config in wanted if (run := self.store.get(config))}
        missing = [config for config in wanted if config not in found]
        split = self._splits.get
        groups = []
        for same in _by_structure(missing):  # bad data are found before training starts
            groups += _groups(same, self._together(same[0], split(*_data_key(same[0]))))
        self._say(f"{len(wanted)} runs: {len(found)} in the store, {len(missing)} to train on {self.backend.name}")
        with self._progress(missing) as (advance, finish):
            for group in groups:
                data = split(*_data_key(group[0]))
                steps = group[0].steps_per_epoch * len(group)
                trained = train(group, data, self.backend, lambda _, steps=steps: advance(steps))
                runs = [finished_run(run, self.backend, data.provenance) for run in trained]
                self.store.put(runs)
                found |= {run.config: run for run in runs}
                finish(len(group))
        return [found[config] for config in configs]

    def run_parts[Part](self, parts: Mapping[Part, Sequence[RunConfig]]) -> dict[Part, list[StoredRun]]:
        """As `run`, for configs by the name of their part in an experiment."""
        runs = iter(self.run([config for configs in parts.values() for config in configs]))
        return {part: [next(runs) for _ in configs] for part, configs in parts.items()}

    @functools.cached_property
    def _splits(self) -> "_Splits":
        return _Splits(self.data_dir)

    def _together(self, config: RunConfig, split: Split) -> int:
        """How many runs like this one train at once: what fits into memory, a share for each device."""
        if config.network in CONVOLUTIONAL:
            return 1
        network = make_network(config, split.input_shape, split.classes)
        fitting = runs_that_fit(config, network, self.backend.free_memory())
        return min(self.together, fitting) * self.backend.devices()

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def _progress(self, configs: Sequence[RunConfig]) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
        """Yield (so many steps are done, so many runs are stored); a bar in a terminal, lines elsewhere."""
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.fields[runs]} of " + f"{len(configs)} runs"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        shown = not self.quiet and bool(configs)
        with Progress(*columns, console=console, disable=not (shown and console.is_terminal)) as progress:
            task = progress.add_task("training", total=sum(config.steps for config in configs), runs=0)
            start, stored, told = time.monotonic(), 0, 0.0

            def tell() -> None:
                nonlocal told
                told, share = time.monotonic() - start, progress.tasks[0].percentage / 100
                left = told / share - told
                self._say(f"{stored} of {len(configs)} runs, {told:.0f} s, about {left:.0f} s left")

            def advance(steps: int) -> None:
                progress.advance(task, steps)
                if shown and not console.is_terminal and time.monotonic() - start - told > LINE_EVERY:
                    tell()

            def finish(runs: int) -> None:
                nonlocal stored
                stored += runs
                progress.update(task, runs=stored)
                if shown and not console.is_terminal:
                    tell()

            yield advance, finish


class _Splits:
    """Data by the fields that `_data_key` gives; the last data set and its last split are kept."""

    def __init__(self, data_dir: Path | None):
        self._load = functools.lru_cache(maxsize=1)(lambda name: DATASETS[name].load(data_dir))
        self.get = functools.lru_cache(maxsize=1)(self._make)

    def _make(self, name: str, *sizes: int) -> Split:
        return make_split(DATASETS[name], self._load(name), *sizes)


def _data_key(config: RunConfig) -> tuple:
    return config.dataset, config.t1_samples, config.t2_samples, config.split_seed


def _by_structure(configs: Sequence[RunConfig]) -> list[list[RunConfig]]:
    """Runs that one compiled graph trains."""
    found: dict[str, list[RunConfig]] = {}
    for config in configs:
        found.setdefault(config.structure(), []).append(config)
    return list(found.values())


def _groups(same: Sequence[RunConfig], together: int) -> Iterator[Sequence[RunConfig]]:
    """Runs of one structure in groups of nearly equal size, so that few sizes are compiled."""
    count = math.ceil(len(same) / together)
    size, larger = divmod(len(same), count)
    start = 0
    for number in range(count):
        end = start + size + (number < larger)
        yield same[start:end]
        start = end
