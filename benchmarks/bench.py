"""`make bench`: time the step, a CNN, sweeps and growth; print tables, write JSON and plots.

Every table is measured anew, its contenders in turns. Ratios within a table mean something; times of
different tables or days need not.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks import tables
from benchmarks.machine import describe
from benchmarks.plots import draw
from t1t2_pt.system.files import replacing

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Measure the tables asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "tables", nargs="*", metavar="TABLE", help=f"which to measure: {', '.join(tables.TABLES)} (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contender (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10, help="steps in a turn (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the JSON files and plots (default: here)")
    options = parser.parse_args()
    unknown = sorted(set(options.tables) - set(tables.TABLES))
    if unknown:
        parser.error(f"no table {', '.join(unknown)}: give {', '.join(tables.TABLES)}")
    if options.rounds < 1 or options.steps < 1:
        parser.error("--rounds and --steps must be at least 1")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.tables or tables.TABLES:
        print(f"{name}: {tables.TITLES[name]}", flush=True)
        result = {"machine": describe(), **tables.TABLES[name](options.rounds, options.steps)}
        with replacing(options.out / f"{name}.json") as path:
            path.write_text(json.dumps(result, indent=2) + "\n")
        with replacing(options.out / f"{name}.png") as path:
            draw(name, result, path)
        print(tables.render(name, result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
