import require_environment  # noqa: F401, I001  (must come first)

import sys

import setups
import pandas as pd
from t1t2_pt.figures import FigureScript, main
from t1t2_pt.plotting import new_figure


def draw(trained, preset, reference):
    figure, _ = new_figure(3, 2, 1)
    rows = []
    for part, found in trained.items():
        for i, run in enumerate(found):
            rows.append({"part": part, "i": i, **{k: run.final[k] for k in ("test_error", "t2_error", "t1_error", "test_cost") if k in run.final}, **{k: v for k, v in run.final.items() if k.startswith(("input_noise", "hidden_noise", "l2")) and "/" not in k}})
    return figure, pd.DataFrame(rows), "x"


if __name__ == "__main__":
    sys.exit(main(FigureScript("fig4", "x", setups.runs, draw, setups.reruns)))
