"""Reservations: two processes on one store never train the same run, and the dead hold nothing."""

import os
import subprocess
import sys
import threading
import time

import pytest
from conftest import TINY, make_tiny_split

from t1t2_pt import reservations as module
from t1t2_pt import sweep as sweeping
from t1t2_pt import work
from t1t2_pt.backends import get_backend
from t1t2_pt.config import run_config
from t1t2_pt.reservations import Reservations
from t1t2_pt.runs import RunStore
from t1t2_pt.sweep import Sweep

pytestmark = pytest.mark.xdist_group("sweep")


def test_each_run_is_reserved_once(store):
    with Reservations(store) as one, Reservations(store) as two:
        assert one.take(["a", "b"]) == {"a", "b"}
        assert two.take(["b", "c"]) == {"c"}
        assert one.take(["a"]) == {"a"}  # its own
        one.release(["b"])
        assert two.take(["a", "b"]) == {"b"}
    with Reservations(store) as three:
        assert three.take(["a", "b", "c"]) == {"a", "b", "c"}


def test_nobody_releases_what_another_holds(store):
    with Reservations(store) as one, Reservations(store) as two:
        one.take(["a"])
        two.release(["a"])
        assert two.take(["a"]) == set()


DIES = """
import os, sys
from pathlib import Path
from t1t2_pt.reservations import Reservations
from t1t2_pt.runs import RunStore
Reservations(RunStore(Path(sys.argv[1]))).take(["a"])
os._exit(9)
"""


def test_those_of_a_dead_process_lapse_at_once(store):
    assert subprocess.run([sys.executable, "-c", DIES, str(store.path)], check=False).returncode == 9
    with Reservations(store) as here:
        assert here.take(["a"]) == {"a"}


def test_those_of_another_machine_lapse_without_renewal(store, monkeypatch):
    there = Reservations(store)
    there._machine = "elsewhere"
    monkeypatch.setattr(module, "LAPSE", 0.5)
    monkeypatch.setattr(module, "RENEW", 0.05)
    with Reservations(store) as here, there:
        there.take(["a"])
        time.sleep(0.8)
        assert here.take(["a"]) == set()  # renewed
        there._over.set()
        there._thread.join()
        time.sleep(0.6)
        assert here.take(["a"]) == {"a"}


def test_a_process_number_used_again_is_another_process(store, monkeypatch):
    one = Reservations(store)
    one._row = lambda digest: (digest, one._owner, one._machine, os.getpid(), 0.0, time.time() + 60)
    one.take(["a"])
    with Reservations(store) as two:
        assert two.take(["a"]) == {"a"}
    one.__exit__()


def test_threads_share_out_the_runs(store):
    taken, lock = [], threading.Lock()

    def work():
        with Reservations(store) as mine:
            got = [digest for digest in map(str, range(40)) if mine.take([digest])]
            with lock:
                taken.extend(got)
            barrier.wait()

    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(map(str, range(40)))


def test_two_sweeps_on_one_store_train_each_run_once(tmp_path, monkeypatch):
    """Both want all; each trains what the other does not, and gets the rest from the store."""
    monkeypatch.setattr(work, "make_split", lambda *key: make_tiny_split())
    monkeypatch.setattr(sweeping, "LOOK_AGAIN", 0.05)
    trained, train = [], work.train

    def counting(configs, *arguments, **options):
        trained.extend(config.digest() for config in configs)
        time.sleep(0.2)
        return train(configs, *arguments, **options)

    monkeypatch.setattr(work, "train", counting)
    configs = [run_config(**TINY, input_noise=level / 10, seed=4) for level in range(8)]
    results = {}

    def sweep(name):
        store = RunStore(tmp_path / "runs.sqlite")
        results[name] = Sweep(store=store, backend=get_backend("auto"), together=2, quiet=True).run(configs)

    threads = [threading.Thread(target=sweep, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(trained) == sorted(config.digest() for config in configs)
    assert [repr(run) for run in results["a"]] == [repr(run) for run in results["b"]]
    assert [run.config for run in results["a"]] == configs
