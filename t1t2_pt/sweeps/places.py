"""Where work is done: in threads of this process, in other processes here (`worker_processes.py`), or on a Dask
cluster (`cluster.py`).

A place takes work and answers with futures. Two populations train side by side on a CPU: while one's
program is made, which is Python and compilers, the other computes.
"""

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Protocol

from t1t2_pt.backends import Backend
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.sweeps.reports import Report, silent
from t1t2_pt.sweeps.work import Callbacks, Splits, Work, do

Runs = list[StoredRun]


class Place(Protocol):
    """A context in which work is done."""

    @property
    def lanes(self) -> int:
        """Pieces of work that are done at once."""

    def __enter__(self) -> "Place": ...

    def __exit__(self, *_: object) -> None: ...

    def submit(
        self, work: Work, advance: Callable[[int], None], lost: Callable[[], bool], report: Report = silent
    ) -> "concurrent.futures.Future[Runs]":
        """Start a piece of work.

        Parameters
        ----------
        advance
            Called, from any thread, with the number of updates that were done.
        lost
            Whether another process has taken the work over, so that it may end early; what it ends in is not used.
        report
            Called, from any thread, with what was measured of each epoch, where that can be told meanwhile.
        """

    def stop(self) -> None:
        """Ask all work to stop after its epoch, with a checkpoint."""

    def alive(self) -> bool:
        """Whether work is being done at all."""

    def watch(self) -> None:
        """Look after the place, now and then while work is waited for.

        Raises
        ------
        InputError
            If it is lost, and all work in it.
        """


class Here:
    """This process."""

    def __init__(self, backend: Backend, splits: Splits, log: Callable[[str], None]) -> None:
        self.lanes = backend.lanes
        self._splits, self._log = splits, log
        self._stop = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(self.lanes, thread_name_prefix="lane")

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._pool.shutdown(cancel_futures=True)

    def submit(
        self, work: Work, advance: Callable[[int], None], lost: Callable[[], bool], report: Report = silent
    ) -> "concurrent.futures.Future[Runs]":
        callbacks = Callbacks(lambda: self._stop.is_set() or lost(), advance, self._log, report)
        return self._pool.submit(do, work, callbacks, self._splits)

    def stop(self) -> None:
        self._stop.set()

    def alive(self) -> bool:
        return True

    def watch(self) -> None:
        pass
