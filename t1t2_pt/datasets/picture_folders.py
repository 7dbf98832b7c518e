"""A folder of pictures with a folder for each class, as image datasets are often kept."""

import os
from pathlib import Path

import numpy as np

from t1t2_pt.datasets.own_labels import shown
from t1t2_pt.system.errors import InputError, reason
from t1t2_pt.system.reading import open_image

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm")
GREY = ("1", "L", "LA", "I", "I;16", "F")  # Pillow's modes of one channel


def labelled_pictures(folder: Path, needs_labels: bool = True) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """All pictures below a folder.

    Parameters
    ----------
    needs_labels
        Whether there must be a folder for each class; else the pictures may lie in the folder itself.

    Returns
    -------
    uint8 [samples, height, width, 1 or 3], the names of their folders [samples] (None where they lie in the folder
    itself), and their own names below it.

    Raises
    ------
    InputError
        If there are none, one cannot be read, or their sizes differ.
    """
    try:
        inside = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not _hidden(entry.name))
        classes = {name: _pictures(folder / name) for name in inside}
        alone = _pictures(folder)
    except OSError as error:
        raise InputError("data", str(folder), f"cannot be read ({reason(error)})", "name another folder") from None
    classes = {name: files for name, files in classes.items() if files}
    if not classes and (needs_labels or not alone):
        problem = "has no folders with pictures" if needs_labels else "has no pictures"
        raise InputError(
            "data", str(folder), problem, f"put pictures ({', '.join(ENDINGS[:3])}, ...) in a folder a class"
        )
    if classes and alone and needs_labels:
        problem = f"has pictures outside of folders, such as {shown(alone[:1])}"
        raise InputError("data", str(folder), problem, "put each into the folder of its class")
    if classes:
        paths = [Path(name) / file for name, files in classes.items() for file in files]
        labels = np.array([name for name, files in classes.items() for _ in files])
        return _read(folder, paths), labels, tuple(map(str, paths))
    return _read(folder, [Path(file) for file in alone]), None, tuple(alone)


def _hidden(name: str) -> bool:
    return name.startswith((".", "__"))


def _pictures(folder: Path) -> list[str]:
    files = [entry.name for entry in os.scandir(folder) if entry.is_file() and not _hidden(entry.name)]
    return sorted(name for name in files if name.lower().endswith(ENDINGS))


def _read(folder: Path, paths: list[Path]) -> np.ndarray:
    """The pictures, grey where all are."""
    read = [_pixels(folder / path) for path in paths]
    sizes: dict[tuple[int, ...], Path] = {}
    for pixels, path in zip(read, paths, strict=True):
        sizes.setdefault(pixels.shape[:2], path)
    if len(sizes) > 1:
        told = ", ".join(f"{path} {width}x{height}" for (height, width), path in list(sizes.items())[:3])
        raise InputError("data", str(folder), f"has pictures of {len(sizes)} sizes ({told})", "bring them to one size")
    channels = max(pixels.shape[2] for pixels in read)
    return np.stack([np.broadcast_to(pixels, (*pixels.shape[:2], channels)) for pixels in read])


def _pixels(path: Path) -> np.ndarray:
    """uint8 [height, width, 1 or 3]; what is transparent lies on black."""
    try:
        with open_image(path) as image:
            grey = image.mode in GREY
            if image.mode in ("I", "I;16", "F"):
                raise ValueError("has more than 256 levels of grey")
            return np.array(image.convert("L" if grey else "RGB")).reshape(image.height, image.width, -1)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises nearly anything
        raise InputError("data", str(path), f"cannot be read as a picture ({reason(error)})", "replace it") from None
