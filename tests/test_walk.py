"""The way of one value through the code is the one that docs/walk.md shows."""

import contextlib
import importlib
import json
import re
import sys

import fig1
import numpy as np
import pytest
from conftest import ROOT

from t1t2_pt.cli.main import main
from t1t2_pt.cli.options import read_field
from t1t2_pt.config import run_config
from t1t2_pt.runs.store import RunStore
from t1t2_pt.steps.regularization import level_values
from t1t2_pt.steps.step import make_network

WALK = (ROOT / "docs" / "walk.md").read_text()
ROWS = re.findall(r"^\| \d \| \[[\w/]+\.py\]\(\.\./([\w/]+)\.py\) \| (.*) \|$", WALK, flags=re.MULTILINE)
OPTIONS = ("--hidden", "6,5", "--t1", "60", "--t2", "30", "--batch-size", "10", "--epochs", "2", "--interval", "3")
NOISE = ("--input-noise", "0.5", "--hidden-noise", "0.5", "--tune", "input_noise,hidden_noise")


def functions():
    """The functions that the table names, in its order, by their code."""
    found = {}
    for place, text in ROWS:
        module = importlib.import_module(place.removeprefix("reproduce/").replace("/", "."))
        for name in re.findall(r"`([\w.]+)`", text):
            owner = module
            for part in name.split("."):
                owner = getattr(owner, part, None)
            if hasattr(owner, "__code__"):
                found[owner.__code__] = name
    return found


def test_is_short():
    assert 0 < len(ROWS) <= 8
    assert len(re.findall(r"\*\*\w+\*\*", " ".join(text for _, text in ROWS))) == 4  # conversions


@contextlib.contextmanager
def calls(watched):
    """The names of watched functions as they are called in the block, in whatever thread."""
    monitoring, tool, seen = sys.monitoring, sys.monitoring.PROFILER_ID, []
    monitoring.use_tool_id(tool, "walk")
    monitoring.register_callback(tool, monitoring.events.PY_START, lambda code, _: seen.append(watched[code]))
    for code in watched:
        monitoring.set_local_events(tool, code, monitoring.events.PY_START)
    try:
        yield seen
    finally:
        for code in watched:
            monitoring.set_local_events(tool, code, 0)
        monitoring.free_tool_id(tool)


def test_is_the_way_that_a_run_takes(tmp_path, capsys):
    watched = functions()
    with calls(watched) as seen:
        assert main(["train", *OPTIONS, *NOISE, "--quiet", "--json", "--store", str(tmp_path / "runs.sqlite")]) == 0
        (run,) = RunStore(tmp_path / "runs.sqlite").all()
        rows = fig1.path_rows("right", "hidden_noise", 1, run)
    assert len(watched) == 9
    ahead = iter(seen)
    for name in watched.values():
        assert name in ahead, f"{name} is not called, or earlier"
    column = json.loads(capsys.readouterr().out)["history"]["hidden_noise"]
    assert [row["y"] for row in rows] == column
    assert column[0] == 0.5
    assert column[-1] != 0.5


def test_is_what_each_form_holds():
    level = read_field("hidden_noise", "0.5")
    assert level == 0.5
    config = run_config(hidden=(6, 5), hidden_noise=level, per_unit=("hidden_noise",))
    network = make_network(config, (28, 28, 1), 10)
    array = level_values(config, network)["hidden_noise"]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [0.5] * 11)
    assert config.levels("hidden_noise", network).row(array) == pytest.approx(
        {"hidden_noise_1": 0.5, "hidden_noise_2": 0.5}
    )
