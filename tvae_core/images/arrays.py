"""Which array of a file that holds several is the images."""

from __future__ import annotations

from pathlib import Path

from tvae_core.errors import ImageFileError, UnclearImagesError
from tvae_core.images import labels
from tvae_core.words import listed


def pick_images(where: Path, shapes: dict[str, tuple[int, ...]], wanted: str) -> str:
    """Return the name of the array that holds the images.

    Parameters
    ----------
    where : Path
    shapes : dict
        Shape of each array of numbers.
    wanted : str
        The name the user gave; empty chooses the only array of 3 or 4 dimensions, or the only
        one of 2 when there is none of 3 or 4.

    Raises
    ------
    ImageFileError
        No such array, none that is like images, or several.
    """
    known = listed(f"{name} {shape}" for name, shape in shapes.items())
    if wanted:
        if wanted.strip("/") in shapes:
            return wanted.strip("/")
        raise ImageFileError(f"no data set {wanted!r}", where, f"has {known or 'none'}")
    shapes = {name: shape for name, shape in shapes.items() if not _is_label(name)}
    stacks = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
    for dimensions in (5, 2):
        stacks = stacks or [name for name, shape in shapes.items() if len(shape) == dimensions]
    found = stacks
    if not found:
        raise ImageFileError("holds no images", where, f"has {known or 'no arrays'}")
    if len(found) > 1:
        todo = f"choose one with data.dataset: {listed(found)}"
        raise UnclearImagesError("several data sets may be the images", where, todo)
    return found[0]


def _is_label(name: str) -> bool:
    return name.lower().rpartition("/")[2] in labels.NAMES
