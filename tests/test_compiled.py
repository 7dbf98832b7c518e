"""What surrounds compiled programs: kept exports, memory, devices, and C's BLAS."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import need

from t1t2_pt.backends import BACKENDS, Program, blas, exported, get_backend, memory, run_constants
from t1t2_pt.backends.jax import FLOAT32, TF32, JaxProgram
from t1t2_pt.backends.jax_functions import jax_functions
from t1t2_pt.config import run_config
from t1t2_pt.networks.network import Network, mlp
from t1t2_pt.steps import step
from t1t2_pt.system.code_digest import CODE, fingerprint
from t1t2_pt.system.errors import InputError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    need("jax")
    monkeypatch.setattr(exported, "compiled_cache", lambda: tmp_path)
    monkeypatch.setattr(exported, "use_compilation_cache", lambda: None)
    return tmp_path / "exported"


class TestPrecision:
    """Products of float32 matrices on a GPU are float32's, unless TF32 is asked for."""

    @pytest.mark.parametrize(("precision", "written"), [(FLOAT32, "HIGHEST"), (TF32, "DEFAULT")])
    def test_is_written_into_every_product_and_convolution(self, precision, written):
        import jax
        import pytensor.tensor as pt

        from t1t2_pt.ops import conv2d

        x, w, filters = (
            pt.tensor(name, shape=shape, dtype="float32")
            for name, shape in {"x": (2, 1, 6, 6), "w": (36, 3), "filters": (4, 1, 3, 3)}.items()
        )
        outputs = {"product": pt.dot(x.reshape((2, 36)), w), "images": conv2d(x, filters, padding="full")}
        outputs |= {"gradient": pt.grad(pt.sqr(outputs["images"]).sum(), filters)}
        (function,) = jax_functions({"x": x, "w": w, "filters": filters}, [(outputs,)], precision)
        values = {v.name: np.zeros(v.type.shape, "float32") for v in (x, w, filters)}
        text = jax.jit(function).lower(values).as_text()
        operations = [line for line in text.splitlines() if "dot_general" in line or "convolution" in line]
        assert len(operations) >= 3
        for line in operations:
            default = "precision" not in line or "DEFAULT" in line
            assert default == (written == "DEFAULT"), line

    def test_is_part_of_the_key_and_of_the_provenance(self):
        need("jax")
        config = run_config(hidden=(4,), t1_samples=10, t2_samples=10, batch_size=5)
        program = Program(config, Network((3,), mlp((4,)), 2, True), {"t1": 10, "t2": 10, "test": 10})
        identities = {JaxProgram(program, precision).epoch._identity for precision in (FLOAT32, TF32)}
        assert len(identities) == 2
        assert get_backend("jax").versions()["products"] == "float32"
        assert get_backend("jax+tf32").versions()["products"] == "TF32 where the device has it"
        assert get_backend("jax+tf32").name == "jax+tf32"


class Counted:
    """Makes a function and counts how often it was asked to."""

    def __init__(self, factor=2.0):
        self.made, self.factor = 0, factor

    def __call__(self):
        self.made += 1
        return lambda x, named: {"y": self.factor * x["x"] + named}


def call(function, size=3):
    import jax.numpy as jnp

    return np.asarray(function({"x": jnp.arange(size, dtype="float32")}, jnp.float32(1))["y"])


class TestExported:
    def test_made_once_and_loaded_in_the_next_process(self, folder):
        first, second = Counted(), Counted()
        np.testing.assert_array_equal(call(exported.Exported("f", first)), [1, 3, 5])
        assert len(list(folder.iterdir())) == 1
        np.testing.assert_array_equal(call(exported.Exported("f", second)), [1, 3, 5])
        assert (first.made, second.made) == (1, 0)

    def test_another_code_is_another_function(self, folder, tmp_path):
        assert CODE in exported._environment()
        package = tmp_path / "package"
        (package / "below").mkdir(parents=True)
        found = set()
        for name, text in (("a.py", "1"), ("a.py", "2"), ("below/b.py", ""), ("b.py", "")):
            (package / name).write_text(text)
            found.add(fingerprint(package))
        (package / ".#b.py").symlink_to("an editor's lock")
        (package / "notes.txt").write_text("more")
        assert fingerprint(package) in found
        assert len(found) == 4
        assert fingerprint(ROOT / "t1t2_pt") == CODE

    def test_another_shape_or_identity_is_another_function(self, folder):
        make = Counted()
        function = exported.Exported("f", make)
        call(function), call(function, 4), call(exported.Exported("g", Counted(3.0)))
        assert make.made == 1  # one function, traced for two shapes
        assert len(list(folder.iterdir())) == 3

    def test_other_code_or_versions_are_another_function(self, folder, monkeypatch):
        call(exported.Exported("f", Counted()))
        monkeypatch.setattr(exported, "_environment", lambda: "a later version")
        later = Counted(3.0)
        np.testing.assert_array_equal(call(exported.Exported("f", later)), [1, 4, 7])
        assert later.made == 1

    @pytest.mark.parametrize("damage", [b"", b"short", "flip", "cut"])
    def test_damaged_file_costs_time_only(self, folder, damage):
        call(exported.Exported("f", Counted()))
        (path,) = folder.iterdir()
        content = bytearray(path.read_bytes())
        if damage == "flip":
            content[len(content) // 2] ^= 1
        path.write_bytes(content[:-9] if damage == "cut" else content if damage == "flip" else damage)
        again = Counted()
        np.testing.assert_array_equal(call(exported.Exported("f", again)), [1, 3, 5])
        assert again.made == 1
        call(exported.Exported("f", last := Counted()))
        assert last.made == 0  # and was replaced by a sound one

    def test_folder_that_cannot_be_written(self, folder, monkeypatch):
        folder.write_text("a file in the way")
        np.testing.assert_array_equal(call(exported.Exported("f", Counted())), [1, 3, 5])

    def test_oldest_go_first(self, folder, monkeypatch):
        for name in "fgh":
            call(exported.Exported(name, Counted()))
        sizes = [path.stat().st_size for path in folder.iterdir()]
        oldest = min(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        monkeypatch.setattr(exported, "LARGEST_CACHE", sum(sizes))
        call(exported.Exported("i", Counted()))
        assert not oldest.exists()
        assert len(list(folder.iterdir())) == 3

    @pytest.mark.parametrize(("value", "kept"), [("1", False), ("0", True), ("", True)])
    def test_switched_off(self, monkeypatch, value, kept):
        monkeypatch.setenv("T1T2_NO_CACHE", value)
        assert (exported.compiled_cache() is not None) == kept


class TestMemory:
    NETWORK = Network((784,), mlp((1000, 1000, 1000)), 10, True)

    def test_a_run_takes_its_state_and_activations(self):
        config = run_config(hidden=(1000,) * 3)
        parameters = sum(int(np.prod(shape)) for shape in self.NETWORK.shapes().values())
        assert memory.run_bytes(config, self.NETWORK) > 4 * 3 * parameters
        larger = run_config(hidden=(1000,) * 3, batch_size=200)
        assert memory.run_bytes(larger, self.NETWORK) > memory.run_bytes(config, self.NETWORK)

    @pytest.mark.parametrize(("runs", "fit"), [(0.1, 1), (1, 1), (7.5, 7), (100, 100)])
    def test_runs_that_fit(self, runs, fit):
        config = run_config(hidden=(1000,) * 3)
        free = int(runs * memory.run_bytes(config, self.NETWORK) / memory.SHARE) + 1
        assert memory.runs_that_fit(config, self.NETWORK, free) == fit

    @pytest.mark.slow
    def test_peak_of_the_largest_network(self):
        """The paper's largest MLP: within 1.5 of its state and the activations of a forward pass."""
        need("jax")
        import jax

        if jax.default_backend() != "cpu":
            pytest.skip("what XLA is asked to spare is asked for on a CPU")
        config = run_config(
            hidden=(4000, 2000, 1000, 500, 250),
            input_noise=0.1,
            hidden_noise=0.1,
            l2=1e-4,
            tune=("input_noise", "hidden_noise", "l2"),
        )
        network, samples = step.make_network(config, (3072,), 10), dict.fromkeys(("t1", "t2", "test"), 1000)
        program = Program(config, network, samples)
        state, per_run = (
            {name: np.asarray(value)[None] for name, value in values.items()}
            for values in (step.initial_state(config, network), run_constants(config, "float32"))
        )
        rows = np.zeros((1, 10, config.batch_size), "int32")
        data = {f"{name}_inputs": np.zeros((size, 3072), "float32") for name, size in samples.items()}
        data |= {f"{name}_labels": np.zeros(size, "int32") for name, size in samples.items()}
        clock = {"step": np.uint32(0), "steps": np.float32(10), "interval": np.uint32(10)}
        with jax.enable_x64(True):
            compiled = JaxProgram(program, FLOAT32).epoch.compiled(state, per_run, rows, rows, data, clock)
        peak = compiled.memory_analysis()
        resident = sum(array.nbytes for array in data.values())
        taken = peak.argument_size_in_bytes + peak.temp_size_in_bytes - resident
        activations = memory.FLOAT * config.batch_size * sum(map(math.prod, network.activations))
        assert taken < 1.5 * (sum(value.nbytes for value in state.values()) + activations)

    def test_the_machine_has_some(self):
        assert 1 << 20 < memory.available_memory() <= memory.host_memory()

    def test_what_is_free_does_not_count(self, monkeypatch):
        """Groups must be the same when a sweep is started again beside something else."""
        before = [backend.memory() for backend in BACKENDS.values() if backend.missing() is None]
        real = memory.psutil.virtual_memory()
        monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: real._replace(available=1, free=1))
        assert [backend.memory() for backend in BACKENDS.values() if backend.missing() is None] == before
        assert memory.available_memory() == 1

    def test_containers_have_less(self, monkeypatch, tmp_path):
        monkeypatch.setattr(memory, "_container_limits", lambda: [1 << 40, 12345])
        memory.host_memory.cache_clear()
        assert memory.host_memory() == 12345
        monkeypatch.undo()
        memory.host_memory.cache_clear()

    @pytest.mark.parametrize(
        ("fields", "runs", "told"),
        [
            ({"hidden": (10**6, 10**6)}, 1, r"hidden = \(1000000, 1000000\): takes 20 TB of memory, where 24 GB can"),
            ({"hidden": (1000,) * 3}, 1000, r"hidden = \(1000, 1000, 1000\): with 1000 runs at once takes"),
            (
                {"hidden": (10,), "t1_samples": 10**8, "t2_samples": 10**8, "batch_size": 10**8, "epochs": 1},
                1,
                r"batch_size = 1000",
            ),
        ],
    )
    def test_what_does_not_fit_is_refused(self, fields, runs, told):
        config = run_config(**fields)
        network = step.make_network(config, (784,), 10)
        with pytest.raises(InputError, match=told) as caught:
            memory.check_fits(config, network, runs, 24 * 10**9)
        assert "or a machine with more memory" in str(caught.value)
        memory.check_fits(config, network, runs, 10**15)


SPREAD = """
import json, sys
import numpy as np
sys.path.insert(0, "tests")
from conftest import TINY, make_tiny_split
from t1t2_pt.backends import get_backend
from t1t2_pt.config import run_config
from t1t2_pt.system.errors import InputError
from t1t2_pt.training.loop import train
backend = get_backend("jax")
configs = [run_config(**TINY, input_noise=0.2, tune=("input_noise",), seed=seed) for seed in range(int(sys.argv[1]))]
runs = train(configs, make_tiny_split(), backend)
final = [[run.final["test_cost"], run.final["input_noise"]] for run in runs]
print(json.dumps({"devices": backend.devices(), "final": final}))
"""


@pytest.mark.parametrize("runs", [2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_several_devices_share_the_runs(runs):
    """On two (simulated) devices as on one: 2 runs are shared, 3 stay on one device."""
    need("jax")
    results = []
    for devices in (1, 2):
        flags = f"--xla_force_host_platform_device_count={devices}"
        output = subprocess.run(
            [sys.executable, "-c", SPREAD, str(runs)],
            cwd=ROOT,
            env={**os.environ, "XLA_FLAGS": flags, "T1T2_NO_CACHE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        result = json.loads(output.stdout.splitlines()[-1])
        assert result["devices"] == devices
        results.append(result["final"])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)


class TestBlas:
    def test_borrowed_where_none_is_linked(self):
        need("c")
        flags = blas.compiler_flags()
        if not flags:
            assert blas.linked()
            pytest.skip("PyTensor has found a BLAS of its own, or SciPy has none to lend")
        assert "-Dsgemm_=scipy_sgemm_" in flags["gcc__cxxflags"].split()
        assert "SciPy" in blas.linked()

    def test_none_to_lend(self, monkeypatch):
        monkeypatch.setattr(blas, "_library", lambda: None)
        assert blas.compiler_flags.__wrapped__() == {}
