"""Stored runs as a table of text: a line each, no wider than the terminal or than 80 columns."""

import shutil
import sys
from collections.abc import Sequence
from typing import Any

from t1t2_pt.runs.listing import Summary
from t1t2_pt.runs.names import DIVERGED, names
from t1t2_pt.system.readable import readable
from t1t2_pt.system.streams import show

WIDTH = 80
COLUMNS = ("digest", "finished", "data", "levels", "epochs", "test", "backend")
WIDEST = {"digest": 10, "finished": 11, "data": 12, "epochs": 6, "test": 8, "backend": 8}
NARROWEST = 8  # of what is cut where there is no room


def show_runs(runs: Sequence[Summary], columns: Sequence[str] = ()) -> None:
    """A line for each run, of the usual columns or of those values; one that is cut ends in `..`."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    rows = [[value_text(run, name) for name in columns] if columns else _cells(run) for run in runs]
    names = list(columns) if columns else [*COLUMNS]
    widths = [max(map(len, cells)) for cells in zip(names, *rows, strict=True)]
    if not columns:
        widths = [min(found, WIDEST.get(name, found)) for name, found in zip(names, widths, strict=True)]
    while sum(widths) + len(widths) - 1 > width and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    for cells in [names, *rows]:
        show(" ".join(_cut(cell, room) for cell, room in zip(cells, widths, strict=True)).rstrip()[:width])


def value_text(run: Summary, name: str) -> str:
    """A value of a run in a table."""
    value = run.value(name)
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "-"
    if name.endswith("_error"):
        return f"{100 * value:.2f}%"
    return readable(f"{value:.4g}" if isinstance(value, float) else value)


def _cells(run: Summary) -> list[str]:
    error = "diverged" if run.status == DIVERGED else f"{100 * run.final['test_error']:.2f}%"
    cells: list[Any] = [
        run.digest[:10],
        run.finished[5:16].replace("T", " "),
        run.value("data"),
        levels_text(run),
        run.value("epochs"),
        error,
        run.provenance["backend"],
    ]
    return [readable(cell) for cell in cells]


def levels_text(run: Summary) -> str:
    """Where the hyperparameters of a run ended, those that were tuned with a star: `n0* 0.312 l2 0.01`."""
    tuned, parts = run.value("tune"), []
    for name, symbol in names().symbols.items():
        if run.value(name) is None:
            continue
        numbers = [value for column, value in run.final.items() if column == name or _is_level(column, name)]
        shown = "/".join("nan" if value is None else f"{value:.3g}" for value in numbers)
        parts.append(f"{symbol}{'*' * (name in tuned)} {shown}")
    return " ".join(parts) or "-"


def _is_level(column: str, name: str) -> bool:
    rest = column.removeprefix(f"{name}_")
    return rest != column and (rest.isdigit() or rest in ("first", "others"))


def _cut(text: str, room: int) -> str:
    return text.ljust(room) if len(text) <= room else f"{text[: room - 2]}.."
