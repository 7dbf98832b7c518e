"""A sweep of small runs in a process of its own, for tests that stop, kill and starve it.

`python tests/faults.py STORE RUNS EPOCHS PAUSE [OPTION ...]`: runs of an invented data set, a pause in
seconds after every epoch, and options of any figure script. Worker processes do the same.
"""

import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from conftest import TINY, make_tiny_split  # noqa: E402

from t1t2_pt.cli.commands import OneLineParser, run_command  # noqa: E402
from t1t2_pt.cli.options import add_sweep_options, sweep_from  # noqa: E402
from t1t2_pt.config import RunConfig, replace, run_config  # noqa: E402
from t1t2_pt.runs import provenance, reservations  # noqa: E402
from t1t2_pt.sweeps import work, worker_processes  # noqa: E402


def configs(runs: int, epochs: int, width: int = 6) -> list[RunConfig]:
    """Tuned and fixed runs of two networks."""
    some = []
    for number in range(runs):
        fields = {**TINY, "epochs": epochs, "hidden": (width,) if number % 4 < 2 else (width - 1, width - 2)}
        config = run_config(**fields, input_noise=0.1 + 0.02 * number, seed=number)
        some.append((replace(config, tune=("input_noise",)) if number % 2 else config).canonical)
    return some


def main(arguments=None) -> int:
    """Run the sweep, told as the commands tell it."""
    parser = OneLineParser(prog="faults")
    parser.add_argument("runs", type=int)
    parser.add_argument("epochs", type=int)
    parser.add_argument("pause", type=float)
    parser.add_argument("--together", type=int, default=3)
    parser.add_argument("--width", type=int, default=6)
    parser.add_argument("--lapse", type=float, default=reservations.LAPSE)
    add_sweep_options(parser)

    def command() -> int:
        options = parser.parse_args(arguments)
        play(options.pause)
        reservations.LAPSE, reservations.RENEW = options.lapse, options.lapse / 4
        path, imports = worker_processes.PROGRAM.split("; from", 1)
        worker_processes.PROGRAM = f"{path}; import faults; faults.play({options.pause}); from{imports}"
        sweep = sweep_from(options)
        sweep.together = options.together
        print("ready", flush=True)
        sweep.run(configs(options.runs, options.epochs, options.width))
        return 0

    return run_command("faults", command)


def play(pause: float) -> None:
    """Let data be invented and epochs take their time, in this process."""
    work.make_split = lambda *key: make_tiny_split()
    provenance._commit, provenance.CODE = lambda: "whatever", "whatever"  # may change while a long test runs
    train = work.train

    def slow(some, split, backend, after_epoch, **options):
        def after(epoch, snapshot):
            print("epoch", flush=True)
            time.sleep(pause)
            after_epoch(epoch, snapshot)

        return train(some, split, backend, after, **options)

    work.train = slow


def dask_setup(worker) -> None:
    """What `dask worker --preload tests/faults.py` calls: the same on a cluster."""
    play(0.1)


if __name__ == "__main__":
    sys.exit(main())
