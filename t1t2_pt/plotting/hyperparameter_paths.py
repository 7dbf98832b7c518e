"""Where the hyperparameters of a tuned run began and ended, as a text in tables and as numbers again."""

from t1t2_pt.regularizers import HYPERPARAMETERS
from t1t2_pt.regularizers.levels import Level
from t1t2_pt.runs.record import StoredRun

Ends = tuple[tuple[float, ...], tuple[float, ...]]  # at the start and at the end, a number for each layer


def path_text(run: StoredRun) -> str:
    """What T1-T2 did to its hyperparameters: `n0 0.53 to 0.31; l2 1e-05 to 0.0012, 0.0009`."""
    return "; ".join(
        f"{HYPERPARAMETERS[name].symbol} {_numbers(run.config.level(name))} to {_numbers(run.final_level(name))}"
        for name in run.config.tune
    )


def read_path(text: str) -> dict[str, Ends]:
    """The inverse of `path_text`, to three digits, by symbol.

    Raises
    ------
    ValueError
        If the text is another.
    """
    found = {}
    for part in text.split("; "):
        symbol, _, levels = part.partition(" ")
        start, _, end = levels.partition(" to ")
        found[symbol] = _read(start), _read(end)
    return found


def _read(numbers: str) -> tuple[float, ...]:
    return tuple(float(number) for number in numbers.split(", "))


def _numbers(level: Level | None) -> str:
    """One number where all are alike."""
    values = level if isinstance(level, tuple) else (level,)
    return ", ".join(f"{value:.3g}" for value in (values[:1] if len(set(values)) == 1 else values))
