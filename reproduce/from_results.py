"""Every committed figure again from the committed runs, in data/results; nothing is trained.

The runs go into a store that is thrown away. Figures whose runs are not all there are left out, and named. Those of the
quick preset go to figures/, those of others into folders of their names.
"""

import require_environment  # noqa: F401, I001  (must come first)

import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t1t2_pt.backends import get_backend
from t1t2_pt.cli.commands import OneLineParser, run_command
from t1t2_pt.cli.plain_options import usable_path
from t1t2_pt.plotting.found_scripts import scripts_in
from t1t2_pt.plotting.parts import Configs
from t1t2_pt.plotting.figure_script import FigureScript, Request
from t1t2_pt.plotting.scripts import FIGURES, PRESETS, folder_of, main_of_all
from t1t2_pt.runs.exchange import read_runs
from t1t2_pt.system.repository import REPOSITORY
from t1t2_pt.runs.record import StoredRun
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.method_survey import FILE as SURVEY
from t1t2_pt.sweeps.method_survey import read_survey, store_survey
from t1t2_pt.sweeps.work import Splits
from t1t2_pt.sweeps.timing import FILE, Timing, store_timing
from t1t2_pt.system.errors import InputError
from t1t2_pt.system.reading import read_file
from t1t2_pt.system.streams import log

RESULTS = REPOSITORY / "data" / "results"
LARGEST = 10_000  # bytes of a file of times


def fill(store: RunStore, scripts: Sequence[FigureScript]) -> None:
    """Put all committed runs and times into a store; the times are told to be of this machine."""
    for path in sorted(RESULTS.glob("*.jsonl.gz")):
        store.put(read_runs(path))
    for script in scripts:
        if script.trainer is not None:
            script.trainer.fill(store, RESULTS / script.name)
    store_survey(read_survey(RESULTS / SURVEY), store)
    timing = Timing.from_dict(json.loads(read_file(RESULTS / FILE, LARGEST)))
    for config in {script.timed(Request(preset)) for script in scripts if script.timed for preset in PRESETS}:
        store_timing(timing, settled(config.canonical, store), get_backend("auto"), store)


def settled[Config: Any](config: Config, store: RunStore) -> Config:
    """With the content of the data that the runs used."""
    return dataclasses.replace(config, data=next(iter(store.contents(config.dataset)), ""))


def complete(script: FigureScript, request: Request, store: RunStore) -> bool:
    """Whether the store has every run of a figure."""
    if script.only_stored:
        return request.preset == next(iter(PRESETS))  # it draws all presets by itself
    parts = script.runs(request)
    found = {part: _stored(script, configs, store) for part, configs in parts.items()}
    if not _whole(parts, found):
        return False
    more = {} if script.reruns is None else script.reruns(found)
    return _whole(more, {part: _stored(script, configs, store) for part, configs in more.items()})


def _stored(script: FigureScript, configs: Sequence, store: RunStore) -> list[StoredRun]:
    wanted = [settled(config, store) for config in configs]
    if script.trainer is not None:
        known = script.trainer.stored(wanted, store)
    else:
        wanted = [config.canonical for config in wanted]
        known = store.get_all(wanted)
    return [known[config] for config in wanted if config in known]


def _whole(parts: Configs, found: dict) -> bool:
    return all(len(found[part]) == len(configs) for part, configs in parts.items())


def draw(preset: str, out: Path, scripts: Sequence[FigureScript], store: RunStore) -> int:
    """The figures of a preset, each with the data sets of which all its runs are in the store; returns an exit code."""
    used = tuple(dict.fromkeys(run.config.dataset for run in read_runs(RESULTS / f"{preset}.jsonl.gz")))
    datasets = tuple(
        name for name in used if Splits(None).fingerprint(name, fetch=False) in (None, *store.contents(name))
    )
    if other := ", ".join(sorted({*used} - {*datasets})):
        log(f"left out at the {preset} preset, as what is here of it is not what the runs used: {other}")
    samples = {name: store.samples(name) for name in datasets}
    together: dict[tuple[str, ...], list[FigureScript]] = {}
    for script in scripts:
        each = (Request(preset, datasets=(name,), samples=samples) for name in datasets)
        found = tuple(request.datasets[0] for request in each if complete(script, request, store))
        together.setdefault(found, []).append(script)
    if lacking := [script.name for script in together.pop((), []) if not script.only_stored]:
        log(f"left out at the {preset} preset, as data/results lacks runs of theirs: {', '.join(lacking)}")
    options = ["--preset", preset, "--out", str(out), "--store", str(store.path), "--datasets"]
    return max(
        (main_of_all("from_results", __doc__, some, [*options, ",".join(names)]) for names, some in together.items()),
        default=0,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw them; returns the exit code, see `run_command`."""
    parser = OneLineParser(prog="from_results.py", description=__doc__)
    parser.add_argument("--out", type=usable_path, default=FIGURES, help="folder for the files (default: %(default)s)")
    parser.add_argument("--figures", metavar="A,B,..", help="only these (default: all)")

    def command() -> int:
        options = parser.parse_args(arguments)
        scripts = _chosen(options.figures)
        with tempfile.TemporaryDirectory() as folder:
            store = RunStore(Path(folder) / "runs.sqlite")
            fill(store, scripts)
            presets = [preset for preset in PRESETS if (RESULTS / f"{preset}.jsonl.gz").exists()]
            return max(draw(preset, folder_of(preset, within=options.out), scripts, store) for preset in presets)

    return run_command("from_results", command)


def _chosen(names: str | None) -> list[FigureScript]:
    scripts = scripts_in(Path(__file__).parent)
    wanted = [script.name for script in scripts] if names is None else [name.strip() for name in names.split(",")]
    if unknown := set(wanted) - {script.name for script in scripts}:
        raise InputError("--figures", names, f"has no {sorted(unknown)[0]!r}", "`make help` lists them")
    return [script for script in scripts if script.name in wanted]


if __name__ == "__main__":
    sys.exit(main())
