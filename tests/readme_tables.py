"""README's tables as they follow from committed files, for a test that holds them together.

`python tests/readme_tables.py` prints them.
"""

import csv
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = "| claim | the paper's own points | ours, quick | ours, laptop |"
PRESETS = ("published", "quick", "laptop")
ONE, OTHER = "MNIST, input noise and L2", "MNIST, input and hidden noise"
STAND_IN = {"published": "SVHN", "quick": "digits-on-photos", "laptop": "SVHN"}
CLAIMS = (  # with the data that README shows them on, where not MNIST
    ("hypergradients cost about 3 times a backpropagation", "jax, cpu"),
    ("one hyperparameter step in ten adds about 30% to training", "jax, cpu"),
    ("all runs converge to a reasonable set of hyperparameters, whatever the start", ONE),
    ("all runs converge to a reasonable set of hyperparameters, whatever the start", OTHER),
    ("the resulting regularisation levels are within the optimal regions", ONE),
    ("the resulting regularisation levels are within the optimal regions", OTHER),
    ("no model with hyperparameters that T1-T2 found performs poorly, whatever the start", "MNIST"),
    ("T1-T2 improves on the initial hyperparameters", "MNIST"),
    ("the improvement is largest where the start was far off", "MNIST"),
    ("T1-T2 removes most of the error that poor hyperparameters cost", "MNIST"),
    ("the T1-T2 run and its rerun correlate strongly (weak hysteresis)", "MNIST"),
    ("in most cases the rerun is somewhat better than the T1-T2 run", "MNIST"),
    ("validation error predicts test error, though T2 tuned the hyperparameters", "MNIST"),
    ("T1-T2 prevents otherwise strong overfitting", STAND_IN),
    ("the L2 penalty always ends up stronger for the higher layers", STAND_IN),
    ("the input noise tends to rise first and to fall later", STAND_IN),
    ("the lowest test error and the highest test log-likelihood are at different hyperparameters", ONE),
    ("the step size does not significantly influence where a hyperparameter converges to", "MNIST"),
    ("one hyperparameter step in ten serves as well as one in every step", "MNIST"),
)


def claims() -> str:
    """The rows of `figures/claims.csv` that README shows."""
    with (ROOT / "figures" / "claims.csv").open(newline="") as stream:
        rows = {(row["claim"], row["preset"], row["data"]): row for row in csv.DictReader(stream)}
    lines = [HEADER, "| --- | --- | --- | --- |"]
    for claim, data in CLAIMS:
        of_preset = data if isinstance(data, dict) else dict.fromkeys(PRESETS, data)
        found = {preset: rows.get((claim, preset, of_preset[preset])) for preset in PRESETS}
        if (claim, "any", data if isinstance(data, str) else "") in rows:
            row = rows[claim, "any", data]
            told = [row["paper"], _said(row), "the same"]
        else:
            told = [_said(row) if row is not None else "–" for row in found.values()]
        title = f"{claim} ({data.partition(', ')[2]})" if data in (ONE, OTHER) else claim
        lines.append(f"| {title} | {' | '.join(told)} |")
    return "\n".join(lines)


def _said(row: dict[str, str]) -> str:
    return f"{row['ours'].partition(';')[0]}: {row['verdict']}"


def overheads() -> str:
    """What README says of `benchmarks/step.json`, which the plot above it shows."""
    table = json.loads((ROOT / "benchmarks" / "step.json").read_text())
    ours, by_hand = (f"{table['overhead'][name]:.1%}" for name in ("ours_jax", "handwritten_jax"))
    ratio = table["t1t2_ms"]["ours_jax"] / table["t1t2_ms"]["handwritten_jax"]
    return (
        f"One hyperparameter step in ten makes training {ours} longer here, {by_hand} in JAX by hand; "
        f"a T1+T2 step takes {ratio:.2f} of the time of JAX by hand"
    )


if __name__ == "__main__":
    print(claims(), overheads(), sep="\n")
