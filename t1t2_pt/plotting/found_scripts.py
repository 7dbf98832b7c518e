"""The figure scripts in a folder, found by what they say: a figure is one file there, and is named nowhere else."""

import importlib
from pathlib import Path

from t1t2_pt.plotting.figure_script import FigureScript
from t1t2_pt.system.errors import InputError

DECLARATION = "SCRIPT = FigureScript"  # begins the line by which a file is known as a figure's, to the Makefile too


def scripts_in(folder: Path) -> list[FigureScript]:
    """The scripts that the files of a folder declare, in the order of their places and then of their names.

    The folder is one from which Python imports, as the one of the program that was started is.

    Raises
    ------
    InputError
        If the name of a script is not its file's, or Python knows another module by it.
    """
    scripts = [_script(path) for path in sorted(folder.glob("*.py")) if _declares(path)]
    return sorted(scripts, key=lambda script: (script.place, script.name))


def _declares(path: Path) -> bool:
    return any(line.startswith(DECLARATION) for line in path.read_text().splitlines())


def _script(path: Path) -> FigureScript:
    module = importlib.import_module(path.stem)
    if Path(module.__file__ or "").resolve() != path.resolve():
        problem = f"has the name of another module, {module.__file__ or 'of Python itself'}"
        raise InputError("script", str(path), problem, "give it another name")
    if module.SCRIPT.name != path.stem:
        problem = f"declares the figure {module.SCRIPT.name!r}"
        raise InputError("script", str(path), problem, "give file and figure one name, by which `make` finds both")
    return module.SCRIPT
