"""TIFF stacks, one page an image, compressed or not."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.images.display import SIDEWAYS, oriented, over, white_is_zero
from tvae_core.images.layout import chosen_channels, layout_of, too_many_channels
from tvae_core.images.limits import DECODING_ERRORS, check_pixels, check_size, needs_imagecodecs
from tvae_core.images.raw import FileBytes, RawStack
from tvae_core.images.stack import ImageStack, StackForm, Wanted

# Its complaints would go to the terminal; what matters is raised here.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_WHITE_IS_ZERO = 0
_PALETTE = 3
_PLANAR = 2
_ORIENTATION = 274
_ALPHA = 2  # not multiplied in yet
_DAMAGE = (*DECODING_ERRORS, tifffile.TiffFileError)


class TiffStack(ImageStack):
    """The pages of a TIFF file; made by `open_tiff`.

    Parameters
    ----------
    planes : (N, K) int64
        Numbers of the pages of each image, one a channel.
    samples : tuple of int
        Which samples of a page are taken, () for the only one.
    """

    def __init__(
        self,
        path: Path,
        file: Any,
        form: StackForm,
        planes: NDArray[np.int64],
        samples: tuple[int, ...],
    ) -> None:
        super().__init__(path, "TIFF", form)
        self._file = file
        self._planes = planes
        self._samples = samples

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        images = np.empty((len(indices), *self.form.image_shape), self.form.dtype)
        for place, index in enumerate(indices.tolist()):
            pages = [self._page(number) for number in self._planes[index].tolist()]
            images[place] = pages[0] if len(pages) == 1 else np.stack(pages, axis=-1)
        return images

    def _page(self, index: int) -> NDArray[Any]:
        try:
            pixels = seen_page(self._file.pages[index])
        except _DAMAGE as error:
            what = f"page {index + 1} cannot be decoded: {error}"
            raise ImageFileError(what, self.path) from error
        if not self._samples:
            return pixels.reshape(self.form.height, self.form.width)
        chosen = pixels[..., list(self._samples)]
        return chosen[..., 0] if len(self._samples) == 1 else chosen


def seen_page(page: Any) -> NDArray[Any]:
    """Return a page (H, W) or (H, W, samples) as it is meant to be seen."""
    try:
        pixels = np.asarray(page.asarray(maxworkers=1))
    except (ValueError, ImportError) as error:  # ImportError: of what newer Pythons bring
        if isinstance(error, ValueError) and "'imagecodecs' package" not in str(error):
            raise
        raise needs_imagecodecs("compressed pages", page.parent.filehandle.path) from None
    form = page.keyframe  # a frame shares the tags of the page that it was written like
    if form.samplesperpixel > 1 and form.planarconfig == _PLANAR:
        pixels = np.moveaxis(pixels, 0, -1)
    if form.photometric == _WHITE_IS_ZERO:
        pixels = white_is_zero(pixels)
    clear = form.samplesperpixel == 4 and tuple(form.extrasamples) == (_ALPHA,)
    if clear and pixels.dtype.kind == "u":
        pixels = over(pixels[..., :3], pixels[..., 3], 0)
    return oriented(pixels, _orientation(form))


def sniff(head: bytes) -> bool:
    """Return whether a file's first bytes are TIFF, plain or BigTIFF."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_tiff(path: Path, wanted: Wanted) -> ImageStack:
    """Open a TIFF file as the stack of its pages; ImageJ's contiguous stacks are understood.

    Raises
    ------
    ImageFileError
        Not TIFF, truncated, pages of mixed sizes or types, palette colours, absurd size.
    """
    try:
        file = tifffile.TiffFile(path)
    except _DAMAGE as error:
        raise ImageFileError(f"not a TIFF file: {error}", path) from error
    try:
        return _contiguous(path, file, wanted) or _paged(path, file, wanted)
    except ImageFileError:
        file.close()
        raise
    except _DAMAGE as error:
        file.close()
        raise ImageFileError(f"damaged TIFF file: {error}", path) from error


def _paged(path: Path, file: Any, wanted: Wanted) -> TiffStack:
    page = _common_form(path, file, wanted)
    planes = _planes(path, file, wanted)
    samples: tuple[int, ...] = ()
    if planes.shape[1] == 1 and page.channels > 1:
        samples = chosen_channels(path, wanted, page.channels) or (0, 1, 2)
    channels = 3 if max(planes.shape[1], len(samples)) == 3 else 1
    form = StackForm(len(planes), page.height, page.width, channels, page.dtype)
    return TiffStack(path, file, form, planes, samples)


def _planes(path: Path, file: Any, wanted: Wanted) -> NDArray[np.int64]:
    """Return the pages of each image, (N, 1), or (N, 3) where colours lie on pages of their own.

    Raises
    ------
    ImageFileError
        Images of other than one or three channels, of which none is chosen.
    """
    pages = np.arange(len(file.pages))[:, None]
    series = file.series[0]
    axes, shape = wanted.axes.upper() or series.axes, series.shape
    if wanted.axes and (len(axes) != len(shape) or "Y" not in axes or "X" not in axes):
        what = f"data.axes={wanted.axes} does not fit its axes {series.axes} of {shape}"
        raise ImageFileError(what, path)
    lead = [pair for pair in zip(axes, shape, strict=False) if pair[0] not in "YXS"]
    sizes = [size for _, size in lead]
    place = next((i for i, (letter, size) in enumerate(lead) if letter == "C" and size > 1), None)
    if place is None or len(file.series) > 1 or math.prod(sizes) != len(pages):
        return pages
    of_images = np.moveaxis(pages.reshape(sizes), place, -1).reshape(-1, sizes[place])
    chosen = chosen_channels(path, wanted, sizes[place])
    if not chosen and sizes[place] != 3:
        raise too_many_channels(path, sizes[place], axes)
    return of_images[:, list(chosen or (0, 1, 2))]


def _common_form(path: Path, file: Any, wanted: Wanted) -> StackForm:
    """Return the form that all pages share, each checked against the file's size."""
    if not len(file.pages):
        raise ImageFileError("holds no images", path)
    _check_page_list(path, file)
    size = path.stat().st_size
    first = _page_form(path, file.pages[0], 1, wanted)
    for number, page in enumerate(file.pages, 1):
        form = _page_form(path, page, number, wanted)
        if form != first:
            raise ImageFileError(
                f"mixed sizes or types: page 1 is {_describe(first)}, page {number} is "
                f"{_describe(form)}",
                path,
            )
        ends = zip(page.dataoffsets, page.databytecounts, strict=False)
        if any(offset + count > size for offset, count in ends):
            raise ImageFileError(f"truncated: page {number} goes beyond its {size} bytes", path)
    return first


def _check_page_list(path: Path, file: Any) -> None:
    """Refuse a chain of pages that does not end with the empty link: tifffile drops the rest."""
    with open(path, "rb") as stream:
        stream.seek(file.pages.next_page_offset)
        link = stream.read(file.tiff.offsetsize)
    if len(link) < file.tiff.offsetsize or any(link):
        raise ImageFileError(
            f"truncated: its list of pages breaks off after page {len(file.pages)}", path
        )


def _page_form(path: Path, page: Any, number: int, wanted: Wanted) -> StackForm:
    if page.photometric == _PALETTE:
        raise ImageFileError(f"page {number} has palette colours", path, "save it as grey or RGB")
    if page.dtype is None:
        raise ImageFileError(f"page {number} has pixels of an unknown type", path)
    check_pixels(path, page.dtype)
    samples = page.samplesperpixel
    if page.imagedepth != 1:
        raise ImageFileError(f"page {number} is a volume of {page.imagedepth} slices", path)
    if samples not in (1, 3, 4) and not wanted.channel:
        raise too_many_channels(path, samples, "YXC")
    height, width = page.imagelength, page.imagewidth
    if _orientation(page) in SIDEWAYS:
        height, width = width, height
    check_size(path, 1, height, width)
    return StackForm(1, height, width, 3 if samples == 4 else samples, page.dtype)


def _orientation(page: Any) -> int:
    tag = page.tags.get(_ORIENTATION)
    return int(tag.value) if tag is not None and isinstance(tag.value, int) else 1


class _WhiteStack(RawStack):
    """A contiguous stack stored with white at zero."""

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        return white_is_zero(super()._read(indices))


def _contiguous(path: Path, file: Any, wanted: Wanted) -> RawStack | None:
    """Return the stack when one page's header stands for many images, as ImageJ writes."""
    if len(file.pages) != 1 or not file.is_imagej:
        return None
    series = file.series[0]
    kept = [(axis, side) for axis, side in zip(series.axes, series.shape, strict=True) if side != 1]
    shape, axes = tuple(side for _, side in kept), "".join(axis for axis, _ in kept)
    page = series.pages[0].shape
    if len(shape) < 3 or series.dataoffset is None or shape[-len(page) :] != page:
        return None
    if axes.endswith("S") and "C" not in axes:
        axes = axes[:-1] + "C"
    dtype = series.dtype.newbyteorder(file.byteorder)
    layout = layout_of(path, shape, dtype, wanted._replace(axes=wanted.axes or axes))
    source = FileBytes(path)
    if series.dataoffset + layout.form.count * layout.block_bytes > source.size:
        source.close()
        raise ImageFileError("truncated: its images go beyond the end of the file", path)
    white = file.pages[0].photometric == _WHITE_IS_ZERO
    file.close()
    kind = _WhiteStack if white else RawStack
    return kind(path, "TIFF", layout.form, source, series.dataoffset, layout=layout)


def _describe(form: StackForm) -> str:
    return f"{form.height} x {form.width} {form.dtype} with {form.channels} channel(s)"
