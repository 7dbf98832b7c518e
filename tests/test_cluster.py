"""Dask clusters: lost workers, drivers and schedulers, workers that must not serve, and what is no scheduler at all."""

import asyncio
import dataclasses
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import distributed
import faults
import pytest
from conftest import ROOT, make_tiny_split
from distributed.scheduler import KilledWorker
from test_faults import checkpoints, command, content, run, wait_for

from t1t2_pt.runs.checkpoints import Every
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps import cluster as module
from t1t2_pt.sweeps import cluster_worker
from t1t2_pt.sweeps import work as training
from t1t2_pt.sweeps.cluster import Scheduler
from t1t2_pt.sweeps.groups import Group
from t1t2_pt.sweeps.work import Work
from t1t2_pt.system.errors import InputError

pytestmark = pytest.mark.xdist_group("cluster")
LOOPBACK = ["--dashboard-address", "127.0.0.1:0"]
PRELOAD = str(ROOT / "tests" / "faults.py")


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder, workers: int):
        self._folder, self._processes = folder, []
        self.file = folder / "scheduler.json"
        own = ["--host", "127.0.0.1", "--port", "0", *LOOPBACK]
        self._start("dask_scheduler", *own, "--scheduler-file", str(self.file))
        (self.scheduler,) = self._processes
        wait_for(self.file.is_file, self.scheduler)
        self.workers = [self.join() for _ in range(workers)]

    @property
    def address(self) -> str:
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


def start(store: Path, address: str) -> subprocess.Popen:
    """A sweep on a cluster, once it trains."""
    arguments = command(store, 6, 8, 0.0, "--scheduler", address, "--checkpoint-every", "1")
    driver = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: checkpoints(store), driver)
    return driver


@pytest.mark.slow
def test_lost_worker_and_lost_driver(tmp_path, cluster, undisturbed):
    """A worker is killed while it trains, then the driver, which is started again: as if nothing had happened."""
    store = tmp_path / "runs.sqlite"
    driver = start(store, cluster.address)
    cluster.workers[0].kill()
    time.sleep(1)
    assert driver.poll() is None
    driver.kill()
    driver.communicate()
    cluster.join()
    answer = run(store, 6, 8, 0.0, "--scheduler", cluster.address, "--checkpoint-every", "1")
    assert answer.returncode == 0, answer.stderr
    assert content(store) == undisturbed
    assert checkpoints(store) == []


def test_work_of_a_lost_worker_is_done_elsewhere(tmp_path, cluster, undisturbed):
    store = tmp_path / "runs.sqlite"
    driver = start(store, cluster.address)
    assert len(RunStore(store).all()) < len(undisturbed)
    cluster.workers[1].kill()
    _, errors = driver.communicate(timeout=200)
    assert driver.returncode == 0, errors
    assert content(store) == undisturbed


@pytest.mark.slow
def test_lost_scheduler(tmp_path, cluster, undisturbed):
    """Told in one line, and what was done is there to go on from."""
    store = tmp_path / "runs.sqlite"
    driver = start(store, cluster.address)
    cluster.scheduler.kill()
    _, errors = driver.communicate(timeout=20)
    assert driver.returncode == 2
    (line,) = [line for line in errors.splitlines() if line.startswith("faults: ")]
    assert "is lost: its scheduler answers no more; start it and its workers again, then run this again" in line
    assert errors.splitlines()[-1] == line
    assert checkpoints(store)
    assert run(store).returncode == 0
    assert content(store) == undisturbed


class TestWorkersThatMustNotServe:
    """A scheduler and a worker, both in this process."""

    @pytest.fixture
    def here(self):
        options = {"processes": False, "threads_per_worker": 1, "protocol": "tcp", "host": "127.0.0.1"}
        with distributed.LocalCluster(
            n_workers=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL", **options
        ) as made:
            yield made

    @pytest.fixture
    def work(self, tmp_path, monkeypatch):
        monkeypatch.setattr(training, "make_split", lambda *key: make_tiny_split())
        cluster_worker._splits.cache_clear()
        (config,) = faults.configs(1, 2)
        return Work(Group((config,), config, 1, (config,)), "jax", None, tmp_path, Every())

    def refused(self, here, work, problem):
        """The error of a worker that had the work already."""
        with Scheduler(here.scheduler_address, print) as place:
            error = place.submit(work, print, lambda: False).exception(timeout=60)
        assert isinstance(error, InputError)
        assert problem in str(error)
        assert "worker" in str(error)
        assert f"{here.workers[0].address} on {cluster_worker.platform.node()}" in str(error)

    def test_other_code(self, here, monkeypatch):
        """Told before anything is sent to it."""
        monkeypatch.setattr(cluster_worker, "CODE", "0.0 other")
        with pytest.raises(
            InputError, match=r"worker = 'tcp://.*: runs other code, t1t2_pt 0.0 other, than .* install"
        ):
            Scheduler(here.scheduler_address, print)

    def test_code_that_cannot_be_asked_for(self, here, monkeypatch):
        """As that of a version which had no such function."""
        answers = {"tcp://a:1": AttributeError("no code_here")}
        monkeypatch.setattr(distributed.Client, "run", lambda *arguments, **options: answers)
        with pytest.raises(InputError, match=r"worker = 'tcp://a:1': runs other code, t1t2_pt no code_here, than"):
            Scheduler(here.scheduler_address, print)

    def test_other_code_of_a_worker_that_comes_later(self, here, work, monkeypatch):
        monkeypatch.setattr(Scheduler, "_check_workers", lambda self, codes: None)
        monkeypatch.setattr(cluster_worker, "CODE", "0.0 other")
        self.refused(here, work, "runs other code, t1t2_pt 0.0 other, than this process")

    def test_no_data(self, here, work, monkeypatch):
        """No download is tried."""
        absent = dataclasses.replace(cluster_worker.DATASETS["mnist"], find=lambda folder: None, load=None)
        monkeypatch.setitem(cluster_worker.DATASETS, "mnist", absent)
        self.refused(here, work, "dataset = 'mnist': is absent")

    def test_no_folder_of_data(self, here, work):
        self.refused(
            here, dataclasses.replace(work, data_dir=Path("/nowhere")), "data_dir = '/nowhere': is not a folder"
        )

    def test_other_data(self, here, work, monkeypatch):
        other = dataclasses.replace(make_tiny_split(), fingerprint="0" * 32)
        monkeypatch.setattr(training, "make_split", lambda *key: other)
        self.refused(
            here, work, "are not the mnist of this run: their content is 000000000000, and it is of 615a98aea41c"
        )

    def test_other_versions_are_told_once(self, here, work, monkeypatch):
        """Their numbers may differ in rounding, which the provenance of their runs says."""
        there = cluster_worker.versions_here("jax")
        monkeypatch.setattr(module, "versions_here", lambda backend: {**there, "jax": "0.1"})
        said = []
        with Scheduler(here.scheduler_address, said.append) as place:
            for _ in range(2):
                (found,) = place.submit(work, print, lambda: False).result(timeout=60)
        assert found.provenance["jax"] == there["jax"]
        (line,) = said
        assert f"computes with jax {there['jax']}: its runs may differ in rounding" in line

    def test_the_last_worker_goes(self, here):
        said = []
        with Scheduler(here.scheduler_address, said.append) as place:
            assert place.alive()
            place.watch()
            assert said == []
            here.scale(0)
            while place.alive():
                time.sleep(0.05)
            place.watch()
            place.watch()
        (line,) = said
        assert "has no workers; the work goes on when some join: `dask worker tcp://127.0.0.1" in line

    def test_the_scheduler_goes(self, here, work, monkeypatch):
        """All that was asked of it ends."""
        monkeypatch.setattr(cluster_worker, "do", lambda *arguments: time.sleep(2))
        with Scheduler(here.scheduler_address, print) as place:
            answer = place.submit(work, print, lambda: False)
            here.close()
            with pytest.raises(InputError, match="is lost: its scheduler answers no more; start it"):
                answer.result(timeout=20)
            with pytest.raises(InputError, match="is lost"):
                place.watch()
            assert not place.alive()

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (KilledWorker("work", None, 3), "lost 4 workers at the same runs; see their logs, then run it again"),
            (ModuleNotFoundError("No module named 't1t2_pt'"), "has a worker that failed (ModuleNotFoundError: No mod"),
            (asyncio.CancelledError(), "is lost: its scheduler answers no more; start it"),
        ],
    )
    def test_other_failures(self, here, work, monkeypatch, error, told):
        """In one line; a worker's log has the rest."""
        monkeypatch.setattr(distributed.Future, "result", lambda *arguments, **options: raise_(error))
        monkeypatch.setattr(cluster_worker, "do", lambda *arguments: [])
        with Scheduler(here.scheduler_address, print) as place:
            found = place.submit(work, print, lambda: False).exception(timeout=60)
        assert isinstance(found, InputError)
        assert told in str(found)

    def test_a_worker_is_no_scheduler(self, here):
        with pytest.raises(InputError, match=r"does not answer as a scheduler \(a Worker answers there\)"):
            Scheduler(here.workers[0].address, print)


def raise_(error):
    raise error


class Server:
    """Something else that listens: it says `words` to whoever connects, and no more."""

    def __init__(self, words: bytes, family=socket.AF_INET):
        self._words, self._connections = words, []
        self._socket = socket.create_server(("", 0), family=family)
        self.port = self._socket.getsockname()[1]
        self.met = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            connection.sendall(self._words)
            self.met.set()

    def close(self) -> None:
        for some in (self._socket, *self._connections):
            some.close()


@pytest.fixture(params=[b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 500], ids=["silent", "another"])
def server(request):
    made = Server(request.param)
    yield made
    made.close()


def test_what_is_no_scheduler_is_told(server, monkeypatch):
    monkeypatch.setattr(module, "CONNECT", 1)
    with pytest.raises(InputError, match=r"does not answer as a scheduler \(.*\); start one with `dask scheduler`"):
        Scheduler(f"tcp://127.0.0.1:{server.port}", print)
    assert server.met.is_set()


@pytest.mark.parametrize("address", ["tcp://[::1]:9", "tcp://no.such.name.invalid:8786", f"tcp://{'a' * 70}.b:80"])
def test_where_nobody_is_found_is_told(monkeypatch, address):
    monkeypatch.setattr(module, "CONNECT", 1)
    with pytest.raises(InputError, match=r"does not answer as a scheduler \(.*\); start one with `dask scheduler`"):
        Scheduler.asked(address)(print)


def test_a_signal_ends_the_wait_for_a_scheduler(tmp_path):
    server = Server(b"")
    arguments = command(tmp_path / "runs.sqlite", 6, 8, 0.0, "--scheduler", f"tcp://127.0.0.1:{server.port}")
    driver = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    wait_for(server.met.is_set, driver)
    driver.terminate()
    _, errors = driver.communicate(timeout=module.CONNECT / 2)
    server.close()
    assert driver.returncode == 143
    assert errors.splitlines()[1:] == ["faults: stopped"]


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "host:8786",
            "tcp://",
            "tcp://host",
            "http://host:1",
            "tcp://:1",
            "tcp://h:x",
            "tcp://h:0",
            "tcp://h:99999",
        ),
        *(
            "tcp://h:²",
            "tcp://h:8786/x",
            "tcp://::1:8786",
            "tcp://[::1:8786",
            "tcp://h h:1",
            "tcp://h:1\n",
            "tcp://a:1:2",
        ),
    ],
)
def test_wrong_addresses_are_told(address):
    with pytest.raises(InputError, match=r"--scheduler = .*: is not an address; give one such as tcp://host:8786"):
        Scheduler.asked(address)


def test_scheduler_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setattr(module, "CONNECT", 1)
    with pytest.raises(InputError, match=r"does not answer .*dask scheduler"):
        Scheduler.asked("tcp://127.0.0.1:9")(print).__enter__()


def test_certificates_are_asked_for():
    with pytest.raises(InputError, match=r"lacks distributed.comm.tls.ca-file; set DASK_DISTRIBUTED__COMM__TLS"):
        Scheduler.asked("tls://127.0.0.1:9")(print).__enter__()
