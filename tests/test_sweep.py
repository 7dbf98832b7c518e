"""Sweeps: what is stored is not trained again, and nothing finished is lost."""

import dataclasses
import json
import shutil
import time

import pytest
from conftest import TINY, make_tiny_split

from t1t2_pt.backends import get_backend
from t1t2_pt.config import replace, run_config
from t1t2_pt.runs import reservations
from t1t2_pt.runs.checkpoints import Every
from t1t2_pt.runs.reservations import Reservations
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps import sweep
from t1t2_pt.sweeps import work as module
from t1t2_pt.sweeps.groups import make_groups, population_size, programs_of
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.system.errors import InputError

pytestmark = pytest.mark.xdist_group("sweep")
CONFIGS = [run_config(**TINY, input_noise=level, seed=3).canonical for level in (0.0, 0.2, 0.4, 0.6, 0.8)]
QUIET = module.Callbacks(stop=lambda: False, advance=lambda steps: None, log=lambda text: None)
TUNED = [replace(config, tune=("input_noise",), interval=3).canonical for config in CONFIGS[1:3]]


@pytest.fixture(autouse=True)
def tiny_data(monkeypatch):
    monkeypatch.setattr(module, "make_split", lambda *key: make_tiny_split())


@pytest.fixture
def trained(monkeypatch):
    """How many runs each call of the training loop was given."""
    calls, train = [], module.train

    def counting(configs, *arguments, **options):
        calls.append(len(configs))
        return train(configs, *arguments, **options)

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


def test_failed_sweep_keeps_what_is_finished(store, monkeypatch):
    """One group ends in an error after another was stored; the error is told, and the rest is trained the next time."""
    first, train = [], module.train

    def failing(configs, *arguments, **options):
        if not first:
            first.extend(config.digest() for config in configs)
            return train(configs, *arguments, **options)
        while len(store.all()) < len(first):
            time.sleep(0.01)
        raise InputError("disk", "none", "is full", "make room")

    monkeypatch.setattr(module, "train", failing)
    with pytest.raises(InputError, match="is full"):
        make(store).run(CONFIGS)
    assert {run.digest for run in store.all()} == set(first)
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


def test_checkpoints_of_another_version_are_told(store, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "of_other_versions", lambda folder: [folder / "a.npz"])
    Sweep(store=store, backend=get_backend("auto")).run(CONFIGS[:1])
    assert "1 checkpoints of another version of t1t2_pt lie in" in capsys.readouterr().err


def test_memory_that_is_not_there_is_told_before_training(store, trained, monkeypatch):
    """Here before anything is trained, and wherever work is done before that."""
    backend = get_backend("auto")
    group = make_groups(CONFIGS[:2], {}, lambda config: 2)[0]
    work = make(store).work(group, "somebody")
    monkeypatch.setattr(type(backend), "available_memory", lambda self: 10)
    for train in (lambda: make(store).run(CONFIGS), lambda: module.do(work, QUIET, module.Splits(None))):
        with pytest.raises(InputError, match=r"takes [\d.]+ kB of memory, where 10 bytes can be had; give a"):
            train()
    assert trained == []


class TestGroups:
    many = tuple(run_config(input_noise=level / 100) for level in range(34))
    tuned = tuple(replace(config, tune=("input_noise",)) for config in many[:3])

    def groups(self, configs, together=16):
        return make_groups(configs, programs_of(configs), lambda config: together)

    def test_every_run_is_in_one_group_of_its_structure(self):
        groups = self.groups([*self.many, *self.tuned])
        assert all(len({config.structure() for config in group.configs}) == 1 for group in groups)
        assert sorted(c.digest() for group in groups for c in group.configs) == sorted(
            c.digest() for c in [*self.many, *self.tuned]
        )
        assert all(len(group.configs) <= group.size <= 16 for group in groups)

    def test_fixed_runs_share_the_program_and_the_size_of_tuned_ones(self):
        groups = self.groups([*self.many, *self.tuned])
        assert {group.template for group in groups} == {self.tuned[0]}
        assert len({group.size for group in groups}) == 1
        assert {group.template for group in self.groups(self.many)} == {self.many[0]}

    def test_other_networks_have_another_program_other_intervals_not(self):
        other = replace(self.tuned[0], hidden=(5,))
        often = replace(self.tuned[0], interval=3)
        groups = self.groups([*self.tuned, other, often])
        assert {group.template for group in groups} == {often, other}
        assert len(groups) == 3

    def test_programs_take_turns(self):
        """The next program is made while the last one is used."""
        configs = [replace(c, hidden=(width,)) for width in (4, 5, 6) for c in self.many[:6]]
        order = [group.template.hidden[0] for group in self.groups(configs, 3)]
        assert order == [4, 5, 4, 6, 5, 6]

    @pytest.mark.parametrize(
        ("counts", "most", "size"),
        [([36, 6], 16, 6), ([121], 16, 11), ([6], 16, 6), ([1], 16, 1), ([10, 10, 88], 16, 11), ([7], 1, 1)],
    )
    def test_sizes_need_few_copies(self, counts, most, size):
        assert population_size(counts, most) == size


def test_fixed_runs_of_a_tuned_program_are_the_same(store, tmp_path):
    """As the T1 step of a T1+T2 step, padded with copies, with a history of their own kind."""
    shared = make(store).run([*CONFIGS[:3], *TUNED])[:3]
    alone = Sweep(store=type(store)(tmp_path / "b"), backend=get_backend("auto"), quiet=True).run(CONFIGS[:3])
    for a, b in zip(shared, alone, strict=True):
        assert set(a.history) == set(b.history)
        for name in a.history:
            if name != "seconds":
                assert a.history[name] == pytest.approx(b.history[name], rel=1e-4, abs=1e-6, nan_ok=True)


def test_fixed_runs_of_a_tuned_program_with_adam(store):
    """Whose state has memory that a fixed run does not need."""
    tuned = [replace(config, hyper_optimizer="adam") for config in TUNED]
    runs = make(store).run([*CONFIGS[:2], *tuned])
    assert runs[0].final["input_noise"] == 0.0
    assert runs[2].final["input_noise"] != pytest.approx(0.2)


def test_fixed_runs_of_a_tuned_program_whose_last_noise_is_fixed(store, tmp_path):
    """Whose state has that level apart."""
    fields = {"hidden": (6, 5), "hidden_noise": 0.3}
    tuned = replace(TUNED[0], **fields, tune=("hidden_noise",), noise_before_softmax="fixed")
    fixed = replace(CONFIGS[0], **fields)
    shared = make(store).run([fixed, tuned])[0]
    assert json.loads(shared.provenance["program"])["noise_before_softmax"] == "fixed"
    alone = Sweep(store=type(store)(tmp_path / "b"), backend=get_backend("auto"), quiet=True).run([fixed])[0]
    assert shared.final["train_cost"] == pytest.approx(alone.final["train_cost"], rel=1e-4)


def after_epochs(monkeypatch, then) -> list:
    """Let something happen after each epoch, before a checkpoint is due; returns the epochs that were trained."""
    epochs, train = [], module.train

    def watched(configs, split, backend, after_epoch, **options):
        def after(epoch, snapshot):
            epochs.append(epoch)
            then(epoch)
            after_epoch(epoch, snapshot)

        return train(configs, split, backend, after, **options)

    monkeypatch.setattr(module, "train", watched)
    return epochs


def bits(runs) -> list:
    return [{k: v for k, v in run.as_dict()["history"].items() if k != "seconds"} for run in runs]


class TestCheckpointsOfOthers:
    """A group of four, stopped after its third epoch."""

    LONG = tuple(replace(config, epochs=6) for config in CONFIGS[:4])

    @staticmethod
    def four(store, **options):
        return Sweep(store=store, backend=get_backend("auto"), quiet=True, every=Every(epochs=1), **options)

    @staticmethod
    def left(store):
        return [path.name for path in store.path.parent.glob("*.checkpoints/*")]

    @pytest.fixture
    def stopped(self, store, monkeypatch):
        def stop(epoch):
            if epoch == 4:
                raise InputError("power", "none", "went off", "wait")

        with monkeypatch.context() as patched:
            after_epochs(patched, stop)
            with pytest.raises(InputError, match="went off"):
                self.four(store).run(self.LONG)
        assert len(self.left(store)) == 1
        return store

    def test_one_of_runs_that_others_trained_in_part_is_used_and_removed(self, stopped, tmp_path, monkeypatch):
        whole = self.four(type(stopped)(tmp_path / "whole.sqlite")).run(self.LONG)
        self.four(stopped).run(self.LONG[:2])
        assert len(self.left(stopped)) == 1
        epochs = after_epochs(monkeypatch, lambda epoch: None)
        runs = self.four(stopped).run(self.LONG)
        assert epochs == [4, 5, 6]
        assert bits(runs)[2:] == bits(whole)[2:]
        assert self.left(stopped) == []

    def test_one_of_runs_that_others_trained_is_removed(self, stopped):
        """As soon as all of them are stored, though nobody asks for the same group again."""
        self.four(stopped).run(self.LONG[:2])
        assert len(self.left(stopped)) == 1
        self.four(stopped).run(self.LONG[2:])
        assert self.left(stopped) == []

    def test_one_of_a_living_process_is_left_alone(self, stopped):
        """Who trains stored runs again has a checkpoint of stored runs."""
        self.four(stopped).run(self.LONG[:2])
        with Reservations(stopped) as other:
            other.take([self.LONG[0].digest()])
            for some in (self.LONG[2:], self.LONG):
                self.four(stopped).run(some)
                assert len(self.left(stopped)) == 1
            assert other.held([self.LONG[0].digest()])
        self.four(stopped).run(self.LONG)
        assert self.left(stopped) == []

    def test_recomputing_goes_on_from_it(self, stopped, monkeypatch):
        epochs = after_epochs(monkeypatch, lambda epoch: None)
        self.four(stopped, recompute=True).run(self.LONG)
        assert (epochs, self.left(stopped)) == ([4, 5, 6], [])


def test_runs_that_were_taken_over_are_left_to_the_other(store, monkeypatch):
    """A process stands still in its second epoch, while another one takes its runs, trains them and stores them."""
    configs = [replace(config, epochs=400) for config in CONFIGS[:2]]
    digests = [config.digest() for config in configs]
    monkeypatch.setattr(reservations, "RENEW", 0.02)
    monkeypatch.setattr(sweep, "LISTEN", 0.02)
    monkeypatch.setattr(sweep, "LOOK_AGAIN", 0.02)
    here = make(store, every=Every(epochs=1))
    said, other = [], Reservations(store)
    theirs = here.checkpoints / "theirs.npz"

    def stand_still(epoch):
        if epoch == 2:
            with store.writing() as connection:
                connection.execute("DELETE FROM reservations")
            assert other.take(digests) == set(digests)
            theirs.write_bytes(b"theirs")
        time.sleep(0.01)

    def trains(text):
        said.append(text)
        if text.startswith("waiting"):
            other.put([dataclasses.replace(run, provenance={**run.provenance, "data": "theirs"}) for run in made])

    made = make(type(store)(store.path.with_name("other.sqlite"))).run(configs)
    epochs = after_epochs(monkeypatch, stand_still)
    here.display.log = trains
    runs = here.run(configs)
    assert [run.provenance["data"] for run in runs] == ["theirs"] * 2
    assert len(epochs) < 400
    assert said[1:] == [
        "another process took over 2 runs while this one stood still",
        "waiting for 2 runs that another process trains",
    ]
    assert [path.name for path in here.checkpoints.iterdir()] == ["theirs.npz"]
    other.__exit__()


def test_what_was_finished_though_it_was_taken_over_is_not_stored(store, monkeypatch):
    """Noticed only when it was to be stored; meanwhile the other one has given up, so it is trained here again."""

    def take(epoch):
        if epoch == 2 and not taken:
            with store.writing() as connection:
                taken.extend(connection.execute("DELETE FROM reservations RETURNING digest").fetchall())

    taken = []
    epochs = after_epochs(monkeypatch, take)
    runs = make(store).run(CONFIGS[:2])
    assert epochs == [1, 2, 1, 2]
    assert [run.config for run in runs] == CONFIGS[:2]
    assert len(store.all()) == 2


def test_a_store_that_vanishes_is_told(tmp_path, monkeypatch):
    """While its runs are trained; and it is not made anew."""
    monkeypatch.setattr(sweep, "LISTEN", 0.02)
    store = RunStore(tmp_path / "disk" / "runs.sqlite")

    def remove(epoch):
        if epoch == 1:
            shutil.rmtree(store.path.parent)
        time.sleep(0.1)

    epochs = after_epochs(monkeypatch, remove)
    with pytest.raises(InputError, match=r"store = .*: was removed while it was in use; put it back"):
        make(store).run([replace(CONFIGS[0], epochs=400)])
    assert len(epochs) < 400
    assert not store.path.exists()
