"""A process that holds one contender and does what it is told, a line of JSON at a time.

Each contender has a process of its own, so that no two share threads, memory pools or settings; the
driver gives them turns. `{"do": "t1", "steps": 10}` is answered by `{"seconds": ...}`.
"""

import importlib
import json
import os
import resource
import sys
import time

from benchmarks.problem import PROBLEMS


def main() -> None:
    """Load the contender that the first argument describes, then serve."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints must not look like an answer
    task = json.loads(sys.argv[1])
    if task.get("plain"):
        _leave_out_rewrites()
    start = time.perf_counter()
    try:
        module = importlib.import_module(f"benchmarks.contenders.{task['contender']}")
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in task["problem"].items()}
        problem = PROBLEMS[options.pop("kind", "mlp")](**options)
        contender = module.Contender(problem, **task.get("options", {}))
    except Exception as error:
        _answer(answers, {"missing": f"{type(error).__name__}: {str(error).splitlines()[0]}"})
        raise
    _answer(answers, {"ready": time.perf_counter() - start})
    for line in sys.stdin:
        _answer(answers, _obey(contender, json.loads(line)))


def _obey(contender, order: dict) -> dict:
    if order["do"] == "check":
        return contender.check() if hasattr(contender, "check") else {}
    if order["do"] == "memory":
        return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    do = getattr(contender, order["do"])
    do(order["steps"])  # caches and clock are warm, and what is compiled for the length is there
    start = time.perf_counter()
    do(order["steps"])
    return {"seconds": time.perf_counter() - start}


def _leave_out_rewrites() -> None:
    """Take our rewrite out of PyTensor's pipeline: what the step costs without it."""
    os.environ["T1T2_NO_CACHE"] = "1"  # what is kept was compiled with it
    from pytensor.compile.mode import optdb

    import t1t2_pt.rewrites  # noqa: F401  registers them

    optdb.remove_tags("reassociate_products", "fast_run")


def _answer(stream, value: dict) -> None:
    print(json.dumps(value), file=stream, flush=True)


if __name__ == "__main__":
    main()
