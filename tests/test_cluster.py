"""Dask clusters: workers of our own and a real scheduler, lost workers, lost drivers, Ctrl-C to all."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT
from test_faults import checkpoints, command, content, run, wait_for

from t1t2_pt.cluster import LocalWorkers, Scheduler
from t1t2_pt.errors import InputError

pytestmark = pytest.mark.xdist_group("cluster")
LOOPBACK = ["--dashboard-address", "127.0.0.1:0"]
PRELOAD = str(ROOT / "tests" / "faults.py")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The store of a sweep in one process."""
    store = tmp_path_factory.mktemp("whole") / "runs.sqlite"
    assert run(store).returncode == 0
    return content(store)


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder, workers: int):
        self._folder, self._processes = folder, []
        self.file = folder / "scheduler.json"
        own = ["--host", "127.0.0.1", "--port", "0", *LOOPBACK]
        self._start("dask_scheduler", *own, "--scheduler-file", str(self.file))
        wait_for(self.file.is_file, self._processes[0])
        self.workers = [self.join() for _ in range(workers)]

    @property
    def address(self) -> str:
        import json

        return json.loads(self.file.read_text())["address"]

    def join(self) -> subprocess.Popen:
        """One more worker."""
        fixed = ["--no-nanny", *LOOPBACK, "--nthreads", "1", "--host", "127.0.0.1", "--preload", PRELOAD]
        return self._start("dask_worker", "--scheduler-file", str(self.file), *fixed)

    def _start(self, module: str, *arguments: str) -> subprocess.Popen:
        log = open(self._folder / f"{module}-{len(self._processes)}.log", "w")  # noqa: SIM115  (closed by its process)
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        self._processes.append(process)
        return process

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path, 2)
    yield made
    made.close()


def same(store, undisturbed) -> bool:
    """Equal, whoever trained."""
    return content(store) == undisturbed


@pytest.mark.slow
def test_lost_worker_and_lost_driver(tmp_path, cluster, undisturbed):
    """A worker is killed while it trains, then the driver, which is started again: as if nothing had happened."""
    store = tmp_path / "runs.sqlite"
    options = ["--scheduler", cluster.address, "--checkpoint-every", "1"]
    driver = subprocess.Popen(command(store, 6, 8, 0.0, *options), stderr=subprocess.PIPE, text=True)
    wait_for(lambda: checkpoints(store), driver)
    cluster.workers[0].kill()
    time.sleep(1)
    driver.kill()
    driver.communicate()
    cluster.join()
    answer = run(store, 6, 8, 0.0, *options)
    assert answer.returncode == 0, answer.stderr
    assert same(store, undisturbed)
    assert checkpoints(store) == []


def test_work_of_a_lost_worker_is_done_elsewhere(tmp_path, cluster, undisturbed):
    store = tmp_path / "runs.sqlite"
    options = ["--scheduler", cluster.address, "--checkpoint-every", "1"]
    driver = subprocess.Popen(command(store, 6, 8, 0.0, *options), stderr=subprocess.PIPE, text=True)
    wait_for(lambda: checkpoints(store), driver)
    cluster.workers[1].kill()
    _, errors = driver.communicate(timeout=200)
    assert driver.returncode == 0, errors
    assert same(store, undisturbed)


def test_workers_here(tmp_path, undisturbed):
    store = tmp_path / "runs.sqlite"
    answer = run(store, 6, 8, 0.0, "--workers", "2", env={**os.environ, "DASK_DISTRIBUTED__WORKER__PRELOAD": PRELOAD})
    assert answer.returncode == 0, answer.stderr
    assert same(store, undisturbed)


@pytest.mark.slow
def test_ctrl_c_to_a_whole_terminal(tmp_path, undisturbed):
    """A terminal sends it to the driver and to all workers: checkpoints are written and no process is left."""
    store = tmp_path / "runs.sqlite"
    arguments = command(store, 6, 8, 0.0, "--workers", "2", "--checkpoint-every", "1")
    environment = {**os.environ, "DASK_DISTRIBUTED__WORKER__PRELOAD": PRELOAD}
    driver = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment)
    wait_for(lambda: checkpoints(store), driver)
    family = psutil.Process(driver.pid).children(recursive=True)
    os.killpg(driver.pid, signal.SIGINT)
    _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 130, errors
    assert "run it again to go on" in errors.splitlines()[-1]
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    assert checkpoints(store)
    assert run(store).returncode == 0
    assert same(store, undisturbed)


def test_local_workers_listen_on_loopback_only():
    with LocalWorkers.asked(1)(print) as place:
        listening = [
            connection.laddr.ip
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening
        assert set(listening) == {"127.0.0.1"}
        assert place.lanes == 2


@pytest.mark.parametrize("address", ["", "host:8786", "tcp://", "tcp://host", "http://host:1", "tcp://:1", "tcp://h:x"])
def test_wrong_addresses_are_told(address):
    with pytest.raises(InputError, match=r"--scheduler = .*: is not an address; give one such as tcp://host:8786"):
        Scheduler.asked(address)


def test_scheduler_that_does_not_answer_is_told(monkeypatch):
    from t1t2_pt import cluster as module

    monkeypatch.setattr(module, "CONNECT", 1)
    with pytest.raises(InputError, match=r"does not answer .*dask scheduler"):
        Scheduler.asked("tcp://127.0.0.1:9")(print).__enter__()


def test_certificates_are_asked_for():
    with pytest.raises(InputError, match=r"lacks distributed.comm.tls.ca-file; set DASK_DISTRIBUTED__COMM__TLS"):
        Scheduler.asked("tls://127.0.0.1:9")(print).__enter__()


@pytest.mark.parametrize("workers", [0, -1, 1000])
def test_wrong_numbers_of_workers_are_told(workers):
    with pytest.raises(InputError, match=r"--workers = .* is out of range; give 1 to \d+, the cores here"):
        LocalWorkers.asked(workers)
