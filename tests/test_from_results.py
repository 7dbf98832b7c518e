"""`make figures-from-results`: committed figures from committed runs, without training."""

import from_results
import pytest
from conftest import ROOT

from t1t2_pt.plotting.scripts import PRESETS

FIGURES = ROOT / "figures"


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    for training in ("work.train", "depth_sweep.train_depth", "timing.measure", "method_survey.make_survey"):
        monkeypatch.setattr(f"t1t2_pt.sweeps.{training}", None)  # would fail if called


def test_one_figure_has_the_committed_bytes(tmp_path, capsys):
    """At every preset of which runs are committed; what lacks runs is named in a line."""
    assert from_results.main(["--figures", "fig2,layers", "--out", str(tmp_path)]) == 0
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    drawn = ("fig2", "laptop/fig2", "layers")
    assert written == sorted(f"{name}.{kind}" for name in drawn for kind in ("csv", "pdf", "png"))
    for name in drawn:
        assert (tmp_path / f"{name}.csv").read_bytes() == (FIGURES / f"{name}.csv").read_bytes()
    lines = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    lacking = {"laptop": "layers", "overnight": "fig2, layers"}
    assert lines == [
        f"left out at the {preset} preset, as data/results lacks runs of theirs: {names}"
        for preset, names in lacking.items()
    ]


@pytest.mark.slow
def test_every_committed_table_has_the_same_bytes(tmp_path):
    assert from_results.main(["--out", str(tmp_path)]) == 0
    tables = {str(path.relative_to(FIGURES)) for path in FIGURES.rglob("*.csv")}
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv")} == tables
    for name in tables:
        assert (tmp_path / name).read_bytes() == (FIGURES / name).read_bytes(), name


def test_unknown_figure_is_told(tmp_path, capsys):
    assert from_results.main(["--figures", "fig1,fig8", "--out", str(tmp_path)]) == 2
    assert "--figures = 'fig1,fig8': has no 'fig8'; `make help` lists them" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_presets_with_results_are_presets():
    names = {path.name.removesuffix(".jsonl.gz").rpartition("-")[2] for path in from_results.RESULTS.glob("*.gz")}
    assert names <= set(PRESETS)
