"""Worker processes on this machine, the cores divided among them.

This process and each worker speak through a pipe that only the two have: no port is open, through which
another user of the machine could give a worker something to run. A worker that is lost is started again
and its work goes on from its checkpoint. Workers end with their pipe, whatever became of this process,
and are deaf to Ctrl-C, which a terminal sends to them too: they are asked for checkpoints through the pipe.
"""

import concurrent.futures
import contextlib
import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing import Pipe
from typing import Any

from t1t2_pt.backends.memory import usable_cores
from t1t2_pt.sweeps.places import Runs
from t1t2_pt.sweeps.reports import Report, silent
from t1t2_pt.sweeps.work import Work
from t1t2_pt.sweeps.worker import STOP
from t1t2_pt.system.code_digest import CODE
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.interrupts import SIGNALS, StopAskedError

# What a worker runs: it finds modules where this process does, whatever lies in the current folder.
PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from t1t2_pt.sweeps import worker; worker.main(sys.argv[1])"
RETRIES = 10  # lost workers that one piece of work may survive


class LostError(Exception):
    """A worker process ended in the middle of its work."""


class WorkerProcesses:
    """A place in worker processes, each started when there is work for it.

    Parameters
    ----------
    workers
        How many.
    log
        Called with each line for the user.
    """

    def __init__(self, workers: int, log: Callable[[str], None]) -> None:
        self.lanes = workers + 1  # one more, so that no worker waits for the next piece
        self._workers, self._log = workers, log
        self._shares = _shares(workers)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._started: list[_Worker] = []
        self._mine = threading.local()
        self._pool = concurrent.futures.ThreadPoolExecutor(workers, "worker", self._settle)

    @classmethod
    def asked(cls, workers: int) -> Callable[[Callable[[str], None]], "WorkerProcesses"]:
        """What makes the place that `--workers` asks for.

        Raises
        ------
        InputError
            If there are no cores for so many.
        """
        if not 1 <= workers <= usable_cores():
            raise InputError("--workers", workers, "is out of range", f"give 1 to {usable_cores()}, the cores here")
        return functools.partial(cls, workers)

    def __enter__(self) -> "WorkerProcesses":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for worker in self._started:
            worker.close()
        self._pool.shutdown(cancel_futures=True)

    def submit(
        self, work: Work, advance: Callable[[int], None], lost: Callable[[], bool], report: Report = silent
    ) -> "concurrent.futures.Future[Runs]":
        """Start a piece of work; see `Place`. What is lost meanwhile ends all the same, and is not used."""
        return self._pool.submit(self._do, work, advance, report)

    def stop(self) -> None:
        """Ask all work to stop after its epoch, with a checkpoint."""
        with self._lock:
            self._stopping.set()
            for worker in self._started:
                worker.stop()

    def alive(self) -> bool:
        """Whether work is being done at all."""
        return True

    def watch(self) -> None:
        """Nothing: a worker that is lost is started again."""

    def _settle(self) -> None:
        """Give a thread, and thereby the worker that it starts, a share of the cores, and no signals."""
        with self._lock:
            share = self._shares.pop()
        if share:
            os.sched_setaffinity(0, share)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def _do(self, work: Work, advance: Callable[[int], None], report: Report) -> Runs:
        """Have the thread's own worker do it, or the next one where that is lost."""
        for _ in range(RETRIES):
            if self._stopping.is_set():
                raise StopAskedError
            worker = self._worker()
            try:
                return worker.do(work, advance, self._log, report)
            except LostError as error:
                self._log(f"a worker process was lost ({error}); another one goes on with its work")
        problem = f"were lost {RETRIES} times at the same runs"
        raise InputError("--workers", self._workers, problem, "give fewer, which have more memory")

    def _worker(self) -> "_Worker":
        """This thread's worker, started where there is none."""
        worker = getattr(self._mine, "worker", None)
        if worker is None or worker.lost:
            self._mine.worker = worker = _Worker()
            with self._lock:
                self._started.append(worker)
                if self._stopping.is_set():
                    worker.stop()
        return worker


class _Worker:
    """A worker process, as the thread sees it that has it work."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        number = theirs.fileno()
        command = [sys.executable, "-c", PROGRAM, str(number), *sys.path]
        try:
            with theirs:
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[number])
        except OSError as error:
            raise InputError(
                "--workers", sys.executable, f"cannot be started ({error.strerror})", "give fewer"
            ) from None
        self._lock = threading.Lock()
        self.lost = False

    def do(
        self, work: Work, advance: Callable[[int], None], log: Callable[[str], None], report: Report = silent
    ) -> Runs:
        """Have a piece of work done.

        Raises
        ------
        LostError
            If the process ends before; `advance` takes back what it was told.
        InputError
            If it has other code than this process, and whatever it raises.
        """
        done = 0
        try:
            self._send(work)
            while True:
                what, value = self._answer()
                if what == "steps":
                    done += value
                    advance(value)
                elif what == "log":
                    log(value)
                elif what == "epoch":
                    report(value)
                elif what == "runs":
                    return value
                elif what == "error":
                    raise value
                elif value != CODE:
                    problem = f"is the code of a worker; the command began with {CODE}, which was changed since"
                    raise InputError("--workers", value, problem, "run it again")
        except LostError:
            advance(-done)
            raise

    def stop(self) -> None:
        """Ask for a checkpoint and an end of the work."""
        with contextlib.suppress(LostError):
            self._send(STOP)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._pipe.close()

    def _send(self, message: object) -> None:
        try:
            with self._lock:
                self._pipe.send(message)
        except OSError:
            raise self._lost() from None

    def _answer(self) -> tuple[str, Any]:
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            raise self._lost() from None

    def _lost(self) -> LostError:
        """What became of the process."""
        self.lost = True
        self._process.kill()  # it has closed its pipe, or can do nothing with it
        code = self._process.wait()
        return LostError(f"signal {-code}" if code < 0 else f"exit code {code}")


def _shares(workers: int) -> list[list[int]]:
    """The cores of this process in so many parts; empty ones where the system deals out none."""
    if not hasattr(os, "sched_setaffinity"):
        return [[]] * workers
    cores = sorted(os.sched_getaffinity(0))
    return [cores[number::workers] for number in range(workers)]
