"""The tables of `make bench`: which contenders do what, and how the results are set out."""

from statistics import median

from benchmarks.arena import STEP_ENTRIES, Arena, Entry

TITLES = {
    "step": "784-1000-1000-1000-10, batch 100, batch norm, noise in four layers, Adam; ms per step",
    "cnn": "All-CNN-C at a quarter of its width, 32 x 32 x 3, batch 100; ms per step",
    "sweep": "many runs at once against one at a time, a T1+T2 step in ten; ms per step and run",
    "growth": "the step as width, depth and batch grow; ms per step",
}
KINDS = ("t1", "t1t2")
SWEEPS = {
    "64-64-64 on 8 x 8 digits": ({"features": 64, "hidden": (64, 64, 64)}, 121),
    "784-200-200-200": ({"features": 784, "hidden": (200, 200, 200)}, 16),
}
GROWTH = {
    "width": [{"hidden": (n, n, n)} for n in (250, 500, 1000, 2000, 4000)],
    "depth": [{"hidden": (1000,) * n} for n in (1, 2, 3, 4, 5)],
    "batch": [{"batch": n} for n in (50, 100, 200, 400)],
}
RIVALS = {"handwritten_jax": "JAX by hand", "pytorch_eager": "PyTorch"}
_PROBLEM: dict = {}  # the paper's
GROWTH_NAMES = ("ours_jax", "handwritten_jax")


def step(rounds: int, steps: int) -> dict:
    """The contract: medians of a T1 and of a T1+T2 step, and the overhead at one in ten."""
    return _steps(STEP_ENTRIES, _PROBLEM, rounds, steps)


def cnn(rounds: int, steps: int) -> dict:
    """As `step`, for a convolutional network; Numba and C compile one for minutes, and are left out."""
    names = ("ours_jax", "ours_jax_plain", "handwritten_jax", "pytorch_eager")
    entries = {name: STEP_ENTRIES[name] for name in names}
    return _steps(entries, {"kind": "cnn"}, max(1, rounds // 2), max(1, steps // 5))


def sweep(rounds: int, steps: int) -> dict:
    """Milliseconds per step and run, of one run at a time and of many at once."""
    result = {}
    for title, (problem, runs) in SWEEPS.items():
        entries = {"one": Entry("ours", {"backend": "jax"}), "many": Entry("ours", {"backend": "jax", "runs": runs})}
        with Arena(entries, problem) as arena:
            times = arena.time(("train",), 10 * steps, rounds)["train"]
        one, many = times["one"], [taken / runs for taken in times["many"]]
        ratio = median(a / b for a, b in zip(one, many, strict=True))
        result[title] = {"runs": runs, "one_ms": median(one), "many_ms": median(many), "ratio": ratio}
    return {"sweeps": result}


def growth(rounds: int, steps: int) -> dict:
    """Times of the same step in ever larger problems."""
    result = {}
    for axis, problems in GROWTH.items():
        rows = []
        for problem in problems:
            value = problem.get("batch") or (len(problem["hidden"]) if axis == "depth" else problem["hidden"][0])
            entries = {name: STEP_ENTRIES[name] for name in GROWTH_NAMES}
            times = _steps(entries, problem, max(1, rounds // 2), max(1, steps // 2))
            rows.append({axis: value, "t1_ms": times["t1_ms"], "t1t2_ms": times["t1t2_ms"]})
        result[axis] = rows
    return {"growth": result}


TABLES = {"step": step, "cnn": cnn, "sweep": sweep, "growth": growth}


def _steps(entries, problem, rounds: int, steps: int) -> dict:
    with Arena(entries, problem) as arena:
        arena.check()
        times = arena.time(KINDS, steps, rounds)
        memory = {name: arena.ask(name, do="memory")["bytes"] for name in arena.names}
        notes = arena.notes
    t1, t1t2 = ({name: median(taken) for name, taken in times[kind].items()} for kind in KINDS)
    overhead = {name: (t1t2[name] - t1[name]) / (10 * t1[name]) for name in t1}
    ratios = {
        rival: {kind: _ratios(times[kind], rival) for kind in KINDS} for rival in RIVALS if rival in t1 and len(t1) > 1
    }
    return {
        "t1_ms": t1,
        "t1t2_ms": t1t2,
        "overhead": overhead,
        "ratio_to": ratios,
        "rounds": rounds,
        "peak_memory_bytes": memory,
        "notes": notes,
    }


def _ratios(times: dict[str, list[float]], rival: str) -> dict[str, float]:
    """Median over the rounds of each contender's time over the rival's of the same round."""
    return {name: median(a / b for a, b in zip(taken, times[rival], strict=True)) for name, taken in times.items()}


def render(name: str, result: dict) -> str:
    """The table as text."""
    if name == "sweep":
        head = f"{'':28}{'runs':>6}{'one at a time':>16}{'at once':>10}{'ratio':>8}"
        rows = [
            f"{title:28}{r['runs']:>6}{r['one_ms']:>16.3f}{r['many_ms']:>10.3f}{r['ratio']:>8.2f}"
            for title, r in result["sweeps"].items()
        ]
    elif name == "growth":
        head = f"{'':12}" + "".join(f"{n + ' T1':>20}{'T1+T2':>9}" for n in GROWTH_NAMES)
        rows = [
            f"{axis:8}{row[axis]:>4}"
            + "".join(f"{row['t1_ms'][n]:>20.2f}{row['t1t2_ms'][n]:>9.2f}" for n in GROWTH_NAMES)
            for axis, rows in result["growth"].items()
            for row in rows
        ]
    else:
        rivals = result["ratio_to"]
        head = f"{'':18}{'T1':>9}{'T1+T2':>9}{'overhead':>10}" + "".join(f"{'/ ' + RIVALS[r]:>22}" for r in rivals)
        rows = [
            f"{n:18}{result['t1_ms'][n]:>9.2f}{result['t1t2_ms'][n]:>9.2f}{result['overhead'][n]:>10.1%}"
            + "".join(f"{of['t1'][n]:>14.2f}{of['t1t2'][n]:>8.2f}" for of in rivals.values())
            for n in result["t1_ms"]
        ]
        rows += [f"{n:18}{note}" for n, note in result["notes"].items()]
    return "\n".join([head, *rows, ""])
