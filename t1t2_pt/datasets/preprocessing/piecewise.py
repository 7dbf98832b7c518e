"""Images, piece by piece: what is computed from them fits into memory beside them."""

from collections.abc import Iterator

PIECE = 4096  # images


def pieces(samples: int) -> Iterator[slice]:
    """Slices that make up so many samples."""
    for start in range(0, samples, PIECE):
        yield slice(start, start + PIECE)
