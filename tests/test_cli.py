"""The command and the figure scripts as a user meets them: results, and errors of one line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fig1
import pytest
from conftest import ROOT

from t1t2_pt.backends import BACKENDS
from t1t2_pt.cli import main as cli
from t1t2_pt.config import OPTIONS
from t1t2_pt.datasets import DATASETS
from t1t2_pt.datasets.sources import given
from t1t2_pt.plotting import scripts as figures

QUICK = ["--hidden", "10", "--t1-samples", "300", "--t2-samples", "100", "--epochs", "2", "--quiet"]


@pytest.fixture
def t1t2(tmp_path, capsys):
    """Run the command in a folder of its own: (exit code, standard output, standard error)."""

    def run(*arguments, store=True):
        place = ["--store", str(tmp_path / "runs.sqlite")] if store else []
        try:
            code = cli.main([*arguments, *place])
        except SystemExit as leaving:
            code = leaving.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def script(tmp_path, capsys):
    """Run Figure 1's script likewise."""

    def run(*arguments):
        declaration = figures.FigureScript("fig1", "Figure 1", fig1.runs, fig1.draw)
        place = ["--store", str(tmp_path / "runs.sqlite"), "--out", str(tmp_path / "out")]
        try:
            code = figures.main(declaration, [*place, *arguments])
        except SystemExit as leaving:
            code = leaving.code
        return code, capsys.readouterr().err

    return run


def test_train_list_show_export(t1t2, tmp_path):
    options = [*QUICK, "--input-noise", "0.5", "--hidden-noise", "0.3", "--tune", "input_noise", "--interval", "1"]
    code, out, _ = t1t2("train", *options, "--json")
    assert code == 0
    result = json.loads(out)
    assert result["config"]["hidden"] == [10]
    assert result["config"]["tune"] == ["input_noise"]
    assert 0 < result["final"]["test_error"] < 1
    assert len(result["history"]["epoch"]) == 3
    assert result["provenance"]["data"].startswith("MNIST")

    code, again, _ = t1t2("train", *options, "--json")
    assert json.loads(again) == result  # from the store

    code, out, _ = t1t2("runs", "list")
    assert code == 0
    assert result["digest"][:10] in out
    code, out, _ = t1t2("runs", "list", "--json")
    assert code == 0
    assert json.loads(out)["digest"] == result["digest"]

    code, out, _ = t1t2("runs", "show", result["digest"][:8])
    assert code == 0
    assert "0.5 -> " in out
    assert "were not finite" in out
    code, out, _ = t1t2("runs", "show", result["digest"], "--json")
    assert json.loads(out) == result

    code, _, _ = t1t2("runs", "export", str(tmp_path / "all.jsonl"))
    assert code == 0
    assert json.loads((tmp_path / "all.jsonl").read_text()) == result
    code, _, _ = t1t2("runs", "export", str(tmp_path / "new" / "all.csv"), result["digest"])
    lines = (tmp_path / "new" / "all.csv").read_text().splitlines()
    assert lines[0].startswith("digest,epoch,seconds,input_noise")
    assert len(lines) == 4
    code, out, _ = t1t2("runs", "import", str(tmp_path / "all.jsonl"))
    assert out.startswith("0 runs added")
    (tmp_path / "runs.sqlite").unlink()
    code, out, _ = t1t2("runs", "import", str(tmp_path / "all.jsonl"))
    assert (code, out.split(" to ")[0]) == (0, "1 runs added")
    code, again, _ = t1t2("train", *options, "--json")
    assert (code, json.loads(again)) == (0, result)


def test_help_teaches(t1t2):
    code, out, _ = t1t2("train", "--help", store=False)
    assert code == 0
    words = " ".join(out.split())
    for name in OPTIONS:
        assert f"--{name.replace('_', '-')}" in words
    for text in (
        "n0, standard deviation of the Gaussian noise",
        "(default: 1000,1000,1000; all-cnn-c: none; ladder-baseline: none; pooled-cnn: none)",
        "samples in T1, for the elementary parameters (default: 55000; svhn: 65000; cifar10: 45000",
        "(default: none)",
        "example:",
    ):
        assert text in words
    assert [line for line in out.splitlines() if line in ("data:", "network:", "tuning:", "where:")] == [
        "data:",
        "network:",
        "tuning:",
        "where:",
    ]


def test_doctor(t1t2):
    code, out, _ = t1t2("doctor", store=False)
    assert code == 0
    for text in ("pytensor", "jax           works", "numba         works", "data/mnist", "t1t2 data fetch svhn"):
        assert text in out
    code, out, _ = t1t2("doctor", "--json", store=False)
    assert (code, json.loads(out)["backends"]["jax"]) == (0, "works")


class TestData:
    def test_list(self, t1t2):
        code, out, _ = t1t2("data", "list", store=False)
        assert code == 0
        assert all(name in out for name in DATASETS)
        code, out, _ = t1t2("data", "list", "--json", store=False)
        rows = {row["name"]: row for row in json.loads(out)}
        assert rows["mnist"]["place"].endswith("data/mnist")
        assert (rows["svhn"]["t1_samples"], rows["svhn"]["t2_samples"]) == (65_000, 8_257)

    def test_verify(self, t1t2, tmp_path, monkeypatch):
        code, out, _ = t1t2("data", "verify", "mnist", store=False)
        assert (code, out.count("\n")) == (0, 1)
        assert out.startswith("mnist: right; MNIST, the official files (SHA-256 checked); 60,000 + 10,000 in ")
        shutil.copytree(ROOT / "data" / "mnist", tmp_path / "mnist")
        (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
        code, out, _ = t1t2("data", "verify", "mnist", "--data-dir", str(tmp_path), store=False)
        assert code == 1
        assert "t10k-labels-idx1-ubyte.gz': cannot be read" in out

    def test_fetch_where_there_is_nothing_to_fetch(self, t1t2):
        code, out, _ = t1t2("data", "fetch", "digits-on-photos", store=False)
        assert code == 0
        assert "is made of data in the repository" in out

    def test_unknown(self, t1t2):
        code, _, err = t1t2("data", "verify", "imagenet", store=False)
        assert code == 2
        assert err == f"t1t2: dataset = 'imagenet': is unknown; give {', '.join(DATASETS)}\n"


def test_short_names_of_sizes(t1t2):
    options = [o.replace("-samples", "") for o in QUICK]
    assert "--t1" in options
    code, out, _ = t1t2("train", *options, "--json")
    assert code == 0
    assert json.loads(out)["config"]["t1_samples"] == 300


def test_places_are_told_to_workers_from_the_root(tmp_path, monkeypatch):
    """Their current folder is another."""
    monkeypatch.chdir(tmp_path)
    options = cli.parser().parse_args(["train", "--store", "a/b.sqlite", "--data-dir", "data"])
    assert (options.store, options.data_dir) == (tmp_path / "a" / "b.sqlite", tmp_path / "data")
    monkeypatch.setenv("T1T2_DATA", "data")
    (tmp_path / "data").mkdir()
    assert list(given(None)) == [tmp_path / "data"]


def test_no_current_folder(t1t2, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    code, _, err = t1t2("runs", "list", "--store", "a.sqlite", store=False)
    assert code == 2
    assert "there is no current folder (No such file or directory): give it from /" in err
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--input-noise", "-1"],
            "t1t2: input_noise = -1.0: input should be greater than or equal to 0; give a number",
        ),
        (["--epochs", "lots"], "t1t2: epochs = 'lots': has the wrong form; give at least 1"),
        (["--hidden", "10,ten"], "t1t2: hidden = '10,ten': has the wrong form; give widths"),
        (["--dropout", "0.5"], "t1t2: unrecognized arguments: --dropout 0.5; try t1t2 --help"),
        (["--t2-samples", "0"], "t1t2: t2_samples = 0: input should be greater than or equal to 1; give at least 1"),
        (
            ["--t1-samples", "60000"],
            "t1t2: t1_samples = 60000: with 5000 t2_samples exceeds the 60000 training samples",
        ),
        (["--epochs", "9" * 400], "t1t2: epochs = 999"),
        (
            ["--interval", str(2**30 + 1)],
            "t1t2: interval = 1073741825: input should be less than or equal to 1073741824",
        ),
        (
            ["--epochs", str(2**32 - 1)],
            "t1t2: epochs = 4294967295: input should be less than or equal to 2147483647; give at least 1",
        ),
        (
            ["--epochs", str(10**7)],
            "t1t2: epochs = 10000000: makes 5500000000 updates, too many; give at most 3904515",
        ),
        (["--store", "x" * 300], "t1t2 train: argument --store: 'xxx"),
        (["--tune", "l2"], "t1t2: tune = ('l2',): l2 has no initial value; give l2 a number of 0 or more to start at"),
        (["--backend", "tpu"], "t1t2: backend = 'tpu': is unknown; give auto, jax, numba, c"),
        (["--data-dir", "/nowhere"], "t1t2: data_dir = '/nowhere': is not a folder; give the folder that holds"),
        (["--store", "/dev/null/x"], "t1t2: store = '/dev/null/x': lies below /dev/null, which is not a folder"),
    ],
)
def test_bad_input(t1t2, tmp_path, arguments, message):
    code, out, err = t1t2("train", *(["--store", str(tmp_path / "runs.sqlite")]), *arguments, store=False)
    assert code == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith(message)
    assert os.listdir(tmp_path) == []


def test_missing_backend(t1t2, tmp_path, monkeypatch):
    monkeypatch.setattr(type(BACKENDS["jax"]), "missing", lambda self: "JAX (`pip install jax`)")
    code, _, err = t1t2("train", *QUICK, "--backend", "jax")
    assert code == 2
    assert err == "t1t2: backend = 'jax': is not installed; install JAX (`pip install jax`), or give --backend auto\n"
    assert os.listdir(tmp_path) == []


def test_corrupt_data(t1t2, script, tmp_path, monkeypatch):
    data = tmp_path / "data"
    shutil.copytree(ROOT / "data" / "mnist", data / "mnist")
    with open(data / "mnist" / "train-labels-idx1-ubyte.gz", "r+b") as stream:
        stream.truncate(20_000)
    for code, err in (t1t2("train", *QUICK, "--data-dir", str(data))[::2], script("--quiet", "--data-dir", str(data))):
        assert code == 2
        assert len(err.splitlines()) == 1
        assert "train-labels-idx1-ubyte.gz': cannot be read" in err
        assert "put a sound copy in its place, or move its folder away" in err
    assert os.listdir(tmp_path) == ["data"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs", "list"], "store = "),
        (["runs", "show", "abc"], "store = "),
        (["runs", "export", "runs.txt"], "file = 'runs.txt': has an unknown ending; name it .jsonl, .jsonl.gz or .csv"),
        (["runs"], "the following arguments are required"),
        ([], "the following arguments are required"),
        (["fly"], "argument COMMAND: invalid choice: 'fly'"),
    ],
)
def test_bad_commands(t1t2, tmp_path, arguments, message):
    code, _, err = t1t2(*arguments, store=len(arguments) > 1)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert message in err
    assert os.listdir(tmp_path) == []


def test_memory_that_does_not_suffice(t1t2, monkeypatch):
    """Told without a traceback, whoever asked for so much."""

    def too_much(*arguments, **options):
        raise MemoryError("Unable to allocate 3.64 TiB")

    monkeypatch.setattr("t1t2_pt.sweeps.work.train", too_much)
    code, _, err = t1t2("train", *QUICK)
    assert code == 2
    assert err.startswith("t1t2: memory is short (Unable to allocate 3.64 TiB); give")


def test_unknown_digest(t1t2):
    t1t2("train", *QUICK)
    code, _, err = t1t2("runs", "show", "zzz")
    assert code == 2
    assert err.startswith("t1t2: digest = 'zzz': fits no stored run; give one that `t1t2 runs list` shows")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "huge"], "argument --preset: invalid choice: 'huge'"),
        (["--out", "/dev/null/out"], "fig1: --out = '/dev/null/out/fig1.png': lies below /dev/null"),
        (["--seed", "-1"], "fig1: --seed = -1: "),
        (["--seed", "one"], "argument --seed: invalid int value: 'one'"),
        (["--backend", "tpu"], "fig1: backend = 'tpu': is unknown; give auto, jax, numba, c"),
    ],
)
def test_bad_script_input(script, tmp_path, arguments, message):
    code, err = script(*arguments)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert message in err
    assert os.listdir(tmp_path) == []


def test_script_outside_the_environment_says_how_to_set_up(tmp_path):
    """A Python that has none of the packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    done = subprocess.run(
        [tmp_path / "bare" / "bin" / "python", ROOT / "reproduce" / "fig1.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "is not installed; run `make fig1`" in done.stderr


def test_ctrl_c(script, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(figures.Sweep, "run_parts", interrupted)
    code, err = script()
    assert code == 130
    assert "finished runs are in the store" in err


def test_find_python_says_what_is_needed(tmp_path):
    """Without a suitable Python `make` tells which is needed and how to get it."""
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    command = [shutil.which("bash"), ROOT / ".ci" / "find-python"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert done.returncode == 2
    assert "Python 3.12, 3.13 or 3.14 is needed" in done.stderr
    assert Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()).name
