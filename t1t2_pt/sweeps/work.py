"""One group of runs, trained from data to stored runs, on this machine or on any other.

A `Work` says all that is needed and travels to wherever it is done; the data are loaded there.
"""

import dataclasses
import functools
import threading
import time
from collections.abc import Callable
from pathlib import Path

from t1t2_pt.backends import Arrays, Backend, get_backend
from t1t2_pt.backends.memory import check_fits
from t1t2_pt.datasets import DATASETS, OWN_SOURCES, Dataset, Split, make_split, source_of
from t1t2_pt.datasets.fingerprints import fingerprint_of, note
from t1t2_pt.datasets.own_files import OwnFile
from t1t2_pt.models.keeping import model_of
from t1t2_pt.models.model_files import write_model
from t1t2_pt.runs.checkpoints import Checkpoint, Every, UnusableCheckpointError
from t1t2_pt.runs.provenance import environment
from t1t2_pt.runs.record import StoredRun, finished_run
from t1t2_pt.steps.step import make_network
from t1t2_pt.sweeps.company import company
from t1t2_pt.sweeps.groups import DataKey, Group, data_key
from t1t2_pt.sweeps.reports import EpochRows, Report, silent
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.interrupts import StopAskedError
from t1t2_pt.training.loop import Trained, initial_snapshot, train
from t1t2_pt.training.snapshots import Snapshot

KEPT_BYTES = 1 << 30  # of splits that are kept

SAME_ERROR = 1e-6  # float32's rounding of a share

Form = tuple[tuple[int, ...], int]


@dataclasses.dataclass(frozen=True)
class Work:
    """The lacking runs of a group, and how and where they are trained.

    Parameters
    ----------
    backend
        Name of the backend.
    data_dir
        Folder of the data sets; None looks in the usual places.
    checkpoints
        Folder of checkpoints.
    every
        How often they are written.
    owner
        Whose work it is: as nobody else does, it writes checkpoints under this name.
    superseded
        Checkpoints of the group that others left, when nobody else trains any of it.
    own
        Where data of one's own lie.
    model
        The file in which the network of the only run is kept; None: none is.
    """

    group: Group
    backend: str
    data_dir: Path | None
    checkpoints: Path
    every: Every
    owner: str = ""
    superseded: tuple[Path, ...] = ()
    own: OwnFile | None = None
    model: Path | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the checkpoint of these runs lies, and others of the group."""
        template = self.group.template
        layout = f"{','.join(template.tune)} {template.hyper_optimizer if template.tune else ''}".strip()
        runs = self.group.configs, self.group.lacking
        return Checkpoint(self.checkpoints, *runs, self.backend, layout, self.owner, self.superseded)


@dataclasses.dataclass(frozen=True)
class Callbacks:
    """What work calls on the way, for whoever ordered it.

    Parameters
    ----------
    stop
        Whether the work is to stop; asked after every epoch.
    advance
        Called with the number of updates that were done.
    log
        Called with a line for the user.
    report
        Called with what was measured of each epoch.
    """

    stop: Callable[[], bool]
    advance: Callable[[int], None]
    log: Callable[[str], None]
    report: Report = silent


class Splits:
    """Data sets, read, split and preprocessed; the last few are kept.

    Parameters
    ----------
    data_dir
        Folder of the data sets; None looks in the usual places.
    own
        Data of one's own, or where they lie.
    """

    def __init__(self, data_dir: Path | None, own: Dataset | OwnFile | None = None) -> None:
        self._data_dir = data_dir
        self._own = own
        self._load = functools.lru_cache(maxsize=1)(self._read)
        self._kept: dict[DataKey, Split] = {}
        self._forms: dict[str, Form] = {}
        self._lock = threading.Lock()

    def get(self, *key: *DataKey) -> Split:
        """The split of this `data_key`.

        Raises
        ------
        InputError
            If the data cannot be loaded or split so.
        """
        with self._lock:
            name, how = key[0], key[1:]
            split = self._kept.pop(key, None) or make_split(source_of(name), self._load(name), *how)
            self._kept[key] = split
            self._forms[name] = split.input_shape, split.classes
            while len(self._kept) > 1 and sum(map(_bytes, self._kept.values())) > KEPT_BYTES:
                del self._kept[next(iter(self._kept))]
            return split

    def form(self, name: str) -> Form:
        """Shape of a sample of a data set, and its number of classes.

        Raises
        ------
        InputError
            If it cannot be loaded.
        """
        with self._lock:
            if name not in self._forms:
                dataset = self._load(name)
                self._forms[name] = dataset.train_images.shape[1:], dataset.classes
            return self._forms[name]

    def dataset(self, name: str) -> Dataset:
        """A data set before its split.

        Raises
        ------
        InputError
            If it cannot be loaded.
        """
        with self._lock:
            return self._load(name)

    def _read(self, name: str) -> Dataset:
        if name in OWN_SOURCES:
            dataset = self._own.read() if isinstance(self._own, OwnFile) else self._own
            if dataset is None or dataset.name != name:
                problem = (
                    "is data of somebody's own" if dataset is None else f"is not what these data are, {dataset.name}"
                )
                raise InputError("dataset", name, problem, "name its file by --data")
            return dataset
        dataset, place = DATASETS[name].load(self._data_dir), DATASETS[name].find(self._data_dir)
        if place is not None:
            note(DATASETS[name], place, dataset)
        return dataset

    def fingerprint(self, name: str, fetch: bool = True) -> str | None:
        """What names the content of a data set (`RunConfig.data`); None where it is absent and not to be fetched.

        Raises
        ------
        InputError
            If it cannot be found or read.
        """
        with self._lock:
            if name in OWN_SOURCES:
                return self._load(name).fingerprint if self._own is not None or fetch else None
            place = DATASETS[name].find(self._data_dir)
            if place is None and not fetch:
                return None
            return fingerprint_of(DATASETS[name], place, lambda: self._load(name))


def _bytes(split: Split) -> int:
    return sum(array.nbytes for array in split.arrays.values())


def check_memory(group: Group, split: Split, backend: Backend) -> None:
    """Check that a group that trains here fits into the memory that can be had now.

    Raises
    ------
    InputError
        If it does not.
    """
    network = make_network(group.template, split.input_shape, split.classes)
    check_fits(group.template, network, group.at_once(backend), backend.available_memory())


def do(work: Work, callbacks: Callbacks, splits: Splits) -> list[StoredRun]:
    """Train the runs that the group lacks, from a checkpoint if there is one.

    Raises
    ------
    StopAskedError
        When it was to stop; a checkpoint holds what was done.
    InputError
        If the data cannot be loaded or are others, or a checkpoint cannot be written.
    """
    configs, backend = work.group.lacking, get_backend(work.backend)
    split = splits.get(*data_key(configs[0]))
    check_memory(work.group, split, backend)
    here, written = environment(backend), time.monotonic()
    start, more = _start(work, split, here, callbacks)
    if start is not None:
        callbacks.advance(start.epoch * configs[0].steps_per_epoch * len(configs))
        for epoch in range(1, start.epoch + 1):
            callbacks.report(EpochRows(configs, epoch, start.histories.rows(epoch)))

    def after_epoch(epoch: int, snapshot: Callable[[], Snapshot]) -> None:
        nonlocal written
        callbacks.advance(configs[0].steps_per_epoch * len(configs))
        if epoch == configs[0].epochs:
            return
        stop = callbacks.stop()
        if not work.every.never and (stop or _due(work.every, epoch, written)):
            work.checkpoint.write(snapshot(), here)
            written = time.monotonic()
        if stop:
            raise StopAskedError

    ends: list[Arrays] = []
    trained = train(
        configs,
        split,
        backend,
        after_epoch,
        template=work.group.template,
        size=work.group.size,
        start=start,
        at_end=ends.append if work.model is not None else None,
        on_rows=lambda epoch, rows: callbacks.report(EpochRows(configs, epoch, rows)),
    )
    if work.model is not None:
        _keep_model(
            work.model, trained[0], {name: array[0] for name, array in ends[0].items()}, splits, backend, callbacks
        )
    return [
        finished_run(run, backend, split.provenance, **company(work.group, run.config, backend), **more)
        for run in trained
    ]


def _keep_model(
    path: Path, trained: Trained, state: Arrays, splits: Splits, backend: Backend, callbacks: Callbacks
) -> None:
    """Keep the network of a run, which must predict as the run was evaluated."""
    if trained.diverged_at is not None:
        callbacks.log(f"{path} is not written: the run diverged ({trained.reason})")
        return
    config = trained.config
    model = model_of(config, splits.get(*data_key(config)), state, backend, trained.final)
    write_model(model, path)
    test = splits.dataset(config.dataset)
    error = float((model.logits(test.test_images, backend.name).argmax(axis=1) != test.test_labels).mean())
    if abs(error - trained.final["test_error"]) > SAME_ERROR:
        measured = trained.final["test_error"]
        callbacks.log(f"{path}: this network has a test error of {error:.6f}, and the run had {measured:.6f}")


def _due(every: Every, epoch: int, written: float) -> bool:
    if every.epochs is not None:
        return epoch % every.epochs == 0
    return every.seconds is not None and time.monotonic() - written >= every.seconds


def _start(
    work: Work, split: Split, here: dict[str, str], callbacks: Callbacks
) -> tuple[Snapshot | None, dict[str, str]]:
    """The checkpoint to go on from, if there is a usable one, and what the provenance says of it."""
    if not work.checkpoint.files():
        return None, {}
    try:
        found = work.checkpoint.read(initial_snapshot(work.group.lacking, split, work.group.template))
    except UnusableCheckpointError as error:
        callbacks.log(f"{error}; its runs start again")
        return None, {}
    if found is None:
        return None, {}
    snapshot, wrote = found
    differing = [f"{name} {value}" for name, value in wrote.items() if here.get(name) != value]
    if not differing:
        return snapshot, {}
    callbacks.log(f"going on at epoch {snapshot.epoch} from a checkpoint that another environment wrote: {differing}")
    return snapshot, {"resumed": f"after epoch {snapshot.epoch}, which came from {', '.join(differing)}"}
