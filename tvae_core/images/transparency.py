"""Pictures with an alpha channel: what they are drawn on, or whether it is the image itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tvae_core import words

CLEAR = ("RGBA", "RGBa", "LA", "La", "PA")
_JUDGED = 16  # pictures that the background is judged by
_DARK = 96  # of 255: where nothing visible is brighter, it is drawn on white
_ONE_COLOUR = 4  # of 255: visible colours that differ by no more are one
_LUMA = (0.299, 0.587, 0.114)


class Behind(NamedTuple):
    """How transparency is read.

    Parameters
    ----------
    seen : bool
        Something is transparent.
    background : int
        What transparent pixels are drawn on: 0 black, 1 white.
    is_image : bool
        All that is visible has one colour, so the transparency itself is the image.
    """

    seen: bool = False
    background: int = 0
    is_image: bool = False

    def remark(self, pictures: int) -> str:
        """Return what was done to so many pictures."""
        said = words.count(pictures, "picture")
        if self.is_image:
            return f"all that is visible has one colour: the transparency of {said} is the image"
        shade = "white" if self.background else "black"
        return f"transparent pixels of {said} are drawn on {shade}"


def is_clear(picture: Image.Image) -> bool:
    """Return whether a picture has an alpha channel, or a transparent colour."""
    return picture.mode in CLEAR or (picture.mode == "P" and "transparency" in picture.info)


def behind(
    clear: list[Path],
    all_clear: bool,
    opened: Callable[[Path], AbstractContextManager[Image.Image]],
) -> Behind:
    """Judge a few of the pictures that have an alpha channel, spread over all of them.

    The transparency is the image where every picture has one and what is visible of all has one
    colour. Else they are drawn on white where nothing visible is bright, on black otherwise.
    """
    transparent, darkest, brightest, bright = False, np.full(3, 255), np.zeros(3, int), 0.0
    for file in _spread(clear):
        with opened(file) as picture:
            whole = np.asarray(picture.convert("RGBA"))
        seen = whole[..., :3][whole[..., 3] > 0].astype(int)
        transparent |= bool((whole[..., 3] < 255).any())
        if seen.size:
            darkest = np.minimum(darkest, seen.min(axis=0))
            brightest = np.maximum(brightest, seen.max(axis=0))
            bright = max(bright, float(np.percentile(seen @ _LUMA, 95)))
    one_colour = bool((brightest - darkest).max() <= _ONE_COLOUR)
    return Behind(
        transparent, int(transparent and bright < _DARK), transparent and all_clear and one_colour
    )


def _spread(files: list[Path]) -> Iterable[Path]:
    places = np.unique(np.linspace(0, len(files) - 1, min(len(files), _JUDGED)).astype(int))
    return (files[place] for place in places.tolist())
