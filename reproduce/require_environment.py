"""Imported first by each script: outside the project's environment, say in one line how to set it up.

Inside it, a signal during the imports that follow ends the script in one line.
"""

import sys
from pathlib import Path

SCRIPT = Path(sys.argv[0]).name
HELP = (
    f"run `make {Path(SCRIPT).stem}`, which sets everything up, "
    f"or `make environment` once and then `.venv/bin/python reproduce/{SCRIPT}`"
)

if sys.version_info < (3, 12):  # noqa: UP036  (whoever starts a script may have an older one)
    sys.stderr.write(f"{SCRIPT}: Python {sys.version.split()[0]} is too old, 3.12 or newer is needed; {HELP}\n")
    raise SystemExit(2)
try:
    import t1t2_command

    t1t2_command.begin(Path(SCRIPT).stem)
    import t1t2_pt.plotting.scripts  # noqa: F401
except ModuleNotFoundError as error:
    sys.stderr.write(f"{SCRIPT}: {error.name} is not installed; {HELP}\n")
    raise SystemExit(2) from None
