"""The files of checkpoints: what is written comes back, and whatever is wrong with one is told apart."""

import hashlib
import io
import json
import os
import shutil
import sys
import zipfile

import numpy as np
import pytest
from conftest import TINY, make_tiny_split

from t1t2_pt.config import replace, run_config
from t1t2_pt.runs import checkpoints
from t1t2_pt.runs.checkpoints import Checkpoint, UnusableCheckpointError
from t1t2_pt.steps.columns import EVALUATION, epoch_columns, first_columns
from t1t2_pt.system import sealing
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.files import replacing
from t1t2_pt.training.loop import initial_snapshot
from t1t2_pt.training.snapshots import Snapshot

CONFIGS = tuple(
    run_config(**{**TINY, "epochs": 6}, input_noise=level, seed=2, tune=("input_noise",), hyper_optimizer="adam")
    for level in (0.2, 0.6)
)
INITIAL = initial_snapshot(CONFIGS, make_tiny_split(), CONFIGS[0])


def snapshot_of(epoch: int, initial: Snapshot = INITIAL, config=CONFIGS[0]) -> Snapshot:
    """What a checkpoint after this epoch could hold, invented."""
    rng = np.random.default_rng(epoch)
    state = {name: rng.standard_normal(array.shape).astype(array.dtype) for name, array in initial.state.items()}
    histories = initial.histories.copy()
    for _ in range(epoch):
        names = [*first_columns(config)[1:], *epoch_columns(config), *EVALUATION]
        histories.append([dict(zip(names, rng.standard_normal(len(names)), strict=True)) for _ in histories.values])
    return Snapshot(epoch, state, histories)


SNAPSHOT = snapshot_of(3)
SNAPSHOT.histories.values[1, 2, 0] = SNAPSHOT.state["bias_0"][1, 0] = np.nan


class TestFile:
    @pytest.fixture
    def file(self, tmp_path):
        checkpoint = Checkpoint(tmp_path / "kept", CONFIGS, CONFIGS, "jax")
        checkpoint.write(SNAPSHOT, {"backend": "jax"})
        return checkpoint

    def check(self, file, problem):
        with pytest.raises(UnusableCheckpointError, match=problem):
            file.read(INITIAL)

    def test_round_trip(self, file):
        snapshot, environment = file.read(INITIAL)
        assert environment == {"backend": "jax"}
        assert snapshot.epoch == 3
        assert snapshot.histories.names == SNAPSHOT.histories.names
        assert snapshot.histories.values.tobytes() == SNAPSHOT.histories.values.tobytes()
        assert snapshot.histories.measured.tobytes() == SNAPSHOT.histories.measured.tobytes()
        for name, array in SNAPSHOT.state.items():
            assert snapshot.state[name].tobytes() == array.tobytes()
            assert snapshot.state[name].dtype == array.dtype

    def test_numpy_opens_it_without_pickle(self, file):
        with np.load(file.path, allow_pickle=False) as archive:
            assert set(archive.files) == {"header", "history", "measured", *(f"state/{name}" for name in INITIAL.state)}

    def test_a_pipe(self, file):
        file.path.unlink()
        os.mkfifo(file.path)
        self.check(file, "cannot be read")
        assert list(checkpoints.readable(file.folder)) == []

    def test_a_file_in_the_folders_place(self, file):
        shutil.rmtree(file.folder)
        file.folder.write_text("")
        with pytest.raises(InputError, match=r"checkpoint = .*kept': is not a folder; give --store another place"):
            file.read(INITIAL)
        file.discard()

    def test_compressed(self, file, monkeypatch):
        """Sealed as it should be, and no larger than it looks."""
        monkeypatch.setattr(sealing.np, "savez", lambda stream, allow_pickle, **a: np.savez_compressed(stream, **a))
        file.write(SNAPSHOT, {})
        monkeypatch.undo()
        self.check(file, r"is not a checkpoint \(it is compressed\)")

    def test_none(self, tmp_path):
        assert Checkpoint(tmp_path, CONFIGS, CONFIGS, "jax").read(INITIAL) is None

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
        other = Checkpoint(file.folder, CONFIGS[:1], CONFIGS[:1], "jax")
        other.path.write_bytes(file.path.read_bytes())
        file.discard()
        self.check(other, "is of another config or backend")

    def test_newer(self, file, monkeypatch):
        monkeypatch.setattr(checkpoints, "FORMAT", 3)
        file.write(SNAPSHOT, {})
        monkeypatch.undo()
        self.check(file, r"another version of t1t2_pt \(format 3\)")

    def test_something_else(self, file):
        file.path.write_bytes(checkpoints._sealed({"a": np.zeros(3)}))
        self.check(file, "is not a checkpoint")

    def test_a_folder(self, file):
        file.path.unlink()
        file.path.mkdir()
        self.check(file, "cannot be read")

    def test_discard_takes_leftovers_along(self, file):
        left = file.folder / f".{file.path.stem}-abc.npz"
        other = file.folder / ".other-abc.npz"
        left.touch(), other.touch()
        file.discard()
        assert list(file.folder.iterdir()) == [other]
        file.discard()

    def test_what_is_half_written_is_known_as_such(self, file):
        """By its name, by which it can be removed when its process has died, and is never read."""
        with replacing(file.path) as beside:
            assert beside in file.files()
            file.discard()
            assert not beside.exists()
            beside.write_bytes(b"")
            assert file.read(INITIAL) is None


class TestFilesOfOthers:
    """Each process writes a file of its own."""

    @staticmethod
    def of(tmp_path, owner, runs=CONFIGS, superseded=()):
        return Checkpoint(tmp_path, CONFIGS, runs, "jax", owner=owner, superseded=superseded)

    def test_the_furthest_is_gone_on_from(self, tmp_path):
        for owner, epoch in (("one", 2), ("two", 4), ("three", 3)):
            self.of(tmp_path, owner).write(snapshot_of(epoch), {})
        self.of(tmp_path, "four").path.write_bytes(b"nothing of use")
        assert self.of(tmp_path, "five").read(INITIAL)[0].epoch == 4

    def test_some_of_its_runs_are_found(self, tmp_path):
        self.of(tmp_path, "one").write(SNAPSHOT, {})
        snapshot, _ = self.of(tmp_path, "two", CONFIGS[1:]).read(INITIAL.of_runs([1]))
        assert len(snapshot.histories.values) == 1
        assert snapshot.histories.values[0].tobytes() == SNAPSHOT.histories.values[1].tobytes()
        for name, array in SNAPSHOT.state.items():
            assert snapshot.state[name].tobytes() == array[1:].tobytes()

    def test_others_of_the_group_are_not_mixed_up(self, tmp_path):
        self.of(tmp_path, "one", CONFIGS[:1]).write(SNAPSHOT.of_runs([0]), {})
        assert self.of(tmp_path, "one", CONFIGS[1:]).read(INITIAL.of_runs([1])) is None
        assert self.of(tmp_path, "one").read(INITIAL) is None

    def test_what_is_superseded_goes_with_the_first_that_is_written(self, tmp_path):
        """And not before, nor what came later."""
        one = self.of(tmp_path, "one")
        one.write(SNAPSHOT, {})
        two = self.of(tmp_path, "two", superseded=(one.path,))
        two.read(INITIAL)
        assert one.path.is_file()
        two.write(SNAPSHOT, {})
        three = self.of(tmp_path, "three")
        three.write(SNAPSHOT, {})
        two.write(SNAPSHOT, {})
        assert {*tmp_path.iterdir()} == {two.path, three.path}
        two.discard()
        assert {*tmp_path.iterdir()} == {three.path}


def resealed(file: Checkpoint, change) -> None:
    """Put a changed checkpoint into the place of another, with a right checksum."""
    header, arrays = checkpoints._opened(file.path.read_bytes())
    change(header, arrays)
    if "header" not in arrays:
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    file.path.write_bytes(checkpoints._sealed(arrays))


def put(name, value):
    """Put something else into the header, or make another array of one."""

    def change(header, arrays):
        if name in arrays:
            arrays[name] = value(arrays[name])
        else:
            header[name] = value(header[name])

    return change


def only_header(content: bytes):
    return lambda header, arrays: arrays.update(header=np.frombuffer(content, np.uint8))


# Whole and sealed, and not of these runs as this program trains them: each is told, none is gone on from.
MISFITS = {
    "an array is missing": (lambda header, arrays: arrays.pop("state/bias_0"), "other arrays .bias_0"),
    "an array too many": (lambda header, arrays: arrays.update({"state/x": arrays["state/bias_0"]}), "other arrays .x"),
    "no state": (lambda header, arrays: [arrays.pop(n) for n in [*arrays] if n.startswith("state")], "other arrays"),
    "another shape": (put("state/weights_0", lambda a: a[:, :-1]), r"weights_0 is float32 \[2, 11, 6\] where"),
    "another type": (put("state/weights_0", lambda a: a.astype(np.float64)), "weights_0 is float64"),
    "whole numbers": (put("state/weights_0", lambda a: a.astype(np.int32)), "weights_0 is int32"),
    "text": (put("state/weights_0", lambda a: np.full(a.shape, "x")), "weights_0 is <U1"),
    "a number for an array": (put("state/bias_0", lambda a: np.float32(1)), "is not a checkpoint"),
    "fewer runs in an array": (put("state/bias_0", lambda a: a[:1]), "another number of runs"),
    "more runs in all": (
        lambda header, arrays: arrays.update({n: np.repeat(a, 2, 0) for n, a in arrays.items() if n != "measured"}),
        "another number of runs",
    ),
    "more runs in the header": (put("runs", lambda runs: [*runs, "0" * 64]), "another number of runs"),
    "no epoch": (lambda header, arrays: header.pop("epoch"), "is not a checkpoint .'epoch'"),
    "epoch 99 of 6": (put("epoch", lambda epoch: 99), "its epoch is 99 of 6"),
    "the last epoch": (put("epoch", lambda epoch: 6), "its epoch is 6 of 6"),
    "epoch 0": (put("epoch", lambda epoch: 0), "its epoch is 0 of 6"),
    "epoch -1": (put("epoch", lambda epoch: -1), "its epoch is -1 of 6"),
    "half an epoch": (put("epoch", lambda epoch: 2.5), "its epoch is 2.5 of 6"),
    "an epoch that is true": (put("epoch", lambda epoch: True), "its epoch is True of 6"),
    "an epoch that is a text": (put("epoch", lambda epoch: "3"), "its epoch is '3' of 6"),
    "another epoch": (put("epoch", lambda epoch: 2), r"its history is float64 \[2, 4, \d+\] where epoch 2 has"),
    "no history": (lambda header, arrays: arrays.pop("history"), "is not a checkpoint .'history'"),
    "not told what was measured": (lambda header, arrays: arrays.pop("measured"), "is not a checkpoint .'measured'"),
    "measured of another length": (put("measured", lambda a: a[1:]), "does not fit"),
    "measured of another type": (put("measured", lambda a: a.astype(float)), "measured is not told"),
    "a shorter history": (put("history", lambda a: a[:, 1:]), "does not fit"),
    "a history of float32": (put("history", lambda a: a.astype(np.float32)), "history is float32"),
    "a flat history": (put("history", lambda a: a.reshape(2, -1)), "is not a checkpoint|does not fit"),
    "fewer columns": (put("columns", lambda names: names[1:]), "does not fit"),
    "a column of another name": (put("columns", lambda names: [*names[:-1], "x"]), "does not fit"),
    "a column twice": (put("columns", lambda names: [*names[:-1], names[0]]), "does not fit"),
    "a column more": (
        lambda header, arrays: (
            header["columns"].append("x"),
            arrays.update(
                history=np.concatenate([arrays["history"], arrays["history"][:, :, :1]], 2),
                measured=np.concatenate([arrays["measured"], arrays["measured"][:, :1]], 1),
            ),
        ),
        "other columns",
    ),
    "columns that are no texts": (put("columns", lambda names: [*names[:-1], 5]), "a text in it is something else"),
    "columns that are no list": (put("columns", lambda names: 5), "is not a checkpoint"),
    "nothing measured": (put("measured", np.zeros_like), "its history lacks"),
    "an epoch without an evaluation": (
        lambda header, arrays: arrays["measured"].__setitem__((2, header["columns"].index("test_cost")), False),
        "its history lacks test_cost of epoch 2",
    ),
    "another beginning": (put("history", lambda a: a + 1), "its history begins elsewhere"),
    "runs in another order": (put("history", lambda a: a[::-1]), "its history begins elsewhere"),
    "an environment of numbers": (put("environment", lambda told: {"numpy": 2}), "a text in it is something else"),
    "an environment that is a list": (put("environment", lambda told: [1]), "is not a checkpoint"),
    "a header of a list": (only_header(b"[]"), "is not a checkpoint"),
    "a header of no JSON": (only_header(b"\xff"), "is not a checkpoint"),
    "a deep header": (only_header(b"[" * 100_000), "is not a checkpoint"),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_a_sealed_file_that_does_not_fit_is_told(kind, tmp_path):
    change, problem = MISFITS[kind]
    file = Checkpoint(tmp_path, CONFIGS, CONFIGS, "jax")
    file.write(snapshot_of(3), {"backend": "jax"})
    resealed(file, change)
    with pytest.raises(UnusableCheckpointError, match=problem) as told:
        file.read(INITIAL)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize(
    "build",
    [
        lambda archive: archive.writestr("header.npy", b"no array"),
        lambda archive: archive.writestr("header.npy", _claims(10**15)),
        lambda archive: archive.writestr("header.npy", _claims(4, "|O")),
        lambda archive: archive.writestr("../header", b"no array"),
        lambda archive: None,
    ],
    ids=["no arrays", "more than there is memory for", "objects", "another name", "empty"],
)
def test_a_sealed_archive_of_something_else_is_told(build, tmp_path):
    file = Checkpoint(tmp_path, CONFIGS, CONFIGS, "jax")
    with zipfile.ZipFile(file.path, "w") as archive:
        build(archive)
        archive.comment = b"0" * 64
    body = file.path.read_bytes()[:-64]
    file.path.write_bytes(body + hashlib.sha256(body).hexdigest().encode())
    with pytest.raises(UnusableCheckpointError, match="is not a checkpoint"):
        file.read(INITIAL)


def _claims(numbers: int, kind: str = "<f8") -> bytes:
    """An array's header without the array."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": kind, "fortran_order": False, "shape": (numbers,)})
    return buffer.getvalue()


def test_a_file_of_the_last_version_is_told(tmp_path):
    """Whose histories were lists of mappings; by a sweep too, which would give the same runs another name."""
    file = Checkpoint(tmp_path, CONFIGS, CONFIGS, "jax")
    header = {"format": 1, "identity": file._identity(), "environment": {}, "epoch": 1, "histories": [[], []]}
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8), "state/l2": np.zeros(2)}
    (tmp_path / f"{file._name}.npz").write_bytes(checkpoints._sealed(arrays))
    with pytest.raises(UnusableCheckpointError, match=r"another version of t1t2_pt \(format 1\)"):
        file.read(INITIAL)
    assert checkpoints.of_other_versions(tmp_path) == [tmp_path / f"{file._name}.npz"]
    assert list(checkpoints.readable(tmp_path)) == []
    file.write(INITIAL, {})
    assert len(checkpoints.of_other_versions(tmp_path)) == 1


class TestCost:
    """A checkpoint after every epoch: the history is copied as bytes and never walked through again."""

    LONG = replace(CONFIGS[0], epochs=2000)

    def written(self, tmp_path, epoch: int) -> tuple[int, int, int]:
        """Bytes of the file and of its header, and how many functions Python called to write it."""
        calls = 0

        def count(frame, event, argument):
            nonlocal calls
            calls += event in ("call", "c_call")

        file = Checkpoint(tmp_path / str(epoch), [self.LONG] * 2, [self.LONG] * 2, "jax")
        snapshot = snapshot_of(epoch, config=self.LONG)
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            file.write(Snapshot(epoch, snapshot.state, snapshot.histories.copy()), {"backend": "jax"})
        finally:
            sys.setprofile(before)
        header = checkpoints._opened(file.path.read_bytes())[0]
        return file.path.stat().st_size, len(json.dumps(header)), calls

    def test_of_writing(self, tmp_path):
        (first, header, calls), (last, last_header, last_calls) = (self.written(tmp_path, e) for e in (10, 1610))
        columns = len(snapshot_of(1, config=self.LONG).histories.names)
        assert last_header - header == 2  # the digits of the epoch
        assert last - first - 2 == 1600 * columns * (2 * 8 + 1)  # two runs of float64, and what was measured
        assert last_calls < 1.1 * calls

    def test_of_an_epoch(self):
        """As much is done for the last one as for the first."""

        def calls(epochs):
            histories, count = snapshot_of(epochs, config=self.LONG).histories, 0
            row = [dict.fromkeys(histories.names, 0.5)] * 2

            def add(frame, event, argument):
                nonlocal count
                count += event in ("call", "c_call")

            before = sys.getprofile()
            sys.setprofile(add)
            try:
                for _ in range(100):
                    histories.append(row)
            finally:
                sys.setprofile(before)
            return count

        assert calls(1600) <= calls(100)
