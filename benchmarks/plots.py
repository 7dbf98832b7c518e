"""The plots of `make bench`."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator

LABELS = {
    "ours_jax": "t1t2_pt, JAX",
    "ours_jax_plain": "t1t2_pt, JAX, not re-associated",
    "ours_numba": "t1t2_pt, Numba",
    "ours_c": "t1t2_pt, C",
    "handwritten_jax": "JAX by hand",
    "pytorch_eager": "PyTorch by hand, eager",
    "gemm_floor": "matrix products alone",
}
AXES = {"width": "width of the hidden layers", "depth": "hidden layers", "batch": "batch"}
# Okabe and Ito's colours, distinct to colour-blind readers.
COLOURS = {"ours_jax": "#0072B2", "ours_jax_plain": "#56B4E9", "handwritten_jax": "#D55E00"}
T1_COLOUR, MORE_COLOUR = "#56B4E9", "#E69F00"


def draw(name: str, result: dict, path: Path) -> None:
    """One table as a PNG."""
    figure = {"sweep": _sweep, "growth": _growth}.get(name, _bars)(result)
    machine = result["machine"]
    figure.supxlabel(f"{machine['processor']}, {machine['cores']} cores", fontsize=7, color="0.4", x=0.99, ha="right")
    figure.savefig(path, dpi=150, format="png")
    plt.close(figure)


def _bars(result: dict):
    names = list(result["t1_ms"])[::-1]
    figure, axes = plt.subplots(figsize=(6.4, 0.5 * len(names) + 1.4), layout="constrained")
    t1 = [result["t1_ms"][n] for n in names]
    more = [result["t1t2_ms"][n] - result["t1_ms"][n] for n in names]
    labels = [LABELS[n] for n in names]
    axes.barh(labels, t1, color=T1_COLOUR, label="T1 step")
    axes.barh(labels, more, left=t1, color=MORE_COLOUR, label="what a T1+T2 step adds")
    for i, n in enumerate(names):
        axes.text(t1[i] + more[i], i, f" {result['overhead'][n]:.0%}", va="center", fontsize=8)
    axes.set_xlabel("median ms per step (at the bar's end: overhead at one in ten)", fontsize=8)
    axes.margins(x=0.12)
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure


def _sweep(result: dict):
    figure, axes = plt.subplots(figsize=(6.4, 2.4), layout="constrained")
    titles = list(result["sweeps"])
    bars = ((0.2, "one_ms", MORE_COLOUR, "one at a time"), (-0.2, "many_ms", T1_COLOUR, "at once"))
    for offset, key, colour, label in bars:
        values = [result["sweeps"][t][key] for t in titles]
        places = [i + offset for i in range(len(titles))]
        axes.barh(places, values, height=0.38, color=colour, label=label)
        for place, value in zip(places, values, strict=True):
            axes.text(value, place, f" {value:.2f}", va="center", fontsize=8)
    axes.set_yticks(range(len(titles)), [f"{t}\n{result['sweeps'][t]['runs']} runs" for t in titles])
    axes.set_xlabel("median ms per step and run")
    axes.margins(x=0.12)
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure


def _growth(result: dict):
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.4), sharey=True, layout="constrained")
    for ax, (axis, rows) in zip(axes, result["growth"].items(), strict=True):
        x = [row[axis] for row in rows]
        for name in rows[0]["t1_ms"]:
            ax.plot(x, [row["t1_ms"][name] for row in rows], "--", color=COLOURS[name], lw=1, marker="o", ms=3)
            values = [row["t1t2_ms"][name] for row in rows]
            ax.plot(x, values, "-", color=COLOURS[name], marker="o", ms=3, label=LABELS[name])
        ax.set_xlabel(AXES[axis])
        ax.set_yscale("log")
        if axis != "depth":
            ax.set_xscale("log", base=2)
            ax.xaxis.set_major_formatter("{x:.0f}")
        ax.set_xticks(x)
        ax.minorticks_off()
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[0].yaxis.set_major_formatter("{x:.0f}")
    axes[0].set_ylabel("median ms per step\n(solid T1+T2, dashed T1)")
    axes[0].legend(fontsize=7, frameon=False)
    return figure
