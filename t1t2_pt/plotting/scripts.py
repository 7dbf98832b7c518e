"""What every script in `reproduce/` does around its own declaration: options, sweep, drawing, files.

A script says which runs it wants at each preset and how to draw them; `main` does the rest.
"""

import argparse
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib

from t1t2_pt.cli.commands import OneLineParser, run_command
from t1t2_pt.cli.options import add_program, add_sweep_options, sweep_from
from t1t2_pt.cli.plain_options import usable_path
from t1t2_pt.config import PUBLISHED, RunConfig, program_fields
from t1t2_pt.datasets import DATASETS, find, training_samples
from t1t2_pt.plotting.figure_script import FigureScript, Request, Trainer
from t1t2_pt.plotting.parts import Configs, Part, Runs, Stage
from t1t2_pt.plotting.planned import show_plan
from t1t2_pt.plotting.style import STYLE, save_figure
from t1t2_pt.runs.exchange import check_export, export_runs
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.method_survey import Survey, export_survey, surveyed
from t1t2_pt.sweeps.planning import Planned, plan
from t1t2_pt.sweeps.sweep import Sweep
from t1t2_pt.sweeps.timing import Timing, export_timing, timed
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.files import check_can_write
from t1t2_pt.system.repository import REPOSITORY
from t1t2_pt.system.streams import show

PRESETS = {
    "quick": "a small network on real data, at most 2 minutes on 2 cores",
    "laptop": "the real data set, at most 30 minutes on 2 cores",
    "overnight": "the paper's networks and data on MNIST, fewer epochs and runs: hours on 2 cores, can be stopped",
    "paper": "the paper's network, data, epochs and grid, for a GPU or a cluster",
}
STOPPED = "stopped; finished runs are in the store, run it again to go on"
OURS = "ours"  # asks for the library's own defaults
FIGURES = REPOSITORY / "figures"
LARGEST_SEED = 1_000_000  # leaves room for the seeds that a script counts up from it
REFERENCE = REPOSITORY / "data" / "reference"


def main(script: FigureScript, arguments: Sequence[str] | None = None) -> int:
    """Run a figure script; returns its exit code, see `run_command`."""
    return main_of_all(script.name, script.summary, [script], arguments)


def main_of_parts(
    whole: FigureScript, parts: Mapping[str, FigureScript], arguments: Sequence[str] | None = None
) -> int:
    """As `main`, of a figure whose parts can be drawn by themselves, under names of their own: `--part NAME`."""
    options = parser(whole.name, whole.summary)
    options.add_argument("--part", choices=list(parts), help="run and draw this part alone (default: all)")

    def command() -> int:
        given = options.parse_args(arguments)
        return _run([whole if given.part is None else parts[given.part]], given)

    return run_command(whole.name, command, STOPPED)


def main_of_all(
    name: str, summary: str, scripts: Sequence[FigureScript], arguments: Sequence[str] | None = None
) -> int:
    """As `main`, for several figures in one sweep: each run that some of them share is trained once."""
    return run_command(
        name,
        lambda: _run(scripts, parser(name, summary).parse_args(arguments)),
        STOPPED,
    )


def parser(name: str, summary: str) -> argparse.ArgumentParser:
    """The options that all figure scripts share."""
    presets = "".join(f"\n  {preset:<10}{text}" for preset, text in PRESETS.items())
    result = OneLineParser(
        prog=f"{name}.py",
        description=f"{summary}\n\npresets:{presets}",
        epilog="Runs are kept in the store: a figure drawn again, or stopped and started, trains only what is missing.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--preset", choices=PRESETS, default="quick", help="scale of the experiment (default: quick)")
    add_program(result, PUBLISHED, **{OURS: "the defaults of `t1t2 train`"})
    result.add_argument(
        "--out",
        type=usable_path,
        help=f"folder for the files (default: {FIGURES}; in it a folder for each other preset and program)",
    )
    result.add_argument(
        "--datasets",
        metavar="A,B,..",
        help=f"data sets for the panels, of {','.join(DATASETS)} (default: those on this machine)",
    )
    result.add_argument("--seed", type=int, default=0, help="seed of the split, weights and starts (default: 0)")
    result.add_argument(
        "--plan", action="store_true", help="train and draw nothing, but say what it would take on this machine"
    )
    result.add_argument(
        "--reference",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="draw the paper's own numbers in, and the figure without them beside, as NAME-ours.png (default: yes)",
    )
    result.add_argument(
        "--export",
        type=usable_path,
        help="also write the runs drawn from, .jsonl or .jsonl.gz; what was timed goes beside, as timing.json",
    )
    add_sweep_options(result.add_argument_group("where", "backend, data, runs and machines"))
    return result


def folder_of(preset: str, program: str = PUBLISHED, within: Path | None = None) -> Path:
    """Where figures are drawn by default: those of the quick preset and usual program in the folder of all others."""
    within = within or FIGURES
    folder = within if preset == next(iter(PRESETS)) else within / preset
    return folder if program == PUBLISHED else folder / f"program-{program}"


def _request(options: argparse.Namespace, store: RunStore) -> Request:
    """What the options ask for; without `--datasets`, all that is on this machine.

    Of data that are absent there are as many as stored runs used: figures can be drawn from them.
    """
    if options.datasets is None:
        names = tuple(name for name in DATASETS if find(name, options.data_dir) is not None)
    else:
        names = tuple(name.strip() for name in options.datasets.split(",") if name.strip())
    for name in names:
        if name not in DATASETS:
            raise InputError("--datasets", name, "is unknown", f"give some of {','.join(DATASETS)}")
    samples = {name: training_samples(name, options.data_dir) for name in names}
    absent = [name for name in names if find(name, options.data_dir) is None]
    samples |= {name: used for name in absent if (used := store.samples(name))}
    program = None if options.program == OURS else options.program
    return Request(options.preset, options.seed, names, program, samples)


def _run(scripts: Sequence[FigureScript], options: argparse.Namespace) -> int:
    asked, scripts = scripts, _following(scripts, options.program)
    out = folder_of(options.preset, options.program) if options.out is None else options.out
    for script in () if options.plan else scripts:
        check_can_write("--out", out / f"{script.name}.png")
    if not 0 <= options.seed <= LARGEST_SEED:
        raise InputError("--seed", options.seed, "is out of range", f"give a whole number from 0 to {LARGEST_SEED}")
    if options.export is not None:
        check_export("--export", options.export)
    sweep = sweep_from(options)
    request = _request(options, sweep.store)
    if left := [script.name for script in asked if script not in scripts]:
        sweep.display.log(f"left out: {', '.join(left)}, of whose runs no program says anything")
    if options.plan:
        show_plan(request.preset, *_planned([script for script in scripts if not script.only_stored], request, sweep))
        return 0
    swept = _swept([script for script in scripts if not script.only_stored and script.trainer is None], request, sweep)
    own = {
        script.name: _trained(script, script.trainer, request, sweep, options.recompute)
        for script in scripts
        if script.trainer is not None
    }
    reference = REFERENCE if options.reference else None
    timings: dict[RunConfig, Timing] = {}
    surveys: list[Survey] = []
    for script in scripts:
        found: Runs = (swept | own).get(script.name, {})
        more: list[Timing | Survey] = []
        if script.only_stored:
            found = _of_all_presets(script, request, sweep)
        if script.timed is not None:
            (config,) = sweep.settled([script.timed(request)], fetch=False)
            if config not in timings:
                timings[config] = timed(config, sweep.backend, sweep.store, sweep.display.log, options.recompute)
            more = [timings[config]]
        if script.surveyed is not None:
            surveys.append(surveyed(*script.surveyed(request), sweep, options.recompute))
            more = [surveys[-1]]
        with matplotlib.rc_context(STYLE):
            figure, table, caption = script.draw(found, options.preset, reference, *more)
        folder = FIGURES if script.only_stored and options.out is None else out  # it is of all presets
        show(*save_figure(figure, table, folder, script.name, caption, _all(found)))
    if options.export is not None:
        every = (run for parts in swept.values() for run in _all(parts))
        export_runs(list({run.digest: run for run in every}.values()), options.export)
        show(options.export)
        for script in scripts:
            if script.trainer is not None:
                show(script.trainer.export(_all(own[script.name]), options.export.parent))
        for timing in timings.values():
            show(export_timing(timing, options.export.parent))
        for survey in surveys:
            show(export_survey(survey, options.export.parent))
    return 0


def _following(scripts: Sequence[FigureScript], program: str) -> Sequence[FigureScript]:
    """The scripts whose runs can follow a program; where it is not the usual one, others are not drawn."""
    if program == PUBLISHED:
        return scripts
    if program != OURS:
        program_fields(program)
    following = [script for script in scripts if script.trainer is None]
    if not following:
        raise InputError("program", program, f"has no choices for the runs of {scripts[0].name}", "leave it out")
    return following


def _all(parts: Runs) -> list[StoredRun]:
    return [run for part in parts.values() for run in part]


def _swept(scripts: Sequence[FigureScript], request: Request, sweep: Sweep) -> dict[str, dict[Part, list[StoredRun]]]:
    """The runs of some scripts in one sweep, and in a second one those that depend on how the first ended."""
    wanted = {script.name: script.runs(request) for script in scripts}
    later = {config for script in scripts for config in _to_rerun(script, wanted[script.name])}
    runs = _run_all(sweep, wanted, later) if wanted else {}
    again = {script.name: script.reruns(runs[script.name]) for script in scripts if script.reruns is not None}
    if again:
        for name, parts in _run_all(sweep, again).items():
            runs[name] |= parts
    return runs


def _planned(scripts: Sequence[FigureScript], request: Request, sweep: Sweep) -> tuple[list[Planned], int]:
    """What is to be trained for some scripts, by kind of run, and how many runs the store has."""
    wanted: list[RunConfig] = []
    later: list[RunConfig] = []
    planned: list[Planned] = []
    known = 0
    for script in scripts:
        parts = script.runs(request)
        if script.trainer is None:
            wanted += [config for configs in parts.values() for config in configs]
            later += _to_rerun(script, parts)
        else:
            some, stored = script.trainer.plan(parts, list(_to_rerun(script, parts)), sweep)
            planned, known = planned + some, known + stored
    some, stored = plan(sweep, wanted, later)
    return some + planned, known + stored


def _trained(
    script: FigureScript, trainer: Trainer, request: Request, sweep: Sweep, again: bool
) -> dict[Part, list[StoredRun]]:
    """The runs of a script that has a trainer, likewise."""
    runs = trainer.train(script.runs(request), sweep, again)
    return runs if script.reruns is None else runs | trainer.train(script.reruns(runs), sweep, again)


def _to_rerun(script: FigureScript, parts: Configs) -> Iterator[RunConfig]:
    """The tuned runs that a script trains anew, with what they found, once they have ended."""
    if script.reruns is not None:
        for part in script.reruns(dict.fromkeys(parts, ())):
            yield from parts[part.at(Stage.TUNED)]


def _of_all_presets(script: FigureScript, request: Request, sweep: Sweep) -> dict[Part, list[StoredRun]]:
    """The parts of each preset whose runs the store has; those of the preset asked for that it lacks are told.

    Runs on data that are not on this machine count too: a part is of the first data set that has all of its runs.
    """
    used = {name: sweep.store.samples(name) for name in DATASETS}
    names = [name for name in DATASETS if name in request.datasets or used[name]]
    samples = {**used, **request.samples}
    found: dict[Part, list[StoredRun]] = {}
    for preset in PRESETS:
        stored: dict[Part, list[StoredRun]] = {}
        order: dict[Part, None] = {}
        for datasets in (tuple(names), *((name,) for name in names)):
            wanted = script.runs(dataclasses.replace(request, preset=preset, datasets=datasets, samples=samples))
            stored = _stored(sweep, wanted) | stored
            order |= dict.fromkeys(wanted)
        here = {part: stored[part] for part in order if part in stored}
        parts = script.runs(request)
        if preset == request.preset and not set(parts) <= set(here):
            lacking = ", ".join(dict.fromkeys(part.name("figure", "panel") for part in parts if part not in here))
            sweep.display.log(f"the store lacks runs of {lacking} at this preset: `make figures rerun` trains them")
        if script.reruns is not None:
            here |= _stored(sweep, script.reruns(here))
        found |= {dataclasses.replace(part, preset=preset): runs for part, runs in here.items()}
    return found


def _stored(sweep: Sweep, parts: Configs) -> dict[Part, list[StoredRun]]:
    """The parts of which the store has every run."""
    parts = {part: sweep.settled(configs, fetch=False) for part, configs in parts.items()}
    known = sweep.store.get_all(config for configs in parts.values() for config in configs)
    return {part: [known[c] for c in configs] for part, configs in parts.items() if all(c in known for c in configs)}


def _run_all(
    sweep: Sweep, wanted: Mapping[str, Configs], later: Collection[RunConfig] = ()
) -> dict[str, dict[Part, list[StoredRun]]]:
    """Runs by figure and part, in one sweep over all of them."""
    flat = {(name, part): configs for name, parts in wanted.items() for part, configs in parts.items()}
    found: dict[str, dict[Part, list[StoredRun]]] = {name: {} for name in wanted}
    for (name, part), runs in sweep.run_parts(flat, later).items():
        found[name][part] = runs
    return found
