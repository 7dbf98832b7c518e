"""Reservations: two processes on one store never train the same run, and the dead hold nothing."""

import dataclasses
import os
import platform
import subprocess
import sys
import threading
import time

import psutil
import pytest
from conftest import TINY, make_tiny_split
from invented import CONFIG, make_run

from t1t2_pt.backends import get_backend
from t1t2_pt.config import run_config
from t1t2_pt.runs import reservations as module
from t1t2_pt.runs.reservations import LAPSE, Reservations
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps import sweep as sweeping
from t1t2_pt.sweeps import work
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.system.processes import Process

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
from t1t2_pt.runs.reservations import Reservations
from t1t2_pt.runs.store import RunStore
Reservations(RunStore(Path(sys.argv[1]))).take(["a"])
os._exit(9)
"""


def test_those_of_a_dead_process_lapse_at_once(store):
    assert subprocess.run([sys.executable, "-c", DIES, str(store.path)], check=False).returncode == 9
    with Reservations(store) as here:
        assert here.take(["a"]) == {"a"}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def elsewhere(store):
    """A process of another machine, which renews nothing by itself."""
    there = Reservations(store)
    there._process = Process("elsewhere", os.getpid(), 1.0)
    yield there
    there.__exit__()


def looks_until_free(here, clock, digest="a", step=module.RENEW) -> float:
    """Seconds of the observer's clock until it takes a reservation, looking every so often."""
    start = clock.now
    while here.take([digest]) == set():
        clock.now += step
        assert clock.now - start < 1000
    return clock.now - start


def test_a_process_renews_its_own(store, monkeypatch):
    monkeypatch.setattr(module, "RENEW", 0.01)
    with Reservations(store) as here:
        here.take(["a"])
        seen = set()
        while len(seen) < 3:
            seen |= {*store.rows("reservations", ("until",), ["a"])}


class TestLapse:
    def test_without_renewal(self, store, elsewhere):
        clock = Clock()
        with Reservations(store, clock) as here:
            elsewhere.take(["a"])
            for _ in range(20):
                assert here.take(["a"]) == set()
                elsewhere._renew()
                clock.now += LAPSE - 1
            assert looks_until_free(here, clock) == LAPSE

    @pytest.mark.parametrize("ahead", [60, -60, 3600, -3600, 1])
    def test_clocks_of_others_do_not_count(self, store, elsewhere, monkeypatch, ahead):
        """One that is ahead takes nothing from the living, and holds nothing for the dead."""
        clock, real = Clock(), time.time
        with Reservations(store, clock) as here:
            monkeypatch.setattr(module.time, "time", lambda: real() + ahead)
            elsewhere.take(["a"])
            monkeypatch.setattr(module.time, "time", real)
            assert here.take(["a"]) == set()
            monkeypatch.setattr(module.time, "time", lambda: real() + ahead)
            elsewhere._renew()
            monkeypatch.setattr(module.time, "time", real)
            clock.now += LAPSE
            assert looks_until_free(here, clock) == LAPSE

    def test_a_clock_that_stands_still_is_renewed_all_the_same(self, store, elsewhere, monkeypatch):
        monkeypatch.setattr(module.time, "time", lambda: 1e9)
        clock = Clock()
        with Reservations(store, clock) as here:
            elsewhere.take(["a"])
            for _ in range(10):
                assert here.take(["a"]) == set()
                elsewhere._renew()
                clock.now += LAPSE - 1

    def test_a_clock_that_is_set_leaves_the_living_alone(self, store, monkeypatch):
        """What a process started at is counted in seconds of the clock by some, which may be set."""
        started = psutil.Process.create_time
        with Reservations(store) as one, Reservations(store) as two:
            one.take(["a"])
            monkeypatch.setattr(psutil.Process, "create_time", lambda self: started(self) + 2)
            assert two.take(["a"]) == set()

    def test_who_was_stopped_together_has_time_to_renew(self, store, elsewhere):
        """A machine is suspended with both processes: an hour between two looks is no hour of silence."""
        clock = Clock()
        with Reservations(store, clock) as here:
            elsewhere.take(["a"])
            assert here.take(["a"]) == set()
            clock.now += 3600
            assert here.take(["a"]) == set()
            assert looks_until_free(here, clock) == LAPSE - module.RENEW


def test_a_process_number_used_again_is_another_process(store):
    one = Reservations(store)
    one._process = dataclasses.replace(one._process, started=1.0)
    one.take(["a"])
    with Reservations(store) as two:
        assert two.take(["a"]) == {"a"}
    one.__exit__()


class TestTakenOver:
    """One stood still for long; another one has taken its runs."""

    @pytest.fixture
    def both(self, store, elsewhere):
        clock = Clock()
        with Reservations(store, clock) as here:
            elsewhere.take([CONFIG.digest(), "b"])
            looks_until_free(here, clock, CONFIG.digest())
            yield elsewhere, here

    def test_nothing_is_stored_over_the_others(self, both, store):
        still, new = both
        mine, its = make_run(), make_run()
        mine.provenance["data"], its.provenance["data"] = "of the one that stood still", "of the new one"
        assert still.put([mine]) == []
        assert store.all() == []
        assert new.put([its]) == [its]
        assert still.put([mine]) == []
        assert [run.provenance["data"] for run in store.all()] == ["of the new one"]

    def test_it_is_noticed(self, both):
        still, new = both
        assert not still.lost([CONFIG.digest()])
        still._renew()
        assert still.lost([CONFIG.digest()])
        assert not still.lost([CONFIG.digest(), "b"])
        assert still.held([CONFIG.digest(), "b"]) == {"b"}
        assert new.take([CONFIG.digest()]) == {CONFIG.digest()}
        assert new.held([CONFIG.digest(), "b"]) == {CONFIG.digest()}

    def test_it_is_not_given_up_for_the_other(self, both):
        still, new = both
        still.release([CONFIG.digest()])
        assert new.held([CONFIG.digest()]) == {CONFIG.digest()}


class TestVersion01:
    """Its table is the same; it named a process by the machine's name and by seconds of a clock."""

    @pytest.fixture
    def row(self, store):
        store.put([make_run()])
        with store.writing() as connection:
            connection.execute(module._TABLE)
            row = ("a", "of version 0.1", platform.node(), os.getpid(), psutil.Process().create_time(), 0.0)
            connection.execute("INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?)", row)

    def test_its_reservations_hold_while_they_are_renewed(self, store, row):
        clock = Clock()
        with Reservations(store, clock) as here:
            for until in range(10):
                assert here.take(["a"]) == set()
                with store.writing() as connection:
                    connection.execute("UPDATE reservations SET until = ? WHERE digest = 'a'", (until,))
                clock.now += LAPSE - 1
            assert looks_until_free(here, clock) == LAPSE

    def test_it_reads_ours(self, store):
        """As a living process of another machine."""
        with Reservations(store) as here:
            here.take(["a"])
            with store.writing() as connection:
                _, _, machine, process, started, until = connection.execute("SELECT * FROM reservations").fetchone()
        assert machine != platform.node()
        assert (type(process), type(started)) == (int, float)
        assert until - time.time() == pytest.approx(LAPSE, abs=30)


def test_looking_takes_no_lock(store):
    """Many who wait do not keep each other from writing."""
    with Reservations(store) as one, Reservations(store) as two:
        one.take(["a"])
        with store.writing():
            assert two.take(["a"]) == set()


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
    configs = [run_config(**TINY, input_noise=level / 10, seed=4).canonical for level in range(8)]
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
