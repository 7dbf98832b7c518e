"""Sweeps: what is stored is not trained again, and nothing finished is lost."""

import dataclasses

import pytest
from conftest import TINY, make_tiny_split

from t1t2_pt import sweep as module
from t1t2_pt.backends import get_backend
from t1t2_pt.config import replace, run_config
from t1t2_pt.errors import InputError
from t1t2_pt.sweep import Sweep, _by_structure, _groups

pytestmark = pytest.mark.xdist_group("sweep")
CONFIGS = [run_config(**TINY, input_noise=level, seed=3) for level in (0.0, 0.2, 0.4, 0.6, 0.8)]
TUNED = [replace(config, tune=("input_noise",)) for config in CONFIGS[1:3]]


@pytest.fixture(autouse=True)
def tiny_data(monkeypatch):
    monkeypatch.setattr(module, "make_split", lambda *key: make_tiny_split())


@pytest.fixture
def trained(monkeypatch):
    """How many runs each call of the training loop was given."""
    calls, train = [], module.train

    def counting(configs, *arguments):
        calls.append(len(configs))
        return train(configs, *arguments)

    monkeypatch.setattr(module, "train", counting)
    return calls


def make(store, **options):
    return Sweep(store=store, backend=get_backend("auto"), together=2, quiet=True, **options)


def test_trains_what_is_missing(store, trained, capsys):
    first = make(store).run(CONFIGS[:2])
    assert trained == [2]
    runs = Sweep(store=store, backend=get_backend("auto"), together=2).run([*CONFIGS, *TUNED, CONFIGS[0]])
    assert sorted(trained) == [1, 2, 2, 2]
    assert "7 runs: 2 in the store, 5 to train on" in capsys.readouterr().err
    assert [run.config for run in runs] == [*CONFIGS, *TUNED, CONFIGS[0]]
    assert [repr(run) for run in runs[:2]] == [repr(run) for run in first]
    assert len(store.all()) == 7


def test_training_together_changes_nothing(store, tmp_path):
    together = make(store).run(CONFIGS[:2])
    alone = [make(type(store)(tmp_path / "other.sqlite")).run([config])[0] for config in CONFIGS[:2]]
    for a, b in zip(together, alone, strict=True):
        for name in ("train_cost", "test_cost", "test_error"):
            assert a.final[name] == pytest.approx(b.final[name], rel=1e-4)


def test_recompute(store, trained):
    make(store).run(CONFIGS[:1])
    make(store, recompute=True).run(CONFIGS[:1])
    assert trained == [1, 1]


def test_interrupted_sweep_keeps_what_is_finished(store, monkeypatch):
    calls, train = [], module.train

    def interrupted(configs, *arguments):
        calls.append(configs)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(configs, *arguments)

    monkeypatch.setattr(module, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(store).run(CONFIGS)
    assert {run.digest for run in store.all()} == {config.digest() for config in calls[0]}
    monkeypatch.setattr(module, "train", train)
    assert len(make(store).run(CONFIGS)) == 5
    assert len(store.all()) == 5


def test_bad_data_are_told_before_training(store, trained, monkeypatch):
    def load(source, dataset, t1, *rest):
        if t1 == 50:
            raise InputError("t1_samples", t1, "is bad", "give another")
        return make_tiny_split()

    monkeypatch.setattr(module, "make_split", load)
    with pytest.raises(InputError):
        make(store).run([*CONFIGS, replace(CONFIGS[0], t1_samples=50)])
    assert trained == []
    assert store.all() == []


def test_a_data_set_is_read_once(store, monkeypatch):
    """Also for several splits, and for the runs of a second stage."""
    read = []
    source = dataclasses.replace(module.DATASETS["mnist"], load=lambda data_dir: read.append(data_dir))
    monkeypatch.setitem(module.DATASETS, "mnist", source)
    sweep = make(store)
    sweep.run([CONFIGS[0], replace(CONFIGS[0], split_seed=1)])
    sweep.run([CONFIGS[1]])
    assert len(read) == 1


def test_parts(store):
    parts = make(store).run_parts({"a": CONFIGS[:1], "none": [], "b": TUNED})
    assert {part: [run.config for run in runs] for part, runs in parts.items()} == {
        "a": CONFIGS[:1],
        "none": [],
        "b": TUNED,
    }


def test_groups_are_of_one_structure_and_nearly_equal():
    many = [run_config(input_noise=level / 100) for level in range(34)]
    other = [replace(config, tune=("input_noise",)) for config in many[:3]]
    groups = [group for same in _by_structure([*many, *other]) for group in _groups(same, 16)]
    assert [len(group) for group in groups] == [12, 11, 11, 3]
    assert all(len({config.structure() for config in group}) == 1 for group in groups)
    assert [config for group in groups for config in group] == [*many, *other]
