"""Programs: the page and the sets agree, each field of a set is one that matters, and what is given counts for more."""

import re

import pytest
from conftest import ROOT

from t1t2_pt.cli.main import parser
from t1t2_pt.cli.options import config_from
from t1t2_pt.cli.plain_options import show_value
from t1t2_pt.config import DESCRIPTIONS, OPTIONS, PROGRAMS, RunConfig, fields, replace, run_config
from t1t2_pt.system.errors import InputError

PAGE = (ROOT / "docs" / "programs.md").read_text()
COLUMNS = ("paper", "march-2016", "may-2016", "ours (defaults)")
NOTHING = "–"
# A run in which every choice that a program makes has something to act on.
SOME = {"hidden": (20, 10), "hidden_noise": (0.1, 0.2), "l2": 1e-4, "tune": ("hidden_noise", "l2")}
OTHER = {"hold": 0.5}  # another value, for a field of which the programs and the defaults have one


def page_rows():
    """The table of options, by their names."""
    lines = PAGE[PAGE.index("| option |") :].split("\n\n")[0].splitlines()
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    assert tuple(head[1:]) == COLUMNS
    return {name: dict(zip(COLUMNS, cells, strict=True)) for name, *cells in rows}


def test_page_has_the_sets():
    rows = page_rows()
    assert set(rows) == {name for program in PROGRAMS.values() for name in program}
    for name, cells in rows.items():
        assert cells.pop(COLUMNS[-1]) == show_value(fields.default(name, RunConfig))
        for program, cell in cells.items():
            chosen = PROGRAMS[program]
            assert cell.strip("*") == (show_value(chosen[name]) if name in chosen else NOTHING), (program, name)


def test_paper_is_marchs_where_it_is_silent():
    rows = page_rows()
    silent = {name for name, cells in rows.items() if cells["paper"].startswith("*")}
    assert silent
    for name in silent:
        assert PROGRAMS["paper"][name] == PROGRAMS["march-2016"][name]
    said = PROGRAMS["paper"].keys() - silent
    assert said == {"noise_before_softmax", "validation_gradient_at"}


def test_programs_are_explained():
    assert list(DESCRIPTIONS) == list(PROGRAMS)
    assert all(f"`{name}`" in PAGE or name in COLUMNS for name in PROGRAMS)


@pytest.mark.parametrize(("program", "name"), [(program, name) for program, some in PROGRAMS.items() for name in some])
def test_fields_have_an_effect(program, name):
    """Another value of a field makes another run."""
    assert name in OPTIONS
    config = run_config(program=program, **SOME)
    chosen = PROGRAMS[program][name]
    assert getattr(config, name) == chosen
    values = [fields.default(name, RunConfig), *(one.get(name, chosen) for one in PROGRAMS.values()), OTHER.get(name)]
    other = next(value for value in values if value != chosen)
    assert replace(config, **{name: other}).digest() != config.digest()


def test_programs_are_different_runs():
    assert len({run_config(program=name, **SOME).digest() for name in (None, *PROGRAMS)}) == len(PROGRAMS) + 1


def test_what_is_given_counts_for_more():
    config = run_config(program="march-2016", schedule="constant", network="all-cnn-c")
    assert (config.schedule, config.hyper_schedule) == ("constant", "linear")
    assert config.learning_rate == 2e-3  # usual for the network
    assert config.gradient_norm is None


def test_run_is_its_fields():
    """It does not matter whether they came from a program."""
    config = run_config(program="may-2016", **SOME)
    assert config == run_config(**PROGRAMS["may-2016"], **SOME)
    assert run_config(**config.as_dict()) == config


@pytest.mark.parametrize(("name", "remedy"), [("march", "did you mean march-2016?"), ("x", f"{', '.join(PROGRAMS)}")])
def test_unknown_programs_are_told(name, remedy):
    with pytest.raises(InputError, match=f"^program = '{name}': is unknown; .*{re.escape(remedy)}$"):
        run_config(program=name)


def test_command_line():
    def config(*options):
        return config_from(parser().parse_args(["train", *options]))

    assert config("--program", "march-2016") == run_config(program="march-2016")
    assert config("--program", "march-2016", "--gradient-norm", "3").gradient_norm == 3
    assert config() == run_config()
