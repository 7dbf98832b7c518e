"""The `t1t2` command: train one run, look at stored runs and verify them, get data, check the installation."""

import argparse
import contextlib
import json
from collections.abc import Sequence
from typing import Any

from t1t2_pt.cli import audit as cli_audit
from t1t2_pt.cli import data as cli_data
from t1t2_pt.cli import predict as cli_predict
from t1t2_pt.cli import runs as cli_runs
from t1t2_pt.cli import search as cli_search
from t1t2_pt.cli import verify as cli_verify
from t1t2_pt.cli.commands import OneLineParser, run_command
from t1t2_pt.cli.doctor import examine
from t1t2_pt.cli.options import (
    absolute_path,
    add_data_dir,
    add_own_data,
    add_run_options,
    add_sweep_options,
    config_from,
    sweep_from,
)
from t1t2_pt.models.model_files import check_model_path
from t1t2_pt.runs.record import DIVERGED
from t1t2_pt.sweeps.event_files import EventFiles
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.streams import show
from t1t2_pt.system.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code, see `run_command`: 1 where something was left out or is wrong."""

    def command() -> int:
        options = parser().parse_args(arguments)
        return options.command(options)

    return run_command("t1t2", command)


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    result = OneLineParser(prog="t1t2", description="T1-T2: tune regularisation by gradient while training.")
    result.add_argument("--version", action="version", version=f"t1t2_pt {VERSION}")
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
    add_own_data(train.add_argument_group("own data", "a file or folder in the place of --dataset"))
    where = train.add_argument_group("where", "backend, data and result")
    add_sweep_options(where)
    where.add_argument(
        "--save-model",
        type=absolute_path,
        metavar="FILE",
        help="keep the trained network with all that it takes to predict in this .npz file; a stored run is trained "
        "again for it",
    )
    where.add_argument(
        "--log-dir", type=absolute_path, metavar="DIR", help="write TensorBoard event files below this folder"
    )
    where.add_argument("--json", action="store_true", help="print the result as JSON")

    cli_runs.add_command(commands)
    cli_search.add_command(commands)
    cli_verify.add_command(commands)
    cli_predict.add_command(commands)
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
    if options.save_model is not None:
        check_model_path("--save-model", options.save_model)
        if options.scheduler is not None:
            problem = "is asked of a cluster, whose machines may have other disks"
            raise InputError("--save-model", str(options.save_model), problem, "train here, or with --workers")
    with contextlib.ExitStack() as stack:
        more: dict[str, Any] = {}
        if options.log_dir is not None:
            files = EventFiles(options.log_dir)
            stack.callback(files.close)
            more["watchers"] = [files]
        if options.save_model is not None:
            more["model"] = options.save_model
        (run,) = sweep_from(options, **more).run([config])
    cli_runs.print_run(run, options.json)
    return 1 if options.save_model is not None and run.status == DIVERGED else 0


def _doctor(options: argparse.Namespace) -> int:
    report = examine(options.data_dir)
    if options.json:
        print(json.dumps(report))
    else:
        for title, lines in report.items():
            show(title, *(f"  {name:<13} {text}" for name, text in lines.items()))
    return 0 if "works" in report["backends"].values() else 1
