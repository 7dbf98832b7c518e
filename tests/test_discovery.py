"""A figure is one new file, as CONTRIBUTING.md has it: drawn with all others, shown in the report, known to `make`."""

import os
import shutil
import subprocess
import sys

import everything
import fig1
import pytest
import report
from conftest import ROOT
from recipes import RECIPES
from test_figures import stored

from t1t2_pt.plotting.figure_script import Request
from t1t2_pt.plotting.found_scripts import scripts_in
from t1t2_pt.runs.store import RunStore
from t1t2_pt.system.errors import InputError

SCRIPTS = {script.name: script for script in scripts_in(ROOT / "reproduce")}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the scripts with a file more and fewer figures, so that all are drawn soon; a store of their runs."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "reproduce", folder / "reproduce", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Makefile", folder)
    for path in (folder / "reproduce").glob("*.py"):
        if path.stem in SCRIPTS and path.stem not in ("fig1", "fig7"):
            path.unlink()
    (folder / "reproduce" / "tiny.py").write_text(RECIPES["reproduce/tiny.py"])
    runs = stored("quick", fig1.runs(Request()))
    RunStore(folder / "runs.sqlite").put([run for some in runs.values() for run in some])
    return folder


def run(folder, program, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, folder / "reproduce" / program, *arguments, "--out", folder / "figures"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done


def test_new_file_is_a_figure_everywhere(copy):
    done = run(copy, "everything.py", "--store", copy / "runs.sqlite", "--datasets", "mnist")
    assert "84 in the store, 0 to train" in done.stderr
    names = [os.path.basename(line) for line in done.stdout.splitlines()]
    kinds = [".png", ".pdf", ".csv"]
    assert names[:3] == ["fig1.png", "fig1.pdf", "fig1.csv"]
    assert names[3:] == [f"{name}{kind}" for name in ("tiny", "fig7") for kind in kinds]

    run(copy, "report.py")
    page = (copy / "figures" / "index.html").read_text()
    places = [page.index(f'<section id="{name}">') for name in ("fig1", "tiny", "fig7")]
    assert places == sorted(places)
    assert page.count("<section id=") == len(places) + 3  # verdicts, claims, and how to make the page
    for text in ("<h2>A tiny figure</h2>", "The paper: nothing.", "One run at quick.", "<code>make tiny</code>"):
        assert text in page
    error = (copy / "figures" / "tiny.csv").read_text().split(",")[-1].strip()
    assert f"<td>an error of {float(error):.6f}</td>" in page

    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=copy, capture_output=True, text=True, check=True
    ).stdout
    assert listed.splitlines()[-1].split() == ["figures:", "fig1", "fig7", "tiny"]
    command = ["make", "--no-print-directory", "-n", "-o", ".venv/.ready", "tiny"]
    shown = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True).stdout
    assert "reproduce/tiny.py --preset quick" in shown


def test_figures_are_those_of_the_folder():
    """The same to `make`, to what draws all, and to the report."""
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert sorted(SCRIPTS) == listed.splitlines()[-1].split()[1:]
    assert set(SCRIPTS) >= {*(f"fig{number}" for number in range(1, 8)), "cost", "spacetime", "claims", "rerun"}
    assert [script.name for script in everything.SCRIPTS] == [name for name in SCRIPTS if not SCRIPTS[name].alone]
    assert list(report.SECTIONS) == [name for name in SCRIPTS if name != "claims"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("odd_one", "declares the figure 'another'; give file and figure one name"),
        ("json", "has the name of another module, "),
    ],
)
def test_script_that_cannot_be_found_by_its_name(name, problem, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = "from t1t2_pt.plotting.figure_script import FigureScript\nSCRIPT = FigureScript('another', '', None, None)\n"
    (tmp_path / f"{name}.py").write_text(text)
    with pytest.raises(InputError, match=f"{name}.py': {problem}"):
        scripts_in(tmp_path)
