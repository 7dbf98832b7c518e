"""Who is dead: only who is known to be, of this place."""

import dataclasses
import os
import subprocess
import sys

import pytest

from t1t2_pt.system import processes
from t1t2_pt.system.processes import Process, is_dead, this_process

SLEEPS = [sys.executable, "-c", "print(flush=True); input()"]

with_proc = pytest.mark.skipif(not processes._spaces(), reason="needs /proc of this namespace")


def test_this_one_lives():
    assert this_process().number == os.getpid()
    assert not is_dead(this_process())


@with_proc
def test_the_dead_are_dead():
    """Killed and not waited for yet, and gone."""
    with subprocess.Popen(SLEEPS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        _, started = processes._state_and_start(process.pid)
        other = dataclasses.replace(this_process(), number=process.pid, started=started)
        assert not is_dead(other)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(other)
        process.wait()
        assert is_dead(other)


@with_proc
def test_a_number_used_again_is_another_process():
    here = this_process()
    assert is_dead(dataclasses.replace(here, started=here.started - 1))


@with_proc
def test_nobody_of_another_place_is_dead():
    """Of another machine, another boot, or another namespace of process numbers."""
    here = this_process()
    for part in here.place.split():
        assert not is_dead(dataclasses.replace(here, place=here.place.replace(part, "other"), started=0.0))


@pytest.mark.parametrize("self", [None, "4000000"], ids=["no /proc", "that of another namespace"])
def test_where_the_place_is_not_known_nobody_is_dead(tmp_path, monkeypatch, self):
    if self:
        (tmp_path / "self").symlink_to(self)
    monkeypatch.setattr(processes, "PROC", tmp_path)
    here = this_process()
    assert here.place == processes.platform.node()
    assert not is_dead(here)
    assert not is_dead(Process(here.place, 4_000_000, 1.0))


@with_proc
@pytest.mark.parametrize("number", [10**30, "one", None])
def test_whatever_the_table_holds(number):
    """A table that another program wrote into."""
    assert not is_dead(dataclasses.replace(this_process(), number=number))
