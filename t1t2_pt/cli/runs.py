"""`t1t2 runs`: stored runs listed, shown, plotted, exported, imported and deleted."""

import argparse
import json
from pathlib import Path

from t1t2_pt.cli.commands import Commands, imported_when_used
from t1t2_pt.cli.plain_options import add_store, names_of, usable_path
from t1t2_pt.cli.runs_table import show_runs
from t1t2_pt.runs.listing import check_name, chosen, read_conditions, summaries
from t1t2_pt.runs.store_file import StoreFile, existing
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.streams import log

PLOTS = (".png", ".pdf", ".svg")  # as `whole_runs` takes them
WHOLE = "t1t2_pt.cli.whole_runs"


def add_command(commands: Commands, help: str) -> None:
    """Add it below a subparser."""
    runs = commands.add_parser(
        "runs",
        help=help,
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
    shown.set_defaults(command=imported_when_used(WHOLE, "show_command"))
    shown.add_argument("digest", help="the run's digest, or enough of its beginning")
    add_store(shown)
    shown.add_argument("--json", action="store_true", help="print JSON, with the history")

    plot = runs.add_parser("plot", help="draw costs, errors and hyperparameters of some runs over their epochs")
    plot.set_defaults(command=imported_when_used(WHOLE, "plot_command"))
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
    export.set_defaults(command=imported_when_used(WHOLE, "export_command"))
    export.add_argument(
        "file",
        type=usable_path,
        help=".jsonl or .jsonl.gz: whole runs, a line each; .csv: histories, a row per epoch, with their options",
    )
    export.add_argument("digests", nargs="*", help="runs to export (default: all)")
    add_store(export)

    import_ = runs.add_parser("import", help="take runs from a file, such as those in data/results")
    import_.set_defaults(command=imported_when_used(WHOLE, "import_command"))
    import_.add_argument("file", type=usable_path, help="a .jsonl or .jsonl.gz file that `export` wrote")
    add_store(import_)

    delete = runs.add_parser("delete", help="remove runs from the store")
    delete.set_defaults(command=imported_when_used(WHOLE, "delete_command"))
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
    all_runs = summaries(existing(options.store, StoreFile), unreadable.append)
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
