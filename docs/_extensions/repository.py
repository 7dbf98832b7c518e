"""Sphinx extension: the links that pages have on GitHub lead to the same places in the site.

README.md and CONTRIBUTING.md, which lie above docs/, are copied into it as pages. A link to any other file or folder
of the repository leads to a page of the site that shows it as it was when the site was built, so that the site
needs neither a server nor an address of the repository.
"""

import ast
import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygments.lexers
import pygments.util
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
COPIES = {ROOT / name: DOCS / "repository" / name for name in ("README.md", "CONTRIBUTING.md")}
SCHEME, SHOWN = "repository:", "files/"
MOST_SHOWN = 200_000  # bytes of a text that is worth a page
RAW = {".png", ".pdf", ".html", ".gz"}
LEFT_OUT = {"__pycache__", ".torch"}
# Code, in which nothing is a link; pictures; the ends of links.
PARTS = re.compile(
    r"(?P<code>(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`))|(?P<before>!\[[^\]]*\]\()(?P<picture>[^)\s]+)\)"
    r"|\]\((?P<target>[^)\s]+)\)",
    re.DOTALL,
)


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("config-inited", copy_pages)
    app.connect("source-read", rewrite_links)
    app.connect("doctree-resolved", resolve)
    app.connect("html-collect-pages", shown_files)
    app.connect("build-finished", copy_raw_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def copy_pages(app: Sphinx, config: Config) -> None:
    """Put the pages that lie above docs/ into it."""
    for source, copy in COPIES.items():
        copy.parent.mkdir(exist_ok=True)
        if not copy.exists() or copy.read_text() != source.read_text():
            copy.write_text(source.read_text())


def rewrite_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Links of a page as they have to be where Sphinx reads it."""
    source[0] = rewritten(DOCS / f"{docname}.md", source[0])


def rewritten(page: Path, text: str) -> str:
    """The text of a page, or of the copy of one, with links to pages, and to files by `SCHEME`."""
    original = {copy: source for source, copy in COPIES.items()}.get(page, page)

    def one(part: re.Match[str]) -> str:
        if part["code"]:
            return part[0]
        given = part["picture"] or part["target"]
        if re.match(r"[a-z]+:|#", given):
            return part[0]
        place, _, anchor = given.partition("#")
        target = (original.parent / place).resolve()
        if part["picture"]:
            return f"{part['before']}{target.relative_to(page.parent, walk_up=True)})"
        if target in COPIES or (target.parent == DOCS and target.suffix == ".md"):
            new = str(COPIES.get(target, target).relative_to(page.parent, walk_up=True))
        else:
            new = f"{SCHEME}{target.relative_to(ROOT)}"
        return f"]({new}{'#' * bool(anchor)}{anchor})"

    return PARTS.sub(one, text)


def linked(app: Sphinx) -> list[Path]:
    """The files and folders that pages link to, with all that lies in the folders."""
    found: set[Path] = set()
    for docname in app.env.found_docs:
        page = DOCS / f"{docname}.md"
        for name in re.findall(rf"\]\({SCHEME}([^)#]+)", rewritten(page, page.read_text())):
            target = ROOT / name
            within = target.rglob("*") if target.is_dir() else ()
            found |= {target, *(path for path in within if not LEFT_OUT.intersection(path.parts))}
    return sorted(found)


def is_raw(path: Path) -> bool:
    """Whether a file is given as it is, and not shown on a page."""
    return path.is_file() and (path.suffix in RAW or path.stat().st_size > MOST_SHOWN)


def resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Links to files as they are from this page of the site."""
    for node in doctree.findall(nodes.reference):
        uri = node.get("refuri", "")
        if uri.startswith(SCHEME):
            name = uri.removeprefix(SCHEME).partition("#")[0]
            page = app.builder.get_relative_uri(docname, SHOWN + name)
            node["refuri"] = page.removesuffix(".html") if is_raw(ROOT / name) else page


def shown_files(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each file and folder that is linked to."""
    for path in linked(app):
        name = str(path.relative_to(ROOT))
        if path.is_dir():
            body = _listing(path)
        elif is_raw(path):
            continue
        else:
            body = app.builder.highlighter.highlight_block(path.read_text(errors="replace"), _language(path))
        yield SHOWN + name, {"title": name, "body": f"<h1>{html.escape(name)}</h1>{body}"}, "page.html"


def _language(path: Path) -> str:
    try:
        return pygments.lexers.get_lexer_for_filename(path.name).aliases[0]
    except pygments.util.ClassNotFound:
        return "text"


def _listing(folder: Path) -> str:
    items = []
    for path in sorted(folder.iterdir()):
        if path.name in LEFT_OUT:
            continue
        address = f"{folder.name}/{path.name}" + ("" if is_raw(path) else ".html")
        about = ""
        if path.suffix == ".py":
            about = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
        items.append(f'<li><a href="{html.escape(address)}">{html.escape(path.name)}</a> {html.escape(about)}</li>')
    return f"<ul>{''.join(items)}</ul>"


def copy_raw_files(app: Sphinx, exception: Exception | None) -> None:
    """Put pictures and the like beside the pages."""
    if exception is not None or app.builder.format != "html":
        return
    for path in linked(app):
        if is_raw(path):
            copy = Path(app.outdir, SHOWN, path.relative_to(ROOT))
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
