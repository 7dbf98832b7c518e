"""Checkpoints: resuming continues bit for bit, and whatever is wrong with a file is told apart."""

import dataclasses
import os
import shutil

import numpy as np
import pytest
from conftest import TINY, make_tiny_split

from t1t2_pt import checkpoints, work
from t1t2_pt.backends import get_backend
from t1t2_pt.checkpoints import Checkpoint, Every, UnusableCheckpointError
from t1t2_pt.config import replace, run_config
from t1t2_pt.errors import InputError
from t1t2_pt.groups import Group
from t1t2_pt.interrupts import StopAskedError
from t1t2_pt.training import Snapshot, train
from t1t2_pt.work import Line, Splits, Work

CONFIGS = tuple(
    run_config(**{**TINY, "epochs": 6}, input_noise=level, seed=2, tune=("input_noise",), hyper_optimizer="adam")
    for level in (0.2, 0.6)
)
FIXED = tuple(replace(config, tune=()) for config in CONFIGS)
SNAPSHOT = Snapshot(
    3,
    {"weights_0": np.arange(12, dtype=np.float32).reshape(2, 3, 2), "l2": np.float32([0.1, np.nan])},
    [[{"epoch": 0.0, "l2": 0.1 + 0.2}, {"epoch": 1.0, "l2": float("nan")}], [{"epoch": 0.0}, {"epoch": 1.0}]],
)


def bits(trained) -> list:
    """All that is measured, to the last bit; times are not."""
    return [{k: np.float64(v).tobytes() for k, v in run.history.items() if k != "seconds"} for run in trained]


class StopAt:
    """Asks work to stop after so many epochs, and keeps what it says."""

    def __init__(self, epoch: int):
        self.left, self.said, self.steps = epoch, [], 0

    def line(self) -> Line:
        return Line(self.stop, self.advance, self.said.append)

    def stop(self) -> bool:
        self.left -= 1
        return self.left == 0

    def advance(self, steps: int) -> None:
        self.steps += steps


@pytest.fixture(autouse=True)
def tiny_data(monkeypatch):
    monkeypatch.setattr(work, "make_split", lambda *key: make_tiny_split())


def make(tmp_path, backend, configs=CONFIGS, like=CONFIGS[0], size=2, every=None) -> Work:
    return Work(Group(configs, like, size), backend.name, None, tmp_path / "kept", every or Every(seconds=1000))


@pytest.mark.parametrize(("configs", "size"), [(CONFIGS, 2), (FIXED, 3)], ids=["tuned", "fixed in a tuned program"])
def test_resuming_changes_no_bit(tmp_path, backend, configs, size):
    """Stopped after two epochs and after three more, on each backend."""
    whole = work.do(make(tmp_path / "whole", backend, configs, size=size), StopAt(0).line(), Splits(None))
    job, splits = make(tmp_path, backend, configs, size=size), Splits(None)
    for epochs in (2, 3):
        with pytest.raises(StopAskedError):
            work.do(job, StopAt(epochs).line(), splits)
        assert job.checkpoint.path.is_file()
    last = StopAt(0)
    resumed = work.do(job, last.line(), splits)
    assert bits(resumed) == bits(whole)
    assert last.steps == 2 * 6 * 6  # the checkpoint's epochs are told too
    assert last.said == []
    assert "resumed" not in resumed[0].provenance


def test_written_every_so_often(tmp_path, monkeypatch):
    backend = get_backend("auto")
    written = []
    monkeypatch.setattr(Checkpoint, "write", lambda self, snapshot, environment: written.append(snapshot.epoch))
    work.do(make(tmp_path, backend, every=Every(epochs=2)), StopAt(0).line(), Splits(None))
    assert written == [2, 4]  # after the last epoch the run is stored
    work.do(make(tmp_path, backend, every=Every(seconds=0)), StopAt(0).line(), Splits(None))
    assert written == [2, 4, 1, 2, 3, 4, 5]
    with pytest.raises(StopAskedError):
        work.do(make(tmp_path, backend, every=Every(never=True)), StopAt(2).line(), Splits(None))
    assert len(written) == 7


def test_another_environment_goes_on_and_is_told(tmp_path, monkeypatch):
    backend = get_backend("auto")
    job = make(tmp_path, backend)
    with pytest.raises(StopAskedError):
        work.do(job, StopAt(2).line(), Splits(None))
    here = work.environment
    monkeypatch.setattr(work, "environment", lambda backend: {**here(backend), "numpy": "9.9"})
    line = StopAt(0)
    run = work.do(job, line.line(), Splits(None))[0]
    assert "another environment" in line.said[0]
    assert run.provenance["resumed"].startswith("after epoch 2, which came from numpy")


class TestFile:
    @pytest.fixture
    def file(self, tmp_path):
        checkpoint = Checkpoint(tmp_path / "kept", CONFIGS, "jax")
        checkpoint.write(SNAPSHOT, {"backend": "jax"})
        return checkpoint

    def check(self, file, problem):
        with pytest.raises(UnusableCheckpointError, match=problem):
            file.read()

    def test_round_trip(self, file):
        snapshot, environment = file.read()
        assert environment == {"backend": "jax"}
        assert snapshot.epoch == 3
        assert repr(snapshot.histories) == repr(SNAPSHOT.histories)
        for name, array in SNAPSHOT.state.items():
            assert snapshot.state[name].tobytes() == array.tobytes()
            assert snapshot.state[name].dtype == array.dtype

    def test_numpy_opens_it_without_pickle(self, file):
        with np.load(file.path, allow_pickle=False) as archive:
            assert set(archive.files) == {"header", "state/weights_0", "state/l2"}

    def test_none(self, tmp_path):
        assert Checkpoint(tmp_path, CONFIGS, "jax").read() is None

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
    def test_cut_short(self, file, share):
        content = file.path.read_bytes()
        file.path.write_bytes(content[: int(share * len(content))])
        self.check(file, "was cut short")

    @pytest.mark.parametrize("place", [10, 0.5, 0.9])
    def test_altered(self, file, place):
        content = bytearray(file.path.read_bytes())
        content[int(place * len(content)) if place < 1 else place] ^= 4
        file.path.write_bytes(content)
        self.check(file, "was altered")

    def test_of_another_config_or_backend(self, file, tmp_path):
        other = Checkpoint(file.folder, CONFIGS[:1], "jax")
        other.path.write_bytes(file.path.read_bytes())
        self.check(other, "is of another config or backend")

    def test_newer(self, file, monkeypatch):
        monkeypatch.setattr(checkpoints, "FORMAT", 2)
        file.write(SNAPSHOT, {})
        monkeypatch.undo()
        self.check(file, r"another version of t1t2_pt \(format 2\)")

    def test_something_else(self, file):
        file.path.write_bytes(checkpoints._sealed({"a": np.zeros(3)}))
        self.check(file, "is not a checkpoint")

    def test_a_folder(self, file):
        file.path.unlink()
        file.path.mkdir()
        self.check(file, "cannot be read")

    def test_a_pipe(self, file):
        file.path.unlink()
        os.mkfifo(file.path)
        self.check(file, "cannot be read")

    def test_a_file_in_the_folders_place(self, file):
        shutil.rmtree(file.folder)
        file.folder.write_text("")
        with pytest.raises(InputError, match=r"checkpoint = .*kept': is not a folder; give --store another place"):
            file.read()
        file.discard()

    def test_compressed(self, file, monkeypatch):
        """Sealed as it should be, and no larger than it looks."""
        monkeypatch.setattr(checkpoints.np, "savez", lambda stream, allow_pickle, **a: np.savez_compressed(stream, **a))
        file.write(dataclasses.replace(SNAPSHOT, state={"l2": np.zeros(1 << 20)}), {})
        monkeypatch.undo()
        self.check(file, r"is not a checkpoint \(it is compressed\)")

    def test_discard_takes_leftovers_along(self, file):
        left = file.folder / f".{file.path.stem}-abc.npz"
        other = file.folder / ".other-abc.npz"
        left.touch(), other.touch()
        file.discard()
        assert list(file.folder.iterdir()) == [other]
        file.discard()


def test_unusable_checkpoint_is_told_and_the_runs_start_again(tmp_path):
    backend = get_backend("auto")
    whole = work.do(make(tmp_path / "whole", backend), StopAt(0).line(), Splits(None))
    job = make(tmp_path, backend)
    job.checkpoints.mkdir()
    job.checkpoint.path.write_bytes(b"nothing of use")
    line = StopAt(0)
    assert bits(work.do(job, line.line(), Splits(None))) == bits(whole)
    assert len(line.said) == 1
    assert "was cut short; its runs start again" in line.said[0]


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("5", Every(epochs=5)),
        ("30s", Every(seconds=30)),
        ("5m", Every(seconds=300)),
        ("1h", Every(seconds=3600)),
        ("none", Every(never=True)),
    ],
)
def test_every(text, every):
    assert Every.read(text) == every


@pytest.mark.parametrize("text", ["", "0", "-1", "5 m", "m", "1.5h", "often", "5d", "1" * 30])
def test_every_refuses(text):
    with pytest.raises(InputError, match=r"--checkpoint-every = .*; give a number of epochs"):
        Every.read(text)


def test_a_group_whose_runs_all_diverged_ends_early():
    backend = get_backend("auto")
    config = replace(FIXED[0], epochs=30, learning_rate=1e38, optimizer="sgd", gradient_norm=None, batch_norm=False)
    (run,) = train([config], make_tiny_split(), backend)
    assert run.diverged_at in (1, 2)
    assert run.reason.startswith("train_cost was ")
    assert len(run.history["epoch"]) == run.diverged_at + 1
    assert "test_cost" in run.history
