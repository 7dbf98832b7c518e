"""How every command runs: its signals, its streams, and the one line in which whatever ends it early is told."""

import argparse
import difflib
import importlib
import re
from collections.abc import Callable
from typing import Any, NoReturn

from t1t2_pt.system.errors import CODE_OF_SIGNAL, InputError, reason
from t1t2_pt.system.interrupts import Interrupted, raised
from t1t2_pt.system.readable import readable
from t1t2_pt.system.streams import guarded, log

LONGEST = 500  # characters of a message
UNUSABLE = 2  # exit code for unusable input
READER_GONE = CODE_OF_SIGNAL + 13  # and SIGPIPE's number: whoever read our output went away

type Commands = argparse._SubParsersAction[OneLineParser]  # what commands are added to


class OneLineParser(argparse.ArgumentParser):
    """Tells a wrong option in one line, as other wrong input is told."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        OneLineParser._innermost = self  # the command whose options are read, when some are left
        return super().parse_known_args(args, namespace)

    _innermost: "OneLineParser | None" = None

    def error(self, message: str) -> NoReturn:
        meant = self._meant(message)
        message = readable(" ".join(message.split()))
        message = message if len(message) <= LONGEST else message[: LONGEST - 3] + "..."
        log(f"{self.prog}: {message}; try {self.prog} --help{f' (did you mean {meant}?)' if meant else ''}")
        raise SystemExit(UNUSABLE)

    def _meant(self, message: str) -> str:
        """What was probably meant by an option or a choice that there is not."""
        if message.startswith("unrecognized arguments: "):
            words = message.removeprefix("unrecognized arguments: ").split()
            given = next((word.partition("=")[0] for word in words if word.startswith("--")), "")
            known = list((OneLineParser._innermost or self)._option_string_actions)
        else:
            match = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
            given, known = (match[1], [one.strip(" '") for one in match[2].split(",")]) if match else ("", [])
        return next(iter(difflib.get_close_matches(given, known, n=1)), "") if given else ""


def imported_when_used(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """What a command does, in a module that takes long to import."""

    def command(options: argparse.Namespace) -> int:
        done: int = getattr(importlib.import_module(module), function)(options)
        return done

    return command


def run_command(name: str, command: Callable[[], int], stopped: str = "stopped") -> int:
    """Run a command; what ends it early is told in one line after its name.

    Parameters
    ----------
    stopped
        What is told when a signal came while nothing was trained.

    Returns
    -------
    The exit code: the command's own, 2 for unusable input or a standard output that cannot be written, 129 for
    SIGHUP, 130 for Ctrl-C, 143 for SIGTERM, 141 when whoever read our output went away.
    """
    with guarded() as output:
        code, line = _outcome(command, stopped)
        output.flush()
        if code == 0 and isinstance(output.error, BrokenPipeError):
            code = READER_GONE
        elif code == 0 and output.error is not None:
            problem = getattr(output.error, "strerror", None) or output.error
            code, line = UNUSABLE, f"standard output cannot be written ({problem}); send it where there is room"
        if line is not None:
            log(f"{name}: {line}")
    return code


def _outcome(command: Callable[[], int], stopped: str) -> tuple[int, object]:
    """A command's exit code, and the line in which its early end is told, if it had one."""
    try:
        with raised(stopped):
            return command(), None
    except InputError as error:
        return UNUSABLE, error
    except Interrupted as stop:
        return stop.code, stop
    except KeyboardInterrupt:
        return CODE_OF_SIGNAL + 2, stopped
    except MemoryError as error:
        return UNUSABLE, f"memory is short ({reason(error)}); give a smaller network or batch, or --workers 1"
    except SystemExit as leaving:  # argparse's, which has told why, and whose code is a number
        return int(leaving.code or 0), None
