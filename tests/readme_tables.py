"""README's tables as they follow from committed files, for a test that holds them together.

`python tests/readme_tables.py` prints them.
"""

import csv
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = "| claim | the paper | ours, quick | ours, laptop |"
CLAIMS = (
    "hypergradients cost about 3 times a backpropagation",
    "one hyperparameter step in ten adds about 30% to training",
    "no model with hyperparameters that T1-T2 found performs poorly, whatever the start",
    "T1-T2 improves on the initial hyperparameters",
    "the T1-T2 run and its rerun correlate strongly (weak hysteresis)",
    "validation error predicts test error, though T2 tuned the hyperparameters",
    "the lowest test error and the highest test log-likelihood are at different hyperparameters",
    "the L2 penalty always ends up stronger for the higher layers",
    "one hyperparameter step in ten serves as well as one in every step",
)
OTHER_DATA = "digits-on-photos"


def claims() -> str:
    """The rows of `figures/claims.csv` that README shows, of MNIST."""
    with (ROOT / "figures" / "claims.csv").open(newline="") as stream:
        rows = {(row["claim"], row["preset"]): row for row in csv.DictReader(stream) if row["data"] != OTHER_DATA}
    lines = [HEADER, "| --- | --- | --- | --- |"]
    for claim in CLAIMS:
        found = [rows.get((claim, preset), rows.get((claim, "any"))) for preset in ("quick", "laptop")]
        quick, laptop = (f"{row['ours'].partition(';')[0]}: {row['verdict']}" for row in found)
        lines.append(f"| {claim} | {found[0]['paper']} | {quick} | {laptop if laptop != quick else 'the same'} |")
    return "\n".join(lines)


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
