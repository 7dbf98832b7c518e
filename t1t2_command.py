"""What comes first in the `t1t2` command and in every figure script: signals and streams while all else is imported.

It lies outside the package, whose own import takes seconds.
"""

import os
import signal
import sys

STANDARD = (0, 1, 2)  # file descriptors


def begin(name: str) -> None:
    """Make Ctrl-C, SIGTERM and SIGHUP end the process in one line until a command says what else they do."""

    def end(number, _frame):
        try:
            os.write(2, f"{name}: stopped\n".encode())
        finally:
            os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    _fill_standard_descriptors()


def _fill_standard_descriptors() -> None:
    """Let no file get the number of a standard stream that was closed: what a library says would go there."""
    while (number := os.open(os.devnull, os.O_RDWR)) in STANDARD:
        os.set_inheritable(number, True)
    os.close(number)


def main() -> int:
    """The `t1t2` command."""
    begin("t1t2")
    from t1t2_pt.cli.main import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
