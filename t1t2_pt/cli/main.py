"""The `t1t2` command: train one run, look at stored runs and verify them, get data, check the installation."""

import argparse
import json
from collections.abc import Sequence

from t1t2_pt.cli import audit as cli_audit
from t1t2_pt.cli import data as cli_data
from t1t2_pt.cli import verify as cli_verify
from t1t2_pt.cli.commands import OneLineParser, run_command
from t1t2_pt.cli.doctor import examine
from t1t2_pt.cli.options import (
    add_data_dir,
    add_run_options,
    add_store,
    add_sweep_options,
    config_from,
    show_value,
    sweep_from,
    usable_path,
)
from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.runs.exchange import check_export, export_runs, read_runs
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.runs.stored import existing, find, readable_runs
from t1t2_pt.system.streams import show, show_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code, see `run_command`: 1 where something was left out or is wrong."""

    def command() -> int:
        options = parser().parse_args(arguments)
        return options.command(options)

    return run_command("t1t2", command)


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    result = OneLineParser(prog="t1t2", description="T1-T2: tune regularisation by gradient while training.")
    commands = result.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser(
        "train",
        help="train one run, fixed or tuned",
        description="Train one run and store it. With --tune, T1-T2 tunes those hyperparameters on T2 meanwhile.",
        epilog="example: t1t2 train --hidden 200,200 --input-noise 0.5 --hidden-noise 0.5 "
        "--tune input_noise,hidden_noise --t1 10000 --epochs 20\n"
        "         t1t2 train --network all-cnn-c --dataset cifar10 --width 0.25 --t1 5000 --epochs 15",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.set_defaults(command=_train)
    add_run_options(train)
    where = train.add_argument_group("where", "backend, data and result")
    add_sweep_options(where)
    where.add_argument("--json", action="store_true", help="print the result as JSON")

    runs = commands.add_parser(
        "runs",
        help="list, show, export and import stored runs",
        description="List, show, export and import stored runs. `list` and `export` leave out runs that cannot be "
        "read (damaged, of a newer version), name each in a line, and then end with exit code 1.",
    ).add_subparsers(required=True, metavar="COMMAND")
    listing = runs.add_parser("list", help="a line for each stored run")
    listing.set_defaults(command=_list)
    add_store(listing)
    listing.add_argument("--json", action="store_true", help="print JSON lines, without histories")
    show = runs.add_parser("show", help="all that is known of one run")
    show.set_defaults(command=_show_run)
    show.add_argument("digest", help="the run's digest, or enough of its beginning")
    add_store(show)
    show.add_argument("--json", action="store_true", help="print JSON, with the history")
    export = runs.add_parser("export", help="write runs to a file")
    export.set_defaults(command=_export)
    export.add_argument(
        "file", type=usable_path, help=".jsonl or .jsonl.gz: whole runs, a line each; .csv: histories, a row per epoch"
    )
    export.add_argument("digests", nargs="*", help="runs to export (default: all)")
    add_store(export)

    import_ = runs.add_parser("import", help="take runs from a file, such as those in data/results")
    import_.set_defaults(command=_import)
    import_.add_argument("file", type=usable_path, help="a .jsonl or .jsonl.gz file that `export` wrote")
    add_store(import_)

    cli_verify.add_command(commands)
    cli_audit.add_command(commands)

    data = commands.add_parser("data", help="list, fetch and verify data sets")
    cli_data.add_commands(data.add_subparsers(required=True, metavar="COMMAND"))

    doctor = commands.add_parser("doctor", help="versions, backends that work, BLAS found, data present")
    doctor.set_defaults(command=_doctor)
    add_data_dir(doctor)
    doctor.add_argument("--json", action="store_true", help="print JSON")
    return result


def _train(options: argparse.Namespace) -> int:
    config = config_from(options)
    (run,) = sweep_from(options).run([config])
    _print_run(run, options.json)
    return 0


def _list(options: argparse.Namespace) -> int:
    runs, code = readable_runs(existing(options.store))
    if options.json:
        for run in runs:
            print(json.dumps({k: v for k, v in run.as_dict().items() if k != "history"}))
        return code
    rows = []
    used = {name for run in runs for name in run.config.hyperparameters}
    shown = [name for name in HYPERPARAMETERS if name in used]
    for run in runs:
        config = run.config
        levels = (_levels(run, name) for name in shown)
        row = (
            run.digest[:10],
            run.finished[:16].replace("T", " "),
            config.dataset,
            config.network,
            ",".join(config.tune) or "-",
            *levels,
            config.epochs,
            f"{100 * run.final['test_error']:.2f}%",
            run.provenance["backend"],
            run.status,
        )
        rows.append(row)
    symbols = (HYPERPARAMETERS[name].symbol for name in shown)
    names = ("digest", "finished", "data", "network", "tuned", *symbols, "epochs", "test error")
    show_table(rows, (*names, "backend", "status"), width=160)
    return code


def _levels(run: StoredRun, name: str) -> str:
    if run.config.level(name) is None:
        return "-"
    levels = ",".join(f"{run.final[column]:.3g}" for column in run.config.levels(name).columns)
    return f"per unit, mean {levels}" if name in run.config.per_unit else levels


def _show_run(options: argparse.Namespace) -> int:
    _print_run(find(existing(options.store), options.digest), options.json)
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


def _print_run(run: StoredRun, as_json: bool) -> None:
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
    show_table([*rows, *run.provenance.items()])


def _doctor(options: argparse.Namespace) -> int:
    report = examine(options.data_dir)
    if options.json:
        print(json.dumps(report))
    else:
        for title, lines in report.items():
            show(title, *(f"  {name:<13} {text}" for name, text in lines.items()))
    return 0 if "works" in report["backends"].values() else 1
