"""Processes: which one this is, and whether another one, met before, is dead.

A process number means something in one PID namespace of one boot of one machine only, and numbers are used again.
So a process is named by that place, by its number, and by when it started in ticks since the boot, which setting a
clock does not change. Where the system does not tell its place (there is no `/proc`, or it is another namespace's)
no process is ever said to be dead.
"""

import dataclasses
import os
import platform
from pathlib import Path

PROC = Path("/proc")


@dataclasses.dataclass(frozen=True)
class Process:
    """A process.

    Parameters
    ----------
    place
        Where its number counts; one that is not known ends in nothing after the machine's name.
    number
        Its number there.
    started
        When it started, in ticks since the boot; 0 where that is not known.
    """

    place: str
    number: int
    started: float


def this_process() -> Process:
    """The process that asks."""
    number = os.getpid()
    state_and_start = _state_and_start(number) if _spaces() else None
    return Process(_place(), number, state_and_start[1] if state_and_start else 0.0)


def is_dead(process: Process) -> bool:
    """Whether a process of this place has ended; false for those of other places."""
    if not _spaces() or process.place != _place():
        return False
    try:
        os.kill(process.number, 0)  # also of users whose processes `/proc` hides
    except ProcessLookupError:
        return True
    except (OSError, OverflowError, TypeError):
        pass
    found = _state_and_start(process.number)
    return found is not None and (found[0] in "ZX" or found[1] != process.started)


def _place() -> str:
    return " ".join((platform.node(), *_spaces()))


def _spaces() -> tuple[str, ...]:
    """The boot, and the namespaces of process numbers and of their clock; nothing where they are not known."""
    try:
        if os.readlink(PROC / "self") != str(os.getpid()):
            return ()
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        names = [PROC / "self/ns" / kind for kind in ("pid", "time")]  # an old kernel has one of each, and no name
        return boot, *(os.readlink(name) for name in names if os.path.lexists(name))
    except OSError:
        return ()


def _state_and_start(number: int) -> tuple[str, float] | None:
    try:
        text = (PROC / str(number) / "stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 1 :].split()  # a name may have spaces and parentheses
    return fields[0], float(fields[19])
