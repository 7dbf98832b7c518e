"""Many runs: what is stored is taken from the store, the rest is trained in groups and stored.

Each group is stored, by this process alone, when it is done. Runs that another process trains are waited
for. What a signal or a crash stops goes on from its last checkpoint when the same is asked for again.
"""

import concurrent.futures
import contextlib
import dataclasses
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from t1t2_pt.backends import Backend
from t1t2_pt.backends.memory import runs_that_fit
from t1t2_pt.checkpoints import Every
from t1t2_pt.config import RunConfig
from t1t2_pt.groups import Group, data_key, make_groups, programs_of
from t1t2_pt.interrupts import Interrupt, Interrupted, StopAskedError, orderly
from t1t2_pt.networks import CONVOLUTIONAL
from t1t2_pt.places import Here, Place
from t1t2_pt.progress import Display
from t1t2_pt.reservations import Reservations
from t1t2_pt.runs import RunStore, StoredRun
from t1t2_pt.step import make_network
from t1t2_pt.work import Splits, Work

TOGETHER = 16
LOOK_AGAIN = 1.0  # seconds between looks at what other processes train
LISTEN = 0.5  # seconds between looks for a signal

Trained = dict[RunConfig, StoredRun]


class Sweep:
    """Where and how runs are trained.

    Parameters
    ----------
    store
        Holds the runs; checkpoints lie in a folder beside it.
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
    every
        How often checkpoints are written.
    place
        Makes the place where work is done, when there is some; None: this process.
    """

    def __init__(
        self,
        store: RunStore,
        backend: Backend,
        data_dir: Path | None = None,
        recompute: bool = False,
        together: int = TOGETHER,
        quiet: bool = False,
        every: Every = Every(seconds=300),  # noqa: B008  (frozen)
        place: Callable[[Callable[[str], None]], Place] | None = None,
    ):
        self.store, self.backend, self.data_dir = store, backend, data_dir
        self.recompute, self.together, self.every = recompute, together, every
        self.display = Display(quiet)
        self._place = place or (lambda say: Here(backend, self._splits, say))
        self._splits = Splits(data_dir)
        self._programs: dict[str, RunConfig] = {}
        self._seen: dict[tuple, str] = {}  # data that can be loaded, and what they are

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.store.path.with_name(self.store.path.name + ".checkpoints")

    def run(self, configs: Sequence[RunConfig], later: Collection[RunConfig] = ()) -> list[StoredRun]:
        """The runs of these configs, in order, trained where the store does not have them.

        Parameters
        ----------
        later
            Those of them after which others as long will be asked for, which the display counts in.

        Raises
        ------
        InputError
            If the data cannot be loaded, before anything is trained; if the store or a checkpoint cannot
            be written.
        Interrupted
            After Ctrl-C, SIGTERM or SIGHUP, when checkpoints are written.
        """
        wanted = list(dict.fromkeys(configs))
        self._programs = {**programs_of(wanted), **self._programs}
        found: Trained = {} if self.recompute else self.store.get_all(wanted)
        missing = [config for config in wanted if config not in found]
        groups = self._groups(wanted, missing) if missing else []
        self.display.say(
            f"{len(wanted)} runs: {len(found)} in the store, {len(missing)} to train on {self.backend.name}"
        )
        if groups:
            shown = [*missing, *(config for config in later if config not in found)]
            with self.display.shown(shown):
                found |= self._train(groups)
        return [found[config] for config in configs]

    def run_parts[Part](
        self, parts: Mapping[Part, Sequence[RunConfig]], later: Collection[RunConfig] = ()
    ) -> dict[Part, list[StoredRun]]:
        """As `run`, for configs by the name of their part in an experiment."""
        runs = iter(self.run([config for configs in parts.values() for config in configs], later))
        return {part: [next(runs) for _ in configs] for part, configs in parts.items()}

    def _groups(self, wanted: Sequence[RunConfig], missing: Sequence[RunConfig]) -> list[Group]:
        """What is missing, in the groups of all that is wanted; bad data are found here, before training."""
        for key in dict.fromkeys(map(data_key, missing)):
            if key not in self._seen:
                self._seen[key] = self._splits.get(*key).provenance
        groups, lacking = [], set(missing)
        for group in make_groups(wanted, self._programs, self._fitting):
            configs = tuple(config for config in group.configs if config in lacking)
            if configs:
                groups.append(dataclasses.replace(group, configs=configs))
            else:
                self._work(group).checkpoint.discard()  # of runs that were stored just before their process died
        return groups

    def _fitting(self, config: RunConfig) -> int:
        """How many runs like this one train at once: what fits into memory, a share for each device."""
        if config.network in CONVOLUTIONAL:
            return 1
        split = self._splits.get(*data_key(config))
        network = make_network(config, split.input_shape, split.classes)
        fitting = runs_that_fit(config, network, self.backend.free_memory() // self.backend.lanes)
        return min(self.together, fitting) * self.backend.devices()

    def _work(self, group: Group) -> Work:
        data = self._seen.get(data_key(group.configs[0]))
        return Work(group, self.backend.name, self.data_dir, self.checkpoints, self.every, data)

    def _train(self, groups: Sequence[Group]) -> Trained:
        with Reservations(self.store) as reservations:
            place = self._place(self.display.say)  # outside `orderly`: a signal ends the wait for a cluster at once
            with orderly(self.display.say) as interrupt, place:
                try:
                    return _Crew(self, place, reservations).train(list(groups), interrupt)
                except StopAskedError:
                    kept = "" if self.every.never else f" and checkpoints in {self.checkpoints}"
                    where = f"stopped; finished runs are in {self.store.path}{kept}: run it again to go on"
                    raise Interrupted(interrupt.number, where) from None


class _Crew:
    """Hands groups out to a place and stores what comes back."""

    def __init__(self, sweep: Sweep, place: Place, reservations: Reservations):
        self._sweep, self._place, self._reservations = sweep, place, reservations
        self._found: Trained = {}
        self._doing: dict[concurrent.futures.Future, Work] = {}

    def train(self, groups: list[Group], interrupt: Interrupt) -> Trained:
        """All runs of these groups, some of which other processes may train."""
        try:
            return self._train(groups, interrupt)
        except BaseException:
            self._end()
            raise

    def _train(self, groups: list[Group], interrupt: Interrupt) -> Trained:
        told = False
        while groups or self._doing:
            elsewhere = []
            while groups and len(self._doing) < self._place.lanes and not interrupt():
                elsewhere += self._begin(groups.pop(0))
            groups += elsewhere
            if interrupt():
                raise StopAskedError
            if self._doing:
                self._place.watch()
                self._collect(LISTEN)
            elif groups:
                if not told:
                    runs = sum(len(group.configs) for group in groups)
                    self._sweep.display.say(f"waiting for {runs} runs that another process trains")
                    told = True
                time.sleep(LOOK_AGAIN)
        return self._found

    def _begin(self, group: Group) -> list[Group]:
        """Start what is free of a group; returns what is left of it, which others train."""
        digests = {config.digest(): config for config in group.configs}
        taken = self._reservations.take(digests)
        mine = [digests[digest] for digest in digests if digest in taken]
        if not self._sweep.recompute:
            stored = self._sweep.store.get_all(group.configs)  # another process may have finished meanwhile
            self._reservations.release(config.digest() for config in mine if config in stored)
            self._store_of_others(stored)
            mine = [config for config in mine if config not in stored]
            group = dataclasses.replace(group, configs=tuple(c for c in group.configs if c not in stored))
        left = tuple(config for config in group.configs if config not in mine)
        if mine:
            work = self._sweep._work(dataclasses.replace(group, configs=tuple(mine)))
            self._doing[self._place.submit(work, self._sweep.display.advance)] = work
        return [dataclasses.replace(group, configs=left)] if left else []

    def _store_of_others(self, stored: Trained) -> None:
        self._found |= stored
        if stored:
            self._sweep.display.advance(sum(config.steps for config in stored))
            self._sweep.display.finish(len(stored))

    def _collect(self, timeout: float) -> None:
        """Store what is done."""
        done, _ = concurrent.futures.wait(self._doing, timeout, concurrent.futures.FIRST_COMPLETED)
        for future in done:
            work = self._doing.pop(future)
            runs = future.result()
            self._sweep.store.put(runs)
            work.checkpoint.discard()
            self._reservations.release(run.digest for run in runs)
            self._found |= {run.config: run for run in runs}
            self._sweep.display.finish(len(runs))

    def _end(self) -> None:
        """Let all work stop, and keep what was finished all the same."""
        self._place.stop()
        while self._doing and self._place.alive():
            with contextlib.suppress(Exception):  # what ended the sweep is what is told
                self._collect(LISTEN)
