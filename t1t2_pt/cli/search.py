"""`t1t2 search`: random, grid, TPE or Gaussian-process search over a run's hyperparameters, with or without T1-T2."""

import argparse
import json
from collections.abc import Sequence

from t1t2_pt.cli.commands import Commands
from t1t2_pt.cli.options import add_own_data, add_run_options, add_sweep_options, config_from, show_value, sweep_from
from t1t2_pt.cli.whole_runs import print_run
from t1t2_pt.searches.proposing import PRUNERS, SAMPLERS
from t1t2_pt.searches.searching import Plan, Trial, best, search
from t1t2_pt.searches.space import OPTION, Dimension, Space
from t1t2_pt.system.streams import show, show_table

SHOWN = 10  # of the best trials
DESCRIPTION = """\
Search the hyperparameters of a run: trials are fixed runs, proposed by a sampler of Optuna's in populations that train
side by side, and chosen by what T2 measures, never by the test set, which is only told of the best.

The run store is the search's memory: a trial whose run is in the store is not trained again, and a search that was
stopped goes on when the same command is given again.

  --before t1t2   begins where T1-T2 ended: tuned runs from random starts, whose ends are the first trials
  --after t1t2    goes on from the best trial by T1-T2, and trains what it found anew (Section 4 of the paper)

T1-T2 is cheap with many hyperparameters and sees one update ahead; a search sees whole trainings and is dear with many
(docs/choosing-a-method.md).
"""
EPILOG = """\
examples:
  t1t2 search --hidden 64 --t1 2000 --t2 1000 --epochs 20 --space input_noise=0:1 --space l2=1e-5:1e-2:log
  t1t2 search --hidden 64 --t1 2000 --t2 1000 --epochs 20 --space input_noise=0:1 --sampler random --after t1t2
  t1t2 search --hidden 64,64 --l2 1e-4,1e-4,1e-4 --space l2=1e-6:1e-2:log --before t1t2     (an L2 for each layer)
  t1t2 search --hidden 64 --epochs 27 --space l2=1e-5:1e-2:log --pruner halving --trials 60
"""


def add_command(commands: Commands, help: str) -> None:
    """Add it below a subparser."""
    result = commands.add_parser(
        "search",
        help=help,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.set_defaults(command=_search)
    usual = Plan()
    options = result.add_argument_group("search", "what is tried, and how")
    options.add_argument(
        OPTION,
        action="append",
        default=[],
        metavar="NAME=LOW:HIGH[:log]",
        help="a hyperparameter, or another number of a run such as learning_rate, and its bounds; again for each. "
        "Where the run has several levels of it (--l2 1e-4,1e-4), each is searched by itself",
    )
    for name, choices in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
        texts = "; ".join(f"{choice}: {text}" for choice, text in choices.items())
        default = getattr(usual, name)
        options.add_argument(f"--{name}", default=default, metavar="NAME", help=f"{texts} (default: {default})")
    options.add_argument("--trials", type=int, default=usual.trials, metavar="N", help="trials (default: %(default)s)")
    options.add_argument(
        "--population",
        type=int,
        default=usual.population,
        metavar="N",
        help="trials that are proposed at once and train side by side; fewer: a sampler learns more often, and all "
        "takes longer (default: %(default)s)",
    )
    options.add_argument("--by", default=usual.by, metavar="NAME", help="t2_error or t2_cost (default: %(default)s)")
    for name in ("before", "after"):
        text = f"t1t2: tune {name} the search; none (default)"
        options.add_argument(f"--{name}", default="none", metavar="NAME", help=text)
    options.add_argument("--search-seed", type=int, default=0, metavar="N", help="seed of the sampler (default: 0)")
    add_run_options(result)
    add_own_data(result.add_argument_group("own data", "a file or folder in the place of --dataset"))
    where = result.add_argument_group("where", "backend, data and result")
    add_sweep_options(where)
    where.add_argument("--json", action="store_true", help="print the trials as JSON lines, the best first")


def _search(options: argparse.Namespace) -> int:
    space = Space(config_from(options), [Dimension.read(text) for text in options.space])
    names = ("sampler", "pruner", "trials", "population", "by", "before", "after")
    plan = Plan(**{name: getattr(options, name) for name in names}, seed=options.search_seed)
    plan.check(space)  # before the backend is loaded
    sweep = sweep_from(options)
    trials = search(space, plan, sweep, sweep.display.log)
    ordered = sorted((trial for trial in trials if trial.kind != "pruned"), key=lambda trial: trial.value(plan.by))
    if options.json:
        for trial in ordered:
            print(json.dumps({"kind": trial.kind, **trial.run.as_dict()}, allow_nan=False))
        return 0
    _show(space, plan, ordered)
    show("", f"the best by {plan.by}:")
    print_run(best(trials, plan.by).run, False)
    return 0


def _show(space: Space, plan: Plan, ordered: Sequence[Trial]) -> None:
    rows = []
    for trial in ordered[:SHOWN]:
        levels = [f"{value:.3g}" for value in space.point(trial.run).values()]
        rows.append((trial.run.digest[:10], trial.kind, *levels, f"{trial.value(plan.by):.4g}"))
    show_table(rows, ("run", "kind", *space.places, plan.by))
    tried = len(ordered)
    show(f"{tried} runs; {show_value(min(tried, SHOWN))} shown")
