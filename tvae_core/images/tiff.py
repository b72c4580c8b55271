"""TIFF stacks, one page an image, compressed or not."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.images.arrays import stack_form
from tvae_core.images.limits import DECODING_ERRORS, check_pixels, check_size
from tvae_core.images.raw import FileBytes, RawStack
from tvae_core.images.stack import ImageStack, StackForm, Wanted

# Its complaints would go to the terminal; what matters is raised here.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_PALETTE = 3
_PLANAR = 2
_DAMAGE = (*DECODING_ERRORS, tifffile.TiffFileError)


class TiffStack(ImageStack):
    """The pages of a TIFF file; made by `open_tiff`."""

    def __init__(self, path: Path, file: Any, form: StackForm) -> None:
        super().__init__(path, "TIFF", form)
        self._file = file

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        images = np.empty((len(indices), *self.form.image_shape), self.form.dtype)
        for place, index in enumerate(indices.tolist()):
            images[place] = self._page(index)
        return images

    def _page(self, index: int) -> NDArray[Any]:
        try:
            page = self._file.pages[index]
            pixels = np.asarray(page.asarray(maxworkers=1))
        except _DAMAGE as error:
            what = f"page {index + 1} cannot be decoded: {error}"
            raise ImageFileError(what, self.path) from error
        if self.channels == 3 and page.planarconfig == _PLANAR:
            pixels = np.moveaxis(pixels, 0, -1)
        return pixels[..., :3] if self.channels == 3 else pixels.reshape(self.form.image_shape)


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
        return _contiguous(path, file) or TiffStack(path, file, _form(path, file))
    except ImageFileError:
        file.close()
        raise
    except _DAMAGE as error:
        file.close()
        raise ImageFileError(f"damaged TIFF file: {error}", path) from error


def _form(path: Path, file: Any) -> StackForm:
    """Return the common form of all pages, each checked against the file's size."""
    if not len(file.pages):
        raise ImageFileError("holds no images", path)
    _check_page_list(path, file)
    size = path.stat().st_size
    first = _page_form(path, file.pages[0], 1)
    for number, page in enumerate(file.pages, 1):
        form = _page_form(path, page, number)
        if form != first:
            raise ImageFileError(
                f"mixed sizes or types: page 1 is {_describe(first)}, page {number} is "
                f"{_describe(form)}",
                path,
            )
        ends = zip(page.dataoffsets, page.databytecounts, strict=False)
        if any(offset + count > size for offset, count in ends):
            raise ImageFileError(f"truncated: page {number} goes beyond its {size} bytes", path)
    return StackForm(len(file.pages), first.height, first.width, first.channels, first.dtype)


def _check_page_list(path: Path, file: Any) -> None:
    """Refuse a chain of pages that does not end with the empty link: tifffile drops the rest."""
    with open(path, "rb") as stream:
        stream.seek(file.pages.next_page_offset)
        link = stream.read(file.tiff.offsetsize)
    if len(link) < file.tiff.offsetsize or any(link):
        raise ImageFileError(
            f"truncated: its list of pages breaks off after page {len(file.pages)}", path
        )


def _page_form(path: Path, page: Any, number: int) -> StackForm:
    if page.photometric == _PALETTE:
        raise ImageFileError(f"page {number} has palette colours", path, "save it as grey or RGB")
    if page.dtype is None:
        raise ImageFileError(f"page {number} has pixels of an unknown type", path)
    check_pixels(path, page.dtype)
    samples = page.samplesperpixel
    if samples not in (1, 3, 4) or page.imagedepth != 1:
        raise ImageFileError(f"page {number} has {samples} channels, 1 or 3 are read", path)
    check_size(path, 1, page.imagelength, page.imagewidth)
    channels = 1 if samples == 1 else 3
    return StackForm(1, page.imagelength, page.imagewidth, channels, page.dtype)


def _contiguous(path: Path, file: Any) -> RawStack | None:
    """Return the stack when one page's header stands for many images, as ImageJ writes."""
    if len(file.pages) != 1 or not file.is_imagej:
        return None
    series = file.series[0]
    shape = tuple(side for side in series.shape if side != 1)
    if len(shape) != 3 or series.dataoffset is None or shape[1:] != series.pages[0].shape:
        return None
    form = stack_form(path, shape, series.dtype.newbyteorder(file.byteorder))
    source = FileBytes(path)
    if series.dataoffset + form.count * form.image_bytes > source.size:
        source.close()
        raise ImageFileError("truncated: its images go beyond the end of the file", path)
    file.close()
    return RawStack(path, "TIFF", form, source, series.dataoffset)


def _describe(form: StackForm) -> str:
    return f"{form.height} x {form.width} {form.dtype} with {form.channels} channel(s)"
