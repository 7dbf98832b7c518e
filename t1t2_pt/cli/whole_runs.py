"""What `t1t2 runs` does with whole runs: shows, plots, exports, imports and deletes them."""

import argparse
import importlib
import json
from typing import Any

from t1t2_pt.cli.plain_options import show_value
from t1t2_pt.config import FIELDS
from t1t2_pt.runs.exchange import check_export, export_runs, read_runs
from t1t2_pt.runs.listing import Summary, chosen, read_conditions, summaries
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.runs.store_file import existing
from t1t2_pt.runs.stored import find, readable_runs
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.streams import show, show_table

PLOTS = (".png", ".pdf", ".svg")


def show_command(options: argparse.Namespace) -> int:
    """All that is known of one run."""
    run = find(existing(options.store, RunStore), options.digest)
    print_run(run, options.json)
    if not options.json:
        show("", "config")
        show_table([(name, show_value(getattr(run.config, name))) for name in FIELDS])
    return 0


def plot_command(options: argparse.Namespace) -> int:
    """Draw runs."""
    if options.out.suffix not in PLOTS:
        raise InputError("--out", str(options.out), "has an unknown ending", f"name it {', '.join(PLOTS)}")
    store = existing(options.store, RunStore)
    runs = {run.digest: run for run in (find(store, digest) for digest in options.digests)}
    # Plotting lies above this room, and takes long to import.
    draw: Any = importlib.import_module("t1t2_pt.plotting.run_curves").save_curves
    draw(list(runs.values()), options.out)
    show(f"{len(runs)} run{'s' * (len(runs) > 1)} drawn in {options.out}")
    return 0


def export_command(options: argparse.Namespace) -> int:
    """Write runs to a file."""
    check_export("file", options.file)
    store = existing(options.store, RunStore)
    found, code = [find(store, digest) for digest in options.digests], 0
    if not found:
        found, code = readable_runs(store)
    runs = {run.digest: run for run in found}
    export_runs(list(runs.values()), options.file)
    show(f"{len(runs)} runs written to {options.file}")
    return code


def import_command(options: argparse.Namespace) -> int:
    """Take runs from a file."""
    runs = read_runs(options.file)
    store = RunStore(options.store)
    there = store.get_all((run.config for run in runs), skip=lambda error: None)  # what cannot be read is replaced
    new = [run for run in runs if run.config not in there]
    store.put(new)
    show(f"{len(new)} runs added to {options.store}, {len(runs) - len(new)} were there")
    return 0


def delete_command(options: argparse.Namespace) -> int:
    """Remove runs from the store."""
    store = existing(options.store, RunStore)
    if bool(options.digests) == bool(options.where):
        given = " ".join(options.digests) or None
        raise InputError("RUN", given, "says not which runs", "give either digests or --where")
    if options.digests:
        digests = [_only(store, digest) for digest in options.digests]
    else:
        found: list[Summary] = chosen(summaries(store, lambda error: None), read_conditions(options.where))
        digests = [run.digest for run in found]
        if not options.yes:
            show(f"{len(digests)} runs would be deleted from {options.store}; add --yes")
            return 1
    show(f"{store.delete(dict.fromkeys(digests))} runs deleted from {options.store}")
    return 0


def _only(store: RunStore, digest: str) -> str:
    """The only digest that begins so, of a run that need not be readable."""
    found = store.find(digest)
    if len(found) != 1:
        problem = f"fits {len(found)} runs" if found else "fits no stored run"
        raise InputError("RUN", digest, problem, "give one that `t1t2 runs list` shows, in full if need be")
    return found[0]


def print_run(run: StoredRun, as_json: bool) -> None:
    """Results and provenance of a run."""
    if as_json:
        print(json.dumps(run.as_dict(), allow_nan=False))
        return
    rows = [("run", run.digest), ("status", run.status)]
    for name in ("t1", "t2", "test"):
        cost, error = run.final[f"{name}_cost"], run.final[f"{name}_error"]
        rows.append((name.capitalize(), f"error {100 * error:.2f}%, cross-entropy {cost:.4f} nats"))
    for name in run.config.hyperparameters:
        start = run.config.level(name)
        end = _levels(run, name)
        moved = f"{show_value(start)} -> {end}" if name in run.config.tune else end
        rows.append((name, moved))
    repaired = sum(sum(run.history[column][1:]) for column in run.history if column.startswith("repaired"))
    rows.append(("repaired", f"{repaired:g} elements of gradients were not finite and were set to 0"))
    rows.append(("seconds", f"{sum(run.history['seconds']):.1f}"))
    rows.append(("finished", run.finished))
    show_table([*rows, *run.provenance.items()])


def _levels(run: StoredRun, name: str) -> str:
    levels = ",".join(f"{run.final[column]:.3g}" for column in run.config.levels(name).columns)
    return f"per unit, mean {levels}" if name in run.config.per_unit else levels
