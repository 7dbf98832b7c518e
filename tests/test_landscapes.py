"""Grids and paths on the page: where they lie, what they say, and what moves with the slider."""

import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from matplotlib.colors import to_hex

from t1t2_pt.plotting.landscapes import DIVERGED, LEFT, SIZE, TOP, landscape
from t1t2_pt.plotting.report import Section, write_report
from t1t2_pt.plotting.style import GRID_COLOURS, add_caption, new_figure, save_figure

GRID = pd.DataFrame([[1.0, 10.0], [100.0, np.nan]], index=[0.0, 1.0], columns=[0.0, 2.0])
PATH = pd.DataFrame({"epoch": [0, 1, 5], "x": [0.0, 1.0, 9.0], "y": [1.0, 0.5, -9.0]})
NONE = pd.DataFrame({"x": [], "y": []})


def made(markers=None):
    return landscape("a", ("x", "y"), GRID, {"run 1": PATH}, markers or {})


def test_cells_fill_the_square():
    cells = made().cells
    assert [(cell.x - LEFT, cell.y - TOP) for cell in cells] == [(0, 150), (150, 150), (0, 0), (150, 0)]  # y goes up
    assert {(cell.width, cell.height) for cell in cells} == {(150, 150)}
    assert [cell.says for cell in cells] == ["0, 0: 1", "2, 0: 10", "0, 1: 100", "2, 1: diverged"]
    scale = [to_hex(matplotlib.colormaps[GRID_COLOURS](place)) for place in (0.0, 0.5, 1.0)]  # by the logarithm
    assert [cell.colour for cell in cells] == [*scale, DIVERGED]


def test_cells_end_half_way_between_levels():
    grid = pd.DataFrame([[1.0, 2.0, 3.0]] * 2, index=[0, 1], columns=[0.0, 0.1, 0.3])
    widths = [cell.width for cell in landscape("a", ("x", "y"), grid, {}, {}).cells[:3]]
    assert widths == pytest.approx([SIZE * part / 0.45 for part in (0.1, 0.15, 0.2)], abs=0.11)


def test_paths_stay_inside():
    (path,) = made().paths
    assert path.epochs == (0, 1, 5)
    assert path.places == ((LEFT + 75, TOP + 75), (LEFT + 150, TOP + 150), (LEFT + SIZE, TOP + SIZE))


def test_markers_of_the_paper():
    one = made({"starts": pd.DataFrame({"x": [1.0], "y": [0.5]}), "ends": NONE})
    assert (one.starts, one.ends) == (((LEFT + 150, TOP + 150),), ())


def test_page_has_a_slider_over_the_epochs(tmp_path):
    figure, _ = new_figure(3, 2, 1)
    add_caption(figure, "a caption")
    save_figure(figure, pd.DataFrame({"a": [1]}), tmp_path, "fig1", "a caption")
    section = Section("Figure 1: a", "b", chart=lambda table: [made()])
    page = write_report(tmp_path, ["quick"], {"fig1": section}, "lead", ["x"] * 6).read_text()
    assert re.search(r'<input type="range" min="0" max="5" value="5">', page)
    (places,) = re.findall(r'data-epochs="0 1 5" data-places="([^"]*)"', page)
    assert [tuple(map(float, place.split(","))) for place in places.split(" ")] == list(made().paths[0].places)
    assert page.count(f'points="{places}"') == 2  # whole, where no script runs
    assert "2, 1: diverged" in page
    assert "data:image" not in page  # it stands in the picture's place


def test_committed_figure_has_our_grids_and_the_papers():
    import fig1

    panels = fig1.chart(pd.read_csv(ROOT / "figures" / "fig1.csv"))
    assert [panel.of_paper for panel in panels] == [False, True, False, True]
    assert [len(panel.cells) for panel in panels[1::2]] == [
        len(pd.read_csv(ROOT / "data" / "reference" / f"mnist_fig1_{side}_grid.csv")) for side in ("left", "right")
    ]
    assert all(len(panel.paths) == fig1.PRESETS["quick"].starts for panel in panels[::2])
