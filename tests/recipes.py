"""The recipes of CONTRIBUTING.md, put where they say in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

GUIDE = (ROOT / "CONTRIBUTING.md").read_text()


def _found() -> dict[str, str]:
    blocks = re.findall(r"```python\n# (\S+\.py)(, at its end)?\n(.*?)```", GUIDE, flags=re.DOTALL)
    return {place: ((ROOT / place).read_text() if end else "") + code for place, end, code in blocks}


RECIPES = _found()  # by the place of each, the whole file that it makes


def copy(folder: Path, *places: str) -> Path:
    """A copy of the package in a folder, with these recipes and the data of the repository."""
    shutil.copytree(ROOT / "t1t2_pt", folder / "t1t2_pt", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "data").symlink_to(ROOT / "data")
    for place in places:
        (folder / place).write_text(RECIPES[place])
    return folder


def python(folder: Path, *arguments: object) -> subprocess.CompletedProcess:
    """Run Python with the package of a folder, keeping nothing that it compiles."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "T1T2_NO_CACHE": "1"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
