"""Every figure in one sweep: the runs that several of them draw are trained once."""

import require_environment  # noqa: F401, I001  (must come first)

import sys
from pathlib import Path

from t1t2_pt.plotting.found_scripts import scripts_in
from t1t2_pt.plotting.scripts import main_of_all

SCRIPTS = [script for script in scripts_in(Path(__file__).parent) if not script.alone]

if __name__ == "__main__":
    sys.exit(main_of_all("everything", __doc__, SCRIPTS))
