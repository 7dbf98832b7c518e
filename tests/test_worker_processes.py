"""Worker processes here: the same bits, lost workers, lost drivers, Ctrl-C to all, and no way in for others."""

import os
import signal
import subprocess

import faults
import psutil
import pytest
from test_faults import checkpoints, command, content, run, wait_for

from t1t2_pt.runs.checkpoints import Every
from t1t2_pt.sweeps import worker_processes as module
from t1t2_pt.sweeps.groups import Group
from t1t2_pt.sweeps.work import Work
from t1t2_pt.sweeps.worker_processes import WorkerProcesses
from t1t2_pt.system.code_digest import CODE
from t1t2_pt.system.errors import InputError

pytestmark = pytest.mark.xdist_group("cluster")
START = "import os, sys; from multiprocessing.connection import Connection; pipe = Connection(int(sys.argv[1])); "


@pytest.fixture
def work(tmp_path):
    (config,) = faults.configs(1, 2)
    return Work(Group((config,), config, 1, (config,)), "jax", None, tmp_path, Every())


def start(store, *options) -> subprocess.Popen:
    """A sweep with workers, once it trains."""
    arguments = command(store, 6, 8, 0.2, "--checkpoint-every", "1", *options)
    driver = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: checkpoints(store), driver)
    return driver


def family(driver) -> list[psutil.Process]:
    return psutil.Process(driver.pid).children(recursive=True)


def test_workers_here(tmp_path, undisturbed):
    """Nobody listens, so nobody else can give them work; one that is lost is started again."""
    store = tmp_path / "runs.sqlite"
    driver = start(store, "--workers", "2")
    workers = family(driver)
    assert len(workers) == 2
    for process in (psutil.Process(driver.pid), *workers):
        assert process.net_connections("inet") == []
    shared = sorted(core for process in workers for core in process.cpu_affinity())
    assert shared == psutil.Process(driver.pid).cpu_affinity()
    workers[0].kill()
    _, errors = driver.communicate(timeout=200)
    assert driver.returncode == 0, errors
    assert "a worker process was lost (signal 9); another one goes on with its work" in errors
    assert content(store) == undisturbed
    assert checkpoints(store) == []


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_to_a_whole_terminal(tmp_path, undisturbed, number, code):
    """It goes to the driver and to all workers: checkpoints are written and no process is left."""
    store = tmp_path / "runs.sqlite"
    driver = start(store, "--workers", "2")
    workers = family(driver)
    os.killpg(driver.pid, number)
    _, errors = driver.communicate(timeout=60)
    assert driver.returncode == code, errors
    assert "run it again to go on" in errors.splitlines()[-1]
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    assert checkpoints(store)
    assert run(store).returncode == 0
    assert content(store) == undisturbed


@pytest.mark.slow
def test_lost_driver(tmp_path, undisturbed):
    """Its workers end with it."""
    store = tmp_path / "runs.sqlite"
    driver = start(store, "--workers", "2")
    workers = family(driver)
    assert workers
    driver.kill()
    driver.communicate()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    assert run(store).returncode == 0
    assert content(store) == undisturbed


def test_workers_that_cannot_live_are_told(work, monkeypatch):
    """After some tries; what they said to have done is taken back."""
    monkeypatch.setattr(
        module, "PROGRAM", f"{START} pipe.send(('code', {CODE!r})); pipe.send(('steps', 5)); os._exit(3)"
    )
    said, steps = [], []
    with WorkerProcesses.asked(1)(said.append) as place:
        with pytest.raises(InputError, match=r"--workers = 1: were lost \d+ times at the same runs; give fewer"):
            place.submit(work, steps.append, lambda: False).result()
        assert place.lanes == 2
    assert said == ["a worker process was lost (exit code 3); another one goes on with its work"] * module.RETRIES
    assert steps == [5, -5] * module.RETRIES


def test_a_worker_of_other_code_is_refused(work, monkeypatch):
    """As when files change while a sweep goes on, and a worker is started again."""
    monkeypatch.setattr(module, "PROGRAM", f"{START} pipe.send(('code', '0.0 other')); sys.stdin.read(); pipe.recv()")
    with (
        WorkerProcesses.asked(1)(print) as place,
        pytest.raises(InputError, match=r"--workers = '0.0 other': is the code of a worker; .* run it again"),
    ):
        place.submit(work, print, lambda: False).result()


def test_what_a_worker_raises_is_raised(work, tmp_path):
    """By the real worker, which cannot load data from a folder that is none."""
    lost = Work(work.group, "jax", tmp_path / "nowhere", tmp_path, Every())
    with WorkerProcesses.asked(1)(print) as place:
        with pytest.raises(InputError, match="nowhere': is not a folder"):
            place.submit(lost, print, lambda: False).result()
        (worker,) = psutil.Process().children()
        place.stop()
    assert not worker.is_running()


@pytest.mark.parametrize("workers", [0, -1, 1000, 10**30])
def test_wrong_numbers_of_workers_are_told(workers):
    with pytest.raises(InputError, match=r"--workers = .* is out of range; give 1 to \d+, the cores here"):
        WorkerProcesses.asked(workers)
