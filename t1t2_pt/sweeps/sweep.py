"""Many runs: what is stored is taken from the store, the rest is trained in groups and stored.

Each group is stored, by this process alone, when it is done. Runs that another process trains are waited
for; those that another one has taken over, because this one had stood still, are left to it. What a signal or a
crash stops goes on from its last checkpoint when the same is asked for again.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from t1t2_pt.backends import Backend
from t1t2_pt.backends.memory import runs_that_fit
from t1t2_pt.config import ALGORITHM, RunConfig
from t1t2_pt.datasets import Dataset
from t1t2_pt.datasets.own_files import OwnFile
from t1t2_pt.models.keeping import check_keepable
from t1t2_pt.networks.network import CONVOLUTIONAL
from t1t2_pt.runs.checkpoints import Every, of_other_versions, readable, remove
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.reservations import Reservations
from t1t2_pt.runs.store import RunStore
from t1t2_pt.steps.step import make_network
from t1t2_pt.sweeps.groups import Group, data_key, make_groups, programs_of
from t1t2_pt.sweeps.places import Here, Place, Runs
from t1t2_pt.sweeps.progress import Display
from t1t2_pt.sweeps.reports import Reports, Watcher
from t1t2_pt.sweeps.work import Form, Splits, Work, check_memory
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.interrupts import Interrupt, Interrupted, StopAskedError, orderly

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
        Makes the place where work is done, when there is any; None: this process.
    own
        Data of one's own that runs of them are trained on, and where they lie: None where in this process alone.
    watchers
        Called with what was measured of each epoch of the runs, see `reports.py`.
    model
        The file in which the network of the only run is kept, which is trained for it even where it is stored.
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
        own: tuple[Dataset, OwnFile | None] | None = None,
        watchers: Sequence[Watcher] = (),
        model: Path | None = None,
    ) -> None:
        self.store, self.backend, self.data_dir = store, backend, data_dir
        self.recompute, self.together, self.every = recompute, together, every
        self.display = Display(quiet)
        self._here = place is None
        self._place = place or (lambda log: Here(backend, self._splits, log))
        self.reports, self._watched = Reports([*watchers, self.display.watch]), bool(watchers)
        self._own, self._model = own, model
        if own is not None and own[1] is None and place is not None:
            remedy = "write them by numpy.savez and name that file, or train here"
            raise InputError("data", own[0].name, "lie in the memory of this process alone", remedy)
        self._splits = Splits(data_dir, None if own is None else own[0])
        self._programs: dict[str, RunConfig] = {}

    @property
    def trains_anew(self) -> bool:
        """Whether stored runs are trained again: the store has no networks."""
        return self.recompute or self._model is not None

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.store.path.with_name(self.store.path.name + ".checkpoints")

    def run(self, configs: Sequence[RunConfig], later: Iterable[RunConfig] = ()) -> list[StoredRun]:
        """The runs of these configs, in order, trained where the store does not have them.

        Parameters
        ----------
        configs
            As asked for; those of the runs are `settled`.
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
        asked, configs = configs, self.settled(configs)
        wanted = list(dict.fromkeys(configs))
        if self._model is not None and len(wanted) != 1:
            raise ValueError(f"model: a file keeps the network of one run, and there are {len(wanted)}")
        self._remember(wanted)
        if not self.trains_anew:
            self._tidy()
        found: Trained = {} if self.trains_anew else self.store.get_all(wanted)
        missing = [config for config in wanted if config not in found]
        if any(map(self._fetched, dict.fromkeys(config.dataset for config in missing))):
            return self.run(asked, later)
        groups = self._groups(wanted, missing) if missing else []
        self.display.log(
            f"{len(wanted)} runs: {len(found)} in the store, {len(missing)} to train on {self.backend.name}"
        )
        if groups:
            self._report_other_versions()
            shown = [*missing, *(config for config in self.settled(later) if config not in found)]
            with self.display.shown(shown):
                found |= self._train(groups)
            self._tidy()
        if self._watched:
            for config in wanted:
                self.reports.tell_whole(found[config])
        return [found[config] for config in configs]

    def settled(self, configs: Iterable[RunConfig], fetch: bool = True) -> list[RunConfig]:
        """These configs in their canonical form, with what names the content of their data.

        Data that are absent are those of the store's runs, if these are of one content; else they are fetched,
        or without `fetch` have no name.

        Raises
        ------
        InputError
            If data cannot be found, read or fetched, or a config is of other data or of another version.
        """
        configs = [config.canonical for config in configs]
        found = {name: self._data(name, fetch) for name in dict.fromkeys(config.dataset for config in configs)}
        for config in configs:
            if config.algorithm != ALGORITHM:
                problem = f"is not the version that this t1t2_pt computes, {ALGORITHM}"
                raise InputError("algorithm", config.algorithm, problem, "make the config anew, without it")
            if config.data not in ("", found[config.dataset]):
                problem = f"is not the content of {config.dataset} here, {found[config.dataset] or 'which is absent'}"
                raise InputError("data", config.data, problem, "name the folder of those data by --data-dir")
        return [dataclasses.replace(config, data=found[config.dataset]) for config in configs]

    def _data(self, name: str, fetch: bool) -> str:
        here = self._splits.fingerprint(name, fetch=False)
        known = self.store.contents(name) if here is None else []
        if len(known) == 1:
            return known[0]
        if here is None and fetch:
            here = self._splits.fingerprint(name)
        return here or ""

    def _fetched(self, name: str) -> bool:
        """Whether a data set that was absent, and may be another than that of the store's runs, was fetched."""
        if self._splits.fingerprint(name, fetch=False) is not None:
            return False
        self._splits.fingerprint(name)
        return self._splits.fingerprint(name, fetch=False) is not None

    def run_parts[Part](
        self, parts: Mapping[Part, Sequence[RunConfig]], later: Iterable[RunConfig] = ()
    ) -> dict[Part, list[StoredRun]]:
        """As `run`, for configs by their part in an experiment."""
        runs = iter(self.run([config for configs in parts.values() for config in configs], later))
        return {part: [next(runs) for _ in configs] for part, configs in parts.items()}

    def form(self, dataset: str) -> Form:
        """Shape of a sample of a data set, and its number of classes."""
        return self._splits.form(dataset)

    def _remember(self, wanted: Sequence[RunConfig]) -> None:
        """Keep whose programs train these runs, and those that will be asked for when they have ended."""
        self._programs = {**programs_of(wanted), **self._programs}

    def _groups(self, wanted: Sequence[RunConfig], missing: Sequence[RunConfig]) -> list[Group]:
        """As `groups`; bad data, and groups too large, are found here, before training."""
        for key in dict.fromkeys(map(data_key, missing)):
            split = self._splits.get(*key)
            if self._model is not None:
                check_keepable(split)
        groups = self.groups(wanted, missing)
        for group in groups if self._here else ():
            check_memory(group, self._splits.get(*data_key(group.template)), self.backend)
        return groups

    def groups(self, wanted: Sequence[RunConfig], missing: Sequence[RunConfig]) -> list[Group]:
        """What is missing, in the groups of all that is wanted, all of them settled."""
        self._remember(wanted)
        groups, lacking = [], set(missing)
        for group in make_groups(wanted, self._programs, self._fitting):
            absent = tuple(config for config in group.configs if config in lacking)
            if absent:
                groups.append(dataclasses.replace(group, lacking=absent))
        return groups

    def _fitting(self, config: RunConfig) -> int:
        """How many runs like this one train at once, a share for each device: what fits and is quicker than singly."""
        if config.network in CONVOLUTIONAL:
            return 1
        network = make_network(config, *self.form(config.dataset))
        fitting = runs_that_fit(config, network, self.backend.memory() // self.backend.lanes)
        gaining = self.backend.parameters_at_once() / network.parameter_count
        return int(max(1, min(self.together, fitting, gaining))) * self.backend.devices()

    def work(self, group: Group, owner: str) -> Work:
        """What is lacking of a group, as work."""
        own = None if self._own is None else self._own[1]
        work = Work(
            group, self.backend.name, self.data_dir, self.checkpoints, self.every, owner, own=own, model=self._model
        )
        if group.lacking != group.configs:
            return work
        # Listed now, while all of the group is ours: should it be lost, the files of who takes it are not among them.
        files = (path for path in work.checkpoint.files() if path != work.checkpoint.path)
        return dataclasses.replace(work, superseded=tuple(files))

    def _tidy(self) -> None:
        """Remove checkpoints whose runs are all stored, however that came about, unless somebody trains them anew."""
        for checkpoint, digests in readable(self.checkpoints):
            if len(self.store.rows("runs", ("digest",), digests)) == len(digests):
                with contextlib.suppress(InputError), Reservations(self.store) as reservations:
                    if reservations.take(digests) == digests:
                        remove(checkpoint)

    def _report_other_versions(self) -> None:
        others = of_other_versions(self.checkpoints)
        if others:
            what = f"{len(others)} checkpoints of another version of t1t2_pt lie in {self.checkpoints}"
            self.display.log(f"{what}: nothing goes on from them, remove them")

    def _train(self, groups: Sequence[Group]) -> Trained:
        with Reservations(self.store) as reservations:
            place = self._place(self.display.log)  # outside `orderly`: a signal ends the wait for a cluster at once
            with orderly(self.display.log) as interrupt, place:
                try:
                    return _Crew(self, place, reservations).train(list(groups), interrupt)
                except StopAskedError:
                    kept = "" if self.every.never else f" and checkpoints in {self.checkpoints}"
                    where = f"stopped; finished runs are in {self.store.path}{kept}: run it again to go on"
                    raise Interrupted(interrupt.number, where) from None


class _Crew:
    """Hands groups out to a place and stores what comes back."""

    def __init__(self, sweep: Sweep, place: Place, reservations: Reservations) -> None:
        self._sweep, self._place, self._reservations = sweep, place, reservations
        self._found: Trained = {}
        self._doing: dict[concurrent.futures.Future[Runs], Work] = {}

    def train(self, groups: list[Group], interrupt: Interrupt) -> Trained:
        """All runs of these groups, some of which other processes may train."""
        try:
            return self._train(groups, interrupt)
        except BaseException:
            self._end()
            raise

    def _train(self, groups: list[Group], interrupt: Interrupt) -> Trained:
        reported = False
        while groups or self._doing:
            elsewhere = []
            self._sweep.store.check_there()
            while groups and len(self._doing) < self._place.lanes and not interrupt():
                elsewhere += self._begin(groups.pop(0))
            groups += elsewhere
            if interrupt():
                raise StopAskedError
            if self._doing:
                self._place.watch()
                groups += self._collect(LISTEN)
            elif groups:
                if not reported:
                    runs = sum(len(group.lacking) for group in groups)
                    self._sweep.display.log(f"waiting for {runs} runs that another process trains")
                    reported = True
                time.sleep(LOOK_AGAIN)
        return self._found

    def _begin(self, group: Group) -> list[Group]:
        """Start what is free of a group; returns what is left of it, which others train."""
        digests = {config: config.digest() for config in group.lacking}
        taken = self._reservations.take(digests.values())
        if not self._sweep.trains_anew:
            stored = self._sweep.store.get_all(group.lacking)  # another process may have finished meanwhile
            self._reservations.release(taken & {digests.pop(config) for config in stored})
            self._store_of_others(stored)
        mine = tuple(config for config, digest in digests.items() if digest in taken)
        left = tuple(config for config in digests if config not in mine)
        if mine:
            work = self._sweep.work(dataclasses.replace(group, lacking=mine), self._reservations.owner)
            lost = functools.partial(self._reservations.lost, [digests[config] for config in mine])
            self._doing[self._place.submit(work, self._sweep.display.advance, lost, self._sweep.reports.tell)] = work
        return [dataclasses.replace(group, lacking=left)] if left else []

    def _store_of_others(self, stored: Trained) -> None:
        self._found |= stored
        if stored:
            self._sweep.display.advance(sum(config.steps for config in stored))
            self._sweep.display.finish(len(stored))

    def _collect(self, timeout: float) -> list[Group]:
        """Store what is done; returns what other processes have taken over."""
        done, _ = concurrent.futures.wait(self._doing, timeout, concurrent.futures.FIRST_COMPLETED)
        return [left for future in done for left in self._store(future, self._doing.pop(future))]

    def _store(self, future: concurrent.futures.Future[Runs], work: Work) -> list[Group]:
        digests = [config.digest() for config in work.group.lacking]
        try:
            runs = future.result()
        except Exception:
            if self._reservations.held(digests):
                raise
            runs = []
        stored = {run.config: run for run in (self._reservations.put(runs) if runs else ())}
        self._found |= stored
        self._sweep.display.finish(len(stored))
        lost = tuple(config for config in work.group.lacking if config not in stored)
        if not lost:
            work.checkpoint.discard()
            return []
        remove(work.checkpoint.path)
        self._sweep.display.log(f"another process took over {len(lost)} runs while this one stood still")
        return [dataclasses.replace(work.group, lacking=lost)]

    def _end(self) -> None:
        """Let all work stop, and keep what was finished all the same."""
        self._place.stop()
        while self._doing and self._place.alive():
            with contextlib.suppress(Exception):  # what ended the sweep is what is reported
                self._collect(LISTEN)
