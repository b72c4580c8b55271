"""What the axes of an array of images mean, and how an image is taken out of it.

Axes are written as letters: Y rows, X columns, C channels, P the pixels of a flattened square
image; any other letter counts images. The images come first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError, UnclearImagesError
from tvae_core.images.limits import check_pixels
from tvae_core.images.stack import StackForm, Wanted

_WITHIN = "YXCP"
_FEW = (2, 3, 4)  # what an axis of channels may count
_SMALLEST_SIDE = 8  # of a flattened image that is recognised
_LONG = 4  # times longer than high: rows of flattened images, not one picture


@dataclass(frozen=True)
class Layout:
    """Where the pixels of an array's images are.

    Parameters
    ----------
    form : StackForm
        Of the images that come out.
    lead : tuple of int
        Lengths of the axes that count images, () for a single one.
    block : tuple of int
        Lengths of the axes of one image as it lies in the array.
    axes : str
        Their letters.
    channels : tuple of int
        Which channels are taken, () for the only one.
    remark : str
        What the user should know of the reading.
    """

    form: StackForm
    lead: tuple[int, ...]
    block: tuple[int, ...]
    axes: str
    channels: tuple[int, ...] = ()
    remark: str = ""

    @property
    def block_bytes(self) -> int:
        """Bytes of one image as it lies in the array."""
        return math.prod(self.block) * self.form.dtype.itemsize

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remark, if there is one."""
        return (self.remark,) if self.remark else ()

    def images(self, blocks: NDArray[Any]) -> NDArray[Any]:
        """Return blocks (n, *block) as images (n, H, W) or (n, H, W, 3)."""
        if "P" in self.axes:
            return blocks.reshape(len(blocks), *self.form.image_shape)
        order = [self.axes.index(letter) + 1 for letter in "YXC" if letter in self.axes]
        pixels = np.transpose(blocks, (0, *order))
        if "C" not in self.axes:
            return pixels
        chosen = self.channels or (0,)
        return pixels[..., chosen[0]] if len(chosen) == 1 else pixels[..., list(chosen)]


def layout_of(
    where: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    wanted: Wanted = Wanted(),  # noqa: B008 - a tuple of words
    labelled: int = 0,
) -> Layout:
    """Return the layout of an array, by the user's axes or by its shape.

    (N, H, W), (N, H, W, 1) and (N, 1, H, W) are grey, (N, H, W, 3) and (N, 3, H, W) are colour;
    (H, W) and (H, W, 3) are one image, and (N, H * H) are flattened ones where it is much longer
    than high or has `labelled` labels, one a row.

    Raises
    ------
    ImageFileError
        Pixels that are not real numbers, a shape that is no images or may be read in two ways,
        axes or channels that do not fit.
    """
    check_pixels(where, dtype)
    axes = wanted.axes.upper() or _guessed(where, shape, wanted, labelled)
    first = _checked(where, shape, axes)
    lead, block, letters = shape[:first], shape[first:], axes[first:]
    remark = ""
    if len(shape) == 2 and axes == "YX" and not wanted.axes and _is_square(shape[1]):
        remark = "read as one picture; if its rows are flattened images, set data.axes=NP"
    if "P" in letters:
        side = math.isqrt(block[0])
        if side * side != block[0]:
            what = f"rows of {block[0]} values are not square images"
            raise ImageFileError(what, where, "reshape them to (N, H, W)")
        height = width = side
        if not wanted.axes:
            remark = f"rows of {block[0]} values are read as images of {side} x {side} pixels"
    else:
        height, width = block[letters.index("Y")], block[letters.index("X")]
    channels = _channels(where, block[letters.index("C")] if "C" in letters else 1, axes, wanted)
    count = math.prod(lead)
    form = StackForm(count, height, width, 3 if len(channels) == 3 else 1, dtype)
    return Layout(form, lead, block, letters, channels, remark)


def chosen_channels(where: Path, wanted: Wanted, there: int) -> tuple[int, ...]:
    """Return the channels, from 0, that the user named, () when none.

    Raises
    ------
    ImageFileError
        There is no such channel.
    """
    numbers = [int(word) for word in wanted.channel.split(",") if word.strip()]
    for number in numbers:
        if not 1 <= number <= there:
            what = f"data.channel: no channel {number}, there are {there}"
            raise ImageFileError(what, where, "channels count from 1")
    return tuple(number - 1 for number in numbers)


def too_many_channels(where: Path, there: int, axes: str) -> ImageFileError:
    """Return the error of images with other than one or three channels."""
    what = f"its images have {there} channels (axes {axes}), and 1 or 3 are read"
    todo = "set data.channel to one, such as 1, or to three as red, green, blue, such as 1,2,3"
    return UnclearImagesError(what, where, todo)


def _channels(where: Path, there: int, axes: str, wanted: Wanted) -> tuple[int, ...]:
    chosen = chosen_channels(where, wanted, there)
    if chosen or there == 1:
        return chosen
    if there == 3:
        return (0, 1, 2)
    raise too_many_channels(where, there, axes)


def _checked(where: Path, shape: tuple[int, ...], axes: str) -> int:
    """Return how many of the axes count images, after checking that the letters make sense."""
    within = [letter for letter in axes if letter in _WITHIN]
    first = len(axes) - len(within)
    says_image = sorted(letter for letter in within if letter != "C") in (["X", "Y"], ["P"])
    ordered = all(letter in _WITHIN for letter in axes[first:])
    if len(axes) != len(shape) or len(set(axes)) != len(axes) or not says_image or not ordered:
        raise ImageFileError(
            f"data.axes={axes} does not fit an array of shape {shape}",
            where,
            "give one letter per axis, images first, such as NYX, NCYX, NYXC or NP",
        )
    if "P" in within and "C" in within:
        raise ImageFileError("flattened images with channels are not read", where, "reshape them")
    return first


def _guessed(where: Path, shape: tuple[int, ...], wanted: Wanted, labelled: int) -> str:
    """Return the axes that a shape speaks for."""
    if len(shape) == 2:
        return _two(where, shape, labelled)
    if len(shape) == 3 and shape[2] in _FEW and min(shape[:2]) > max(_FEW):
        if shape[2] != 3 and not wanted.channel:
            what = f"an array of shape {shape} looks like one picture with channels last"
            todo = "set data.axes=YXC and data.channel, or data.axes=NYX if it is many images"
            raise UnclearImagesError(what, where, todo)
        return "YXC"
    if len(shape) == 3:
        return "NYX"
    if len(shape) == 4 and shape[3] in (1, 3):
        return "NYXC"
    if len(shape) == 4 and shape[1] in (1, 3):
        return "NCYX"
    if len(shape) == 4 and (shape[3] in _FEW) != (shape[1] in _FEW):
        return "NYXC" if shape[3] in _FEW else "NCYX"
    raise UnclearImagesError(
        f"an array of shape {shape} is not a stack of images",
        where,
        "save it as (N, H, W) or (N, H, W, 3), or name its axes, such as data.axes=NTYX",
    )


def _two(where: Path, shape: tuple[int, ...], labelled: int) -> str:
    height, width = shape
    of_rows = labelled == height > 1
    if _is_square(width) and (of_rows or width > _LONG * height > _LONG or height > _LONG * width):
        return "NP"
    if of_rows or width > _LONG * _LONG * height > _LONG * _LONG:
        raise UnclearImagesError(
            f"{height:,} rows of {width:,} values look like flattened images",
            where,
            "reshape them to (N, H, W), or set data.axes=YX if it is one picture",
        )
    return "YX"


def _is_square(values: int) -> bool:
    side = math.isqrt(values)
    return side * side == values and side >= _SMALLEST_SIDE
