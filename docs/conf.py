"""The site of the documentation: `make docs` builds it, and a warning is an error."""

import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import t1t2_pt

project = "t1t2_pt"
author = copyright = "the t1t2_pt developers"
version = release = t1t2_pt.__version__

extensions = ["repository", "myst_parser", "sphinx.ext.autodoc", "numpydoc", "sphinx_copybutton"]
exclude_patterns = ["_extensions"]

# GitHub's names for headings, so that links to them are the same there and here.
myst_heading_anchors = 4
myst_url_schemes = ["http", "https", "mailto", "repository"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = f"t1t2_pt {version}"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
}

# `help(hypergradient)` ends with the options of each method; here the methods have entries of their own.
OPTIONS = "Options of "
warnings.filterwarnings("ignore", "Unknown section Options Of")


def without_options(app, what, name, obj, options, lines):
    """Cut a docstring off where the options of the methods begin."""
    for place, line in enumerate(lines):
        if line.startswith(OPTIONS):
            del lines[place:]
            return


def setup(app):
    """Before numpydoc, which would say that it does not know these sections."""
    app.connect("autodoc-process-docstring", without_options, priority=100)
