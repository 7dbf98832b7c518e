"""A process on a machine of its own, as far as a store is concerned, for tests of stores on shared disks.

`on_a_host` starts `python tests/hosts.py STORE FIRST COUNT DIGEST`, which puts so many runs into the store one by one,
then reserves a run and holds it, in another PID namespace and with a shared memory of a write-ahead log (`-shm`) that
nobody else sees: what two machines have in common is the disk and its locks.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from invented import CONFIG, make_run

from t1t2_pt.config import replace
from t1t2_pt.runs.reservations import Reservations
from t1t2_pt.runs.store import RunStore

UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def need_namespaces() -> None:
    """Skip where another machine cannot be imitated."""
    if shutil.which("unshare") is None or subprocess.run([*UNSHARE, "true"], capture_output=True).returncode:
        pytest.skip("needs unshare, and the right to use it")


def on_a_host(store: Path, name: str, *arguments: object) -> subprocess.Popen:
    """Start the script on a host of this name; it says `ready`, and goes on at a line of input."""
    memory, seen = (store.with_name(f"{store.name}-{ending}") for ending in (f"memory-of-{name}", "shm"))
    for path in (memory, seen):
        path.touch()
    script = [sys.executable, str(Path(__file__).resolve()), str(store), *map(str, arguments)]
    mounted = ["sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh", str(memory), str(seen)]
    process = subprocess.Popen(
        [*UNSHARE, *mounted, *script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout.readline() == "ready\n"
    return process


def main(store: str, first: str, count: str, digest: str) -> None:
    runs = [make_run(replace(CONFIG, seed=int(first) + number)) for number in range(int(count))]
    print("ready", flush=True)
    sys.stdin.readline()
    for run in runs:
        RunStore(Path(store)).put([run])
    with Reservations(RunStore(Path(store))) as reservations:
        print(*reservations.take([digest]), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
