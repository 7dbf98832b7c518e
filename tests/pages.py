"""The code in the pages of docs/: Python blocks with what they print, and the commands of shell blocks.

`python tests/pages.py docs/PAGE.md` runs the Python blocks of a page in one namespace, in the current folder, and
prints what each of them printed as JSON.
"""

import contextlib
import dataclasses
import io
import itertools
import json
import re
import shlex
import sys
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code; `printed` is what the page says that it prints, the text block right after it."""

    line: int
    code: str
    printed: str | None


def python_blocks(page: Path) -> list[Block]:
    """The Python blocks of a page, in order."""
    text = page.read_text()
    found = [*BLOCK.finditer(text)]
    blocks = []
    for block, following in itertools.zip_longest(found, found[1:]):
        if block[1] != "python":
            continue
        printed = None
        if following and following[1] == "text" and not text[block.end() : following.start()].strip():
            printed = following[2]
        blocks.append(Block(text.count("\n", 0, block.start(2)) + 1, block[2], printed))
    return blocks


def commands(page: Path) -> list[list[str]]:
    """The words of each command in the shell blocks of a page, without settings of variables before it."""
    found = []
    for block in BLOCK.finditer(page.read_text()):
        if block[1] != "sh":
            continue
        for line in re.sub(r"\\\n\s*", "", block[2]).splitlines():
            words = shlex.split(line, comments=True)
            while words and (re.match(r"\w+=", words[0]) or words[0] in ("exec", "srun", "&&")):
                words = words[1:]
            if words:
                found.append([Path(words[0]).name, *words[1:]])
    return found


def main(page: Path) -> None:
    """Run a page."""
    names: dict[str, object] = {"__name__": "__main__"}
    printed = []
    for block in python_blocks(page):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), names)
        printed.append(output.getvalue())
    print(json.dumps(printed))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
