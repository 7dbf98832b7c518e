"""`python -m t1t2_pt.cli`: the `t1t2` command."""

import sys

from t1t2_pt.cli.main import main

sys.exit(main())
