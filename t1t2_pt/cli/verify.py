"""`t1t2 verify`: stored runs are trained again and compared with what is stored."""

import argparse
import collections
import json
from collections.abc import Sequence

from t1t2_pt.backends import get_backend
from t1t2_pt.cli.commands import Commands
from t1t2_pt.cli.options import add_own_data, own_data
from t1t2_pt.cli.plain_options import add_data_dir, add_store, usable_path
from t1t2_pt.runs.exchange import read_runs
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.runs.store_file import existing
from t1t2_pt.runs.stored import readable_runs
from t1t2_pt.sweeps.progress import Display
from t1t2_pt.sweeps.verification import EARLY, END, TOLERANCES, Verdict, check_of, sample, verify
from t1t2_pt.sweeps.work import Splits
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.streams import show


def add_command(commands: Commands, help: str) -> None:
    """Add it below a subparser."""
    stated = "".join(f"\n  {name:<16}{absolute:g} + {of:g} of it" for name, (absolute, of) in TOLERANCES.items())
    result = commands.add_parser(
        "verify",
        help=help,
        description="Train stored runs again and compare all numbers. On the backend, versions, processor and cores "
        "that\ntrained them, and in the same company, they must be the same to the last bit. Elsewhere, or where the\n"
        f"code is other and rounds otherwise, the epochs within the first {EARLY} updates (at least one) must be\n"
        f"within these distances, absolute and relative:\n{stated}\n\n"
        f"With other code on the same machine the final errors must be within {END[0]:g} + {END[1]:g} of them, too.\n"
        "Exit code 1 if a run differs or cannot be trained here.",
        epilog="example: t1t2 verify --sample 5 data/results/quick.jsonl.gz\n"
        "         t1t2 verify --data my.csv --target kind",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.set_defaults(command=_verify)
    result.add_argument(
        "file", nargs="?", type=usable_path, help="runs that `t1t2 runs export` wrote (default: those of the store)"
    )
    result.add_argument("--sample", type=int, metavar="N", help="only so many, of as many kinds as there are")
    add_store(result)
    result.add_argument("--backend", help="train them on this backend (default: on that which trained them, if here)")
    add_data_dir(result)
    add_own_data(result.add_argument_group("own data", "what runs of data of your own were trained on"))
    result.add_argument("--quiet", action="store_true", help="no progress")
    result.add_argument("--json", action="store_true", help="print a line of JSON for each run")


def _verify(options: argparse.Namespace) -> int:
    if options.sample is not None and options.sample < 1:
        raise InputError("--sample", options.sample, "is no number of runs", "give at least 1")
    backend = get_backend(options.backend) if options.backend is not None else None
    if options.file is None:
        runs, code = readable_runs(existing(options.store, RunStore))
    else:
        runs, code = read_runs(options.file), 0
    if not runs:
        raise InputError("file", str(options.file or options.store), "has no runs", "give a file that has some")
    runs = runs if options.sample is None else sample(runs, options.sample)
    own = own_data(options)
    splits = Splits(options.data_dir, None if own is None else own[0])
    display = Display(options.quiet)
    checks = [check_of(run, backend) for run in runs]
    verdicts = []
    with display.shown([run.config for run in runs]):
        for verdict in verify(checks, splits, display.advance):
            verdicts.append(verdict)
            display.finish(1)
            if options.json:  # at once, as the rest may take hours
                print(json.dumps(_as_dict(verdict)))
            elif verdict.problem:
                show(f"run {_name(verdict.check.run)}: {verdict.problem}")
    if not options.json:
        show(*_summary(verdicts))
    return 1 if any(verdict.problem for verdict in verdicts) else code


def _as_dict(verdict: Verdict) -> dict:
    return {
        "digest": verdict.check.run.digest,
        "backend": verdict.check.backend.name,
        "exact": verdict.exact,
        "differing": verdict.check.differing,
        "problem": verdict.problem,
    }


def _summary(verdicts: Sequence[Verdict]) -> list[str]:
    """Counts, and why bits could not be expected."""
    sound = [verdict for verdict in verdicts if not verdict.problem]
    exact = sum(verdict.exact for verdict in sound)
    lines = [f"{exact} of {len(verdicts)} runs are the same to the last bit"]
    reasons = collections.Counter(reason for one in sound if not one.exact for reason in one.check.differing)
    if len(sound) > exact:
        lines.append(f"{len(sound) - exact} are the same within tolerances at their beginning (`t1t2 verify --help`):")
        lines += [f"  of {count} {reason}" for reason, count in reasons.most_common()]
    untrained = sum(not verdict.trained for verdict in verdicts)
    if len(verdicts) > len(sound) + untrained:
        lines.append(f"{len(verdicts) - len(sound) - untrained} are not what this code computes here")
    if untrained:
        lines.append(f"{untrained} cannot be trained here")
    return lines


def _name(run: StoredRun) -> str:
    return f"{run.digest[:10]} ({run.config.dataset}, {','.join(run.config.tune) or 'fixed'}, seed {run.config.seed})"
