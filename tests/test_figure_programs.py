"""Figures with the choices of another program than that of the published pictures."""

import dataclasses

import depth
import everything
import fig1
import pytest
from test_figures import stored

from t1t2_pt.config import PROGRAMS, PUBLISHED, replace
from t1t2_pt.plotting.captions import preset_and_data
from t1t2_pt.plotting.figure_script import FigureScript, Request
from t1t2_pt.plotting.parts import Part, Stage
from t1t2_pt.plotting.scripts import main


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_of_a_figure(name):
    """Its fields are those of every run of every figure, but where the figure gives them, and the caption says so."""
    for script in everything.SCRIPTS:
        if script.trainer is None and script.name != "layers":  # which gives them itself
            plain, others = (script.runs(Request(program=one)) for one in (None, name))
            assert plain.keys() == others.keys()
            for part, configs in others.items():
                assert configs == [replace(config, **PROGRAMS[name]) for config in plain[part]]
    run = stored("quick", fig1.runs(Request()))[Part(Stage.TUNED, "right")][0]

    def made(program):
        some = [config for part in fig1.runs(Request(program=program)).values() for config in part]
        return [dataclasses.replace(run, config=config) for config in some]

    told = "" if name == PUBLISHED else f" with the choices of {name}"
    assert preset_and_data("quick", made(name)).startswith(f"Preset quick{told}: MNIST, T1 2,500")
    assert preset_and_data("quick", made(None)).startswith("Preset quick with this library's defaults: MNIST")
    assert preset_and_data("quick", [*made(name), *made(None)]).startswith("Preset quick: ")


def test_program_is_told_where_it_has_nothing_to_say(tmp_path, capsys):
    place = ["--out", str(tmp_path), "--store", str(tmp_path / "runs.sqlite")]
    assert main(depth.SCRIPT, ["--program", "paper", *place]) == 2
    assert "program = 'paper': has no choices for the runs of depth; leave it out" in capsys.readouterr().err
    assert main(FigureScript("fig1", "", fig1.runs, None), ["--program", "mai-2016", *place]) == 2
    assert "program = 'mai-2016': is unknown; did you mean may-2016?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
