"""Which arrays are stacks of images, and which are their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.images.limits import check_pixels
from tvae_core.images.stack import StackForm

LABEL_ARRAYS = ("label", "labels", "class", "classes", "target", "targets", "y")
NAME_ARRAYS = ("label_names", "class_names")


def stack_form(where: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> StackForm:
    """Return the images an array holds.

    (N, H, W), (N, H, W, 1) and (N, 1, H, W) are grey, (N, H, W, 3) is colour; (H, W) and
    (H, W, 3) with more than three columns are one image.

    Raises
    ------
    ImageFileError
        Another shape, or pixels that are not real numbers.
    """
    check_pixels(where, dtype)
    colour = len(shape) in (3, 4) and shape[-1] == 3 and (len(shape) == 4 or shape[1] > 3)
    if colour:
        count, height, width = shape[:3] if len(shape) == 4 else (1, *shape[:2])
        return StackForm(count, height, width, 3, dtype)
    if len(shape) == 4 and 1 in (shape[1], shape[3]):
        shape = shape[:3] if shape[3] == 1 else (shape[0], *shape[2:])
    if len(shape) == 2:
        shape = (1, *shape)
    if len(shape) != 3:
        raise ImageFileError(
            f"an array of shape {shape} is no stack of images", where, "save it as (N, H, W)"
        )
    return StackForm(*shape, 1, dtype)


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
    known = ", ".join(f"{name} {shape}" for name, shape in list(shapes.items())[:12])
    if wanted:
        if wanted.strip("/") in shapes:
            return wanted.strip("/")
        raise ImageFileError(f"no data set {wanted!r}", where, f"has {known or 'none'}")
    stacks = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
    found = stacks or [name for name, shape in shapes.items() if len(shape) == 2]
    if not found:
        raise ImageFileError("holds no images", where, f"has {known or 'no arrays'}")
    if len(found) > 1:
        raise ImageFileError(
            "several data sets may be the images", where, f"choose one of {', '.join(found)}"
        )
    return found[0]


def checked_labels(where: Path, labels: NDArray[Any], count: int) -> NDArray[np.int64] | None:
    """Return labels as (N,) int64, None when they are not one whole number an image."""
    if labels.shape not in ((count,), (count, 1)) or labels.dtype.kind not in "buif":
        return None
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.round(labels)):
        return None
    return labels.reshape(count).astype(np.int64)
