"""Tables in docs/ as they follow from the code and from committed files.

`python tests/docs_tables.py` writes them into their pages, between two comments with the table's name.
"""

import csv
import functools
import re
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "reproduce")]

PRESETS = ("paper", "overnight", "laptop", "quick")


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """As Markdown."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _sizes(base: Mapping[str, Any]) -> dict[str, str]:
    return {
        "T1, T2": f"{base['t1_samples']:,}, {base['t2_samples']:,}",
        "epochs": str(base["epochs"]),
    }


def _units(hidden: tuple[int, ...]) -> str:
    return "-".join(map(str, hidden))


def _axis(values: tuple[float, ...]) -> str:
    return f"{len(values)} from {min(values):g} to {max(values):g}"


def fig1(preset: str) -> dict[str, str]:
    """Figure 1 at a preset."""
    import fig1

    scale = fig1.PRESETS[preset]
    noise, l2 = scale.left["noise_learning_rate"], scale.left["l2_learning_rate"]
    return {
        "units": _units(scale.base["hidden"]),
        **_sizes(scale.base),
        "step sizes of noise and L2, left": f"{noise:g}, {l2:g}",
        "step size of noise, right": f"{scale.right['noise_learning_rate']:g}",
        "updates from one hyperparameter step to the next": str(scale.interval),
        "levels of n0": _axis(scale.n0),
        "levels of n1": _axis(scale.n1),
        "levels of log10 l2": _axis(scale.log10_l2),
        "starts in a panel": str(scale.starts),
    }


def fig2(preset: str) -> dict[str, str]:
    """Figures 2 and 3 at a preset."""
    import evolution

    base = evolution.PRESETS[preset]
    return {
        "units": _units(base["hidden"]),
        **_sizes(base),
        "updates from one hyperparameter step to the next": str(evolution.INTERVAL[preset]),
        "start: n0, l2": f"{evolution.START['input_noise']:g}, {evolution.START['l2']:g}",
        "runs of each kind": str(evolution.STARTS),
    }


def scatter(panel: str, preset: str) -> dict[str, str]:
    """A panel of Figures 4 to 6 at a preset."""
    import fig1
    import setups

    scale = setups.SCALES[preset][panel]
    networks = dict.fromkeys(_network(setup.fields) for setup in scale.setups)
    starts = {scale.starts, fig1.PRESETS[preset].starts} if panel == "mnist" else {scale.starts}
    steps = f"{scale.base['interval']}"
    return {
        "networks": ", ".join(networks),
        **_sizes(scale.base),
        "setups": str(len(scale.setups) + len(setups.SHARED) * (panel == "mnist")),
        "starts of a setup": " or ".join(map(str, sorted(starts))),
        "updates from one hyperparameter step to the next": steps,
    }


def _network(fields: Mapping[str, Any]) -> str:
    if "network" in fields:
        return f"{fields['network']}, {fields['width']:g} of its width"
    return _units(fields["hidden"])


# What the paper says (Sections 2.2 and 3, its figures); a dash where it says nothing. Figure 1's levels and starts are
# counted in the authors' published points (data/reference).
SAYS = {
    "fig1": {
        "units": "1000-1000-1000 for MNIST",
        "T1, T2": "55,000, 5,000",
        "epochs": "200 to 300",
        "step sizes of noise and L2, left": "0.1, 0.0001",
        "step size of noise, right": "0.1",
        "updates from one hyperparameter step to the next": "10",
        "levels of n0": "11 from 0 to 1",
        "levels of n1": "11 from 0 to 1",
        "levels of log10 l2": "8 from -5 to -2.9",
        "starts in a panel": "10 left, 16 right",
    },
    "fig2": {
        "units": "2000-2000-2000 or 4000-2000-1000-500-250 for SVHN",
        "T1, T2": "65,000, 8,257",
        "epochs": "300",
        "updates from one hyperparameter step to the next": "10",
        "start: n0, l2": "–",
        "runs of each kind": "1",
    },
    "mnist": {
        "networks": "1000-1000-1000 to 4000-2000-1000-500-250",
        "T1, T2": "55,000, 5,000",
        "epochs": "200 to 300",
        "setups": "–",
        "starts of a setup": "–",
        "updates from one hyperparameter step to the next": "10",
    },
    "svhn": {
        "networks": "2000-2000-2000, 4000-2000-1000-500-250",
        "T1, T2": "65,000, 8,257",
        "epochs": "200 to 300",
        "setups": "–",
        "starts of a setup": "–",
        "updates from one hyperparameter step to the next": "10",
    },
    "cifar10": {
        "networks": "variants of All-CNN-C and of the ladder network's baseline",
        "T1, T2": "45,000, 5,000",
        "epochs": "200 to 300",
        "setups": "–",
        "starts of a setup": "–",
        "updates from one hyperparameter step to the next": "10",
    },
}


def against_paper(name: str, of_preset: Callable[[str], dict[str, str]]) -> str:
    """The paper beside each preset."""
    columns = {preset: of_preset(preset) for preset in PRESETS}
    assert all(list(column) == list(columns["paper"]) for column in columns.values())
    assert set(SAYS[name]) == set(columns["paper"])
    rows = [(what, SAYS[name][what], *(columns[preset][what] for preset in PRESETS)) for what in columns["paper"]]
    return table(("", "the paper says", *(f"`{preset}`" for preset in PRESETS)), rows)


def _rows(name: str) -> list[dict[str, str]]:
    with (ROOT / "figures" / name).open(newline="") as file:
        return [*csv.DictReader(file)]


def failed_claims() -> str:
    """The claims of the paper that do not hold in the committed runs of ours."""
    rows = [
        (row["claim"], row["preset"], row["data"], row["ours"])
        for row in _rows("claims.csv")
        if row["verdict"] == "does not hold" and row["preset"] != "published" and row["paper"] != "its own grids"
    ]
    return table(("claim of the paper", "preset", "data", "here"), rows)


def verdicts() -> str:
    """How many claims hold at each preset."""
    rows = [row for row in _rows("claims.csv") if row["verdict"] in ("holds", "does not hold", "undecided")]
    presets = dict.fromkeys(row["preset"] for row in rows)
    names = ("holds", "does not hold", "undecided")
    counted = [
        (preset, *(str(sum(row["preset"] == preset and row["verdict"] == name for row in rows)) for name in names))
        for preset in presets
    ]
    return table(("runs", *names), counted)


def worsened() -> str:
    """How often a rerun with what T1-T2 found is no better than the start, by how good the start was."""
    panels = {"left": "input noise and L2", "right": "input and hidden noise"}
    rows = []
    for panel, title in panels.items():
        for poor, kind in (("True", "poor"), ("False", "other")):
            some = [row for row in _rows("rerun.csv") if (row["panel"], row["poor"]) == (panel, poor)]
            gains = [float(row["before_error"]) - float(row["rerun_error"]) for row in some]
            worse = [gain for gain in gains if gain <= 0]
            rows.append((title, kind, f"{len(worse)} of {len(some)}", f"{max((-g for g in worse), default=0):.2f}"))
    return table(("hyperparameters", "starts", "no better after tuning", "worst loss, points"), rows)


def _mean_and_spread(rows: list[dict[str, str]], column: str) -> tuple[float, float]:
    values = [float(row[column]) for row in rows]
    return statistics.mean(values), statistics.stdev(values)


def surveyed() -> str:
    """What each method saw, and what it took."""
    import methods

    rows = [row for row in _rows("methods.csv") if row["panel"] == "survey"]
    moments = list(dict.fromkeys(row["moment"] for row in rows))
    shown = (moments[0], moments[2], moments[-1])
    lines = []
    for method, (label, *_) in methods.SURVEYED.items():
        of_method = {row["moment"]: row for row in rows if row["method"] == method}
        last = of_method[moments[-1]]
        cosines = [f"{float(of_method[moment]['cosine']):.2f}" for moment in shown]
        costs = [f"{float(last[name]):,.0f}" for name in ("backpropagations", "copies")]
        lines.append(
            (label, *cosines, f"{float(last['relative_error']):.2f}", *costs, f"{float(last['milliseconds']):.2f}")
        )
    titles = [f"cosine after {float(moment):g} updates" for moment in shown]
    return table(("method", *titles, "relative error at the last", "gradients", "copies of θ", "ms"), lines)


def raced() -> str:
    """What was reached, chosen by validation."""
    import methods

    rows, lines = _rows("methods.csv"), []
    for race in methods.method_races.QUICK_RACES:
        for method in (methods.RANDOM, *race.methods):
            label = methods.LABELS[method]
            some = [row for row in rows if row["panel"] == race.name and row["method"] == method]
            most = max(float(row["runs"]) for row in some)
            last = [row for row in some if float(row["runs"]) == most]
            error, cost = (_mean_and_spread(last, name) for name in ("test_error", "t2_cost"))
            budget = f"{float(last[0]['gradients']):,.0f}"
            lines.append(
                (
                    race.name,
                    label,
                    f"{most:g}",
                    budget,
                    f"{cost[0]:.3f} ± {cost[1]:.3f}",
                    f"{error[0]:.1f} ± {error[1]:.1f}%",
                )
            )
    names = ("data, hyperparameters", "method", "runs", "gradients", "validation cost", "test error")
    return table(names, lines)


def ended() -> str:
    """Where the runs of the race with a grid ended."""
    import methods

    rows, lines = [row for row in _rows("methods.csv") if row["panel"] == "end"], []
    for method, label in {"grid": "lowest of each seed's grid", **methods.METHODS}.items():
        some = [row for row in rows if row["method"] == method]
        noise, l2, cost = (_mean_and_spread(some, name) for name in ("n0", "log10_l2", "t2_cost"))
        places = (f"{noise[0]:.2f} ± {noise[1]:.2f}", f"{l2[0]:.2f} ± {l2[1]:.2f}")
        lines.append((label, str(len(some)), *places, f"{cost[0]:.3f} ± {cost[1]:.3f}"))
    return table(("method", "runs", "n0", "log10 l2", "validation cost"), lines)


PRESETS_PAGE, LIMITS_PAGE = (ROOT / "docs" / name for name in ("presets.md", "limits.md"))
METHODS_PAGE = ROOT / "docs" / "choosing-a-method.md"
TABLES: dict[str, tuple[Path, Callable[[], str]]] = {
    "figure 1": (PRESETS_PAGE, functools.partial(against_paper, "fig1", fig1)),
    "figures 2 and 3": (PRESETS_PAGE, functools.partial(against_paper, "fig2", fig2)),
    **{
        panel: (PRESETS_PAGE, functools.partial(against_paper, panel, functools.partial(scatter, panel)))
        for panel in ("mnist", "svhn", "cifar10")
    },
    "failed claims": (LIMITS_PAGE, failed_claims),
    "verdicts": (LIMITS_PAGE, verdicts),
    "worsened": (LIMITS_PAGE, worsened),
    "surveyed": (METHODS_PAGE, surveyed),
    "raced": (METHODS_PAGE, raced),
    "ended": (METHODS_PAGE, ended),
}


def _parts(name: str, text: str) -> tuple[str, str, str]:
    mark = f"<!-- {name}, by tests/docs_tables.py -->\n\n"
    before, found, rest = text.partition(mark)
    assert found, f"no place for {name}"
    old = re.match(r"(?:\|.*\n)*", rest)
    assert old is not None, "it may be empty"
    return before + mark, old[0], rest[old.end() :].lstrip("\n")


def between(name: str, text: str) -> str:
    """The table that a page has at its mark."""
    return _parts(name, text)[1]


def main() -> None:
    """Write every table."""
    for name, (page, made) in TABLES.items():
        before, _, after = _parts(name, page.read_text())
        page.write_text(before + made() + "\n" * bool(after) + after)


if __name__ == "__main__":
    main()
