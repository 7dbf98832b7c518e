"""The report page: what is on it, and how it behaves in a real browser (Debian's Chromium)."""

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace

import fig4
import pandas as pd
import pytest
import report
import scatter
from conftest import ROOT

from t1t2_pt.plotting import charts, verdicts
from t1t2_pt.plotting.report import CLAIM, LARGEST
from t1t2_pt.plotting.style import new_figure, read_metadata, save_figure
from t1t2_pt.runs.exchange import read_runs
from t1t2_pt.system.errors import InputError

FIGURES = ROOT / "figures"
PAGE = FIGURES / "index.html"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of the committed figures, made anew."""
    folder = tmp_path_factory.mktemp("page")
    for path in FIGURES.rglob("*"):
        if path.suffix in (".png", ".csv"):
            (folder / path.relative_to(FIGURES)).parent.mkdir(exist_ok=True)
            shutil.copy(path, folder / path.relative_to(FIGURES))
    assert report.main(["--out", str(folder)]) == 0
    return folder / "index.html"


def test_committed_page_is_made_of_committed_figures(page):
    assert page.read_bytes() == PAGE.read_bytes()


def test_page_says_what_it_must(page):
    text = page.read_text()
    assert len(text) < LARGEST
    for name in report.SECTIONS:
        assert f'id="{name}"' in text
        caption, runs = read_metadata(FIGURES / f"{name}.png")
        assert caption.split(";")[0][:60] in text.replace("&#39;", "'")
        assert runs
        assert all(run["run"] in text for run in runs)
        assert all(run["commit"] and run["backend"] and run["data"] for run in runs)
        assert text.count(html.escape(caption).replace("&#x27;", "&#39;")) == 1
    charted = {name for name, section in report.SECTIONS.items() if section.chart is not None}
    pictures = list(FIGURES.rglob("*.png"))
    assert text.count("<img ") == len([path for path in pictures if path.stem not in charted])
    assert text.count('class="toggle"') == len(
        [path for path in pictures if path.stem in charted or path.stem.endswith("-ours")]
    )
    table = pd.read_csv(FIGURES / "claims.csv")
    assert len(table) > 10
    for claim, verdict in zip(table["claim"], table["verdict"], strict=True):
        assert f"<td>{html.escape(claim)}</td>" in text
        assert f"<tr><td>{html.escape(claim)} <span" in text  # in the summary
        assert verdict in ("holds", "does not hold", "undecided", "not at this scale", "cheaper here", "dearer here")


def test_commands_lead_to_the_files_beside_them(page):
    """What `make` is told to draw, and where, is the table that is linked."""
    shown = re.findall(r"Draw it again: <code>(.*?)</code>.*?<a href=\"(.*?)\">", page.read_text())
    assert len(shown) == len({path.with_suffix("") for path in FIGURES.rglob("*.csv")}) - 1  # claims have no picture
    for command, table in shown:
        arguments = ["make", "--no-print-directory", "-n", "-o", ".venv/.ready", *command.split()[1:]]
        made = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        script, out = re.search(r"reproduce/(\w+)\.py", made)[1], re.search(r"--out (\S+)", made)
        assert (ROOT / (out[1] if out else "figures") / f"{script}.csv").samefile(FIGURES / table)
        assert f"--preset {os.path.dirname(table) or 'quick'} " in made


def test_points_say_their_setup_start_and_path(page):
    """As many as the tables have, and the paper's."""
    tables = {path: pd.read_csv(path) for name in ("fig4", "fig5", "fig6") for path in FIGURES.rglob(f"{name}.csv")}
    assert len(tables) >= 3
    of_figures = "".join(re.findall('<section id="fig[456]">(.*?)</section>', page.read_text(), re.DOTALL))
    said = [html.unescape(text) for text in re.findall("<title>(.*?)</title></path>", of_figures)]
    for table in tables.values():
        for row in table.itertuples():
            text = f"{row.setup}, {row.label}; start {row.start}: {row.path}; ({row.x:.2f}%, {row.y:.2f}%)"
            assert text in said
    theirs = sum(len(set(table["panel"]) & {"mnist", "svhn"}) for table in tables.values())
    assert said.count("the paper's") > 10 * theirs
    assert len(said) == sum(map(len, tables.values())) + said.count("the paper's")


def test_panel_has_points_where_they_are():
    points = pd.DataFrame({"x": [1.0, 10.0, float("nan")], "y": [10.0, 1.0, 1.0], "says": ["a", "b", "diverged"]})
    panel = charts.panel("P", ("x", "y"), {"g": points}, "o", points.iloc[:1])
    (group,) = panel.groups
    a, b, diverged = group.points
    assert a.x < b.x
    assert a.y < b.y  # from above
    assert a.x - charts.LEFT == pytest.approx(charts.TOP + charts.SIZE - b.y)
    assert diverged.x == charts.LEFT + charts.SIZE
    assert panel.paper[0].x == a.x
    assert dict(panel.ticks)["1"] == pytest.approx(a.x - charts.LEFT)


def test_verdicts_are_summed_up_by_claim():
    of = {"section": "2", "data": "MNIST", "ours": "some", "clusters": "0"}
    rows = [
        {**of, "claim": "a", "preset": "published", "verdict": "holds", "runs": "9"},
        {**of, "claim": "a", "preset": "quick", "verdict": "undecided", "runs": "30", "clusters": "5"},
        {**of, "claim": "b", "preset": "any", "verdict": "cheaper here", "runs": "1"},
    ]
    a, b = verdicts.summaries(rows, ["quick", "laptop"])
    assert [one.count for one in a.findings["quick"]] == ["n = 30 in 5 clusters"]
    assert list(b.findings) == ["quick"]
    assert verdicts.tally([a, b], "quick") == "undecided: 1, cheaper here: 1"
    run = {"run": "1", "data": "MNIST", "seed": "0", "epochs": "40", "hyperparameter steps": "100"}
    others = {**run, "run": "2", "seed": "1", "hyperparameter steps": "1000"}, {**run, "hyperparameter steps": "0"}
    assert verdicts.evidence("quick", [run, run, *others]) == [("quick", "MNIST", "2", "2", "40", "100 to 1,000")]


def test_reference_numbers_are_beside_ours():
    table = pd.read_csv(FIGURES / "fig4.csv")
    compared = report.SECTIONS["fig4"].compare(table)
    assert compared["points"].tolist()[:2] == ["ours, mnist", "the paper's, mnist"]
    paper = pd.read_csv(ROOT / "data" / "reference" / "mnist_before_vs_rerun.csv")
    assert compared["highest y"][1] == f"{paper['rerun_error_percent'].max():.2f}%"
    starts = report.SECTIONS["fig1"].compare(pd.read_csv(FIGURES / "fig1.csv"))
    assert len(starts) == 4
    assert len(report.SECTIONS["fig3"].compare(pd.read_csv(FIGURES / "fig3.csv"))) == 5


def test_folder_without_figures_is_told(tmp_path, capsys):
    assert report.main(["--out", str(tmp_path)]) == 2
    assert "has no figures; draw them first: `make figures`" in capsys.readouterr().err


def test_picture_of_something_else_is_told(tmp_path, capsys):
    (tmp_path / "fig2.csv").write_text("a\n1\n")
    (tmp_path / "fig2.png").write_bytes(b"not a picture")
    assert report.main(["--out", str(tmp_path)]) == 2
    assert "is not a figure of ours" in capsys.readouterr().err


class TestDamaged:
    """One line names the file and what to do, and a page that was there stays as it was."""

    @pytest.fixture
    def folder(self, tmp_path):
        """A page of one figure that is compared with the paper's numbers, and of the claims."""
        for name in ("fig4.png", "fig4.csv", "claims.csv"):
            shutil.copy(FIGURES / name, tmp_path)
        assert report.main(["--out", str(tmp_path)]) == 0
        return tmp_path

    CONTENTS = {  # noqa: RUF012
        "nothing": b"",
        "no column": b"a,b\n1,2\n",
        "no row": b"claim,section,paper,preset,data,ours,statistic,verdict,kind,panel,dataset,x,y\n",
        "bytes": bytes(range(256)) * 40,
        "half a quotation": b'kind,panel,x,y\n"ours,1,2',
        "other columns' values": b"kind,panel,dataset,x,y\nours,mnist,mnist,a,b\n",
        "huge": b"a" * 11_000_000,
    }

    @pytest.mark.parametrize("name", ["fig4.png", "fig4.csv", "claims.csv"])
    @pytest.mark.parametrize("content", [*CONTENTS, "pipe", "folder"])
    def test_is_told(self, folder, name, content, capsys):
        page = (folder / "index.html").read_bytes()
        (folder / name).unlink()
        if content == "pipe":
            os.mkfifo(folder / name)
        elif content == "folder":
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(self.CONTENTS[content])
        capsys.readouterr()
        assert report.main(["--out", str(folder)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{folder / name}': is not a " in line
        assert line.endswith("`make claims`" if name == "claims.csv" else "draw it again: `make fig4`")
        assert len(line) < 500
        assert (folder / "index.html").read_bytes() == page

    def test_picture_cut_short(self, folder, capsys):
        content = (folder / "fig4.png").read_bytes()
        for length in (20, 2000, len(content) // 2):
            (folder / "fig4.png").write_bytes(content[:length])
            assert report.main(["--out", str(folder)]) == 2
            assert "fig4.png': is not a figure of ours (" in capsys.readouterr().err

    def test_numbers_of_the_paper(self, folder, tmp_path, monkeypatch, capsys):
        shutil.copytree(scatter.REFERENCE, tmp_path / "reference")
        path = tmp_path / "reference" / "mnist_before_vs_rerun.csv"
        path.write_text("setup,before_error_percent\n1,2\n")
        monkeypatch.setattr(scatter, "REFERENCE", tmp_path / "reference")
        assert report.main(["--out", str(folder)]) == 2
        line = capsys.readouterr().err
        assert f"{path}': is not a table of ours (it has no column rerun_error_percent); restore it from" in line
        with pytest.raises(InputError, match="mnist_before_vs_rerun"):
            fig4.SCATTER.reference(tmp_path / "reference")


def test_text_from_outside_is_text(tmp_path):
    """In captions, runs and tables: no markup, nothing that a font or a terminal cannot show."""
    evil = "<script>alert(1)</script>\x1b[31m\x00\u202e & <b>"
    shown = r"&lt;script&gt;alert(1)&lt;/script&gt;\x1b[31m\x00\u202e &amp; &lt;b&gt;"
    figure, _ = new_figure(2, 2, 1)
    run = replace(read_runs(ROOT / "data" / "results" / "quick.jsonl.gz")[0], provenance={"data": evil, "device": evil})
    save_figure(figure, pd.DataFrame({"a": [1]}), tmp_path, "fig7", evil, [run])
    caption, (row,) = read_metadata(tmp_path / "fig7.png")
    assert caption.isprintable()
    assert row["data"].isprintable()
    pd.DataFrame([dict.fromkeys(CLAIM, evil)]).to_csv(tmp_path / "claims.csv", index=False)
    assert report.main(["--out", str(tmp_path)]) == 0
    text = (tmp_path / "index.html").read_text()
    assert text.count("<script>") == 1  # the page's own
    assert text.replace("\n", " ").isprintable()
    assert text.count(shown) >= 2 + len(CLAIM)


def test_metadata_round_trip(tmp_path):
    figure, _ = new_figure(2, 2, 1)
    save_figure(figure, pd.DataFrame({"a": [1]}), tmp_path, "x", "a caption with – signs")
    assert read_metadata(tmp_path / "x.png") == ("a caption with – signs", [])


def test_what_is_missing_is_said(tmp_path):
    for kind in ("png", "csv"):
        shutil.copy(FIGURES / f"fig2.{kind}", tmp_path)
    assert report.main(["--out", str(tmp_path)]) == 0
    text = (tmp_path / "index.html").read_text()
    assert text.count("Not drawn yet") == len(report.SECTIONS) - 1
    assert "Not made yet" in text
    assert {f"make {name}" for name in report.SECTIONS} <= set(re.findall("<code>(make .*?)</code>", text))


@pytest.fixture(scope="module")
def browser(page, tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    flags = ["headless=new", "disable-gpu", "no-first-run", "disable-background-networking", "disable-sync"]
    flags += ["disable-component-update", "disable-quic", "window-size=375,800"]
    flags += [f"user-data-dir={tmp_path_factory.mktemp('profile')}"]
    for flag in flags + (["no-sandbox"] if os.geteuid() == 0 else []):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )
    driver.get(page.as_uri())
    yield driver
    driver.quit()


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver")
class TestBrowser:
    def test_loads_without_errors_or_requests(self, browser, page):
        assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []
        messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        asked = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        ours = [m["request"]["url"] for m in asked if m["documentURL"] == page.as_uri()]  # not the empty tab's
        assert [url for url in ours if not url.startswith("data:")] == [page.as_uri()]

    def test_every_image_decodes(self, browser):
        widths = browser.execute_script("return [...document.images].map(i => i.complete ? i.naturalWidth : 0)")
        assert len(widths) > len(report.SECTIONS)
        assert min(widths) > 500
        assert all(browser.execute_script("return [...document.images].map(i => i.alt)"))

    def test_every_anchor_leads_somewhere(self, browser):
        anchors = browser.execute_script("return [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
        assert len(anchors) > len(report.SECTIONS)
        tables = {anchor for anchor in anchors if not anchor.startswith("#")}
        assert tables == {str(path.relative_to(FIGURES)) for path in FIGURES.rglob("*.csv")}
        for anchor in set(anchors) - tables:
            assert browser.execute_script("return document.getElementById(arguments[0]) !== null", anchor[1:]), anchor

    def test_table_sorts_both_ways(self, browser):
        rows = "return [...document.querySelectorAll('#claims-table tbody tr')].map(r => r.cells[6].textContent)"
        button = "document.querySelectorAll('#claims-table th button')[6].click()"
        before = browser.execute_script(rows)
        browser.execute_script(button)
        up = browser.execute_script(rows)
        browser.execute_script(button)
        down = browser.execute_script(rows)
        assert up == sorted(before)
        assert down == sorted(before, reverse=True)
        assert len(set(up)) > 1
        sort = "return document.querySelectorAll('#claims-table th')[6].getAttribute('aria-sort')"
        assert browser.execute_script(sort) == "descending"

    def test_the_papers_points_can_be_left_out(self, browser):
        lengths = "e => e.getClientRects().length > 0"
        seen = f"return [...arguments[0].querySelectorAll('img, .paper')].map({lengths})"
        figures = browser.find_elements("css selector", "figure:has(.toggle)")
        assert len(figures) > 6
        for figure in figures:
            shown = browser.execute_script(seen, figure)
            browser.execute_script("arguments[0].querySelector('.toggle').click()", figure)
            hidden = browser.execute_script(seen, figure)
            browser.execute_script("arguments[0].querySelector('.toggle').click()", figure)
            assert browser.execute_script(seen, figure) == shown
            assert shown[0]
            assert not hidden[0]
            assert sum(hidden) == len(shown) - sum(shown)

    def test_figures_open_large_and_close(self, browser):
        width = "return document.querySelector('dialog :is(img, svg)')?.getBoundingClientRect().width ?? 0"
        for button in browser.find_elements("css selector", ".zoom"):
            browser.execute_script("arguments[0].click()", button)
            assert browser.execute_script("return document.querySelector('dialog').open")
            assert browser.execute_script(width) > 440
            browser.execute_script("document.querySelector('dialog button').click()")
            assert not browser.execute_script("return document.querySelector('dialog').open")

    def test_point_is_named_below_its_figure(self, browser):
        figure = browser.find_element("css selector", "#fig4 figure")
        point = "const p = arguments[0].querySelector('.points title').parentNode;"
        said = browser.execute_script(
            point + "p.dispatchEvent(new PointerEvent('pointerover', {bubbles: true}));"
            "return arguments[0].querySelector('output').textContent",
            figure,
        )
        assert said.startswith("M0, noise; start 0: n0 ")

    def test_first_column_stays(self, browser):
        left = browser.execute_script(
            "const s = document.querySelector('#verdicts .scroll'); s.scrollLeft = 150;"
            "return [s.scrollLeft, s.querySelector('td').getBoundingClientRect().left - s.getBoundingClientRect().left]"
        )
        assert left[0] > 100
        assert left[1] == pytest.approx(0, abs=1)

    def test_caption_in_the_picture_is_not_shown_twice(self, browser):
        heights = browser.execute_script(
            "return [...document.querySelectorAll('.crop')].filter(c => c.getClientRects().length)"
            ".map(c => [c.clientHeight, c.firstChild.clientHeight])"
        )
        assert heights
        assert all(0.7 * image < shown < 0.95 * image for shown, image in heights)

    @pytest.mark.parametrize("width", [375, 1200])
    def test_no_horizontal_scrolling(self, browser, width):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
        assert browser.execute_script("return window.innerWidth") == width
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_text_is_legible_in_both_schemes(self, browser, scheme):
        """Contrast of text and background by WCAG 2: at least 4.5."""
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        colours = browser.execute_script(
            "const b = getComputedStyle(document.body).backgroundColor;"
            "return ['body', 'figcaption', 'a', 'td', 'code'].map("
            "s => [getComputedStyle(document.querySelector(s)).color, b])"
        )
        for text, back in colours:
            light, dark = sorted((_luminance(text), _luminance(back)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5
        assert (_luminance(colours[0][1]) > 0.5) == (scheme == "light")


def _luminance(colour: str) -> float:
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
