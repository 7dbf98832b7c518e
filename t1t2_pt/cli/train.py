"""`t1t2 train`: one run, fixed or tuned."""

import argparse
import contextlib
from typing import Any

from t1t2_pt.cli.commands import Commands
from t1t2_pt.cli.options import add_own_data, add_run_options, add_sweep_options, config_from, sweep_from
from t1t2_pt.cli.plain_options import absolute_path
from t1t2_pt.cli.whole_runs import print_run
from t1t2_pt.models.model_files import check_model_path
from t1t2_pt.runs.names import DIVERGED
from t1t2_pt.sweeps.event_files import EventFiles
from t1t2_pt.system.errors import InputError


def add_command(commands: Commands, help: str) -> None:
    """Add it below a subparser."""
    train = commands.add_parser(
        "train",
        help=help,
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
    print_run(run, options.json)
    return 1 if options.save_model is not None and run.status == DIVERGED else 0
