"""Large images of many objects, read as a stack of boxes cut about the objects found in them."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tvae_core import words
from tvae_core.config import DataConfig
from tvae_core.errors import ImageFileError
from tvae_core.images.stack import ImageStack, Sources, StackForm, StackNotes
from tvae_core.particles.described import Categories

if TYPE_CHECKING:
    from tvae_core.images.picking import Found

_LARGE_FIELD = 1024  # px: images of a stack that are larger may hold many objects each
_ONE_FIELD = 128  # px: a single image that is larger can only be of many
_TRIED = 3  # of several images are looked at to tell whether they hold many objects
_FEWEST = 10  # objects in a single image that a space can be learned from
_FEWEST_EACH = 4  # in the median image of several: fewer, and each shows one object
_OF_FIELD = 0.25  # of an image's side: a larger object is what the image shows
_SMALLEST_BOX = 16
CHANGE_BOX = "another size: --box-px"


class Picked(NamedTuple):
    """What was found in large images and how it is cut out.

    Parameters
    ----------
    field : (N,) int64
        Which of the large images each object lies in.
    corner : (N, 2) int64
        (row, column) of the first pixel of its box.
    centre : (N, 2) float64
        (row, column) of its place, in pixels from the centre of the image's first pixel.
    score : (N,) float64
        How far it stands out, in deviations of the background.
    box_px, diameter_px : int, float
    fields, at_edge : int
        Large images; objects left out as their boxes leave the image.
    """

    field: NDArray[np.int64]
    corner: NDArray[np.int64]
    centre: NDArray[np.float64]
    score: NDArray[np.float64]
    box_px: int
    diameter_px: float
    fields: int
    at_edge: int

    @property
    def words(self) -> str:
        """What was found, which box is cut, and how to change it."""
        of = words.count(self.fields, "large image")
        found = f"{words.count(len(self.field), 'object')} about {self.diameter_px:.0f} px wide"
        verb = "was" if len(self.field) == 1 else "were"
        edge = f", {self.at_edge:,} more at the edge left out" if self.at_edge else ""
        return f"{found} {verb} found in {of}{edge}"


class BoxedStack(ImageStack):
    """The boxes about the objects of larger images; made by `boxes_of`."""

    def __init__(self, fields: ImageStack, picked: Picked, box_is_given: bool) -> None:
        form = StackForm(
            len(picked.field), picked.box_px, picked.box_px, fields.channels, fields.dtype
        )
        cut = f"{picked.words}; boxes of {picked.box_px} px are cut ({CHANGE_BOX})"
        said = () if box_is_given else (cut,)
        notes = StackNotes(fields.pixel_size_angstrom, remarks=(*said, *fields.remarks))
        super().__init__(fields.path, f"objects of {fields.kind}", form, notes)
        self.fields, self._picked = fields, picked
        self._held: tuple[int, NDArray[np.float32]] | None = None

    @property
    def picked(self) -> Picked | None:
        """What was found in the large images."""
        return self._picked

    def described(self) -> dict[str, NDArray[Any] | Categories]:
        """Return where each object lies, and in which of several images."""
        found = self._picked
        columns: dict[str, NDArray[Any] | Categories] = {
            "column_px": found.centre[:, 1], "row_px": found.centre[:, 0], "pick_score": found.score
        }  # fmt: skip
        return columns | ({"field": found.field} if found.fields > 1 else {})

    def field_names(self) -> list[str]:
        """Return how each large image is named: its file, of several `number@file` from 1."""
        files, file_index, place = self.fields.sources()
        several = len(self.fields) > len(set(file_index.tolist()))
        names = [files[file] for file in file_index.tolist()]
        if not several:
            return names
        return [f"{n + 1:06d}@{name}" for n, name in zip(place.tolist(), names, strict=True)]

    def close(self) -> None:
        """Close the large images."""
        self._held = None
        self.fields.close()

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        images = np.empty((len(indices), *self.form.image_shape), np.float32)
        box = self._picked.box_px
        for number in np.unique(self._picked.field[indices]).tolist():
            field = self._field(number)
            for place in np.flatnonzero(self._picked.field[indices] == number).tolist():
                row, column = self._picked.corner[indices[place]].tolist()
                images[place] = field[row : row + box, column : column + box]
        return images

    def _field(self, number: int) -> NDArray[np.float32]:
        if self._held is None or self._held[0] != number:
            self._held = (number, self.fields.read([number])[0])
        return self._held[1]

    def pixel_files(self) -> list[Path]:
        """Return the files of the large images."""
        return self.fields.pixel_files()

    def sources(self) -> Sources:
        """Return the file of each object's image, and its number among all objects."""
        files, file_index, _ = self.fields.sources()
        number = np.arange(len(self), dtype=np.int64)
        return Sources(files, file_index[self._picked.field], number)


def boxes_of(stack: ImageStack, data: DataConfig) -> ImageStack:
    """Return the boxes about the objects of large images; the stack itself where it has none.

    Whether images hold many objects is told by `data.pick`, or else by what is found in them: a
    single image must, and of several large ones three are looked at.

    Raises
    ------
    ImageFileError
        A single image, or images said to hold many objects, show hardly any; they cannot be read.
    """
    sides = (stack.height, stack.width)
    cut_already = stack.table is not None or max(sides) <= data.box_px
    if data.pick == "no" or cut_already or not (data.pick == "yes" or _may_hold_many(stack)):
        return stack
    alone = data.pick == "yes" or len(stack) == 1
    if not alone and not _hold_many(stack):
        return stack
    picked = _picked(stack, data.box_px)
    if len(picked.field) < _FEWEST and alone:
        raise _too_few(stack, picked)
    return stack if len(picked.field) < _FEWEST else BoxedStack(stack, picked, data.box_px > 0)


def _may_hold_many(stack: ImageStack) -> bool:
    side = min(stack.height, stack.width)
    return side > (_ONE_FIELD if len(stack) == 1 else _LARGE_FIELD)


def _hold_many(stack: ImageStack) -> bool:
    some = np.unique(np.linspace(0, len(stack) - 1, _TRIED).astype(int))
    found = [_found(stack, int(number)) for number in some]
    side = min(stack.height, stack.width)
    many = [len(one) for one in found if len(one) and one.diameter_px < _OF_FIELD * side]
    return len(many) > len(found) / 2 and float(np.median(many)) >= _FEWEST_EACH


def _picked(stack: ImageStack, box_px: int) -> Picked:
    from tvae_core.images.picking import BOX_OVER_OBJECT

    found = [_found(stack, number) for number in range(len(stack))]
    widths = [one.diameter_px for one in found if len(one)]
    diameter = float(np.median(widths)) if widths else math.nan
    side = min(stack.height, stack.width)
    wanted = 2 * math.ceil(BOX_OVER_OBJECT * diameter / 2) if widths else _SMALLEST_BOX
    box = box_px or min(max(wanted, _SMALLEST_BOX), side)
    field = np.repeat(np.arange(len(found), dtype=np.int64), [len(one) for one in found])
    centre = np.concatenate([one.places for one in found])
    score = np.concatenate([one.scores for one in found])
    # the middle of a box of even side lies on the pixel after its middle, as RELION's does
    corner = np.rint(centre).astype(np.int64) - box // 2
    inside = np.all((corner >= 0) & (corner + box <= [stack.height, stack.width]), axis=1)
    return Picked(
        field[inside], corner[inside], centre[inside], score[inside], box, diameter, len(found),
        int((~inside).sum()),
    )  # fmt: skip


def _too_few(stack: ImageStack, picked: Picked) -> ImageFileError:
    count = len(picked.field) + picked.at_edge
    of = "one large image" if picked.fields == 1 else f"{picked.fields:,} large images"
    if not count:
        what = f"{of}, and no objects found: nothing stands out from the background"
    else:
        found = f"only {words.count(count, 'object')} found"
        edge = f", {picked.at_edge} of them too near the edge" if picked.at_edge else ""
        what = f"{of}, and {found}{edge}: too few to learn from"
    todo = "choose an image of many objects, or images of one object each"
    return ImageFileError(what, stack.path, todo)


class _Seen:
    """One image as a key of a cache: its pixels, let go of once its objects are known."""

    def __init__(self, pixels: NDArray[np.float32]) -> None:
        self.pixels = pixels
        data = np.ascontiguousarray(pixels)
        self._key = (pixels.shape, hashlib.blake2b(data.data, digest_size=16).digest())

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Seen) and self._key == other._key


@lru_cache(maxsize=4096)
def _objects_of(image: _Seen) -> Found:
    from tvae_core.images.picking import find_objects  # with scipy, which no other stack needs

    found = find_objects(image.pixels)
    del image.pixels
    return found


def _found(stack: ImageStack, number: int) -> Found:
    return _objects_of(_Seen(stack.read([number])[0]))
