"""Text from outside made safe to show: names, files' words and messages that nobody here wrote.

A terminal obeys control characters, and a line may be forged by a newline or turned round by a mark of
writing direction. What cannot be seen is shown as Python writes it in a string.
"""


def readable(text: object) -> str:
    r"""The text in one line, what is not printable as an escape: ESC is `\x1b`, a newline `\n`, half a surrogate
    pair `\udcff`."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def one_line(text: str) -> str:
    """The text in one line, its blanks and ends of lines single blanks."""
    return readable(" ".join(text.split()))
