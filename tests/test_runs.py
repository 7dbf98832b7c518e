"""Runs as records: what is read is whole, and anything else is told plainly."""

import json

import pytest
from invented import CONFIG, TWO_LAYERS, make_run, same

from t1t2_pt.cli import main as cli
from t1t2_pt.config import replace, run_config
from t1t2_pt.runs.exchange import export_runs, read_runs
from t1t2_pt.runs.record import NewerRunError, NotARunError, StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.reruns import rerun_config, untuned
from t1t2_pt.system.errors import InputError


def test_provenance_says_what_produced_it():
    provenance = make_run().provenance
    assert {"backend", "device", "pytensor", "numpy", "python", "t1t2_pt", "commit", "machine", "data"} <= set(
        provenance
    )
    assert provenance["data"] == "made by the tests"


def test_divergence_is_a_status(store):
    store.put([make_run(diverged_at=2)])
    run = store.get(CONFIG)
    assert run.status == "diverged"
    assert run.final["diverged_at"] == 2


def without(part: str, name: str):
    """What changes a run's values by leaving something out."""
    return lambda values: values[part].pop(name)


def with_(part: str, name: str, value):
    return lambda values: values[part].__setitem__(name, value)


def deep(value, times: int):
    for _ in range(times):
        value = [value]
    return value


# Half a run, under a right digest; each was taken once, and then spoilt what read it.
HALVES = {
    "no final": (lambda values: values.pop("final"), "has no final"),
    "no provenance": (lambda values: values.pop("provenance"), "has no provenance"),
    "final without test error": (without("final", "test_error"), "final test_error is not"),
    "final test error of nothing": (with_("final", "test_error", None), "final test_error is not"),
    "final of another history": (with_("final", "test_error", 0.5), "final test_error is not"),
    "history without epochs": (without("history", "epoch"), "history has no epoch"),
    "history without seconds": (without("history", "seconds"), "history has no seconds"),
    "history without a level": (without("history", "l2_1"), "history has no l2_1"),
    "history without an evaluation": (without("history", "t2_cost"), "history has no t2_cost"),
    "history of fewer epochs": (lambda values: [column.pop(1) for column in values["history"].values()], "2 epochs"),
    "history of no epochs": (lambda values: [column.clear() for column in values["history"].values()], "2 epochs"),
    "columns of other lengths": (with_("history", "train_cost", [1.0]), "differ in length"),
    "a column of one text": (with_("history", "train_cost", "123"), "a number in it is something else"),
    "a text among numbers": (with_("history", "train_cost", [1.0, "2", 3.0]), "a number in it is something else"),
    "true among numbers": (with_("history", "train_cost", [1.0, True, 3.0]), "a number in it is something else"),
    "a huge whole number": (with_("history", "train_cost", [1.0, 10**400, 3.0]), "a number in it is something else"),
    "lists in lists": (with_("history", "train_cost", deep(1.0, 200)), "a number in it is something else"),
    "a status of its own": (lambda values: values.update(status="odd"), "status is 'odd'"),
    "diverged without an epoch": (lambda values: values.update(status="diverged"), "disagree"),
    "finished, and diverged at an epoch": (with_("final", "diverged_at", 1.0), "disagree"),
    "no backend": (without("provenance", "backend"), "provenance has no backend"),
    "no data": (without("provenance", "data"), "provenance has no data"),
    "a number for a text": (with_("provenance", "numpy", 2), "a text in it is something else"),
    "half a letter": (with_("provenance", "data", "\ud800"), "surrogates not allowed"),
    "no time": (lambda values: values.update(finished=None), "a text in it is something else"),
    "config of something else": (lambda values: values.update(config=[1]), "config is something else"),
    "a huge level": (with_("config", "input_noise", 10**400), "input_noise = 1000"),
    "no digest": (lambda values: values.pop("digest"), "has no digest"),
}


@pytest.mark.parametrize("half", HALVES)
def test_half_a_run_is_none(half, tmp_path):
    """Neither read as a run nor imported, which tells the line."""
    spoil, problem = HALVES[half]
    values = make_run().as_dict()
    spoil(values)
    with pytest.raises(NotARunError, match=problem):
        StoredRun.from_dict(values)
    whole = json.dumps(make_run(replace(CONFIG, seed=1)).as_dict())
    (tmp_path / "a.jsonl").write_text(f"{whole}\n{json.dumps(values)}\n")
    with pytest.raises(InputError, match=r"line 2 is not a run \(") as told:
        read_runs(tmp_path / "a.jsonl")
    assert len(str(told.value).splitlines()) == 1


def test_levels_per_map_are_whole():
    config = replace(CONFIG, per_unit=("l2",), l2=0.1)
    values = {**make_run(replace(config, per_unit=())).as_dict(), "config": config.as_dict(), "digest": config.digest()}
    for layer, maps in enumerate((6, 5, 3)):
        values["history"][f"l2_{layer}"] = [0.1, 0.2, 0.3]
        values["final"] |= {f"l2_{layer}": 0.3, **{f"l2_{layer}_{number}": 0.3 for number in range(maps)}}
    assert StoredRun.from_dict(values).final_level("l2") == (0.3,) * 14
    del values["final"]["l2_1_2"]
    with pytest.raises(NotARunError, match="levels of l2 per unit"):
        StoredRun.from_dict(values)


def test_a_field_of_a_later_version_is_named():
    values = make_run().as_dict()
    values["config"]["dropout"] = 0.5
    with pytest.raises(NewerRunError, match="its field 'dropout' is not known to this version of t1t2_pt"):
        StoredRun.from_dict(values)


def test_whatever_texts_a_run_has_it_is_shown(store, capsys):
    """Rich takes square brackets for its own."""
    run = make_run()
    run.provenance.update(data="[/data] of [red]theirs", backend="[/jax]")
    store.put([run])
    for command in (["list"], ["show", run.digest]):
        assert cli.main(["runs", *command, "--store", str(store.path)]) == 0
        assert "[/jax]" in capsys.readouterr().out


class TestExchange:
    def test_round_trip(self, tmp_path):
        runs = [make_run(), make_run(replace(CONFIG, l2=0.5), diverged_at=1)]
        for name in ("a.jsonl", "a.jsonl.gz"):
            export_runs(runs, tmp_path / "new" / name)
            assert [same(a, b) for a, b in zip(read_runs(tmp_path / "new" / name), runs, strict=True)] == [True, True]

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"nonsense", "line 1 is not a run"),
            (b"{}", "line 1 is not a run"),
            (b"[]", "line 1 is not a run"),
            (b"[" * 100_000, "line 1 is not a run"),
            (b'{"a": ' + b"9" * 5000 + b"}", "line 1 is not a run"),
            (bytes((255,)), "cannot be read"),
        ],
    )
    def test_not_runs(self, tmp_path, content, problem):
        (tmp_path / "a.jsonl").write_bytes(content)
        with pytest.raises(InputError, match=rf"file = '.*a\.jsonl': {problem}"):
            read_runs(tmp_path / "a.jsonl")

    def test_altered_run(self, tmp_path):
        export_runs([make_run()], tmp_path / "a.jsonl")
        text = (tmp_path / "a.jsonl").read_text()
        (tmp_path / "a.jsonl").write_text(text.replace('"seed": 0', '"seed": 1'))
        with pytest.raises(InputError, match=r"line 1 is not a run \(its digest does not fit its config\)"):
            read_runs(tmp_path / "a.jsonl")

    def test_a_run_that_is_there_twice_is_one(self, tmp_path, capsys):
        runs = [make_run(), make_run(replace(CONFIG, seed=1))]
        export_runs([*runs, *runs], tmp_path / "a.jsonl")
        assert len(read_runs(tmp_path / "a.jsonl")) == 2
        store = RunStore(tmp_path / "runs.sqlite")
        store.put(runs[:1])
        assert cli.main(["runs", "import", str(tmp_path / "a.jsonl"), "--store", str(store.path)]) == 0
        assert capsys.readouterr().out == f"1 runs added to {store.path}, 1 were there\n"

    def test_a_line_ends_at_its_end_only(self, tmp_path):
        """Unicode has other ends of lines, which another program may leave as they are."""
        run = make_run()
        run.provenance["data"] = "one\u2028two"
        (tmp_path / "a.jsonl").write_text(json.dumps(run.as_dict(), ensure_ascii=False) + "\r\n\n")
        assert same(read_runs(tmp_path / "a.jsonl")[0], run)


class TestRerun:
    def test_fixes_what_was_found(self):
        again = rerun_config(make_run())
        assert again.tune == ()
        assert again.input_noise == 1 / 3
        assert again.l2 == (0.3, 0.3, 0.3)
        assert replace(again, input_noise=0.5, l2=CONFIG.l2, tune=CONFIG.tune) == CONFIG

    def test_keeps_the_softmax_noise_that_was_held(self):
        config = run_config(**TWO_LAYERS, hidden_noise=0.7, tune=("hidden_noise",), noise_before_softmax="fixed")
        run = make_run(replace(config, l2=0.1))
        run.final["hidden_noise"] = 0.2
        assert rerun_config(run).hidden_noise == (0.2, 0.7)

    def test_untuned(self):
        assert untuned(CONFIG) == replace(CONFIG, tune=())
