"""Whatever became of a file, a loader answers with data or with one line.

A few hundred damaged files of each kind here; ten thousand of each in the slow test.
"""

import functools
import gzip
import io
import pickle
import random
import shutil
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import report
import scipy.io
from conftest import TINY, line_of
from invented import history_of
from test_migrations import OLD_RUNS, write_old_store

from t1t2_pt.backends import caches
from t1t2_pt.config import run_config
from t1t2_pt.datasets import archives, cifar10, sources, svhn
from t1t2_pt.datasets.idx import read_idx
from t1t2_pt.datasets.preprocessing import whitening
from t1t2_pt.plotting.report import CLAIM, Section, write_report
from t1t2_pt.plotting.style import new_figure, save_figure
from t1t2_pt.plotting.tables import read_table
from t1t2_pt.runs.checkpoints import Checkpoint, UnusableCheckpointError
from t1t2_pt.runs.exchange import export_runs, read_runs
from t1t2_pt.runs.record import finished_run
from t1t2_pt.runs.store import RunStore
from t1t2_pt.steps.columns import EVALUATION, epoch_columns, first_columns
from t1t2_pt.sweeps.timing import stored_timing
from t1t2_pt.system.errors import InputError
from t1t2_pt.training.loop import Trained
from t1t2_pt.training.snapshots import Histories, Snapshot

FEW, MANY = 300, 10_000
pytestmark = pytest.mark.xdist_group("random input")
counts = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


def _idx(path):
    path.write_bytes(gzip.compress(bytes((0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 4)) + bytes(range(12)), mtime=0))


def _mat(path):
    x = np.zeros((32, 32, 3, 4), np.uint8)
    scipy.io.savemat(path, {"X": x, "y": np.uint8([[1], [10], [3], [4]])}, do_compression=True)


def _tar(path):
    with tarfile.open(path, "w:gz") as archive:
        for name in ("a.bin", "b.bin"):
            info = tarfile.TarInfo(f"folder/{name}")
            info.size = 40
            archive.addfile(info, io.BytesIO(bytes(40)))


def _a_run():
    config = run_config(**TINY, input_noise=0.5, tune=("input_noise",))
    history = history_of(config, input_noise=[0.5, 0.4, 0.3], test_error=[float("nan"), 0.5, 0.4])
    return finished_run(Trained(config, history, None), _Backend(), "made by the tests")


class _Backend:
    name = "made"

    def versions(self):
        return {"device": "none"}


def _store(path):
    RunStore(path).put([_a_run()])


def _read_store(path):
    store = RunStore(path)
    store.all(), store.find("a"), store.get(_a_run().config), stored_timing(_a_run().config, _Backend(), store)


_TINY = run_config(**TINY)
_INITIAL = Snapshot(0, {"bias_0": np.zeros((1, 6), np.float32)}, Histories.of([{"seconds": 0.0}]))


def _checkpoint(path):
    return Checkpoint(path.parent, (_TINY,), (_TINY,), "jax")


def _write_checkpoint(path):
    checkpoint = _checkpoint(path)
    row = dict.fromkeys([*first_columns(_TINY)[1:], *epoch_columns(_TINY), *EVALUATION], 0.5)
    checkpoint.write(Snapshot(1, _INITIAL.state, Histories.of([{"seconds": 0.0}], [row])), {})
    checkpoint.path.rename(path)


def _read_checkpoint(path):
    checkpoint = _checkpoint(path)
    checkpoint.path.write_bytes(path.read_bytes())
    try:
        checkpoint.read(_INITIAL)
    except UnusableCheckpointError as error:  # told in a line, and trained again
        raise InputError("checkpoint", "made", str(error), "none is needed") from None
    finally:
        checkpoint.discard()


def _batch(path):
    records = np.zeros((5, cifar10.RECORD), np.uint8)
    path.write_bytes(records.tobytes())


def _picture(path):
    figure, _ = new_figure(1, 1, 1)
    save_figure(figure, pd.DataFrame({"a": [1]}), path.parent / "drawn", "fig2", "a caption")
    path.write_bytes((path.parent / "drawn" / "fig2.png").read_bytes())


def _read_picture(path):
    folder = path.parent / "drawn"
    (folder / "fig2.png").write_bytes(path.read_bytes())
    write_report(folder, ["quick"], {"fig2": Section("a", "b")}, "lead", report.PAPER)


def _unpacked(path):
    _idx(path)
    path.write_bytes(gzip.decompress(path.read_bytes()))


def _plain_mat(path):
    x = np.zeros((32, 32, 3, 4), np.uint8)
    scipy.io.savemat(path, {"n": np.arange(3), "X": x, "c": "text", "y": np.uint8([[1], [10], [3], [4]])})


def _provenance(path):
    (path.parent / "thing").mkdir()
    (path.parent / "thing" / "a").write_text("")
    path.write_text("a part; drawn for tests, with all of its letters: ä é 数 😀")


def _read_provenance(path):
    (path.parent / "thing" / "PROVENANCE").write_bytes(path.read_bytes())
    place = sources.find(sources.Remote("thing", "", {"a": ""}), path.parent)
    assert 0 < len(place.declared) <= sources.LONGEST_PROVENANCE
    assert place.declared.isprintable()


def _arrays(path):
    with open(path, "wb") as stream:
        np.savez(stream, mean=np.zeros(3, np.float32), matrix=np.eye(3, dtype=np.float32))


def _read_whitening(path):
    found = whitening._read(path, 3)
    assert found is None or [part.shape for part in found] == [(3,), (3, 3)]


def _table(path):
    rows = "ours,mnist,mnist,M0,noise,0,1.5,2.5,n0 1 to 0\nours,svhn,digits,S0,both,1,0.5,1e-3,n0 1 to 0\n" * 5
    path.write_text("kind,panel,dataset,setup,label,start,x,y,path\n" + rows)


def _read_table(path):
    read_table(path, words=("kind", "panel"), numbers=("x", "y"))
    drawn = path.parent / "drawn"
    if not drawn.exists():
        _picture(path.parent / "fig4.png")
        (drawn / "fig2.png").rename(drawn / "fig4.png")
    (drawn / "fig4.csv").write_bytes(path.read_bytes())
    write_report(drawn, ["quick"], {"fig4": Section("a", "b", report.SECTIONS["fig4"].compare)}, "lead", report.PAPER)


def _claims(path):
    path.write_text(",".join(CLAIM) + "\n" + ",".join(f'"{name}, {name}"' for name in CLAIM) + "\n")


def _entry(write, whole):
    """An entry of somebody's cache: whole or not."""

    def read(path):
        if not whole(path):
            raise InputError("entry", str(path), "is not whole", "nothing")

    return write, read


KINDS = {
    "idx": (_idx, lambda path: read_idx(path, (3, 4))),
    "unpacked idx": (_unpacked, lambda path: read_idx(path, (3, 4), part=True)),
    "mat": (_mat, lambda path: svhn.read_mat(path, 4)),
    "plain mat": (_plain_mat, lambda path: svhn.read_mat(path, 4, part=True)),
    "archive": (_tar, lambda path: archives.read_members(path, {"a.bin": 40, "b.bin": 40})),
    "batch": (_batch, lambda path: cifar10.read_batch(path.parent, path.name, path.read_bytes(), 5)),
    "runs.jsonl": (lambda path: export_runs([_a_run()] * 2, path), read_runs),
    "runs.jsonl.gz": (lambda path: export_runs([_a_run()] * 2, path), read_runs),
    "store": (_store, _read_store),
    "runs of version 0.1": (lambda path: path.write_bytes(gzip.decompress(OLD_RUNS.read_bytes())), read_runs),
    "store of version 0.1": (write_old_store, lambda path: RunStore(path).all()),
    "checkpoint": (_write_checkpoint, _read_checkpoint),
    "picture": (_picture, _read_picture),
    "provenance": (_provenance, _read_provenance),
    "whitening": (_arrays, _read_whitening),
    "table": (_table, _read_table),
    "claims": (_claims, lambda path: read_table(path, words=CLAIM)),
    "entry of JAX's": _entry(lambda path: path.write_bytes(zlib.compress(bytes(999))), caches.is_whole_program),
    "entry of Numba's": _entry(lambda path: path.write_bytes(pickle.dumps(list(range(99)))), caches.is_whole_function),
    "entry of C's": _entry(lambda path: shutil.copy(_library(), path), caches.is_whole_library),
}
SLOW = ("picture", "table", "store of version 0.1")  # a tenth of them does


@functools.cache
def _library():
    return min(Path(np.__file__).parent.rglob("*.so"), key=lambda path: path.stat().st_size)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """A valid file after a few changes, or only bytes."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randint(0, 3000))
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 50))):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0 and place < len(data):
            data[place] = rng.randrange(256)
        elif kind == 1 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[place:place] = rng.randbytes(rng.randint(1, 20))
        elif kind == 3:
            del data[place : place + rng.randint(1, 50)]
        elif rng.random() < 0.3:
            del data[place:]
    return bytes(data)


@counts
@pytest.mark.filterwarnings("ignore")  # of readers that find a file odd
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_told(kind, count, tmp_path):
    write, read = KINDS[kind]
    path = tmp_path / f"file.{kind}"
    write(path)
    read(path)
    content, rng, told = path.read_bytes(), random.Random(3), 0
    for number in range(count if kind not in SLOW else count // 10):
        path.write_bytes(damaged(content, rng))
        line = line_of(read, path)
        assert "\n" not in line
        assert len(line) < 1000, number
        told += bool(line)
    assert told or kind == "whitening"
