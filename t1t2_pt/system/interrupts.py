"""Ctrl-C, SIGTERM and SIGHUP: the first asks for an orderly stop, the second stops at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from t1t2_pt.system.errors import CODE_OF_SIGNAL

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SHOW_CURSOR = "\x1b[?25h"  # which a progress bar hides


class StopAskedError(Exception):
    """Work ended early because a stop was asked for; its state is saved."""


class Interrupted(KeyboardInterrupt):
    """A signal stopped the program in an orderly way; the text says what there is and how to go on."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.code = CODE_OF_SIGNAL + number


class Interrupt:
    """Whether a stop was asked for, and by which signal: its `number`, 0 where none was."""

    def __init__(self) -> None:
        self.number = 0
        self._asked = threading.Event()

    def __call__(self) -> bool:
        return self._asked.is_set()

    def ask(self, number: int = signal.SIGINT) -> None:
        """Ask for a stop."""
        self.number = self.number or number
        self._asked.set()


@contextlib.contextmanager
def orderly(log: Callable[[str], None]) -> Iterator[Interrupt]:
    """While the block runs, the first signal asks for a stop; the second ends the process."""
    interrupt = Interrupt()
    notice = "stopping after the current epoch, with a checkpoint; once more stops at once"
    with _handled(interrupt, lambda: log(notice)):
        yield interrupt


@contextlib.contextmanager
def raised(text: str) -> Iterator[None]:
    """While the block runs, in which nothing is trained, the first signal raises `Interrupted`; the second as above."""
    interrupt = Interrupt()

    def stop() -> None:
        raise Interrupted(interrupt.number, text)

    with _handled(interrupt, stop):
        try:
            yield
        except ImportError:
            if interrupt():  # modules in C turn what is raised while they are imported into errors of their own
                raise Interrupted(interrupt.number, text) from None
            raise


@contextlib.contextmanager
def _handled(interrupt: Interrupt, first: Callable[[], None]) -> Iterator[None]:
    """Handle the signals, but those that whoever started this process wants ignored (`nohup`, `&` in a script).

    Outside the main thread, where Python handles no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        if interrupt():
            _last_words("stopped at once")
            os._exit(CODE_OF_SIGNAL + number)
        interrupt.ask(number)
        first()

    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not Python's


def _last_words(text: str) -> None:
    """A line on standard error, whatever state Python's own streams are in."""
    with contextlib.suppress(OSError, ValueError):
        stream = sys.__stderr__
        if stream is not None:
            os.write(stream.fileno(), f"{SHOW_CURSOR if stream.isatty() else ''}{text}\n".encode())
