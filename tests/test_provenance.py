"""What produced a result is said of this package and this machine, not of whatever lies around them."""

import subprocess

import pytest

from t1t2_pt.backends import get_backend
from t1t2_pt.runs import provenance
from t1t2_pt.system.code_digest import CODE


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """This package as a copy in a folder of somebody's repository."""

    def install(folder):
        path = tmp_path / folder / "t1t2_pt" / "provenance.py"
        path.parent.mkdir(parents=True)
        path.write_text("")
        monkeypatch.setattr(provenance, "REPOSITORY", path.parents[1])
        monkeypatch.setattr(provenance, "__file__", str(path))
        git("init", "--quiet")
        git("add", "README.md")
        git("commit", "--quiet", "--message", "theirs")

    def git(*arguments):
        identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True)

    (tmp_path / "README.md").write_text("theirs")
    return install, git


def commit() -> str:
    return provenance._commit.__wrapped__()


def test_a_repository_around_it_is_not_its_own(installed):
    install, git = installed
    install("venv/lib")
    assert commit() == "unknown"
    git("add", "--all")  # even where somebody keeps installed packages under version control
    assert commit() == "unknown"


def test_its_own_checkout(installed):
    install, git = installed
    install("")
    assert commit() == "unknown"  # not one of its files
    git("add", "--all")
    git("commit", "--quiet", "--message", "ours")
    assert len(commit()) == 12
    git("rm", "--quiet", "--cached", "README.md")
    assert commit().endswith("-dirty")


def test_all_that_bits_depend_on_is_said():
    for name in ("jax", "numba"):
        backend = get_backend(name)
        said = provenance.environment(backend)
        assert {"backend", name, "pytensor", "numpy", "python", "machine", "processor", "cores"} <= set(said)
        assert said["code"] == CODE
        assert all(isinstance(text, str) and text for text in said.values())
