"""Work on a Dask cluster: one that runs already, or worker processes started here.

Workers load the data themselves, from their own `--data-dir` or `T1T2_DATA`. Results go to the process
that ordered them, which alone writes the store; checkpoints are written by the workers, beside the
store, where they share its disk. Work of a worker that was lost is done again elsewhere, from its
checkpoint. What is started here listens on this machine only.
"""

import concurrent.futures
import functools
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import dask
import distributed
from distributed.diagnostics.plugin import WorkerPlugin

from t1t2_pt.backends.memory import usable_cores
from t1t2_pt.errors import InputError, reason
from t1t2_pt.runs import StoredRun
from t1t2_pt.work import Line, Splits, Work, do

ASK_EVERY = 0.5  # seconds between a worker's messages to and from the scheduler
CONNECT = 15  # seconds until a scheduler must have answered
CERTIFICATES = ("ca-file", "client.cert", "client.key")
LOOPBACK = "127.0.0.1"
RETRIES = 10  # lost workers that one piece of work may survive


class Scheduler:
    """A place on the cluster of a Dask scheduler.

    Parameters
    ----------
    address
        Where it listens, such as `tcp://host:8786`; `tls://` takes certificates from Dask's configuration.
    say
        Told lines for the user.
    """

    def __init__(self, address: str, say: Callable[[str], None]):
        self._address, self._say = address, say
        self._name = f"t1t2-{uuid.uuid4().hex}"
        self._advance: dict[str, Callable[[int], None]] = {}
        self.lanes = 1

    @classmethod
    def asked(cls, address: str) -> Callable[[Callable[[str], None]], "Scheduler"]:
        """What makes the place that `--scheduler` names.

        Raises
        ------
        InputError
            If it is not an address.
        """
        protocol, _, rest = address.partition("://")
        host, _, port = rest.rpartition(":")
        if protocol not in ("tcp", "tls", "ws", "wss", "ucx") or not host or not port.rstrip("/").isdigit():
            raise InputError("--scheduler", address, "is not an address", "give one such as tcp://host:8786")
        return functools.partial(cls, address)

    def __enter__(self) -> "Scheduler":
        self._connect()
        return self

    def __exit__(self, *_) -> None:
        self.stop()
        self._client.close()

    def submit(
        self, work: Work, advance: Callable[[int], None], lost: Callable[[], bool]
    ) -> "concurrent.futures.Future[list[StoredRun]]":
        """Start a piece of work; see `Place`. What is lost meanwhile ends all the same, and is not used."""
        name = uuid.uuid4().hex
        self._advance[name] = advance
        return self._executor.submit(_do, work, self._name, name)

    def stop(self) -> None:
        """Ask all work to stop after its epoch."""
        self._event.set()

    def alive(self) -> bool:
        """Whether there are workers."""
        return bool(self._threads())

    def _connect(self) -> None:
        missing = [name for name in CERTIFICATES if dask.config.get(f"distributed.comm.tls.{name}", None) is None]
        if self._address.startswith("tls://") and missing:
            raise InputError(
                "--scheduler",
                self._address,
                f"needs certificates, and Dask's configuration lacks distributed.comm.tls.{missing[0]}",
                "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..__CLIENT__CERT and ..__CLIENT__KEY",
            )
        try:
            self._client = distributed.Client(self._address, timeout=CONNECT, set_as_default=False)
        except (OSError, TimeoutError, ValueError, TypeError, RuntimeError, ImportError) as error:
            raise InputError(
                "--scheduler",
                self._address,
                f"does not answer ({reason(error)})",
                "start one with `dask scheduler`, or give the address that it printed",
            ) from None
        threads = self._threads()
        if not threads:
            self._say(
                f"{self._address} has no workers yet; the work starts when some join: `dask worker {self._address}`"
            )
        self.lanes = max(1, threads) + 1  # one more, so that no worker waits for the next piece
        self._executor = self._client.get_executor(pure=False, retries=0)
        self._event = distributed.Event(self._name, client=self._client)
        self._client.subscribe_topic(self._name, self._hear)

    def _threads(self) -> int:
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        return sum(worker["nthreads"] for worker in workers.values())

    def _hear(self, event: tuple) -> None:
        """A message from a worker."""
        _, message = event
        if "text" in message:
            self._say(message["text"])
        else:
            self._advance[message["work"]](message["steps"])


class LocalWorkers(Scheduler):
    """A scheduler and worker processes on this machine, the cores divided among them."""

    def __init__(self, workers: int, say: Callable[[str], None]):
        super().__init__("", say)
        self._workers = workers

    @classmethod
    def asked(cls, workers: int) -> Callable[[Callable[[str], None]], "LocalWorkers"]:
        """What makes the place that `--workers` asks for.

        Raises
        ------
        InputError
            If there are no cores for so many.
        """
        if not 1 <= workers <= usable_cores():
            raise InputError("--workers", workers, "is out of range", f"give 1 to {usable_cores()}, the cores here")
        return functools.partial(cls, workers)

    def __enter__(self) -> "LocalWorkers":
        dask.config.set({"distributed.scheduler.allowed-failures": RETRIES})  # read when a scheduler starts
        self._cluster = distributed.LocalCluster(
            n_workers=self._workers,
            threads_per_worker=1,
            host=LOOPBACK,
            dashboard_address=f"{LOOPBACK}:0",
            worker_dashboard_address=f"{LOOPBACK}:0",
            memory_limit=0,
            silence_logs="ERROR",
        )
        self._address = self._cluster.scheduler_address
        self._connect()
        self._client.register_plugin(_Worker(self._workers))
        return self

    def __exit__(self, *arguments) -> None:
        super().__exit__(*arguments)
        self._cluster.close()


class _Worker(WorkerPlugin):
    """Makes a process a worker of ours: with a share of the cores, and deaf to Ctrl-C.

    The cores are shared out before anything there counts them. A terminal sends Ctrl-C to all processes;
    the one that started the workers asks them for checkpoints.
    """

    def __init__(self, workers: int):
        self._workers = workers

    def setup(self, worker) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        if not hasattr(os, "sched_setaffinity"):
            return
        cores = sorted(os.sched_getaffinity(os.getppid()))
        mine = cores[int(worker.name) % self._workers :: self._workers]
        if mine:
            os.sched_setaffinity(0, mine)


def _do(work: Work, topic: str, name: str) -> list[StoredRun]:
    """Do a piece of work on a worker, and tell whoever ordered it."""
    worker = distributed.get_worker()
    event = distributed.Event(topic)
    asked, answer, steps = 0.0, False, 0

    def stop() -> bool:
        nonlocal asked, answer
        if time.monotonic() - asked > ASK_EVERY:
            answer, asked = event.is_set(), time.monotonic()
            flush()
        return answer

    def advance(more: int) -> None:
        nonlocal steps
        steps += more

    def flush() -> None:
        nonlocal steps
        if steps:
            worker.log_event(topic, {"work": name, "steps": steps})
            steps = 0

    runs = do(work, Line(stop, advance, lambda text: worker.log_event(topic, {"text": text})), _splits(work.data_dir))
    flush()
    return runs


@functools.lru_cache(maxsize=1)
def _splits(data_dir: Path | None) -> Splits:
    return Splits(data_dir)
