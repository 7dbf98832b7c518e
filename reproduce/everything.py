"""Every figure in one sweep: the runs that several of them draw are trained once."""

import require_environment  # noqa: F401, I001  (must come first)

import sys

import claims
import cost
import fig1
import fig2
import fig3
import fig4
import fig5
import fig6
import fig7
import spacetime

from t1t2_pt.plotting.scripts import main_of_all

SCRIPTS = [figure.SCRIPT for figure in (fig1, fig2, fig3, fig4, fig5, fig6, fig7, spacetime, cost, claims)]

if __name__ == "__main__":
    sys.exit(main_of_all("everything", __doc__, SCRIPTS))
