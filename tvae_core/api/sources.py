"""Images as Python has them: an array, a path or an opened stack, as the file a run reads."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.files import atomic_write
from tvae_core.images.stack import ImageStack

Images = str | PathLike[str] | NDArray[Any] | Sequence[Any] | ImageStack


class Source(NamedTuple):
    """Where images lie, and what has to be said of their axes.

    Parameters
    ----------
    path : Path
    axes : str
        Letters of the axes of an array that came from Python; empty for files.
    written : bool
        Whether the file was made here.
    """

    path: Path
    axes: str = ""
    written: bool = False


def as_source(images: Images, target: Path) -> Source:
    """Return the file that holds `images`; an array is written to `target`, an `.npy`.

    Raises
    ------
    ImageFileError
        They are no images, or a stack that has no file of its own.
    """
    if isinstance(images, (str, PathLike)):
        return Source(Path(images).expanduser().absolute())
    if isinstance(images, ImageStack):
        if not images.path.exists():
            raise ImageFileError("the stack's file is gone", images.path, "pass its new path")
        return Source(images.path.absolute())
    array = as_array(images)
    with atomic_write(target) as part, open(part, "wb") as stream:
        np.save(stream, array, allow_pickle=False)
    return Source(target.absolute(), _axes(array), True)


def as_array(images: Any) -> NDArray[Any]:
    """Return images of Python, (N, H, W), (N, H, W, 3) or (N, pixels), as one array of numbers.

    Raises
    ------
    ImageFileError
        They are of several sizes, or no real numbers, or not that many dimensions.
    """
    try:
        array = np.asarray(images)
    except ValueError:  # rows of different lengths
        array = np.empty(0, dtype=object)
    if array.dtype.kind == "O" and isinstance(images, (list, tuple)):
        shapes = {np.shape(image) for image in images}
        sizes = ", ".join(str(shape) for shape in sorted(shapes, key=str)[:3])
        raise ImageFileError(
            f"images of several sizes: {sizes}", "", "crop or pad them to one size"
        )
    if array.dtype.kind not in "biuf":
        raise ImageFileError(f"not an array of real numbers, but of {array.dtype}")
    if array.ndim not in (2, 3, 4) or not array.size:
        todo = "give (N, H, W), (N, H, W, 3), or (N, pixels) of square images"
        raise ImageFileError(f"not images: an array of shape {array.shape}", "", todo)
    return array.astype(np.uint8) if array.dtype.kind == "b" else array


def _axes(array: NDArray[Any]) -> str:
    """Return the axes of an array of Python, which has no file whose form could say otherwise."""
    if array.ndim == 4:
        return "NYXC" if array.shape[-1] in (1, 3, 4) else "NCYX"
    return {2: "NP", 3: "NYX"}[array.ndim]
