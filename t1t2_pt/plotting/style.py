"""The look of the figures, and how one is saved: PNG, PDF and the plotted numbers as CSV."""

import json
import math
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from t1t2_pt.plotting.captions import data_name, hyperparameter_steps, network_name, seconds_of
from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.system.errors import reason
from t1t2_pt.system.files import make_folder, replacing
from t1t2_pt.system.readable import one_line
from t1t2_pt.system.reading import open_picture

PROVENANCE, PANELS = "Runs", "Panels"  # keys of the PNG's metadata
# What artists are by their `gid`: the paper's own numbers, which `save_figure` leaves out of a second picture, and
# the caption, which the report shows as text.
PAPER, CAPTION = "paper", "caption"
OURS = "-ours"  # ends the stem of that second picture

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.labelsize": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "savefig.dpi": 160,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}
# Okabe and Ito's colours, told apart by colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
GRID_COLOURS = "viridis"


def _of_logarithm(label: str) -> str:
    """The label of a hyperparameter as that of its decimal logarithm."""
    return rf"$\log_{{10}}\,{label[1:]}" if label.startswith("$") else f"log10 of the {label}"


LABELS = {
    **{name: one.label for name, one in HYPERPARAMETERS.items()},
    **{f"log10_{name}": _of_logarithm(one.label) for name, one in HYPERPARAMETERS.items()},
    "test_cost": "test cross-entropy (nats)",
}


def new_figure(width: float, height: float, panels: int, rows: int = 1) -> tuple[Figure, np.ndarray]:
    """A figure of that many panels side by side, in inches, outside matplotlib's global state.

    The axes come as an array [panels], or [rows, panels] for several rows.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, panels, squeeze=False)
    return figure, axes[0] if rows == 1 else axes


def draw_grid(
    axes: Axes, x: Sequence[float], y: Sequence[float], values: np.ndarray, label: str, beyond: float = 0
) -> None:
    """Colour the cells of a grid by the logarithm of their value, with a colour bar.

    Costs and errors differ by factors: on a logarithmic scale the good region shows its structure without an end
    of the colours below the largest value.

    Parameters
    ----------
    values
        [len(y), len(x)]; NaN (a diverged run) is drawn grey, 0 as the smallest above it.
    beyond
        The share of the cells, the largest, that may have the last colour all alike, where some networks have not
        learnt; the bar's arrow says so.
    """
    low, high = float(np.min(values[values > 0])), float(np.nanquantile(values, 1 - beyond))
    colours = matplotlib.colormaps[GRID_COLOURS].with_extremes(bad="0.6")
    norm = LogNorm(low, high, clip=True)
    mesh = axes.pcolormesh(x, y, values, shading="nearest", cmap=colours, norm=norm, rasterized=True)
    extend = "max" if high < np.nanmax(values) else "neither"
    bar = axes.figure.colorbar(mesh, ax=axes, label=label, extend=extend, pad=0.02)
    ticks = round_ticks(low, high)
    bar.ax.minorticks_off()
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])


def round_ticks(low: float, high: float) -> list[float]:
    """At least four round numbers from a positive one to another, of the coarsest steps that have so many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [float(f"{step}e{power}") for power in powers for step in steps]
        if len(within := [tick for tick in ticks if low <= tick <= high]) >= 4:
            return within
    return [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]


# A path's ends, told apart from the paper's, which are hollow.
_MARKER: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "black", "markeredgewidth": 0.8}
START_MARKER: dict[str, Any] = {**_MARKER, "marker": "s", "markersize": 6, "color": COLOURS[5]}
END_MARKER: dict[str, Any] = {**_MARKER, "marker": "*", "markersize": 12, "color": COLOURS[1]}


def draw_trajectory(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """A path from a square (initial value) to a star (final value), legible on any background."""
    axes.plot(x, y, color="black", linewidth=2.6, solid_capstyle="round", clip_on=False, zorder=3)
    axes.plot(x, y, color="white", linewidth=1.3, solid_capstyle="round", clip_on=False, zorder=3.1)
    axes.plot(x[0], y[0], clip_on=False, zorder=4, **START_MARKER)
    axes.plot(x[-1], y[-1], clip_on=False, zorder=5, **END_MARKER)


def trajectory_legend(figure: Figure) -> None:
    """What square, star and line of `draw_trajectory` are, above all panels."""
    handles = [Line2D([], [], **START_MARKER), Line2D([], [], **END_MARKER)]
    labels = ["start of T1-T2", "end of T1-T2"]
    figure.legend(handles, labels, loc="outside upper left", ncols=2, handletextpad=0.2, columnspacing=1.2)


def add_caption(figure: Figure, text: str) -> None:
    """A caption below the panels, wrapped to the figure's width."""
    characters = int(figure.get_figwidth() * 16.5)
    lines = "\n".join(textwrap.wrap(one_line(text), characters))
    # What data are said to be is text from outside: a dollar in it is a dollar.
    artist = figure.supxlabel(lines, x=0.01, ha="left", fontsize=8, color="0.25", parse_math=False)
    artist.set_gid(CAPTION)


def save_figure(
    figure: Figure | None, table: pd.DataFrame, folder: Path, name: str, caption: str, runs: Sequence[StoredRun] = ()
) -> list[Path]:
    """Write NAME.png, NAME.pdf and NAME.csv into a folder, each whole or not at all; without a figure the last alone.

    Where artists are the paper's (`gid=PAPER`), NAME-ours.png has the same figure without them. The caption goes into
    the pictures and the PDF as metadata, and into the pictures what produced each of the runs drawn
    (`read_metadata`) and where the panels end (`read_panels`); the same runs give the same bytes.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    make_folder(folder)
    caption = one_line(caption)
    paths = []
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a caption may be in any language
        if figure is not None:
            said = {"Title": name, "Description": caption, PROVENANCE: json.dumps(_provenance(runs))}
            png = {**said, PANELS: f"{_share_of_panels(figure):.4f}", "Software": None}
            pdf = {"Title": name, "Subject": caption, "CreationDate": None}
            paths += [_saved(figure, folder / f"{name}.png", png), _saved(figure, folder / f"{name}.pdf", pdf)]
            if paper := _artists(figure, PAPER):
                for artist in paper:
                    artist.set_visible(False)
                paths.append(_saved(figure, folder / f"{name}{OURS}.png", png))
    with replacing(folder / f"{name}.csv") as partial:
        table.to_csv(partial, index=False, float_format="%.6g")
    return [*paths, folder / f"{name}.csv"]


def _saved(figure: Figure, path: Path, metadata: Mapping) -> Path:
    with replacing(path) as partial:
        figure.savefig(partial, metadata=metadata)
    return path


def _artists(figure: Figure, gid: str) -> list[Artist]:
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def _share_of_panels(figure: Figure) -> float:
    """How much of the figure's height is above its caption."""
    captions = _artists(figure, CAPTION)
    if not captions:
        return 1.0
    figure.draw_without_rendering()
    top = captions[0].get_window_extent().y1 / figure.bbox.height
    return 1 - top


def read_metadata(path: Path) -> tuple[str, list[dict]]:
    """Caption and runs of a PNG that `save_figure` wrote: a row for each run, of texts.

    Raises
    ------
    ValueError
        If the file is something else.
    """
    try:
        with open_picture(path) as image:
            text = image.text  # which decodes all of it
        caption, runs = text["Description"], json.loads(text[PROVENANCE])
    except Exception as error:  # a damaged picture makes Pillow raise nearly anything
        raise ValueError(reason(error)) from None
    if not all(isinstance(run, dict) and all(isinstance(text, str) for text in run.values()) for run in runs):
        raise ValueError("what it says of its runs is something else")
    return caption, runs


def read_panels(path: Path) -> tuple[int, int, float]:
    """Width and height in pixels of a PNG that `save_figure` wrote, and the share of the height above its caption.

    Raises
    ------
    ValueError
        If the file is something else.
    """
    try:
        with open_picture(path) as image:
            share = float(image.text[PANELS])
            size = image.size
    except Exception as error:
        raise ValueError(reason(error)) from None
    if not 0 < share <= 1:
        raise ValueError("its panels have no place")
    return *size, share


def _provenance(runs: Sequence[StoredRun]) -> list[dict]:
    """What a reader needs to know of each run, once."""
    rows = {
        run.digest: {
            "run": run.digest[:12],
            "data": data_name(run),
            "network": network_name(run.config),
            "tuned": ", ".join(run.config.tune) or "nothing",
            "seed": str(run.config.seed),
            "epochs": str(run.config.epochs),
            "hyperparameter steps": str(hyperparameter_steps(run.config)),
            "seconds": seconds_of(run),
            "status": run.status,
            **{name: run.provenance.get(name, "") for name in ("backend", "device", "jax", "pytensor", "commit")},
            "finished": run.finished[:10],
        }
        for run in runs
    }
    return [{name: one_line(text) for name, text in row.items()} for row in rows.values()]
