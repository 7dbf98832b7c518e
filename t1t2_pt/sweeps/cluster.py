"""Work on a Dask cluster that runs already (its side is `cluster_worker.py`).

Workers load the data themselves, from `--data-dir` or their own `T1T2_DATA`. Results go to the process
that ordered them, which alone writes the store; checkpoints are written by the workers, beside the
store, where they share its disk. Work of a worker that was lost is done again elsewhere, from its
checkpoint. Nothing that the cluster does or fails to do holds up this process or a signal to it.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import logging
import re
import threading
import time
import uuid
import warnings
from collections.abc import Callable
from typing import Any

import dask
import distributed
from distributed.core import rpc
from distributed.scheduler import KilledWorker
from distributed.security import Security

from t1t2_pt.sweeps.cluster_worker import PATIENCE, Order, code_here, do_order, other_code, versions_here, within
from t1t2_pt.sweeps.places import Runs
from t1t2_pt.sweeps.reports import Report, silent
from t1t2_pt.sweeps.work import Work
from t1t2_pt.system.code_digest import CODE
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.interrupts import StopAskedError

CONNECT = 12  # seconds until a scheduler must have answered
IMPORT = 60  # seconds until all workers must have imported this package and said which code they have
LOOK_EVERY = 2.0  # seconds between looks at the cluster
SILENT = 60  # seconds after which a scheduler that says nothing is lost
CERTIFICATES = ("ca-file", "client.cert", "client.key")
ADDRESS = re.compile(r"(?:tcp|tls|ws|wss|ucx)://(?:\[[^\s/\[\]]+\]|[^\s/:\[\]]+):([0-9]{1,5})/?")
LAST_PORT = 65535
LOGS = ("distributed", "distributed.client", "tornado.application")  # what they log is reported here
GONE = "start it and its workers again, then run this again: finished runs are stored, checkpoints are kept"


class Scheduler:
    """A place on the cluster of a Dask scheduler.

    Parameters
    ----------
    address
        Where it listens, such as `tcp://host:8786`; `tls://` takes certificates from Dask's configuration.
    log
        Called with each line for the user.

    Raises
    ------
    InputError
        If no scheduler answers there, or a worker of it has other code than this process.
    """

    def __init__(self, address: str, log: Callable[[str], None]) -> None:
        self._address, self._log = address, log
        self._name = f"t1t2-{uuid.uuid4().hex}"
        self._orders: dict[str, _Ordered] = {}
        self._over = threading.Event()
        for name in LOGS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._threads, self._heard, self._reported_no_workers = 0, 0.0, False
        self._client = self._connect()
        try:
            self._check_workers(self._of_cluster(lambda: self._client.run(code_here, on_error="return")))
            self._of_cluster(self._look)
            self._of_cluster(lambda: self._client.subscribe_topic(self._name, self._hear))
        except InputError:
            self._close()
            raise
        self._event = distributed.Event(self._name, client=self._client)
        threading.Thread(target=self._keep_looking, name="cluster", daemon=True).start()
        self.watch()

    @classmethod
    def asked(cls, address: str) -> Callable[[Callable[[str], None]], "Scheduler"]:
        """What makes the place that `--scheduler` names.

        Raises
        ------
        InputError
            If it is not an address.
        """
        match = ADDRESS.fullmatch(address)
        if not match or not 1 <= int(match[1]) <= LAST_PORT:
            raise InputError("--scheduler", address, "is not an address", "give one such as tcp://host:8786")
        return functools.partial(cls, address)

    @property
    def lanes(self) -> int:
        """Pieces of work that are done at once, and one more, so that no worker waits for the next piece."""
        return max(1, self._threads) + 1

    def __enter__(self) -> "Scheduler":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.stop()
        self._close()

    def submit(
        self, work: Work, advance: Callable[[int], None], lost: Callable[[], bool], report: Report = silent
    ) -> "concurrent.futures.Future[Runs]":
        """Start a piece of work; see `Place`. What is lost meanwhile ends all the same, and is not used.

        Epochs are not told: their rows would go by way of the scheduler.
        """
        name = uuid.uuid4().hex
        answer: concurrent.futures.Future[Runs] = concurrent.futures.Future()
        order = Order(work, self._name, name, CODE, versions_here(work.backend))
        there = self._of_cluster(
            lambda: self._client.submit(do_order, order, key=f"t1t2-{name}", pure=False, retries=0)
        )
        self._orders[name] = _Ordered(there, advance)
        there.add_done_callback(functools.partial(self._settle, name, answer))
        return answer

    def stop(self) -> None:
        """Ask all work to stop after its epoch."""
        if self._connected():
            with contextlib.suppress(Exception):
                within(PATIENCE, self._event.set)

    def alive(self) -> bool:
        """Whether there are workers."""
        return self._connected() and self._threads > 0

    def watch(self) -> None:
        """Tell when the last worker is gone; see `Place`."""
        if not self._connected():
            raise self._lost()
        if self._threads:
            self._reported_no_workers = False
        elif not self._reported_no_workers:
            self._reported_no_workers = True
            self._log(f"{self._address} has no workers; the work goes on when some join: `dask worker {self._address}`")

    def _connect(self) -> distributed.Client:
        _check_certificates(self._address)
        try:
            kind = within(CONNECT + 1, lambda: asyncio.run(_kind(self._address)))
            if kind == "Scheduler":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of versions, which we look at ourselves
                    return within(
                        CONNECT, lambda: distributed.Client(self._address, timeout=CONNECT, set_as_default=False)
                    )
            problem = f"a {kind} answers there"
        except Exception as error:  # of whatever kind, as whoever answers there may be anything
            problem = _why(error)
        raise InputError(
            "--scheduler",
            self._address,
            f"does not answer as a scheduler ({problem})",
            "start one with `dask scheduler`, or give the address that it printed",
        )

    def _of_cluster[Answer](self, question: Callable[[], Answer]) -> Answer:
        try:
            return within(IMPORT, question)
        except Exception as error:
            raise self._lost(error) from None

    def _check_workers(self, codes: dict[str, object]) -> None:
        """Refuse other code on the workers that there are; `do_order` does so on those that come later."""
        for address, code in codes.items():
            if code != CODE:
                raise other_code(address, reason(code) if isinstance(code, Exception) else code, CODE)

    def _close(self) -> None:
        with contextlib.suppress(Exception):
            within(PATIENCE, self._client.close)

    def _connected(self) -> bool:
        return self._client.status == "running" and time.monotonic() - self._heard < SILENT

    def _keep_looking(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            with contextlib.suppress(Exception):  # `watch` sees that nothing is heard
                self._look()

    def _look(self) -> None:
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        self._threads, self._heard = sum(worker["nthreads"] for worker in workers.values()), time.monotonic()

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """A message from a worker."""
        _, message = event
        if "text" in message:
            self._log(message["text"])
        elif ordered := self._orders.get(message["order"]):
            ordered.steps_are(message["steps"])

    def _settle(self, name: str, answer: "concurrent.futures.Future[Runs]", there: distributed.Future) -> None:
        """Hand over what came of an order."""
        try:
            answer.set_result(there.result(timeout=SILENT))
        except BaseException as error:  # of whoever waits for the answer
            answer.set_exception(self._for_the_user(error))
        self._orders.pop(name, None)

    def _for_the_user(self, error: BaseException) -> Exception:
        """An error of the cluster in the user's words."""
        if isinstance(error, InputError | StopAskedError):
            return error
        if isinstance(error, asyncio.CancelledError | concurrent.futures.CancelledError) or not self._connected():
            return self._lost()
        if isinstance(error, KilledWorker):
            problem = f"lost {error.allowed_failures + 1} workers at the same runs"
            return InputError("--scheduler", self._address, problem, "see their logs, then run it again")
        problem = f"has a worker that failed ({type(error).__name__}: {reason(error)})"
        return InputError("--scheduler", self._address, problem, "see its log; it needs t1t2_pt as it is here")

    def _lost(self, error: Exception | None = None) -> InputError:
        problem = "is lost: its scheduler answers no more" + (f" ({_why(error)})" if error else "")
        return InputError("--scheduler", self._address, problem, GONE)


class _Ordered:
    """A piece of work that the cluster has, and how far it is."""

    def __init__(self, there: distributed.Future, advance: Callable[[int], None]) -> None:
        self._there = there  # the cluster forgets what nobody refers to
        self._advance, self._steps = advance, 0

    def steps_are(self, steps: int) -> None:
        """So many updates are done; fewer than before where a worker was lost."""
        self._advance(steps - self._steps)
        self._steps = steps


def _check_certificates(address: str) -> None:
    missing = [name for name in CERTIFICATES if dask.config.get(f"distributed.comm.tls.{name}", None) is None]
    if address.startswith("tls://") and missing:
        raise InputError(
            "--scheduler",
            address,
            f"needs certificates, and Dask's configuration lacks distributed.comm.tls.{missing[0]}",
            "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..__CLIENT__CERT and ..__CLIENT__KEY",
        )


async def _kind(address: str) -> str:
    """What listens there, in its own word; a client waits without end for something that never answers."""
    security = Security().get_connection_args("client")
    # Less for the connection: its end says more than ours.
    async with asyncio.timeout(CONNECT), rpc(address, timeout=0.8 * CONNECT, connection_args=security) as there:
        return (await there.identity())["type"]


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return f"not a word in {CONNECT} s"
    return reason(error.__cause__ if isinstance(error.__cause__, Exception) else error)
