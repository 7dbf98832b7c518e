"""`t1t2 runs`: stored runs listed, shown, plotted, exported, imported and deleted."""

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

from t1t2_pt.cli.commands import Commands
from t1t2_pt.cli.options import add_store, names_of, show_value, usable_path
from t1t2_pt.cli.runs_table import show_runs
from t1t2_pt.config import FIELDS
from t1t2_pt.runs.exchange import check_export, export_runs, read_runs
from t1t2_pt.runs.listing import Summary, check_name, chosen, read_conditions, summaries
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.runs.stored import existing, find, readable_runs
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.streams import log, show, show_table

PLOTS = (".png", ".pdf", ".svg")


def add_command(commands: Commands) -> None:
    """Add it below a subparser."""
    runs = commands.add_parser(
        "runs",
        help="list, show, plot, export, import and delete stored runs",
        description="List, show, plot, export, import and delete stored runs. `list` and `export` leave out runs that "
        "cannot be read (damaged, of a newer version), name each in a line, and then end with exit code 1.",
    ).add_subparsers(required=True, metavar="COMMAND")
    listing = runs.add_parser(
        "list",
        help="a line for each stored run",
        epilog="example: t1t2 runs list --where dataset=mnist,tune=l2 --sort test_error --limit 10",
    )
    listing.set_defaults(command=_list)
    _add_where(listing)
    listing.add_argument(
        "--sort", default="", metavar="NAME", help="by an option of `t1t2 train`, test_error, ... (default: finished)"
    )
    listing.add_argument("--reverse", action="store_true", help="the other way round")
    listing.add_argument(
        "--limit", type=int, metavar="N", help="only so many: the first by --sort, or else the last to finish"
    )
    listing.add_argument(
        "--columns", type=names_of, default=(), metavar="NAME,..", help="what is shown of each (default: a selection)"
    )
    add_store(listing)
    listing.add_argument("--json", action="store_true", help="print JSON lines, without histories")

    shown = runs.add_parser("show", help="all that is known of one run: results, provenance, every option")
    shown.set_defaults(command=_show)
    shown.add_argument("digest", help="the run's digest, or enough of its beginning")
    add_store(shown)
    shown.add_argument("--json", action="store_true", help="print JSON, with the history")

    plot = runs.add_parser("plot", help="draw costs, errors and hyperparameters of some runs over their epochs")
    plot.set_defaults(command=_plot)
    plot.add_argument("digests", nargs="+", metavar="RUN", help="digests, or enough of their beginnings")
    plot.add_argument(
        "--out",
        type=usable_path,
        default=Path("runs.png"),
        metavar="FILE",
        help=f"{', '.join(PLOTS)} (runs.png)",
    )
    add_store(plot)

    export = runs.add_parser("export", help="write runs to a file")
    export.set_defaults(command=_export)
    export.add_argument(
        "file",
        type=usable_path,
        help=".jsonl or .jsonl.gz: whole runs, a line each; .csv: histories, a row per epoch, with their options",
    )
    export.add_argument("digests", nargs="*", help="runs to export (default: all)")
    add_store(export)

    import_ = runs.add_parser("import", help="take runs from a file, such as those in data/results")
    import_.set_defaults(command=_import)
    import_.add_argument("file", type=usable_path, help="a .jsonl or .jsonl.gz file that `export` wrote")
    add_store(import_)

    delete = runs.add_parser("delete", help="remove runs from the store")
    delete.set_defaults(command=_delete)
    delete.add_argument("digests", nargs="*", metavar="RUN", help="digests, or enough of their beginnings")
    _add_where(delete)
    delete.add_argument("--yes", action="store_true", help="remove what --where names; else only tell how many")
    add_store(delete)


def _add_where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="NAME=VALUE,..",
        help="only runs that are so: options of `t1t2 train`, data, backend, status, test_error and so on, with =, !=, "
        "<, >, <= or >=; tune=l2+input_noise: both are tuned",
    )


def _list(options: argparse.Namespace) -> int:
    if options.limit is not None and options.limit < 1:
        raise InputError("--limit", options.limit, "is no number of runs", "give at least 1")
    conditions = read_conditions(options.where)
    unreadable: list[InputError] = []
    all_runs = summaries(existing(options.store), unreadable.append)
    for error in unreadable:
        log(f"t1t2: {error}")
    for name in options.columns:
        check_name("--columns", name, all_runs)
    runs = chosen(all_runs, conditions, options.sort, options.reverse)
    if options.limit is not None:
        runs = runs[: options.limit] if options.sort or options.reverse else runs[-options.limit :]
    if options.json:
        for run in runs:
            print(json.dumps(run.as_dict()))
    else:
        show_runs(runs, options.columns)
        if len(runs) < len(all_runs):
            log(f"{len(runs)} of {len(all_runs)} runs")
    return 1 if unreadable else 0


def _show(options: argparse.Namespace) -> int:
    run = find(existing(options.store), options.digest)
    print_run(run, options.json)
    if not options.json:
        show("", "config")
        show_table([(name, show_value(getattr(run.config, name))) for name in FIELDS])
    return 0


def _plot(options: argparse.Namespace) -> int:
    if options.out.suffix not in PLOTS:
        raise InputError("--out", str(options.out), "has an unknown ending", f"name it {', '.join(PLOTS)}")
    store = existing(options.store)
    runs = {run.digest: run for run in (find(store, digest) for digest in options.digests)}
    # Plotting lies above this room, and takes long to import.
    draw: Any = importlib.import_module("t1t2_pt.plotting.run_curves").save_curves
    draw(list(runs.values()), options.out)
    show(f"{len(runs)} run{'s' * (len(runs) > 1)} drawn in {options.out}")
    return 0


def _export(options: argparse.Namespace) -> int:
    check_export("file", options.file)
    store = existing(options.store)
    found, code = [find(store, digest) for digest in options.digests], 0
    if not found:
        found, code = readable_runs(store)
    runs = {run.digest: run for run in found}
    export_runs(list(runs.values()), options.file)
    show(f"{len(runs)} runs written to {options.file}")
    return code


def _import(options: argparse.Namespace) -> int:
    runs = read_runs(options.file)
    store = RunStore(options.store)
    there = store.get_all((run.config for run in runs), skip=lambda error: None)  # what cannot be read is replaced
    new = [run for run in runs if run.config not in there]
    store.put(new)
    show(f"{len(new)} runs added to {options.store}, {len(runs) - len(new)} were there")
    return 0


def _delete(options: argparse.Namespace) -> int:
    store = existing(options.store)
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
