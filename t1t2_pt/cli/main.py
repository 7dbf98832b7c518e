"""The `t1t2` command: train one run, look at stored runs and verify them, get data, check the installation."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from t1t2_pt.cli.commands import OneLineParser, run_command
from t1t2_pt.system.version import VERSION

# What there is, in a module of its own each; only that of the command that is asked for is imported.
COMMANDS = {
    "train": ("t1t2_pt.cli.train", "train one run, fixed or tuned"),
    "runs": ("t1t2_pt.cli.runs", "list, show, plot, export, import and delete stored runs"),
    "search": ("t1t2_pt.cli.search", "search hyperparameters by Optuna, before or after T1-T2"),
    "verify": ("t1t2_pt.cli.verify", "train stored runs again and compare"),
    "predict": ("t1t2_pt.cli.predict", "labels and probabilities of samples, by a network that was kept"),
    "audit": ("t1t2_pt.cli.audit", "look at a run's hypergradients before it is trained"),
    "data": ("t1t2_pt.cli.data", "list, fetch and verify data sets"),
    "doctor": ("t1t2_pt.cli.doctor", "versions, backends that work, BLAS found, data present"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code, see `run_command`: 1 where something was left out or is wrong."""

    def command() -> int:
        given = sys.argv[1:] if arguments is None else list(arguments)
        options = parser(next((word for word in given if word in COMMANDS), "")).parse_args(given)
        return options.command(options)

    return run_command("t1t2", command)


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """All commands, with the options of all, or of one alone."""
    result = OneLineParser(prog="t1t2", description="T1-T2: tune regularisation by gradient while training.")
    result.add_argument("--version", action="version", version=f"t1t2_pt {VERSION}")
    commands = result.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, help) in COMMANDS.items():
        if only in (None, name):
            importlib.import_module(module).add_command(commands, help)
        else:
            commands.add_parser(name, help=help)
    return result
