"""What a Dask worker runs: a piece of work, reported to whoever ordered it.

It is done with the code of whoever ordered it or not at all, and never waits for a download.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path

import distributed
from distributed.core import Status

from t1t2_pt.backends import get_backend
from t1t2_pt.datasets import DATASETS, OWN_SOURCES
from t1t2_pt.datasets.own_files import OwnFile
from t1t2_pt.runs.provenance import environment
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.sweeps.work import Callbacks, Splits, Work, do
from t1t2_pt.system.code_digest import CODE
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.interrupts import StopAskedError

ASK_EVERY = 0.5  # seconds between messages to and from the scheduler
PATIENCE = 5  # seconds that the scheduler has for a word
EVERYWHERE = ("python", "pytensor", "numpy")  # rounding depends on their versions, and on those of the backend
OF_THE_MACHINE = ("device", "blas", "products")  # what a backend tells beside versions

_reported: set[str] = set()  # topics of orders whose versions differ


@dataclasses.dataclass(frozen=True)
class Order:
    """A piece of work as it is ordered from a cluster.

    Parameters
    ----------
    topic
        Names the event that asks for a stop, and what is reported on the way.
    name
        Names the order.
    code, versions
        Of the process that orders.
    """

    work: Work
    topic: str
    name: str
    code: str
    versions: dict[str, str]


def code_here() -> str:
    """The code of this package that this process runs."""
    return CODE


@functools.cache
def versions_here(backend: str) -> dict[str, str]:
    """Versions of what a backend computes with in this process."""
    chosen = get_backend(backend)
    found, own = environment(chosen), [name for name in chosen.versions() if name not in OF_THE_MACHINE]
    return {name: found[name] for name in (*EVERYWHERE, *own)}


def other_code(place: str, there: object, here: str) -> InputError:
    """The error for a worker whose code is not that of the process that orders: its numbers could be others."""
    remedy = "install the same version there as here, and start the worker again"
    return InputError("worker", place, f"runs other code, t1t2_pt {there}, than this process, {here}", remedy)


def within[Result](seconds: float, function: Callable[[], Result]) -> Result:
    """What a function returns; it goes on in a thread that holds nothing up where it takes too long.

    Raises
    ------
    TimeoutError
        If it takes longer.
    """
    future: concurrent.futures.Future[Result] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # of whoever waits
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result(seconds)


def do_order(order: Order) -> list[StoredRun]:
    """Do a piece of work on this worker.

    Raises
    ------
    InputError
        Naming this worker: if its code is other than that of the process that orders, and as `do`.
    StopAskedError
        As `do`.
    """
    worker = distributed.get_worker()
    place = f"{worker.address} on {platform.node()}"
    if order.code != CODE:
        raise other_code(place, CODE, order.code)
    contact = _Contact(worker, order)
    try:
        _report_versions(order, place, contact)
        _find_data(order.work)
        runs = do(
            order.work,
            Callbacks(contact.stop, contact.advance, contact.log),
            _splits(order.work.data_dir, order.work.own),
        )
    except InputError as error:
        raise InputError(error.field, error.value, f"{error.problem}, on the worker {place}", error.remedy) from None
    except StopAskedError:
        if not contact.asked:
            raise distributed.Reschedule from None  # this worker alone stops
        raise
    contact.flush()
    return runs


class _Contact:
    """Words with whoever ordered the work, by way of the scheduler; none that is lost ends the work."""

    def __init__(self, worker: distributed.Worker, order: Order) -> None:
        self._worker, self._order = worker, order
        self._event = distributed.Event(order.topic)
        self._steps, self._looked = 0, 0.0
        self.asked = False  # for a stop

    def stop(self) -> bool:
        """Whether to stop: because that was asked for, or because this worker ends."""
        if time.monotonic() - self._looked > ASK_EVERY:
            self._looked = time.monotonic()
            self.flush()
            try:
                self.asked = within(PATIENCE, self._event.is_set)
            except Exception:  # whatever is wrong with the connection, the checkpoint is what matters
                return True
        return self.asked or self._worker.status not in (Status.running, Status.paused)

    def advance(self, steps: int) -> None:
        """So many more updates are done."""
        self._steps += steps

    def log(self, text: str) -> None:
        """A line for the user."""
        self._send({"text": text})

    def flush(self) -> None:
        """Tell how many updates of this order are done so far."""
        self._send({"order": self._order.name, "steps": self._steps})

    def _send(self, message: dict[str, object]) -> None:
        with contextlib.suppress(Exception):
            self._worker.log_event(self._order.topic, message)


def _report_versions(order: Order, place: str, contact: _Contact) -> None:
    """Say once for each worker with what it computes where that differs; the provenance of its runs says it too."""
    here = versions_here(order.work.backend)
    differing = [f"{name} {here.get(name)}" for name in order.versions if here.get(name) != order.versions[name]]
    if differing and order.topic not in _reported:
        _reported.add(order.topic)
        contact.log(f"the worker {place} computes with {', '.join(differing)}: its runs may differ in rounding")


def _find_data(work: Work) -> None:
    """Check that the data lie on this machine: a download that fails takes minutes, and workers begin together.

    Raises
    ------
    InputError
        If they do not.
    """
    name = work.group.template.dataset
    if name in OWN_SOURCES:
        return  # reading them tells
    if DATASETS[name].find(work.data_dir) is None:
        remedy = f"put it there and name its folder by --data-dir or T1T2_DATA, or run `t1t2 data fetch {name}` there"
        raise InputError("dataset", name, "is absent", remedy)


@functools.lru_cache(maxsize=1)
def _splits(data_dir: Path | None, own: OwnFile | None) -> Splits:
    return Splits(data_dir, own)
