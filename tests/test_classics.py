"""Demonstrations of the method's relatives: that they do what they claim on a small problem, and their figure."""

import dataclasses
import functools

import classics
import matplotlib
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, make_tiny_split, need

from t1t2_pt.classics.classic_sweep import CLASSIC_RUNS, PARTS, ClassicRun
from t1t2_pt.classics.hyper_cleaning import HyperCleaning
from t1t2_pt.classics.hypergradient_descent import HypergradientDescent
from t1t2_pt.classics.learned_images import LearnedImages
from t1t2_pt.classics.rate_schedules import RateSchedules
from t1t2_pt.classics.weight_penalties import WeightPenalties
from t1t2_pt.datasets import DATASETS
from t1t2_pt.plotting.figure_script import Request
from t1t2_pt.plotting.scripts import REFERENCE, main_of_parts
from t1t2_pt.plotting.style import STYLE

SIZES = {"t1_samples": 60, "t2_samples": 30}
RUNS = ROOT / "data" / "results" / "classics" / "quick.jsonl.gz"


def run(kind, **fields):
    return kind(**SIZES, **fields).run(make_tiny_split(), need("jax"))


def test_images_teach_what_ten_real_ones_do_not():
    found = run(LearnedImages, steps=10, meta_iterations=30, draws=4)
    assert np.shape(found["images"]) == (3, 12)
    assert found["t2_error"][-1] < found["t2_error"][0]
    assert found["test_error"][-1] < np.mean(found["real_images"])


def test_more_penalties_lower_the_cost_on_t2_further():
    found = run(WeightPenalties, steps=20, meta_iterations=10)
    assert np.shape(found["penalties"]) == (12, 3)
    one, _, each = (found[name]["t2_cost"] for name in ("all weights", "each pixel", "each weight"))
    assert each[0] == pytest.approx(one[0])
    assert each[-1] < one[-1] < one[0]


def test_schedules_lower_the_training_cost():
    found = run(RateSchedules, hidden=(4,), steps=8, batch_size=10, start=0.02, meta_iterations=15)
    assert np.shape(found["rates"]) == (8, 4)
    assert np.mean(found["t1_cost"][-4:]) < np.mean(found["t1_cost"][:4])
    assert (np.array(found["rates"]) > 0.02).mean() > 0.9  # it is too small, and all grow


@pytest.mark.parametrize("method", ["t1t2", "unrolled"])
def test_cleaning_tells_wrong_labels(method):
    fields = {"epochs": 40, "batch_size": 30, "steps": 15, "final_steps": 30, "corrupted": 0.3}
    found = run(HyperCleaning, method=method, **fields)
    right, wrong = found["weights_of_right"], found["weights_of_wrong"]
    assert (sum(right), sum(wrong)) == (42, 18)
    assert sum(wrong[10:]) == pytest.approx(18 * (1 - found["recall"]))
    assert found["f1"] > 0.6  # all called wrong would give 0.46
    assert found["f1"] == pytest.approx(2 / (1 / found["precision"] + 1 / found["recall"]))


def test_a_learning_rate_that_is_too_small_grows():
    fields = {"epochs": 3, "batch_size": 20, "starts": (1e-4, 1e-1), "hyper_learning_rate": 0.01}
    found = run(HypergradientDescent, **fields)
    small, large = (found[f"{start}, tuned"] for start in ("0.0001", "0.1"))
    assert found["0.0001, fixed"]["alpha"] == pytest.approx([1e-4] * 3)
    assert small["alpha"] == sorted(small["alpha"])
    assert small["t2_cost"] < found["0.0001, fixed"]["t2_cost"]
    assert large["alpha"][-1] != pytest.approx(0.1)


@functools.cache
def committed():
    """The committed runs of the quick preset, by part."""
    runs = {run.digest: run for run in CLASSIC_RUNS.read(RUNS)}
    wanted = classics.SCRIPT.runs(Request())
    settled = {
        part: [dataclasses.replace(one, data=DATASETS["mnist"].fingerprint) for one in some]
        for part, some in wanted.items()
    }
    return {part: [runs[one.digest()] for one in some] for part, some in settled.items()}


def drawn(reference=REFERENCE):
    with matplotlib.rc_context(STYLE):
        return classics.draw(committed(), "quick", reference)


@pytest.mark.mpl_image_compare(savefig_kwargs={"dpi": 60}, style="default", tolerance=2)
def test_image_classics():
    return drawn()[0]


def test_committed_table_is_drawn_from_committed_runs():
    written = pd.read_csv(ROOT / "figures" / "classics.csv", dtype={"run": str}, keep_default_na=False, na_values="nan")
    table = drawn()[1]
    assert list(written.columns) == list(table.columns)
    np.testing.assert_allclose(pd.to_numeric(written["value"]), table["value"], rtol=1e-5)
    assert written["series"].tolist() == table["series"].tolist()


def test_runs_come_back_from_json():
    for runs in committed().values():
        for one in runs:
            assert ClassicRun.from_dict(one.as_dict()) == one
            assert PARTS[one.config.part] is type(one.config)


def test_one_part_alone(tmp_path, capsys):
    options = ["--part", "images", "--plan", "--store", str(tmp_path / "runs.sqlite")]
    assert main_of_parts(classics.SCRIPT, classics.BY_PART, options) == 0
    told = capsys.readouterr()
    assert "images" in told.out + told.err
    assert "weights" not in told.out + told.err
