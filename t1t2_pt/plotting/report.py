"""One static page of all figures: captions, the paper's numbers beside ours, claims, and what produced each run.

It is made from what the figure scripts wrote and nothing else, holds its pictures within itself, and
asks no server for anything.
"""

import base64
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jinja2
import pandas as pd

from t1t2_pt.plotting import charts, landscapes, verdicts
from t1t2_pt.plotting.style import OURS, read_metadata, read_panels
from t1t2_pt.plotting.tables import read_table
from t1t2_pt.sweeps.progress import duration
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.files import replacing
from t1t2_pt.system.readable import one_line
from t1t2_pt.system.reading import read_file

LARGEST = 10_000_000  # bytes
CLAIM = (
    "claim",
    "section",
    "paper",
    "preset",
    "data",
    "ours",
    "statistic",
    "verdict",
    "rule",
    "within",
    "runs",
    "clusters",
)  # what is shown of one
TEMPLATE = Path(__file__).resolve().parent / "templates" / "report.html.jinja"

Compare = Callable[[pd.DataFrame], pd.DataFrame]
Chart = Callable[[pd.DataFrame], Sequence[charts.Panel | landscapes.Landscape]]


@dataclasses.dataclass(frozen=True)
class Section:
    """What the page says of a figure beside showing it.

    Parameters
    ----------
    title, paper
        What it shows, and what the paper says of its own.
    compare
        From the figure's table to one of the paper's numbers beside ours; None: nothing to compare with.
    tables
        More tables made of the figure's, by their headings.
    chart
        From the figure's table to panels of one kind whose parts say what they are; they stand in the picture's place.
    """

    title: str
    paper: str
    compare: Compare | None = None
    tables: Mapping[str, Compare] = dataclasses.field(default_factory=dict)
    chart: Chart | None = None


@dataclasses.dataclass(frozen=True)
class Picture:
    """A drawn figure at one preset, ready for the page.

    `shape` is that of the panels without the caption below them, `ours` the picture without the paper's numbers where
    there is one, `chart` what stands in the place of both.
    """

    preset: str
    source: str
    ours: str
    shape: str
    chart: Sequence[charts.Panel | landscapes.Landscape]
    caption: str
    csv: str
    command: str
    tables: Mapping[str, pd.DataFrame]
    runs: list[dict[str, str]]
    summary: str


def write_report(
    folder: Path, presets: Sequence[str], sections: Mapping[str, Section], lead: str, paper: Sequence[str]
) -> Path:
    """Write `index.html` into the folder of the figures.

    Parameters
    ----------
    folder
        Where the scripts drew: the first preset's files, and the others' in folders of their names.
    sections
        What is on the page, by the stem of the figure's files.
    lead
        A first paragraph.
    paper
        The paper's own row in the table of what verdicts rest on, see `verdicts.evidence`.

    Raises
    ------
    InputError
        If no figure is there, a file is not one that the scripts wrote, or the page cannot be written or would
        be too large.
    """
    pictures = {
        name: [
            picture
            for preset in presets
            if (picture := _picture(folder, preset, "" if preset == presets[0] else preset, name, section)) is not None
        ]
        for name, section in sections.items()
    }
    if not any(pictures.values()):
        raise InputError("--out", str(folder), "has no figures", "draw them first: `make figures`")
    path = folder / "claims.csv"
    again = "make it again: `make claims`"
    claims = read_table(path, words=CLAIM, remedy=again).to_dict("records") if os.path.lexists(path) else []
    runs = {
        preset: [run for some in pictures.values() for one in some if one.preset == preset for run in one.runs]
        for preset in presets
    }
    found = verdicts.summaries(claims, presets)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=_shown_text
    )
    page = environment.from_string(TEMPLATE.read_text()).render(
        sections=sections,
        pictures=pictures,
        claims=claims,
        lead=lead,
        found=found,
        columns=[name for name in (verdicts.PUBLISHED, *presets) if any(name in one.findings for one in found)],
        tally=lambda preset: verdicts.tally(found, preset),
        evidence=[tuple(paper), *(row for preset in presets for row in verdicts.evidence(preset, runs[preset]))],
        charts=charts,
        landscapes=landscapes,
    )
    content = page.encode()
    if len(content) > LARGEST:
        raise InputError(
            "--out", str(folder), f"makes a page of {len(content):,} bytes", "draw fewer or lighter figures"
        )
    with replacing(folder / "index.html") as partial:
        partial.write_bytes(content)
    return folder / "index.html"


def _picture(folder: Path, preset: str, below: str, name: str, section: Section) -> Picture | None:
    image, table = (folder / below / f"{name}.{kind}" for kind in ("png", "csv"))
    if not os.path.lexists(image) or not os.path.lexists(table):
        return None
    command = f"make {name}" + (f" PRESET={preset} OUT=figures/{preset}" if below else "")
    remedy = f"draw it again: `{command}`"
    try:
        caption, runs = read_metadata(image)
        summary = _summary(runs)
        width, height, share = read_panels(image)
        source = _embedded(image) if section.chart is None else ""
        without = image.with_stem(f"{name}{OURS}")
        ours = _embedded(without) if source and os.path.lexists(without) else ""
    except (OSError, ValueError) as error:
        raise InputError("--out", str(image), f"is not a figure of ours ({reason(error)})", remedy) from None
    beside = {"": section.compare} if section.compare is not None else {}
    return Picture(
        preset=preset,
        source=source,
        ours=ours,
        shape=f"{width} / {height * share:.1f}",
        chart=[] if section.chart is None else _made(section.chart, table, remedy),
        caption=caption,
        csv=(Path(below) / table.name).as_posix(),
        command=command,
        tables={title: _made(make, table, remedy) for title, make in {**beside, **section.tables}.items()},
        runs=runs,
        summary=summary,
    )


def _embedded(image: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(read_file(image, LARGEST)).decode()}"


def _made[Part](make: Callable[[pd.DataFrame], Part], path: Path, remedy: str) -> Part:
    """What is made for the page of a table that a figure script wrote."""
    table = read_table(path, remedy=remedy)
    try:
        return make(table)
    except InputError:
        raise
    except Exception as error:  # whatever a table of something else makes pandas raise
        raise InputError("--out", str(path), f"is not a table of ours ({reason(error)})", remedy) from None


def _shown_text(value: object) -> object:
    """What the page shows of a value."""
    return one_line(value) if type(value) is str else value


def _summary(runs: Sequence[dict[str, str]]) -> str:
    """What produced the runs, in a line."""
    parts = [f"{len(runs)} runs"]
    seconds = [float(run["seconds"]) for run in runs if run.get("seconds")]
    if seconds:
        parts.append(f"{duration(sum(seconds))} of training by their histories")
    for name in ("backend", "device", "jax", "pytensor", "commit"):
        values = sorted({run[name] for run in runs if run.get(name)})
        if values:
            parts.append(f"{name} {', '.join(values)}")
    return "; ".join(parts)
