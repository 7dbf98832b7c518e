"""Small data and models that the tests share."""

import contextlib
import os
import signal
import sys
import tracemalloc
from pathlib import Path

import hypothesis
import numpy as np
import pytest

# PyTensor compiles one C function at a time in a folder: with a folder each, processes need not wait for one another.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    with pytest.MonkeyPatch.context() as patch:  # what the tests start has the usual folder
        patch.setenv("PYTENSOR_FLAGS", f"base_compiledir={cache / 't1t2_pt' / 'tests' / worker},{flags}")
        import pytensor  # noqa: F401

from t1t2_pt.backends import BACKENDS
from t1t2_pt.datasets import Split, mnist
from t1t2_pt.runs.store import RunStore
from t1t2_pt.system.errors import InputError

# The same examples every time: a failure in CI is there again on the next machine.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.load_profile("fixed")

# Tests run beside each other, one a core: two threads each would wait for one another.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Where the tests run in the background of a script, or under nohup, signals are ignored, and so in what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "reproduce"))

TINY = {"hidden": (6,), "t1_samples": 60, "t2_samples": 30, "batch_size": 10, "epochs": 2, "interval": 3}
TINY |= {"data": mnist.FINGERPRINT}  # as a sweep would fill it in


def make_tiny_split(dtype: str = "float32") -> Split:
    """Three blurred classes in 12 dimensions, 60 + 30 + 40 samples."""
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((3, 12))
    arrays = {}
    for name, samples in (("t1", 60), ("t2", 30), ("test", 40)):
        labels = rng.integers(0, 3, samples)
        arrays[f"{name}_inputs"] = (centres[labels] + rng.standard_normal((samples, 12))).astype(dtype)
        arrays[f"{name}_labels"] = labels.astype("int32")
    return Split(arrays, 3, "three blurred classes made by the tests")


@pytest.fixture
def tiny_split() -> Split:
    return make_tiny_split()


@pytest.fixture
def peak():
    """What Python and NumPy allocate in a block stays below so many bytes."""

    @contextlib.contextmanager
    def measured(at_most: int):
        tracemalloc.start()
        try:
            yield
            reached = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert reached < at_most

    return measured


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs.sqlite")


def grouped(name: str, *marks):
    """A backend's name as a parameter whose tests run in one process, which compiles each graph once."""
    return pytest.param(name, marks=[pytest.mark.xdist_group(name), *marks])


def each_backend(slow=()):
    """Every backend's name as such a parameter; tests on those that compile too long are slow ones."""
    return [grouped(name, *([pytest.mark.slow] if name in slow else [])) for name in BACKENDS]


@pytest.fixture(params=each_backend())
def backend(request):
    """Each backend that this machine has."""
    return need(request.param)


def need(name: str):
    """The backend of that name, or skip where the machine lacks it (C needs a compiler)."""
    missing = BACKENDS[name].missing()
    if missing:
        pytest.skip(f"backend {name} needs {missing}")
    return BACKENDS[name]


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The store of `faults.py`'s sweep that nothing disturbed, and what it said."""
    from test_faults import checkpoints, run

    store = tmp_path_factory.mktemp("whole") / "runs.sqlite"
    answer = run(store)
    assert answer.returncode == 0, answer.stderr
    assert checkpoints(store) == []
    return store, answer.stdout


@pytest.fixture(scope="session")
def undisturbed(whole):
    """What that store holds."""
    from test_faults import content

    return content(whole[0])


def line_of(function, *arguments) -> str:
    """The line in which bad input is told; nothing where the function ends well."""
    try:
        function(*arguments)
    except InputError as error:
        return str(error)
    return ""
