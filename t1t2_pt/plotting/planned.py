"""How a plan is shown: a row for each kind of run, and what all of them take."""

from collections.abc import Sequence

from t1t2_pt.backends.memory import host_memory, in_units, usable_cores
from t1t2_pt.sweeps.planning import BASE, Planned, busy
from t1t2_pt.system.streams import show, show_table

NAMES = ("data", "T1", "network", "epochs", "runs", "updates", "ms an update", "time", "memory")
MINUTE, HOUR, DAY = 60, 3600, 86400


def show_plan(preset: str, planned: Sequence[Planned], stored: int) -> None:
    """Show what is to be trained at a preset, and how many of its runs the store has."""
    if planned:
        show_table([_row(one) for one in planned], NAMES, width=150)
    runs, updates = (sum(getattr(one, name) for one in planned) for name in ("runs", "updates"))
    show(f"Preset {preset}: {runs} runs to train, {updates:,} updates; {stored} are in the store.")
    if planned:
        seconds = sum(one.seconds for one in planned)
        memory = BASE + max(one.size for one in planned)
        here = f"On this machine ({usable_cores()} cores, {in_units(host_memory())} of memory)"
        show(f"{here} it would take about {duration(seconds)} and {in_units(memory)}; nothing was trained.")
        if busy():
            show("Others use its cores now: alone it would take less.")


def _row(one: Planned) -> tuple[object, ...]:
    each = f"{1e3 * one.seconds / one.updates:.3g}"
    return (*one.name, one.runs, f"{one.updates:,}", each, duration(one.seconds), in_units(one.size))


def duration(seconds: float) -> str:
    """Seconds for a reader, in the largest unit that gives a number above 1.5, or so."""
    for unit, name in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
        if seconds >= 1.5 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} seconds"
