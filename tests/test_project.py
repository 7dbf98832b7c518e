"""The repository itself: locked packages in step, one direction of imports, README that runs."""

import ast
import functools
import importlib
import re
import subprocess
import tomllib

import numpy as np
import pytensor.tensor as pt
import pytest
import rattler
import readme_tables
import rerun
import setups
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from setuptools.config import expand
from test_figures import stored

from t1t2_pt.moved import MOVED
from t1t2_pt.plotting.figure_script import Request

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, SETUPTOOLS = PYPROJECT["project"], PYPROJECT["tool"]["setuptools"]
CONDA_NAMES = {"flatbuffers": "python-flatbuffers", "matplotlib": "matplotlib-base"}
CONDA_ONLY = {"python", "pip", "cxx-compiler", "setuptools"}


def requirements(lines):
    """Name of each requirement, and its versions: the smallest, perhaps the first that will not do."""
    return dict(re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+(?:,<[\d.]+)?)", line).groups() for line in lines)


EXTRAS = (
    "jax",
    "figures",
    "cluster",
    "sklearn",
    "tensorboard",
    "tables",
    "search",
    "docs",
    "dev",
)  # what the environment has
WANTED = requirements(
    PROJECT["dependencies"] + [line for name in EXTRAS for line in PROJECT["optional-dependencies"][name]]
)
PINNED = re.findall(r"^[\w.-]+==[^\\\n]+", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
LOCKED = {  # of this Python's
    pin.name: str(pin.specifier).removeprefix("==")
    for pin in map(Requirement, PINNED)
    if pin.marker is None or pin.marker.evaluate()
}


def version(text):
    return tuple(int(part) for part in text.split("."))


def conda_specs():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    return [line for line in environment["dependencies"] if isinstance(line, str)]


class TestEnvironments:
    def test_lock_holds_every_requirement(self):
        for name, versions in WANTED.items():
            assert name in LOCKED, f"{name}: run make lock"
            least, _, beyond = versions.partition(",<")
            assert version(LOCKED[name]) >= version(least), f"{name}: run make lock"
            assert not beyond or version(LOCKED[name]) < version(beyond), f"{name}: run make lock"

    def test_lock_is_hashed_and_names_no_index(self):
        text = (ROOT / "requirements.lock").read_text()
        blocks = re.split(r"\n(?=[\w.-]+==)", text)
        assert len(blocks) == len(PINNED)
        assert all("--hash=sha256:" in block for block in blocks)
        assert not re.search(r"https?://|--index-url|--find-links|file:", text)

    def test_lock_fits_what_is_installed(self):
        """The tests ran with the packages that the lock names."""
        import importlib.metadata

        for name in WANTED:
            assert importlib.metadata.version(name) == LOCKED[name], name

    @pytest.mark.parametrize("line", conda_specs())
    def test_conda_line_is_a_match_spec(self, line):
        spec = rattler.MatchSpec(line, strict=True)
        assert spec.name is not None

    def test_conda_environment_has_the_same_requirements(self):
        lines = {line.split(">=")[0].split("=")[0]: line for line in conda_specs()}
        for name, versions in WANTED.items():
            assert lines.pop(CONDA_NAMES.get(name, name)) == f"{CONDA_NAMES.get(name, name)}>={versions}"
        assert set(lines) == CONDA_ONLY
        build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
        assert build == [lines["setuptools"]]

    def test_python_versions_agree(self):
        pinned = (ROOT / ".python-version").read_text().strip()
        assert f"python={pinned}" in conda_specs()
        assert PROJECT["requires-python"] == ">=3.12"
        assert pinned == "3.13"

    def test_versions_agree(self):
        import t1t2_pt

        citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
        read = expand.read_attr(SETUPTOOLS["dynamic"]["version"]["attr"], root_dir=ROOT)
        assert read == t1t2_pt.__version__ == citation["version"]
        assert "version" not in PROJECT

    def test_each_requirement_is_explained(self):
        text = (ROOT / "pyproject.toml").read_text()
        lines = text[text.index("dependencies = [") : text.index("[project.scripts]")].splitlines()
        named = [line for line in lines if re.match(r'\s+"', line)]
        assert len(named) == len(WANTED)
        for line in named:
            assert re.search(r'",\s+# \w', line), line


# Lowest first: a room imports only from rooms before it.
ROOMS = [
    "moved",
    *("system", "ops", "optimizers", "networks", "regularizers", "rewrites", "hypergradients", "datasets"),
    *("config", "steps", "backends"),
    *("training", "models", "runs", "sweeps", "searches", "tuning", "classics", "cli", "plotting"),
    "sklearn",
]


def imported(path):
    """Names of this package that a module imports, as they stand there."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are written out"
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith("t1t2_pt"))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("t1t2_pt."))


def test_imports_go_one_way():
    seen, offending = set(), []
    for path in sorted((ROOT / "t1t2_pt").rglob("*.py")):
        place = path.relative_to(ROOT / "t1t2_pt")
        room = place.parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        seen.add(room)
        for name in imported(path):
            other = name.split(".")[1]
            if other != room and ROOMS.index(other) > ROOMS.index(room):
                offending.append(f"{place} imports {name}")
    assert offending == []
    assert seen == set(ROOMS)


def test_no_two_modules_have_one_name():
    names = [path.stem for path in (ROOT / "t1t2_pt").rglob("*.py") if path.stem != "__init__"]
    assert [name for name in sorted(set(names)) if names.count(name) > 1] == []


def declared(room):
    """The rooms that a room says it imports."""
    folder = ROOT / "t1t2_pt" / room
    if not folder.is_dir():
        return set()
    words = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())).rpartition("Imports")[2]
    assert words, f"{room} does not say what it imports"
    return {name for name in re.findall(r"`([a-z_]+)`", words) if name in ROOMS}


def test_rooms_say_what_they_import():
    """Each names those that it imports, or ones that import them."""
    within = {}
    for room in ROOMS:
        within[room] = declared(room).union(*(within[name] | {name} for name in declared(room)))
        folder = ROOT / "t1t2_pt" / room
        names = [name for path in folder.rglob("*.py") for name in imported(path)]
        others = {name.split(".")[1] for name in names if "." in name} & set(ROOMS) - {room}
        assert others <= within[room], f"{room} imports {sorted(others - within[room])} as well"


def test_no_file_is_long():
    for folder in ("t1t2_pt", "reproduce", "tests", "benchmarks"):
        paths = [path for path in (ROOT / folder).rglob("*.py") if ".torch" not in path.parts]
        assert paths
        for path in paths:
            assert len(path.read_text().splitlines()) <= 400, path.name


def test_modules_and_public_functions_are_documented():
    for path in ROOT.glob("t1t2_pt/**/*.py"):
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path.name
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_data_notes_have_the_right_checksums():
    from t1t2_pt.datasets.mnist import CONTENTS

    note = (ROOT / "data" / "mnist" / "README.md").read_text()
    for name, digest in CONTENTS.items():
        assert f"| {name} |" in note
        assert digest in note


README, CONTRIBUTING = (ROOT / "README.md").read_text(), (ROOT / "CONTRIBUTING.md").read_text()


@functools.cache
def rerun_table():
    """Made of the committed runs by what draws the figure, not read from what was once drawn."""
    runs = stored("rerun-quick", rerun.runs(Request()))
    return rerun.tabulate(runs | stored("rerun-quick", setups.reruns(runs)))


class TestReadme:
    def test_example_runs(self, capsys):
        """The code that shows `hypergradient` on one's own graph, in at most 15 lines."""
        code, ops = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
        exec(compile(ops, "README.md", "exec"), {})
        assert len([line for line in code.splitlines() if line.strip()]) <= 15
        names = {}
        exec(compile(code, "README.md", "exec"), names)
        printed = capsys.readouterr().out
        penalty, cost = re.fullmatch(r"ridge penalty ([\d.]+), validation cost ([\d.]+)\n", printed).groups()
        assert f"It prints a penalty of {penalty} and a validation cost of {cost};" in README
        products = [node for node in names["step"].maker.fgraph.toposort() if "dot" in str(node.op).lower()]
        assert len(products) == 3  # the validation gradient itself is not formed

        (x, v), (y, u) = names["inputs"], (names["y"], names["u"])
        scanned = np.linspace(0, 1, 101)
        costs = [
            np.square(v @ np.linalg.solve(x.T @ x / y.size + s * np.eye(30), x.T @ y / y.size) - u).mean()
            for s in scanned
        ]
        best = int(np.argmin(costs))
        assert f"exhaustive search finds the lowest cost, {costs[best]:.3f} too, at {scanned[best]:.2f}." in README
        assert float(cost) <= costs[best] + 1e-3

    def test_commands_exist(self):
        targets = re.findall(r"`make ([a-z0-9-]+)", README + CONTRIBUTING)
        targets += re.findall(r"^    make ([a-z0-9-]+)", README + CONTRIBUTING, flags=re.MULTILINE)
        assert targets
        for target in set(targets):
            done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

    def test_tables_are_the_committed_results(self):
        assert rerun.summary(rerun_table()) in README
        assert readme_tables.claims() in README, "`python tests/readme_tables.py` prints it"

    def test_times_are_those_of_the_plot(self):
        assert readme_tables.overheads() in " ".join(README.split())


PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))]


def anchors(text):
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    links = re.findall(r"\]\((?!http)([^)]+)\)", page.read_text())
    for link in links:
        place, _, heading = link.partition("#")
        target = page.parent / place if place else page
        assert target.exists(), link
        assert not heading or heading in anchors(target.read_text()), link


def test_every_page_can_be_reached():
    """From the README, by links."""
    seen, ahead = set(), {ROOT / "README.md"}
    while ahead:
        page = ahead.pop()
        seen.add(page)
        links = re.findall(r"\]\((?!http)([^)#]+\.md)", page.read_text())
        ahead |= {(page.parent / link).resolve() for link in links} - seen
    assert seen >= {ROOT / name for name in PAGES}


def test_committed_runs_are_what_they_say():
    """Each exported run can be read, bears the digest of its config, and says what produced it."""
    from t1t2_pt.runs.exchange import read_runs

    results = ROOT / "data" / "results"
    files = sorted([*results.glob("*.jsonl.gz"), *results.glob("experiments/*.jsonl.gz")])
    assert files
    for path in files:
        runs = read_runs(path)
        assert runs
        for run in runs:
            assert {"backend", "pytensor", "commit", "data"} <= set(run.provenance)
            assert not run.provenance["commit"].endswith("dirty")


@pytest.mark.xdist_group("seen")
def test_groups_share_a_process(request):
    """The name that pytest-xdist sorts tests by has their group; without it, each worker compiles everything."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process runs all tests")
    assert request.node.nodeid.endswith("@seen")


@pytest.mark.parametrize("old", MOVED)
def test_old_names_are_the_same_modules(old):
    module = importlib.import_module(old)
    assert module is importlib.import_module(MOVED[old])
    assert module.__name__ == module.__spec__.name == MOVED[old]


def test_optimizers_have_the_names_of_version_0_1():
    """The module has become a room; what it held is imported from there as before, and called as before."""
    room = importlib.import_module("t1t2_pt.optimizers")
    for name in ("MEMORY", "OPTIMIZERS", "MOMENTUM", "BETA1", "BETA2", "EPSILON", "Memory", "Update"):
        assert hasattr(room, name)
    for name in ("sgd", "momentum", "adam"):
        optimizer = getattr(room, name)
        assert optimizer is room.OPTIMIZERS[name]
        assert room.MEMORY[name] == optimizer.memory
        zero, one = pt.constant(0.0), pt.constant(1.0)
        _, memory = optimizer(one, one, dict.fromkeys(room.MEMORY[name], zero), one, one)
        assert set(memory) == set(room.MEMORY[name])
