"""What is shown to the user: results on standard output, messages on standard error.

Talking to the user never ends or changes the work: a stream that cannot be written (a pipe whose reader is
gone, a full disk, one that was closed) falls silent, and the command is told of it at its end. Text from
outside is made readable here, and is never markup.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

from t1t2_pt.system.readable import readable


class Guarded:
    """A text stream that takes whatever it is given and never fails; `error` keeps what went wrong first."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | ValueError | None = None

    def write(self, text: str) -> int:
        """Write text; signs that the stream cannot encode become escapes."""
        encoding = self._stream.encoding or "utf-8"
        self._attempt(lambda: self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding)))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        self._attempt(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _attempt(self, action: Callable[[], object]) -> None:
        if self.error is not None:
            return
        try:
            action()
        except RuntimeError:  # a signal came while the same stream was being written: its words are lost
            pass
        except (OSError, ValueError) as error:
            self.error = error
            _silence(self._stream)


def _silence(stream: TextIO) -> None:
    """Send what the stream still holds nowhere, or the interpreter would fail on it when it ends."""
    with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


@contextlib.contextmanager
def guarded() -> Iterator[Guarded]:
    """While the block runs, whatever writes to standard output and error cannot fail; yields standard output."""
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w") as nowhere:
        output, errors = (Guarded(stream or nowhere) for stream in before)
        sys.stdout, sys.stderr = output, errors
        try:
            yield output
        finally:
            output.flush()
            errors.flush()
            sys.stdout, sys.stderr = before


def show(*lines: object) -> None:
    """Lines of a result, on standard output."""
    for line in lines:
        print(readable(line))


def log(line: object) -> None:
    """A line for the user, on standard error."""
    if sys.stderr is not None:
        stream = Guarded(sys.stderr)
        stream.write(f"{readable(line)}\n")
        stream.flush()


def show_table(rows: Sequence[Sequence[object]], names: Sequence[str] = (), width: int = 120) -> None:
    """A table on standard output, as wide as the terminal, or as `width` says where there is none."""
    from rich.console import Console  # slow to import, and needed for tables alone
    from rich.table import Table
    from rich.text import Text

    table = Table() if names else Table(show_header=False, box=None, pad_edge=False)
    for name in names:
        table.add_column(Text(name))
    for row in rows:
        table.add_row(*(Text(readable(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else width).print(table)
