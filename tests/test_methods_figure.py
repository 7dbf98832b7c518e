"""The figure of the methods: what it trains, that it draws its table, and the survey behind it."""

import dataclasses
import functools
import math

import matplotlib
import method_races
import methods
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from test_figures import stored

from t1t2_pt.backends import get_backend
from t1t2_pt.datasets import load_split
from t1t2_pt.hypergradients.methods.t1t2 import T1T2
from t1t2_pt.hypergradients.methods.unrolled import Unrolled
from t1t2_pt.plotting.figure_script import Request
from t1t2_pt.plotting.parts import Part, Stage
from t1t2_pt.plotting.scripts import PRESETS
from t1t2_pt.plotting.style import STYLE
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps import method_survey
from t1t2_pt.sweeps.method_survey import SurveyConfig, read_survey, store_survey, stored_survey
from t1t2_pt.system.errors import InputError

SURVEY = ROOT / "data" / "results" / "survey.json"


@functools.cache
def trained():
    return stored("methods-quick", method_races.runs(Request()))


def drawn():
    with matplotlib.rc_context(STYLE):
        return methods.draw(trained(), "quick", None, read_survey(SURVEY))


@pytest.mark.mpl_image_compare(savefig_kwargs={"dpi": 60}, style="default", tolerance=2)
def test_image_methods():
    return drawn()[0]


def test_committed_table_is_drawn_from_committed_runs():
    written = pd.read_csv(ROOT / "figures" / "methods.csv")
    pd.testing.assert_frame_equal(written, drawn()[1], check_dtype=False, rtol=1e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_methods_start_where_random_search_does(preset):
    wanted = method_races.runs(Request(preset))
    scale = method_races.SCALES[preset]
    for race in scale.races:
        for seed in range(scale.seeds):
            trials = wanted[Part(Stage.FIXED, race.name, seed)]
            assert len(set(trials)) == scale.trials
            assert sum(np.size(trials[0].level(name)) for name in race.levels) == race.size
            for method in race.methods:
                tuned = wanted[Part(Stage.TUNED, f"{race.name}: {method}", seed)]
                for run, trial in zip(tuned, trials, strict=False):
                    assert dataclasses.replace(run, tune=(), method=trial.method) == trial


def test_races_choose_by_validation_and_count_every_run():
    table = drawn()[1]
    for race in method_races.QUICK_RACES:
        rows = table[(table["panel"] == race.name) & (table["seed"] == 0) & (table["method"] == methods.RANDOM)]
        runs = trained()[Part(Stage.FIXED, race.name, 0)]
        costs = [run.final["t2_cost"] for run in runs]
        np.testing.assert_allclose(rows["t2_cost"], np.minimum.accumulate(costs))
        chosen = [runs[int(np.argmin(costs[:number]))] for number in range(1, len(runs) + 1)]
        np.testing.assert_allclose(rows["test_error"], [100 * run.final["test_error"] for run in chosen])
        np.testing.assert_allclose(rows["gradients"], runs[0].config.steps * np.arange(1, len(runs) + 1))
    tuned = trained()[Part(Stage.TUNED, f"{method_races.RACES[0].name}: t1t2", 0)][0]
    assert methods.gradients(tuned.config, tuned) == tuned.config.steps * (1 + 3 / tuned.config.interval)


def test_caption_says_preset_data_and_runs():
    caption = drawn()[2]
    runs = sum(map(len, trained().values()))
    assert "Preset quick: " in caption
    assert f"{runs} runs" in caption
    assert "maller than the paper's" in caption


class TestSurvey:
    def test_the_reference_is_the_derivative_through_all_updates(self, monkeypatch):
        """Unrolling as many is the reference itself; Eq. 3 is one of its terms only."""
        config = SurveyConfig(pixels=2, hidden=2, t1_samples=20, t2_samples=20, moments=(0, 4), ahead=3, step_size=0.1)
        compared = [T1T2(), Unrolled(steps=3, step_size=0.1)]
        monkeypatch.setattr(method_survey, "methods_of", lambda config, outputs: compared)
        split = load_split("mnist", 20, 20, 0)
        made = method_survey.make_survey(config, split, get_backend("auto"))
        assert [(row["moment"], row["method"]) for row in made.rows[::2]] == [(0, "t1t2"), (4, "t1t2")]
        for row in made.rows[1::2]:
            assert row["cosine"] == pytest.approx(1, abs=1e-12)
            assert row["relative_error"] < 1e-12
            assert row["backpropagations"] == 10
        for row in made.rows[::2]:
            assert 0.3 < row["relative_error"] < 1.2

    def test_a_survey_is_kept_as_it_was(self, tmp_path):
        survey = read_survey(SURVEY)
        lost = dataclasses.replace(survey, rows=({**survey.rows[0], "cosine": math.nan}, *survey.rows[1:]))
        store = RunStore(tmp_path / "runs.sqlite")
        store_survey(lost, store)
        found = stored_survey(survey.config, store)
        assert math.isnan(found.rows[0]["cosine"])
        assert found.rows[1:] == survey.rows[1:]
        assert stored_survey(SurveyConfig(seed=1), store) is None

    def test_another_file_is_told(self, tmp_path):
        (tmp_path / "survey.json").write_text("{}")
        with pytest.raises(InputError, match="is no survey of methods"):
            read_survey(tmp_path / "survey.json")
