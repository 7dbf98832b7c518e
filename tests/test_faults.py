"""Sweeps that are stopped, killed, starved of disk or given bad files lose nothing and say what is wrong."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import faults
import numpy as np
import pytest
from conftest import ROOT

from t1t2_pt.runs.exchange import read_runs
from t1t2_pt.runs.store import RunStore
from t1t2_pt.system.errors import InputError

pytestmark = pytest.mark.xdist_group("sweep")
SCRIPT = [sys.executable, str(ROOT / "tests" / "faults.py")]


def command(store: Path, runs=6, epochs=8, pause=0.0, *options) -> list[str]:
    return [*SCRIPT, str(runs), str(epochs), str(pause), "--store", str(store), *options]


def run(store: Path, *arguments, **options) -> subprocess.CompletedProcess:
    return ask(command(store, *arguments), **options)


def ask(arguments: list[str], **options) -> subprocess.CompletedProcess:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False, **options)


def start(store: Path, *arguments) -> subprocess.Popen:
    process = subprocess.Popen(command(store, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()  # imports are done
    return process


def content(path: Path) -> dict[str, list]:
    """All that the store holds, to the last bit, but times, and the cores that were left to whoever trained it."""
    found = {}
    for one in RunStore(path).all():
        history = {k: np.float64(v).tobytes() for k, v in one.history.items() if k != "seconds"}
        final = {k: np.float64(v).tobytes() for k, v in one.final.items() if k != "seconds"}
        made_by = {name: text for name, text in one.provenance.items() if name != "cores"}
        found[one.digest] = [one.status, history, final, made_by]
    return found


def checkpoints(store: Path) -> list[Path]:
    folder = store.with_name(store.name + ".checkpoints")
    return sorted(folder.glob("*.npz")) if folder.is_dir() else []


def wait_for(condition, process, seconds=120) -> None:
    """Until the condition holds, while the process lives."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


class TestSignals:
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_first_stops_with_checkpoints(self, tmp_path, undisturbed, number, code):
        store = tmp_path / "runs.sqlite"
        process = start(store, 6, 8, 0.3, "--checkpoint-every", "1")
        wait_for(lambda: checkpoints(store), process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == code
        assert "stopping after the current epoch, with a checkpoint" in errors
        assert "run it again to go on" in errors.splitlines()[-1]
        assert str(store) in errors.splitlines()[-1]
        assert "Traceback" not in errors
        assert checkpoints(store)
        answer = run(store)
        assert answer.returncode == 0, answer.stderr
        assert content(store) == undisturbed
        assert checkpoints(store) == []

    def test_stopping_writes_a_checkpoint_though_none_was_due(self, tmp_path):
        """And though the terminal is gone, of which SIGHUP tells."""
        store = tmp_path / "runs.sqlite"
        process = start(store, 6, 50, 0.3)
        assert process.stdout.readline() == "epoch\n"
        assert checkpoints(store) == []
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
        assert process.returncode == 129
        assert checkpoints(store)

    @pytest.mark.parametrize("signals", [1, 2])
    def test_when_nobody_listens_any_more(self, tmp_path, signals):
        """As in `t1t2 ... 2>&1 | tee`, where Ctrl-C ends tee first: the same checkpoint, and the second at once."""
        store = tmp_path / "runs.sqlite"
        reader, writer = os.pipe()
        with subprocess.Popen(
            command(store, 6, 50, 0.3 if signals == 1 else 20.0), stdout=writer, stderr=writer
        ) as process:
            os.close(writer)
            with open(reader) as stream:
                assert "epoch\n" in stream
            for _ in range(signals):
                process.send_signal(signal.SIGINT)
                time.sleep(0.5)
            assert process.wait(timeout=10 if signals == 2 else 60) == 130
        assert bool(checkpoints(store)) == (signals == 1)

    def test_second_stops_at_once(self, tmp_path, undisturbed):
        store = tmp_path / "runs.sqlite"
        process = start(store, 6, 8, 20.0)
        assert process.stdout.readline() == "epoch\n"
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 143
        assert "stopped at once" in errors
        assert run(store).returncode == 0
        assert content(store) == undisturbed


def kill_until_done(store: Path, kills: int, epochs: int, runs: int, pause: float, seed=0) -> int:
    """Kill the sweep so many times at random moments while it trains, then let it end; kills that left a checkpoint."""
    moments, left, done = random.Random(seed), 0, 0
    while done < kills:
        process = start(store, runs, epochs, pause, "--checkpoint-every", "1", "--quiet")
        before = written(store)
        wait_for(lambda before=before: written(store) != before, process)
        time.sleep(moments.uniform(0, 1.5 * pause))
        process.kill()
        process.communicate()
        if process.returncode == 0:
            break  # it had ended
        done += 1
        left += bool(checkpoints(store))
    answer = run(store, runs, epochs, 0.0, "--checkpoint-every", "1")
    assert answer.returncode == 0, answer.stderr
    assert done == kills, f"the sweep ended after {done} kills"
    return left


def written(store: Path) -> list[tuple[Path, int]]:
    """Which checkpoints there are, and when each was written."""
    found = []
    for path in checkpoints(store):
        with contextlib.suppress(FileNotFoundError):  # discarded while we look
            found.append((path, path.stat().st_mtime_ns))
    return found


def test_killed_sweeps_end_with_the_same_store(tmp_path, undisturbed):
    store = tmp_path / "runs.sqlite"
    kill_until_done(store, 3, 8, 6, 0.2)
    assert content(store) == undisturbed
    assert [path.name for path in tmp_path.glob("runs.sqlite.checkpoints/*")] == []


@pytest.mark.slow
def test_fifty_kills(tmp_path):
    whole, store = tmp_path / "whole.sqlite", tmp_path / "runs.sqlite"
    assert run(whole, 24, 60).returncode == 0
    left = kill_until_done(store, 50, 60, 24, 0.1)
    print(f"50 kills, {left} of which left a checkpoint")
    assert content(store) == content(whole)
    assert list(tmp_path.glob("runs.sqlite.checkpoints/*")) == []


class TestDiskFull:
    """A limit on the size of files stands for a full disk; `test_small_disk` fills a real one."""

    @staticmethod
    def limited(arguments, kibibytes):
        """The same command, none of whose files may become larger."""
        return ["bash", "-c", f'ulimit -f {kibibytes}; exec "$@"', "limited", *arguments]

    def told_in_one_line(self, answer):
        assert answer.returncode == 2, answer.stderr
        lines = [line for line in answer.stderr.splitlines() if line.startswith("faults: ")]
        assert len(lines) == 1
        assert "Traceback" not in answer.stderr
        return lines[0]

    def test_store(self, tmp_path, undisturbed):
        store = tmp_path / "runs.sqlite"
        assert run(store, 2).returncode == 0
        before = content(store)
        answer = ask(self.limited(command(store), store.stat().st_size // 1024 - 1))
        assert "cannot be written" in self.told_in_one_line(answer)
        assert content(store) == before
        assert run(store).returncode == 0
        assert set(content(store)) >= set(undisturbed)

    @pytest.mark.slow
    def test_checkpoint(self, tmp_path):
        """Of a network so wide that its checkpoint is larger than the store."""
        store, whole = tmp_path / "runs.sqlite", tmp_path / "whole.sqlite"
        wide = ("--width", "200", "--checkpoint-every", "1")
        assert run(whole, 6, 8, 0.0, *wide).returncode == 0
        process = start(store, 6, 8, 0.3, *wide)
        wait_for(lambda: checkpoints(store), process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        kept = {path: path.read_bytes() for path in checkpoints(store)}
        assert kept
        answer = ask(self.limited(command(store, 6, 8, 0.0, *wide), whole.stat().st_size // 1024 + 20))
        told = self.told_in_one_line(answer)
        assert told.startswith(f"faults: file = '{store}.checkpoints/")
        assert "cannot be written" in told
        assert {path: path.read_bytes() for path in checkpoints(store)} == kept
        assert not list(store.with_name(store.name + ".checkpoints").glob(".*"))
        assert run(store, 6, 8, 0.0, *wide).returncode == 0
        assert content(store) == content(whole)

    @pytest.mark.slow
    def test_figure(self, tmp_path):
        """Drawn from a full store onto a disk that has no room for the picture."""
        store, out = tmp_path / "runs.sqlite", tmp_path / "out"
        RunStore(store).put(read_runs(ROOT / "data" / "results" / "quick.jsonl.gz"))
        script = [sys.executable, str(ROOT / "reproduce" / "fig7.py"), "--store", str(store), "--out", str(out)]
        assert ask(script).returncode == 0
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        answer = ask(self.limited(script, 100))
        assert answer.returncode == 2
        lines = [line for line in answer.stderr.splitlines() if not line.endswith("to train on jax")]
        assert len(lines) == 1, answer.stderr
        assert lines[0].startswith(f"fig7: file = '{out}/fig7.p")
        assert "cannot be written (File too large); make room" in lines[0]
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
        assert ask(script).returncode == 0

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
    def test_small_disk(self, tmp_path, undisturbed):
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "small", str(disk)], check=False)
        if mount.returncode:
            pytest.skip("mount is not allowed here")
        try:
            store = disk / "runs.sqlite"
            ballast = disk / "ballast"
            assert run(store, 2).returncode == 0
            before = content(store)
            with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
                while file.write(b"\0" * 1024):
                    pass
            answer = run(store)
            assert "full" in self.told_in_one_line(answer)
            assert content(store) == before
            ballast.unlink()
            assert run(store).returncode == 0
            assert set(content(store)) >= set(undisturbed)
        finally:
            subprocess.run(["umount", str(disk)], check=False)


class TestReadOnly:
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else for a moment")
    def test_full_store_is_read_and_an_unfinished_one_is_told(self, undisturbed):
        """As a user who may write neither the store nor its folder."""
        import tempfile

        with tempfile.TemporaryDirectory(dir="/tmp") as name:
            folder = Path(name)
            store = folder / "runs.sqlite"
            assert run(store, 2).returncode == 0
            store.chmod(0o444)
            folder.chmod(0o555)
            os.seteuid(65534)
            try:
                found = RunStore(store).get_all(faults.configs(6, 8))
                assert len(found) == 2
                with pytest.raises(Exception, match="is read-only; give a file that you can write to"):
                    RunStore(store).put(found.values())
            finally:
                os.seteuid(0)
                folder.chmod(0o755)


class TestBrokenStores:
    """Told when the store is opened or read, which every command does before anything else."""

    @pytest.fixture
    def store(self, tmp_path):
        path = tmp_path / "runs.sqlite"
        RunStore(path).put(read_runs(ROOT / "data" / "results" / "quick.jsonl.gz")[:8])
        return path

    def change(self, store, statement):
        with contextlib.closing(sqlite3.connect(store)) as connection, connection:
            connection.execute(statement)

    def told(self, store, problem):
        before = store.read_bytes()
        with pytest.raises(InputError, match=f"store = .*: {problem}.*; give another file by --store"):
            RunStore(store).all()
        assert store.read_bytes() == before

    def test_pages_overwritten(self, store):
        content = bytearray(store.read_bytes())
        for page in range(1, len(content) // 4096):
            content[4096 * page : 4096 * page + 200] = b"\xff" * 200
        store.write_bytes(content)
        self.told(store, "is damaged")

    def test_a_run_altered(self, store):
        self.change(store, "UPDATE runs SET config = replace(config, '\"batch_size\": 100', '\"batch_size\": 99')")
        self.told(store, "is damaged: run")

    def test_a_history_of_something_else(self, store):
        self.change(store, "UPDATE runs SET history = '[1, 2]'")
        self.told(store, "is damaged: run .* cannot be read .its history is something else")


def stop_between_transactions(store: Path, process: subprocess.Popen) -> None:
    """Let a process stand still; not while it holds the store's lock, which others would wait for."""
    while True:
        process.send_signal(signal.SIGSTOP)
        connection = sqlite3.connect(store, timeout=0, isolation_level=None)
        with contextlib.closing(connection), contextlib.suppress(sqlite3.OperationalError):
            connection.execute("BEGIN EXCLUSIVE")
            return
        process.send_signal(signal.SIGCONT)


@pytest.mark.slow
def test_a_process_that_stood_still_leaves_what_was_taken_over(tmp_path, undisturbed):
    """Stopped while it trains (SIGSTOP, a suspended machine) until another one has taken its runs and ended."""
    store = tmp_path / "runs.sqlite"
    options = ("--lapse", "4", "--checkpoint-every", "1")
    still = start(store, 6, 8, 0.2, *options)
    wait_for(lambda: checkpoints(store), still)
    stop_between_transactions(store, still)
    try:
        answer = run(store, 6, 8, 0.0, *options)
        assert answer.returncode == 0, answer.stderr
        stored = {one.digest: one.finished for one in RunStore(store).all()}
        assert content(store) == undisturbed
        time.sleep(1.1)  # the times of what is stored are whole seconds
    finally:
        still.send_signal(signal.SIGCONT)
    _, errors = still.communicate(timeout=60)
    assert still.returncode == 0, errors
    assert "took over" in errors
    assert "Traceback" not in errors
    assert {one.digest: one.finished for one in RunStore(store).all()} == stored
    assert content(store) == undisturbed
    assert list(tmp_path.glob("runs.sqlite.checkpoints/*")) == []


def test_two_processes_share_a_store(tmp_path, whole, undisturbed):
    """Each run is trained by one of them; both end well."""
    store, epochs = tmp_path / "runs.sqlite", 0
    processes = [start(store, 6, 8, 0.1) for _ in range(2)]
    for process in processes:
        said, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
        epochs += said.count("epoch")
    assert content(store) == undisturbed
    assert epochs == whole[1].count("epoch") > 0
