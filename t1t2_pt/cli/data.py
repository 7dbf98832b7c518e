"""`t1t2 data`: which data sets there are, where they lie, whether their files are right, and how to get them."""

import argparse
import json
from typing import Any

from t1t2_pt.cli.commands import Commands
from t1t2_pt.cli.plain_options import add_data_dir
from t1t2_pt.datasets import DATASETS, USUAL_SIZES, absence, describe, find
from t1t2_pt.datasets.sources import GIVEN
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.streams import show, show_table


def add_command(above: Commands, help: str) -> None:
    """Add it, with `list`, `fetch` and `verify`, below a subparser."""
    commands = above.add_parser("data", help=help).add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="every data set, and where it lies on this machine")
    listing.set_defaults(command=_list)
    add_data_dir(listing)
    listing.add_argument("--json", action="store_true", help="print JSON")

    fetch = commands.add_parser(
        "fetch",
        help="download data sets into the user's cache, checked",
        description="Download data sets into the user's cache. What is there is checked and not downloaded again.",
    )
    fetch.set_defaults(command=_fetch)
    fetch.add_argument("names", nargs="+", metavar="NAME", help=f"data sets: {', '.join(DATASETS)}")
    fetch.add_argument("--quiet", action="store_true", help="no progress")

    verify = commands.add_parser(
        "verify",
        help="read and check the files of data sets",
        description="Read the files of data sets and check all that is known of them. Exit code 1 if any is not right.",
    )
    verify.set_defaults(command=_verify)
    verify.add_argument("names", nargs="*", metavar="NAME", help="data sets (default: all that are here)")
    add_data_dir(verify)


def _list(options: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    for name in DATASETS:
        usual, place = USUAL_SIZES[name], find(name, options.data_dir)
        rows.append({"name": name, **usual, "place": place, "description": describe(name, options.data_dir)})
    if options.json:
        print(json.dumps(rows))
        return 0
    cells = []
    for row in rows:
        where = row["place"] or absence(row["name"])
        cells.append((row["name"], f"{row['t1_samples']:,}", f"{row['t2_samples']:,}", where, row["description"]))
    show_table(cells, ("name", "T1", "T2", "where", "what"), width=200)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    for name in _known(options.names):
        source = DATASETS[name]
        if source.fetch is None:
            show(f"{name}: is made of data in the repository; there is nothing to fetch")
        else:
            show(f"{name}: {source.fetch(not options.quiet).path}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    wrong = 0
    for name in _known(options.names) or DATASETS:
        source = DATASETS[name]
        try:
            here = source.find(options.data_dir)
            if here is None:
                show(f"{name}: {absence(name)}")
                wrong += name in options.names
                continue
            data = source.load(options.data_dir)
        except InputError as error:
            if error.field in GIVEN:
                raise
            show(f"{name}: {error}")
            wrong += 1
            continue
        counts = f"{len(data.train_labels):,} + {len(data.test_labels):,}"
        show(f"{name}: right; {data.provenance}; {counts} in {here.path}")
    return 1 if wrong else 0


def _known(names: list[str]) -> list[str]:
    for name in names:
        if name not in DATASETS:
            raise InputError("dataset", name, "is unknown", f"give {', '.join(DATASETS)}")
    return names
