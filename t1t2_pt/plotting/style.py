"""The look of the figures, and how one is saved: PNG, PDF and the plotted numbers as CSV."""

import json
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from t1t2_pt.plotting.captions import data_name
from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.system.errors import reason
from t1t2_pt.system.files import make_folder, replacing
from t1t2_pt.system.readable import one_line
from t1t2_pt.system.reading import open_picture

PROVENANCE = "Runs"  # key of the PNG's metadata

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
    axes: Axes, x: Sequence[float], y: Sequence[float], values: np.ndarray, label: str, times: float = 2.5
) -> None:
    """Colour the cells of a grid by value, with a colour bar.

    Parameters
    ----------
    values
        [len(y), len(x)]; NaN (a diverged run) is drawn grey.
    times
        The colours end at so many times the smallest value, so that the good region shows its structure; the
        bar's arrow says that larger values share the last colour.
    """
    smallest = float(np.nanmin(values))
    top = min(float(np.nanmax(values)), times * smallest)
    colours = matplotlib.colormaps[GRID_COLOURS].with_extremes(bad="0.6")
    mesh = axes.pcolormesh(x, y, values, shading="nearest", cmap=colours, vmin=smallest, vmax=top, rasterized=True)
    extend = "max" if top < np.nanmax(values) else "neither"
    axes.figure.colorbar(mesh, ax=axes, label=label, extend=extend, pad=0.02)


def draw_trajectory(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """A path from a square (initial value) to a star (final value), legible on any background."""
    axes.plot(x, y, color="black", linewidth=2.6, solid_capstyle="round", zorder=3)
    axes.plot(x, y, color="white", linewidth=1.3, solid_capstyle="round", zorder=3.1)
    markers: dict[str, Any] = {
        "linestyle": "none",
        "markeredgecolor": "black",
        "markeredgewidth": 0.8,
        "clip_on": False,
    }
    axes.plot(x[0], y[0], marker="s", markersize=6, color=COLOURS[5], zorder=4, **markers)
    axes.plot(x[-1], y[-1], marker="*", markersize=12, color=COLOURS[1], zorder=5, **markers)


def add_caption(figure: Figure, text: str) -> None:
    """A caption below the panels, wrapped to the figure's width."""
    characters = int(figure.get_figwidth() * 17)
    lines = "\n".join(textwrap.wrap(one_line(text), characters))
    # What data are said to be is text from outside: a dollar in it is a dollar.
    figure.supxlabel(lines, x=0.01, ha="left", fontsize=8, color="0.25", parse_math=False)


def save_figure(
    figure: Figure | None, table: pd.DataFrame, folder: Path, name: str, caption: str, runs: Sequence[StoredRun] = ()
) -> list[Path]:
    """Write NAME.png, NAME.pdf and NAME.csv into a folder, each whole or not at all; without a figure the last alone.

    The caption goes into the PNG and PDF as metadata, and into the PNG what produced each of the runs
    drawn (`read_metadata`); the same runs give the same bytes.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    make_folder(folder)
    caption = one_line(caption)
    metadata: dict[str, Mapping] = {
        "png": {"Title": name, "Description": caption, PROVENANCE: json.dumps(_provenance(runs)), "Software": None},
        "pdf": {"Title": name, "Subject": caption, "CreationDate": None},
    }
    paths = []
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a caption may be in any language
        for kind, values in metadata.items():
            if figure is None:
                continue
            with replacing(folder / f"{name}.{kind}") as partial:
                figure.savefig(partial, metadata=values)
            paths.append(folder / f"{name}.{kind}")
    with replacing(folder / f"{name}.csv") as partial:
        table.to_csv(partial, index=False, float_format="%.6g")
    return [*paths, folder / f"{name}.csv"]


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


def _provenance(runs: Sequence[StoredRun]) -> list[dict]:
    """What a reader needs to know of each run, once."""
    rows = {
        run.digest: {
            "run": run.digest[:12],
            "data": data_name(run),
            "network": run.config.network if not run.config.hidden else "-".join(map(str, run.config.hidden)),
            "tuned": ", ".join(run.config.tune) or "nothing",
            "seed": str(run.config.seed),
            "status": run.status,
            **{name: run.provenance.get(name, "") for name in ("backend", "device", "jax", "pytensor", "commit")},
            "finished": run.finished[:10],
        }
        for run in runs
    }
    return [{name: one_line(text) for name, text in row.items()} for row in rows.values()]
