"""A run is named by what its data hold: the same command on other files is another run."""

import dataclasses
import os
import shutil

import golden_runs
import numpy as np
import pytest
from conftest import need
from invented import make_run

from t1t2_pt.config import replace, run_config
from t1t2_pt.datasets import DATASETS, cifar10, load_split, mnist, photos
from t1t2_pt.datasets.fingerprints import fingerprint_of
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.sweeps.work import Splits
from t1t2_pt.system.errors import InputError
from t1t2_pt.training import loop as training

SMALL = {"t1_samples": 40, "t2_samples": 20, "batch_size": 10, "epochs": 1, "hidden": (5,)}
CONFIG = run_config(**SMALL, dataset="cifar10")
INVENTED = replace(CONFIG, epochs=2, input_noise=0.5, l2=0.1)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two copies of a data set that differ in one pixel."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    golden_runs.write_data(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    path = tmp_path / "b" / "cifar10" / cifar10.BATCHES[-1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return tmp_path / "a", tmp_path / "b"


def sweep(store: RunStore, folder=None, **options) -> Sweep:
    return Sweep(store, need("jax"), folder, quiet=True, **options)


def fingerprint(folder, name="cifar10") -> str:
    return Splits(folder).fingerprint(name)


@pytest.mark.parametrize("source", [mnist, photos])
def test_what_must_be_published_is_known(source):
    assert source.load().fingerprint == source.FINGERPRINT


@pytest.mark.slow
def test_other_files_are_another_run(folders, store):
    (a,), (b,) = (sweep(store, folder).run([CONFIG]) for folder in folders)
    assert a.digest != b.digest
    assert (a.config.data, b.config.data) == tuple(map(fingerprint, folders))
    assert a.final["t1_cost"] == b.final["t1_cost"]
    assert a.final["test_cost"] != b.final["test_cost"]
    assert sweep(store, folders[0]).run([CONFIG])[0].final == a.final


def test_it_is_read_once(folders, monkeypatch):
    first = fingerprint(folders[0])

    def unread(folder):
        raise AssertionError("was read again")

    monkeypatch.setitem(DATASETS, "cifar10", dataclasses.replace(DATASETS["cifar10"], load=unread))
    assert fingerprint(folders[0]) == first
    path = folders[0] / "cifar10" / cifar10.BATCHES[0]
    os.utime(path, ns=(1, 1))
    with pytest.raises(AssertionError, match="was read again"):
        fingerprint(folders[0])


def test_a_damaged_note_is_made_anew(folders, tmp_path):
    first = fingerprint(folders[0])
    (note,) = (tmp_path / "cache" / "t1t2_pt" / "fingerprints").iterdir()
    note.write_bytes(b"\xff half")
    assert fingerprint(folders[0]) == first
    assert note.read_text() == first


def test_a_wrong_note_is_seen_before_training(folders, tmp_path, store):
    """As when files were changed in a way that the system does not tell."""
    fingerprint(folders[0])
    (note,) = (tmp_path / "cache" / "t1t2_pt" / "fingerprints").iterdir()
    note.write_text("0" * 32)
    with pytest.raises(InputError, match=r"are not the cifar10 of this run: .* it is of 000000000000; .*run it again"):
        sweep(store, folders[0]).run([CONFIG])
    (run,) = sweep(store, folders[0]).run([CONFIG])
    assert run.config.data == load_split("cifar10", 40, 20, 0, folders[0]).fingerprint


def test_training_compares(folders):
    split = load_split("cifar10", 40, 20, 0, folders[0])
    assert split.fingerprint == fingerprint(folders[0])
    config = replace(CONFIG, data=fingerprint(folders[1]))
    with pytest.raises(InputError, match="have the same data wherever it is trained"):
        training.train([config], split, need("jax"))


class TestAbsentData:
    @pytest.fixture(autouse=True)
    def absent(self, monkeypatch, folders):
        def fetch(folder):
            raise InputError("dataset", "cifar10", "cannot be fetched", "connect")

        here = dataclasses.replace(DATASETS["cifar10"], find=lambda folder: None, load=fetch)
        monkeypatch.setitem(DATASETS, "cifar10", here)

    def test_the_store_answers(self, store):
        """Figures are drawn from it wherever its runs were trained."""
        run = make_run(replace(INVENTED, data="1" * 32))
        store.put([run])
        (found,) = sweep(store).run([replace(run.config, data="")])
        assert found.digest == run.digest

    def test_what_is_fetched_counts(self, store, folders, monkeypatch):
        """Where the store has some of the runs, and of other data than those that can be had."""
        here = DATASETS["cifar10"]
        store.put([make_run(replace(INVENTED, data="1" * 32))])
        official = cifar10.SOURCE
        places = iter([None] * 3)
        fetched = dataclasses.replace(
            here,
            find=lambda folder: next(places, official.find(folders[0])),
            load=lambda folder: official.load(folders[0]),
        )
        monkeypatch.setitem(DATASETS, "cifar10", fetched)
        runs = sweep(store).run([INVENTED, replace(INVENTED, seed=1)])
        assert {run.config.data for run in runs} == {official.load(folders[0]).fingerprint}

    def test_two_contents_are_no_answer(self, store):
        store.put([make_run(replace(INVENTED, data=content * 32)) for content in "12"])
        assert sweep(store).settled([INVENTED], fetch=False) == [INVENTED.canonical]
        with pytest.raises(InputError, match="cannot be fetched"):
            sweep(store).run([INVENTED])


class TestSettled:
    def test_canonical_and_named(self, store):
        config = run_config(**SMALL, schedule="linear", hold=0.5)
        (settled,) = sweep(store).settled([config])
        assert settled == replace(config.canonical, data=mnist.FINGERPRINT)
        assert settled.hold == 0.86
        assert sweep(store).settled([settled]) == [settled]

    def test_two_names_of_one_run(self, store):
        """Trained once."""
        configs = [run_config(**SMALL, schedule="linear", hold=hold) for hold in (0.1, 0.2)]
        first, second = sweep(store).run(configs)
        assert first is second

    @pytest.mark.parametrize(
        ("field", "value", "problem"),
        [
            ("algorithm", 99, "algorithm = 99: is not the version that this t1t2_pt computes"),
            ("data", "0" * 32, "is not the content of mnist here, 615a98aea41c6"),
        ],
    )
    def test_of_other_data_or_version(self, store, field, value, problem):
        with pytest.raises(InputError, match=problem):
            sweep(store).settled([replace(run_config(**SMALL), **{field: value})])


def test_order_and_labels_count():
    data = mnist.load()
    for changes in (
        {"train_images": data.train_images[::-1]},
        {"test_labels": np.roll(data.test_labels, 1)},
        {"train_labels": data.train_labels.astype(np.int64)},
    ):
        assert dataclasses.replace(data, **changes).fingerprint != data.fingerprint


def test_absent_and_not_known(tmp_path):
    """What has to be fetched is read for its name."""
    source = dataclasses.replace(DATASETS["cifar10"])
    loaded = mnist.load()
    assert fingerprint_of(source, None, lambda: loaded) == loaded.fingerprint
