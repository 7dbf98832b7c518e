"""Contenders in processes of their own, timed in turns, so that a slower spell of the machine meets all alike."""

import contextlib
import dataclasses
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
TORCH_PYTHON = ROOT / "benchmarks" / ".torch" / "bin" / "python"
SETTLE = 0.15  # seconds in which the last contender's threads stop spinning
AGREEMENT = 2e-3  # relative, in float32, where noise and sums are in different orders


@dataclasses.dataclass(frozen=True)
class Entry:
    """A contender: its module, options, and the Python that runs it."""

    contender: str
    options: Mapping = dataclasses.field(default_factory=dict)
    plain: bool = False
    python: str = sys.executable


STEP_ENTRIES: dict[str, Entry] = {
    "ours_jax": Entry("ours", {"backend": "jax"}),
    "ours_jax_plain": Entry("ours", {"backend": "jax"}, plain=True),
    "ours_numba": Entry("ours", {"backend": "numba"}),
    "ours_c": Entry("ours", {"backend": "c"}),
    "handwritten_jax": Entry("handwritten_jax"),
    "pytorch_eager": Entry("pytorch_eager", python=str(TORCH_PYTHON)),
    "gemm_floor": Entry("gemm_floor"),
}


class Arena:
    """Starts contenders, drops those that cannot run here, and times the rest in turns."""

    def __init__(self, entries: Mapping[str, Entry], problem: Mapping, say=print):
        self.notes: dict[str, str] = {}
        self._processes: dict[str, subprocess.Popen] = {}
        for name, entry in entries.items():
            if not Path(entry.python).exists():
                self.notes[name] = "left out: no Python with a CPU or CUDA build of its library was found"
                continue
            process = _start(entry, problem)
            answer = _read(process) or {}  # one after another: compilers must not compete
            if "ready" not in answer:
                self.notes[name] = f"left out: {answer.get('missing', 'its process ended')}"
                process.kill()
                process.communicate()
                continue
            self._processes[name] = process
            say(f"  {name} ready")
        for name, note in self.notes.items():
            say(f"  {name} {note}")

    def __enter__(self) -> "Arena":
        return self

    def __exit__(self, *_) -> None:
        for process in self._processes.values():
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.wait()
            process.stdout.close()

    @property
    def names(self) -> list[str]:
        return list(self._processes)

    def ask(self, name: str, **order) -> dict:
        """One contender's answer to an order."""
        process = self._processes[name]
        print(json.dumps(order), file=process.stdin, flush=True)
        answer = _read(process)
        if answer is None:
            raise RuntimeError(f"{name} ended while it did {order['do']}; its messages are above")
        return answer

    def time(self, what: Sequence[str], steps: int, rounds: int) -> dict[str, dict[str, list[float]]]:
        """Milliseconds per step of each kind, for each contender and round, each turn after one to warm up.

        The order changes from round to round, so that nobody always follows the same neighbour.
        """
        times = {kind: {name: [] for name in self.names} for kind in what}
        shuffled = random.Random(0)
        for _ in range(rounds):
            for kind in what:
                for name in shuffled.sample(self.names, len(self.names)):
                    time.sleep(SETTLE)
                    taken = self.ask(name, do=kind, steps=steps)["seconds"]
                    times[kind][name].append(1e3 * taken / steps)
        return times

    def check(self) -> None:
        """Make sure that all compute the same first T1+T2 step.

        Raises
        ------
        RuntimeError
            If two contenders disagree; named, with both results.
        """
        answers = {name: answer for name in self.names if (answer := self.ask(name, do="check"))}
        (first, expected), *others = answers.items()
        for name, answer in others:
            for part, values in expected.items():
                if not np.allclose(values, answer[part], rtol=AGREEMENT, atol=AGREEMENT * np.abs(values).max()):
                    raise RuntimeError(f"{first} and {name} differ in {part}: {values} and {answer[part]}")


def _start(entry: Entry, problem: Mapping) -> subprocess.Popen:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS")}
    task = {"contender": entry.contender, "options": dict(entry.options), "plain": entry.plain, "problem": problem}
    return subprocess.Popen(
        [entry.python, "-m", "benchmarks.worker", json.dumps(task)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _read(process: subprocess.Popen) -> dict | None:
    line = process.stdout.readline()
    return json.loads(line) if line else None
