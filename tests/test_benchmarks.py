"""The benchmarks compute what they say, and what is committed is what `make bench` writes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import need

from benchmarks import plots, tables
from benchmarks.arena import STEP_ENTRIES, Arena, Entry

ROOT = Path(__file__).resolve().parents[1]
CONTENDERS = {"ours_jax", "ours_numba", "ours_c", "handwritten_jax", "pytorch_eager", "gemm_floor"}
SMALL = {"features": 12, "hidden": (9, 8), "batch": 10}


def quiet(text):
    pass


@pytest.mark.slow
def test_contenders_agree_on_a_small_problem():
    """Ours and JAX by hand; the floor has nothing to compare."""
    need("jax")
    names = ("ours_jax", "handwritten_jax", "gemm_floor")
    with Arena({name: STEP_ENTRIES[name] for name in names}, SMALL, say=quiet) as arena:
        assert arena.names == list(names)
        arena.check()
        times = arena.time(("t1", "t1t2"), steps=2, rounds=1)
    assert all(taken > 0 for by_name in times.values() for each in by_name.values() for taken in each)


def test_disagreement_is_named(monkeypatch):
    arena = Arena({}, SMALL, say=quiet)
    monkeypatch.setattr(Arena, "names", ["a", "b"])
    answers = {"a": {"weights": [1.0, 2.0]}, "b": {"weights": [1.0, 2.1]}}
    monkeypatch.setattr(Arena, "ask", lambda self, name, **order: answers[name])
    with pytest.raises(RuntimeError, match="a and b differ in weights"):
        arena.check()


def test_absent_contender_is_left_out_with_a_note():
    with Arena({"pytorch_eager": Entry("pytorch_eager", python="/nowhere/python")}, SMALL, say=quiet) as arena:
        assert arena.names == []
        assert arena.notes["pytorch_eager"].startswith("left out: no Python")


COMMITTED = [name for name in tables.TABLES if (ROOT / "benchmarks" / f"{name}.json").exists()]


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_result(name, tmp_path):
    """Each table is there with its plot, says what it was measured on, and can be printed and drawn."""
    result = json.loads((ROOT / "benchmarks" / f"{name}.json").read_text())
    assert result["machine"]["cores"] >= 1
    assert {"pytensor", "jax", "numba"} <= set(result["machine"]["versions"])
    assert len(tables.render(name, result).splitlines()) >= 3
    plots.draw(name, result, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000
    assert (ROOT / "benchmarks" / f"{name}.png").exists()


def test_most_tables_are_committed():
    assert set(COMMITTED) >= {"step", "cnn", "sweep"}


@pytest.mark.slow
def test_step_table(monkeypatch):
    """The contract's keys and what follows from the times, from a run of the contenders; the committed one has all."""
    need("jax")
    names = ("ours_jax", "handwritten_jax")
    monkeypatch.setattr(tables, "STEP_ENTRIES", {name: STEP_ENTRIES[name] for name in names})
    monkeypatch.setattr(
        Arena,
        "time",
        lambda self, what, steps, rounds: {
            kind: {name: [one + place, one + place + 1, 9.0] for place, name in enumerate(self.names)}
            for one, kind in ((1.0, "t1"), (3.0, "t1t2"))
        },
    )
    monkeypatch.setattr(tables, "_PROBLEM", SMALL)
    result = tables.step(3, 2)
    assert result["t1_ms"] == {"ours_jax": 2.0, "handwritten_jax": 3.0}
    assert result["t1t2_ms"] == {"ours_jax": 4.0, "handwritten_jax": 5.0}
    assert result["overhead"] == pytest.approx({"ours_jax": 2 / 20, "handwritten_jax": 2 / 30})
    assert result["ratio_to"]["handwritten_jax"]["t1"]["ours_jax"] == pytest.approx(2 / 3)
    committed = json.loads((ROOT / "benchmarks" / "step.json").read_text())
    for key in ("t1_ms", "t1t2_ms", "overhead"):
        assert set(committed[key]) >= CONTENDERS


def test_unknown_table():
    command = [sys.executable, "-m", "benchmarks.bench", "speed"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "no table speed: give step, cnn, sweep, growth" in answer.stderr
