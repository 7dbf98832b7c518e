"""Checkpoints: resuming continues bit for bit, and where nothing can be gone on from the runs start again."""

import numpy as np
import pytest
from conftest import each_backend, make_tiny_split
from test_checkpoint_files import CONFIGS, put, resealed, snapshot_of

from t1t2_pt.backends import get_backend
from t1t2_pt.config import replace
from t1t2_pt.runs.checkpoints import Checkpoint, Every
from t1t2_pt.sweeps import work
from t1t2_pt.sweeps.groups import Group
from t1t2_pt.sweeps.work import Callbacks, Splits, Work
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.interrupts import StopAskedError
from t1t2_pt.training.loop import train

FIXED = tuple(replace(config, tune=()) for config in CONFIGS)


def bits(trained) -> list:
    """All that is measured, to the last bit; times are not."""
    return [{k: np.float64(v).tobytes() for k, v in run.history.items() if k != "seconds"} for run in trained]


class StopAt:
    """Asks work to stop after so many epochs, and keeps what it says."""

    def __init__(self, epoch: int):
        self.left, self.said, self.steps = epoch, [], 0

    def line(self) -> Callbacks:
        return Callbacks(self.stop, self.advance, self.said.append)

    def stop(self) -> bool:
        self.left -= 1
        return self.left == 0

    def advance(self, steps: int) -> None:
        self.steps += steps


@pytest.fixture(autouse=True)
def tiny_data(monkeypatch):
    monkeypatch.setattr(work, "make_split", lambda *key: make_tiny_split())


def make(tmp_path, backend, configs=CONFIGS, like=CONFIGS[0], size=2, every=None) -> Work:
    group = Group(configs, like, size, configs)
    return Work(group, backend.name, None, tmp_path / "kept", every or Every(seconds=1000))


@pytest.mark.parametrize("backend", each_backend(slow=["numba"]), indirect=True)
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


def test_unusable_checkpoint_is_told_and_the_runs_start_again(tmp_path):
    backend = get_backend("auto")
    whole = work.do(make(tmp_path / "whole", backend), StopAt(0).line(), Splits(None))
    job = make(tmp_path, backend)
    job.checkpoints.mkdir()
    job.checkpoint.path.write_bytes(b"nothing of use")
    line = StopAt(0)
    assert bits(work.do(job, line.line(), Splits(None))) == bits(whole)
    assert len(line.said) == 1
    assert line.said[0] == f"checkpoint {job.checkpoint.path}: was cut short; its runs start again"


def test_a_checkpoint_that_does_not_fit_is_told_and_the_runs_start_again(tmp_path):
    """Though its checksum is right."""
    backend = get_backend("auto")
    job = make(tmp_path, backend)
    job.checkpoint.write(snapshot_of(3), {})
    resealed(job.checkpoint, put("epoch", lambda epoch: 99))
    line = StopAt(0)
    assert [len(run.history["epoch"]) for run in work.do(job, line.line(), Splits(None))] == [7, 7]
    assert line.said == [f"checkpoint {job.checkpoint.path}: does not fit: its epoch is 99 of 6; its runs start again"]


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
