"""An hour of sweeps in one process: memory, open files, threads and files left behind stop growing.

`T1T2_SOAK_MINUTES` makes it shorter or longer. Each sweep has a structure that no other has, so that
whatever is kept of a structure shows.
"""

import os
import statistics
import subprocess
import sys

import psutil
import pytest
from conftest import ROOT

MINUTES = float(os.environ.get("T1T2_SOAK_MINUTES", "60"))
SWEEPS = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import faults
from conftest import TINY
from t1t2_pt.backends import get_backend
from t1t2_pt.runs.checkpoints import Every
from t1t2_pt.config import replace, run_config
from t1t2_pt.runs.store import RunStore
from t1t2_pt.sweeps.sweep import Sweep
faults.play(0.0)
sys.stdout = sys.stderr
end, number, store = time.monotonic() + float(sys.argv[2]), 0, RunStore(Path(sys.argv[1]))
while time.monotonic() < end:
    number += 1
    base = run_config(**{**TINY, "hidden": (number,), "epochs": 5}, input_noise=0.3)
    configs = [replace(base, seed=seed, tune=tune) for seed in range(4) for tune in ((), ("input_noise",))]
    Sweep(store, get_backend(), quiet=True, every=Every(epochs=2)).run(configs)
    print("sweep", file=sys.__stdout__, flush=True)
"""


@pytest.mark.slow
def test_an_hour_of_sweeps(tmp_path):
    arguments = [str(tmp_path / "runs.sqlite"), str(60 * MINUTES), str(ROOT / "tests")]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "T1T2_NO_CACHE": "1", "TMPDIR": str(scratch)}
    command = [sys.executable, "-c", SWEEPS, *arguments]
    rows = []
    with (
        open(tmp_path / "log", "w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        watched = psutil.Process(process.pid)
        for _ in process.stdout:
            if process.poll() is None:
                left = sum(path.is_file() for path in scratch.rglob("*"))
                rows.append((watched.memory_info().rss / 2**20, watched.num_fds(), watched.num_threads(), left))
    assert process.returncode == 0, (tmp_path / "log").read_text()[-2000:]
    assert len(rows) >= 40, "too short: nothing would show"
    quarters = [rows[place * len(rows) // 4 : (place + 1) * len(rows) // 4] for place in range(4)]
    medians = [[statistics.median(column) for column in zip(*quarter, strict=True)] for quarter in quarters]
    print(f"{len(rows)} sweeps; medians by quarter of MiB, open files, threads, temporary files: {medians}")
    assert list(scratch.iterdir()) == []
    for name, second, last, growth in zip(
        ("memory", "files", "threads", "temporary files"), medians[1], medians[3], (1.08, 1, 1, 1), strict=True
    ):
        assert last <= growth * second, f"{name} grew: {medians}"
