"""What JAX, Numba and PyTensor keep on disk: mended where it is cut short, done without where it cannot be kept."""

import json
import os
import pickle
import subprocess
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from conftest import ROOT, need

from t1t2_pt.backends import BACKENDS, caches, get_backend, host
from t1t2_pt.backends.generated import generated_sources
from t1t2_pt.system.errors import InputError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="ELF is Linux's")


def program(path):
    path.write_bytes(zlib.compress(os.urandom(3000)))


def function(path):
    path.write_bytes(pickle.dumps({"code": b"machine code" * 99, "of": [1.5, "a"]}))


def index(path):
    path.write_bytes(pickle.dumps("0.68") + pickle.dumps((0, {"a signature": "a file"})))


def library(path):
    smallest = min(Path(np.__file__).parent.rglob("*.so"), key=lambda one: one.stat().st_size)
    path.write_bytes(smallest.read_bytes())


KINDS = [
    pytest.param(program, "a-cache", caches.is_whole_program, id="JAX"),
    pytest.param(function, "a.1.nbc", caches.is_whole_function, id="Numba"),
    pytest.param(index, "a.nbi", caches.is_whole_function, id="Numba's index"),
    pytest.param(library, "a.so", caches.is_whole_library, id="C", marks=LINUX),
]


@pytest.mark.parametrize(("write", "name", "whole"), KINDS)
def test_whole_entries_are_told_from_others(tmp_path, write, name, whole):
    path = tmp_path / name
    write(path)
    assert whole(path)
    content = path.read_bytes()
    for length in {*range(min(len(content), 150)), *range(0, len(content), len(content) // 50 + 1), len(content) - 1}:
        path.write_bytes(content[:length])
        assert not whole(path), length
    path.write_bytes(bytes(len(content)))  # as after a crash, when the disk knew its length only
    assert not whole(path)


class TestRemoval:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
        (tmp_path / "entries").mkdir()
        for name in ("a", "b", "other"):
            (tmp_path / "entries" / name).write_text("sound")
        return tmp_path / "entries"

    def look(self, folder):
        """Which entries are looked at."""
        seen = []

        def whole(path):
            seen.append(path.name)
            return path.read_text() == "sound"

        caches.remove_damaged(folder, "[ab]", whole, Path.unlink)
        return sorted(seen)

    def test_what_changed_is_looked_at_once(self, folder):
        (folder / "a").write_text("cut")
        assert self.look(folder) == ["a", "b"]
        assert sorted(os.listdir(folder)) == ["b", "other"]
        (folder / "a").write_text("sound")
        assert self.look(folder) == ["a"]
        assert self.look(folder) == []
        (folder / "b").write_text("cut")
        os.utime(folder / "b", (1, 1))  # an old date does not hide it
        assert self.look(folder) == ["b"]
        assert sorted(os.listdir(folder)) == ["a", "other"]

    def test_no_place_to_remember_it(self, folder, tmp_path):
        (tmp_path / "cache").write_text("a file in the way")
        assert self.look(folder) == self.look(folder) == ["a", "b"]

    def test_what_cannot_be_removed_or_read(self, folder):
        (folder / "a").unlink()
        os.mkfifo(folder / "a")
        (folder / "b").unlink()
        (folder / "b").mkdir()
        caches.remove_damaged(folder, "[ab]", caches.is_whole_program, Path.unlink)
        assert sorted(os.listdir(folder)) == ["b", "other"]

    def test_folder_that_is_not_there(self, folder):
        assert self.look(folder / "none") == []


class TestPyTensorsFolder:
    @pytest.fixture
    def base(self, tmp_path, monkeypatch):
        monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
        config = types.SimpleNamespace(base_compiledir=tmp_path / "base", compiledir=tmp_path / "base" / "compiledir")
        monkeypatch.setattr(caches, "pytensor", types.SimpleNamespace(config=config))
        return tmp_path / "base"

    def test_numba(self, base):
        (base / "numba").mkdir(parents=True)
        function(base / "numba" / "a.1.nbc")
        index(base / "numba" / "a.nbi")
        for name in ("b.1.nbc", "b.nbi", "README"):
            (base / "numba" / name).write_bytes(b"\x80")
        caches.prepare_numba.__wrapped__()
        assert sorted(os.listdir(base / "numba")) == ["README", "a.1.nbc", "a.nbi"]

    @LINUX
    def test_c(self, base):
        """A module goes with all that is said of it; a library of PyTensor's own alone."""
        compiled = base / "compiledir"
        for name in ("sound", "cut", "lazylinker_ext"):
            (compiled / name).mkdir(parents=True)
            library(compiled / name / "a.so")
            (compiled / name / "key.pkl").write_bytes(b"")
        (compiled / "lazylinker_ext" / "key.pkl").rename(compiled / "lazylinker_ext" / "__init__.py")
        for name in ("cut", "lazylinker_ext"):
            os.truncate(compiled / name / "a.so", 500)
        caches.prepare_c.__wrapped__()
        assert sorted(path.name for path in compiled.glob("[!.]*")) == ["lazylinker_ext", "sound"]
        assert os.listdir(compiled / "lazylinker_ext") == ["__init__.py"]
        assert sorted(os.listdir(compiled / "sound")) == ["a.so", "key.pkl"]

    @pytest.mark.parametrize("prepare", [caches.prepare_numba, caches.prepare_c])
    def test_no_folder_can_be_made(self, base, prepare):
        base.write_text("a file in the way")
        with pytest.raises(InputError, match=r"base_compiledir = .*, and PyTensor compiles there; let HOME"):
            prepare.__wrapped__()

    def test_no_room(self, base, monkeypatch):
        monkeypatch.setattr(caches.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1000))
        assert not caches.usable(base)
        with pytest.raises(InputError, match="cannot be written, or has less than 16 MiB left"):
            caches.prepare_c.__wrapped__()


def test_numba_that_cannot_keep_a_function_compiles_it_all_the_same(monkeypatch):
    made = []

    def made_function(*arguments, **options):
        keeps = pytensor.config.numba__cache
        made.append(keeps)

        def call(x):
            if keeps:
                raise OSError(28, "No space left on device")
            return [x + 1]

        return call

    monkeypatch.setattr(pytensor, "function", made_function)
    with pytensor.config.change_flags(numba__cache=True):
        compiled = host._compile([], {"y": pt.scalar()}, None)
    assert [compiled(1), compiled(2)] == [{"y": 2}, {"y": 3}]
    assert made == [True, False]


JAX = """
import jax, jax.numpy as jnp
from t1t2_pt.backends import exported
exported.use_compilation_cache()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
print(exported.Exported("f", lambda: lambda x: x + 1)(jnp.float32(1)))
"""


def python(*arguments, **environment) -> subprocess.CompletedProcess:
    unset = {name: value for name, value in os.environ.items() if not name.startswith(("T1T2_", "PYTENSOR_", "JAX_"))}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=unset | environment, capture_output=True, text=True, check=False)


def test_jax_entries_cut_short_are_replaced_quietly(tmp_path):
    entries = []
    for _ in range(2):
        done = python("-c", JAX, XDG_CACHE_HOME=str(tmp_path))
        assert (done.stdout, done.stderr, done.returncode) == ("2.0\n", "", 0)
        entries = sorted((tmp_path / "t1t2_pt" / "compiled").rglob("*-cache"))
        assert entries
        assert all(map(caches.is_whole_program, entries))
        for path in entries:
            os.truncate(path, path.stat().st_size // 2)


def test_doctor_without_any_folder_to_keep_things_in(tmp_path):
    """One line a backend, nothing else; JAX does without."""
    (tmp_path / "file").write_text("")
    home = str(tmp_path / "file")
    done = python("-m", "t1t2_pt.cli", "doctor", "--json", HOME=home, XDG_CACHE_HOME=home)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)["backends"]
    assert found["jax"] == "works"
    assert found["numba"].startswith(f"fails: base_compiledir = '{home}/.pytensor/numba': cannot be made (Not a dir")
    if BACKENDS["c"].missing() is None:
        assert found["c"].startswith(f"fails: base_compiledir = '{home}/.pytensor': cannot be made or written")


def test_no_backend_leaves_files_in_the_temporary_folder(tmp_path):
    done = python("-m", "t1t2_pt.cli", "doctor", TMPDIR=str(tmp_path))
    assert "numba         works" in done.stdout
    assert os.listdir(tmp_path) == []


def test_generated_sources_are_this_packages_alone(tmp_path, monkeypatch):
    """Others' functions are compiled with the settings that they had, and JAX's sources go at once."""
    need("jax")
    if not hasattr(pytensor.config, "generated_src_dir"):
        pytest.skip("this PyTensor has no say in it")
    before = pytensor.config.generated_src_dir
    with generated_sources(read_again=True):
        kept = Path(pytensor.config.generated_src_dir)
        assert str(kept) != before
    x = pt.vector("x", shape=(2,), dtype="float32")
    compiled = get_backend("jax").function({"x": x}, {"y": x * 3})
    np.testing.assert_array_equal(compiled({"x": np.float32([1, 2])})["y"], [3, 6])
    assert pytensor.config.generated_src_dir == before
    assert list((kept.parent / "used").iterdir()) == []


NUMBA = """
import sys
sys.path.insert(0, "tests")
from conftest import TINY, make_tiny_split
from t1t2_pt.backends import get_backend
from t1t2_pt.config import run_config
from t1t2_pt.training.loop import train
config = run_config(**TINY, input_noise=0.5, l2=0.01, tune=("input_noise", "l2"))
(run,) = train([config], make_tiny_split(), get_backend("numba"))
print(sorted((name, column) for name, column in run.history.items() if name != "seconds"))
"""


@pytest.mark.slow
def test_numba_computes_the_same_from_its_cache(tmp_path):
    """To the last bit: a run that was stopped goes on in another process, which finds what this one compiled."""
    need("numba")
    cold, warm = (python("-c", NUMBA, PYTENSOR_FLAGS=f"base_compiledir={tmp_path}") for _ in range(2))
    assert cold.returncode == warm.returncode == 0, warm.stderr
    assert list(tmp_path.rglob("*.nbi"))
    assert cold.stdout == warm.stdout != ""
