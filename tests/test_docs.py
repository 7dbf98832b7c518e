"""The pages of docs/: their code runs and prints what they say, their commands exist, their site builds."""

import importlib
import json
import os
import re
import subprocess
import sys

import docs_tables
import pytest
from conftest import ROOT
from pages import commands, python_blocks

from t1t2_pt.cli.main import parser
from t1t2_pt.plotting import scripts

PAGES = sorted(ROOT.glob("docs/*.md"))
WITH_CODE = [page for page in PAGES if python_blocks(page)]
SLOW = {"seeds-and-grids", "five-minutes", "own-data", "own-network"}  # they compile a while
# What PyTensor's own loops take minutes to compile for is computed by NumPy, operation by operation.
UNCOMPILED = "linker=py,optimizer_excluding=fusion"


def run(page, folder, flags):
    """What each block of a page prints, in a process of its own; warnings are errors."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTENSOR_FLAGS": flags}
    command = [sys.executable, "-W", "error", ROOT / "tests" / "pages.py", page]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(page, printed):
    blocks = python_blocks(page)
    assert len(printed) == len(blocks)
    for block, text in zip(blocks, printed, strict=True):
        if block.printed is not None:
            assert text == block.printed, f"{page.name}:{block.line}"


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem in SLOW)) for page in WITH_CODE],
)
def test_code_runs(page, tmp_path):
    check(page, run(page, tmp_path, UNCOMPILED))


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in WITH_CODE if page.stem not in SLOW], ids=lambda page: page.stem)
def test_code_runs_compiled(page, tmp_path):
    """By the linker that PyTensor takes when it is not told."""
    check(page, run(page, tmp_path, ""))


def test_every_block_is_of_a_known_kind():
    kinds = {kind for page in PAGES for kind in re.findall(r"^```(\S+)$", page.read_text(), flags=re.MULTILINE)}
    assert kinds <= {"python", "py", "text", "sh", "{toctree}", "{eval-rst}"}


def words_of(program):
    return [
        pytest.param(words, id=" ".join(words)) for page in PAGES for words in commands(page) if words[0] == program
    ]


@pytest.mark.parametrize("words", words_of("t1t2"))
def test_commands_have_these_options(words):
    parser().parse_args(words[1:])


@pytest.mark.parametrize("words", words_of("python"))
def test_scripts_have_these_options(words):
    path = ROOT / words[1]
    if words[1] != "-m":
        assert path.exists()
    if path.parent.name == "reproduce":
        script = importlib.import_module(path.stem).SCRIPT
        scripts.parser(script.name, script.summary).parse_args(words[2:])


@pytest.mark.parametrize("words", words_of("make"))
def test_targets_exist(words):
    done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_messages_are_those_of_the_code():
    """Each that is explained can be met; a message may be written in several pieces."""
    code = " ".join(path.read_text() for path in (ROOT / "t1t2_pt").rglob("*.py"))
    code = re.sub(r'"\s+f?"', "", code)
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    messages = re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)
    assert len(messages) > 30
    assert [message for message in messages if message not in code] == []


@pytest.mark.parametrize("name", docs_tables.TABLES)
def test_tables_are_those_of_the_code(name):
    page, table = docs_tables.TABLES[name]
    assert docs_tables.between(name, page.read_text()) == table(), "`python tests/docs_tables.py` writes it"


@pytest.mark.slow
def test_site_builds(tmp_path):
    """Without a warning, and without a link of ours that leads nowhere."""
    pytest.importorskip("pydata_sphinx_theme")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", tmp_path / "trees", "docs", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = [page for page in tmp_path.rglob("*.html") if not {"_static", "templates"} & {*page.parts}]
    assert len(pages) > len(PAGES)
    for page in pages:
        if page.stat().st_size > 1 << 20:  # the page of all figures, which is no page of the site
            continue
        for link in re.findall(r'<a[^>]* href="([^"#]+)', page.read_text()):
            assert re.match(r"https?:|mailto:", link) or (page.parent / link).exists(), f"{page}: {link}"
