"""Stored runs listed, chosen, exported with their options, plotted and deleted; options that were misspelt."""

import csv
import dataclasses
import json
import math
import subprocess
import sys

import pytest
from test_store import make_run

from t1t2_pt import __version__
from t1t2_pt.cli import main as cli
from t1t2_pt.config import FIELDS, replace
from t1t2_pt.runs import names as names_module
from t1t2_pt.runs.exchange import export_runs
from t1t2_pt.runs.listing import chosen, read_conditions, summaries
from t1t2_pt.system.code_digest import CODE

SEEDS = range(5)


@pytest.fixture
def filled(store):
    runs = [make_run(replace(make_run().config, seed=seed)) for seed in SEEDS]
    for run in runs:
        run.final["test_error"] = run.history["test_error"][-1] = 0.5 - run.config.seed / 10
    runs = [dataclasses.replace(run, finished=f"2026-01-0{9 - run.config.seed}T00:00:00+00:00") for run in runs]
    store.put(runs)
    return store


@pytest.fixture
def ask(filled, capsys):
    def run(*arguments):
        try:
            code = cli.main([*arguments, "--store", str(filled.path)])
        except SystemExit as leaving:
            code = leaving.code
        return code, *capsys.readouterr()

    return run


def test_summaries_are_the_runs_without_histories(filled):
    told = []
    found = summaries(filled, told.append)
    assert told == []
    whole = [{name: value for name, value in run.as_dict().items() if name != "history"} for run in filled.all()]
    assert [json.loads(json.dumps(run.as_dict())) for run in found] == whole
    plan = "EXPLAIN QUERY PLAN SELECT digest,config,status,final,provenance,finished FROM runs ORDER BY finished,digest"
    with filled._reading() as connection:
        assert "USING COVERING INDEX" in str(connection.execute(plan).fetchall())


@pytest.mark.parametrize(
    ("conditions", "seeds"),
    [
        ([], {0, 1, 2, 3, 4}),
        (["dataset=mnist,seed>2"], {3, 4}),
        (["seed<=1"], {0, 1}),
        (["seed!=1", "test_error<0.35"], {2, 3, 4}),
        (["dataset=svhn"], set()),
        (["status=finished,backend!=numba"], {0, 1, 2, 3, 4}),
        (["preprocessing=usual,hidden_dropout=none"], {0, 1, 2, 3, 4}),
        (["tune=none"], set()),
    ],
)
def test_conditions(filled, conditions, seeds):
    runs = chosen(summaries(filled, print), read_conditions(conditions))
    assert {run.value("seed") for run in runs} == seeds


LISTED = """
import sys
from t1t2_pt.cli.main import main
assert main(sys.argv[1:]) == 0
print({"pytensor", "jax", "matplotlib", "pandas", "pydantic", "numpy"} & sys.modules.keys(), file=sys.stderr)
"""


def test_a_list_imports_nothing_that_trains(filled, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command = [sys.executable, "-c", LISTED, "runs", "list", "--where", "hidden_dropout=none", "--store", filled.path]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2))
    assert second.stderr == "set()\n"
    assert first.stdout == second.stdout
    assert len(second.stdout.splitlines()) == 6


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"code": "0"}', f'{{"code": "{CODE}", "names": {{"a": 1}}}}'])
def test_names_are_made_again_where_what_is_kept_is_wrong(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(names_module, "compiled_cache", lambda: tmp_path)
    path = tmp_path / "names.json"
    path.write_text(kept)
    made = names_module.names.__wrapped__()
    assert list(made.defaults) == list(FIELDS)
    assert made.symbols["input_noise"] == "n0"
    monkeypatch.delattr(names_module, "_made")
    assert names_module.names.__wrapped__() == made


def test_lines_fit(ask, filled):
    code, out, err = ask("runs", "list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 6
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[1:]] == [run.digest[:10] for run in filled.all()]
    code, out, err = ask("runs", "list", "--sort", "test_error", "--limit", "2", "--columns", "seed,test_error")
    assert out.splitlines() == ["seed test_error", "4    10.00%", "3    20.00%"]
    assert err == "2 of 5 runs\n"
    assert ask("runs", "list", "--limit", "1", "--columns", "seed")[1].splitlines()[1:] == ["0"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "--where", "tun=l2"], "--where = 'tun': is nothing that runs have; did you mean tune?"),
        (["list", "--where", "mnist"], "--where = 'mnist': is no condition; give some such as dataset=mnist"),
        (["list", "--where", "seed=one"], "--where = 'seed': compares seed with 'one'; give a number"),
        (["list", "--sort", "test_eror"], "--sort = 'test_eror': is nothing that runs have; did you mean test_error?"),
        (["list", "--columns", "sed"], "--columns = 'sed': is nothing that runs have; did you mean seed?"),
        (["list", "--limit", "0"], "--limit = 0: is no number of runs"),
        (["delete"], "RUN = None: says not which runs; give either digests or --where"),
        (["delete", "zzz"], "RUN = 'zzz': fits no stored run"),
        (["plot", "zzz", "--out", "a.xls"], "--out = 'a.xls': has an unknown ending"),
        (["lst"], "(did you mean list?)"),
        (["list", "--wehre", "a"], "unrecognized arguments: --wehre a; try t1t2 --help (did you mean --where?)"),
    ],
)
def test_what_was_meant(ask, arguments, told):
    code, out, err = ask("runs", *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1


def test_show_has_every_option(ask, filled):
    run = filled.all()[0]
    code, out, _ = ask("runs", "show", run.digest[:12])
    assert code == 0
    _, _, config = out.partition("\nconfig")
    assert [line.split()[0] for line in config.splitlines() if line and line[0] != " "] == list(FIELDS)


def test_csv_has_options_and_one_kind_of_missing_value(tmp_path):
    run = make_run()
    assert math.isnan(run.history["test_error"][0])
    export_runs([run, make_run(replace(run.config, seed=1))], tmp_path / "a.csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert {row["config.seed"] for row in rows} == {"0", "1"}
    assert {row["config.dataset"] for row in rows} == {run.config.dataset}
    assert all(f"config.{name}" in rows[0] for name in FIELDS)
    assert rows[0]["data_provenance"] == run.provenance["data"]
    assert [row["test_error"] for row in rows[:3]] == ["", "", "0.25"]
    assert not {"nan", "NaN", "None", "null", "inf"} & {value for row in rows for value in row.values()}


def test_plot_and_delete(ask, filled, tmp_path):
    digests = [run.digest[:12] for run in filled.all()]
    code, out, _ = ask("runs", "plot", *digests[:2], "--out", str(tmp_path / "new" / "a.png"))
    assert (code, out) == (0, f"2 runs drawn in {tmp_path / 'new' / 'a.png'}\n")
    assert (tmp_path / "new" / "a.png").stat().st_size > 10_000
    assert ask("runs", "delete", digests[0])[:2] == (0, f"1 runs deleted from {filled.path}\n")
    assert ask("runs", "delete", "--where", "seed<3")[:2] == (
        1,
        f"3 runs would be deleted from {filled.path}; add --yes\n",
    )
    assert ask("runs", "delete", "--where", "seed<3", "--yes")[0] == 0
    assert [run.config.seed for run in filled.all()] == [3]


def test_version(capsys):
    with pytest.raises(SystemExit):
        raise SystemExit(cli.main(["--version"]))
    assert capsys.readouterr().out == f"t1t2_pt {__version__}\n"
