"""Ctrl-C and SIGTERM: the first asks for an orderly stop, the second stops at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from t1t2_pt.errors import CODE_OF_SIGNAL


class StopAskedError(Exception):
    """Work ended early because a stop was asked for; its state is saved."""


class Interrupted(KeyboardInterrupt):
    """A signal stopped the program in an orderly way; the text says what there is and how to go on."""

    def __init__(self, number: int, text: str):
        super().__init__(text)
        self.code = CODE_OF_SIGNAL + number


class Interrupt:
    """Whether a stop was asked for, and by which signal."""

    def __init__(self):
        self.number: int | None = None
        self._asked = threading.Event()

    def __call__(self) -> bool:
        return self._asked.is_set()

    def ask(self, number: int = signal.SIGINT) -> None:
        """Ask for a stop."""
        self.number = self.number or number
        self._asked.set()


@contextlib.contextmanager
def orderly(say: Callable[[str], None]) -> Iterator[Interrupt]:
    """While the block runs, the first SIGINT or SIGTERM asks for a stop; the second ends the process.

    Outside the main thread, where Python handles no signals, nothing changes.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def handle(number: int, _frame) -> None:
        if interrupt():
            os.write(sys.__stderr__.fileno(), b"stopped at once\n")
            os._exit(CODE_OF_SIGNAL + number)
        interrupt.ask(number)
        say("stopping after the current epoch, with a checkpoint; once more stops at once")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
