"""The one kind of error that a user can cause, told in one line.

Everything that checks what a user gave (a field, a file, an option) raises `InputError`; commands
print it as a single line and leave with exit code 2, before any training and with nothing written.
"""

from typing import Self

from t1t2_pt.system.readable import one_line

CODE_OF_SIGNAL = 128  # a command that a signal stopped leaves with this and the signal's number


class InputError(Exception):
    """Something given from outside cannot be used.

    Parameters
    ----------
    field
        What was given: an option, a configuration field or a file.
    value
        The offending value.
    problem
        Why it cannot be used.
    remedy
        What to do about it.
    """

    def __init__(self, field: str, value: object, problem: str, remedy: str) -> None:
        self.field, self.value, self.problem, self.remedy = field, value, problem, remedy
        super().__init__(one_line(f"{field} = {_shown(value)}: {problem}; {remedy}"))

    def __reduce__(self) -> tuple[type[Self], tuple[str, object, str, str]]:
        return type(self), (self.field, self.value, self.problem, self.remedy)


def _shown(value: object) -> str:
    """The value as Python writes it, cut where it is long."""
    try:
        shown = repr(value)
    except ValueError:  # Python writes no whole number of more than some thousand digits
        return "a number of thousands of digits"
    return shown if len(shown) <= 120 else shown[:117] + "..."


def reason(error: BaseException) -> str:
    """What the system's or another library's error says, in at most 120 characters of one line."""
    text = getattr(error, "strerror", None) or str(error)
    lines = [line for line in map(one_line, text.splitlines()) if line]
    return lines[0][:120] if lines else type(error).__name__
