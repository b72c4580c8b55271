"""PNG, JPEG, TIFF and other pictures: one, or a folder of them, with one folder a class or none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tvae_core import words
from tvae_core.errors import ImageFileError
from tvae_core.images.display import SIDEWAYS, oriented, over, white_is_zero
from tvae_core.images.fitting import Fit, fit_of, sizes_in_words
from tvae_core.images.layout import chosen_channels
from tvae_core.images.limits import (
    DECODING_ERRORS,
    LARGEST_IMAGE,
    check_expansion,
    needs_imagecodecs,
)
from tvae_core.images.picture_folder import Pictures
from tvae_core.images.stack import ImageStack, Sources, StackForm, StackNotes, Wanted
from tvae_core.images.tiff import seen_page
from tvae_core.images.transparency import Behind, behind, is_clear
from tvae_core.particles.described import Categories

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".pgm", ".ppm")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8")
_GREY = {"1": "u1", "L": "u1", "LA": "u1", "La": "u1", "I": "i4", "F": "f4"}
_GREY |= {"I;16": "u2", "I;16B": "u2", "I;16L": "u2", "I;16N": "u2"}
_EXIF_ORIENTATION = 0x0112
_FEW = 64  # pictures that are looked at to choose how all are fitted
_PHOTOMETRIC, _BITS_A_SAMPLE = 262, 258


class _Form(NamedTuple):
    width: int
    height: int
    channels: int
    dtype: str
    clear: bool = False
    frames: int = 1


class PictureStack(ImageStack):
    """Picture files, one image each, of one size or brought to it; made by `open_pictures`.

    Parameters
    ----------
    channels_taken : tuple of int
        Which of red, green and blue are taken, () for all there are.
    transparency : Behind
        What transparent pixels are drawn on, or that they are the image.
    fit : Fit, optional
        How every picture comes to the size of `form`.
    folders : Categories, optional
        The folder of each picture, where its label says less.
    """

    def __init__(
        self,
        path: Path,
        files: list[Path],
        form: StackForm,
        notes: StackNotes,
        channels_taken: tuple[int, ...] = (),
        transparency: Behind = Behind(),  # noqa: B008 - a tuple of numbers
        fit: Fit | None = None,
        folders: Categories | None = None,
    ) -> None:
        kind = "picture" if path.is_file() else "folder of pictures"
        super().__init__(path, kind, form, notes)
        self._files = files
        self._taken = channels_taken
        self._transparency = transparency
        self._fit = fit
        self._folders = folders

    @property
    def fit(self) -> Fit | None:
        """How pictures of several sizes are brought to one, None where they have one."""
        return self._fit

    def described(self) -> dict[str, NDArray[Any] | Categories]:
        """Return the folder of each picture, where it says more than its label."""
        return {} if self._folders is None else {"folder": self._folders}

    def pixel_files(self) -> list[Path]:
        """Return the pictures."""
        return list(self._files)

    def sources(self) -> Sources:
        """Return each picture's path within the folder."""
        count = len(self)
        root = self.path if self.path.is_dir() else self.path.parent
        files = [file.relative_to(root).as_posix() for file in self._files]
        return Sources(files, np.arange(count, dtype=np.int32), np.zeros(count, np.int64))

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        images = np.empty((len(indices), *self.form.image_shape), np.float32)
        for place, index in enumerate(indices.tolist()):
            images[place] = self._picture(self._files[index])
        return images

    def _picture(self, file: Path) -> NDArray[Any]:
        with _opened(file) as picture:
            colour = self.channels == 3 or bool(self._taken)
            if self._transparency.is_image:
                pixels = _alpha(file, picture)
            else:
                pixels = _pixels(file, picture, colour, self._transparency.background)
        if self._fit is not None:
            pixels = self._fit(pixels)
        if pixels.shape[:2] != (self.height, self.width):
            raise ImageFileError("changed its size while the stack was open", file)
        if not self._taken:
            return pixels
        chosen = pixels[..., list(self._taken)]
        return chosen[..., 0] if len(self._taken) == 1 else chosen


def sniff(head: bytes) -> bool:
    """Return whether a file's first bytes are those of a picture."""
    webp, bmp = head[8:12] == b"WEBP", head[:2] == b"BM" and head[6:10] == bytes(4)
    return head.startswith(_MAGIC) or webp or bmp


def open_pictures(path: Path, wanted: Wanted, found: Pictures | None = None) -> PictureStack:
    """Open a picture, or all pictures found in a folder and in the folders in it.

    Folders may be classes, called by a number or a name. Pictures of several sizes are brought to
    one by the wanted fit, and the number is told. Grey and colour mixed are
    read as colour; transparent pixels are drawn on black, or on white where the visible colours
    are dark, or are the image where these are one; a picture tagged as turned is turned.

    Raises
    ------
    ImageFileError
        No pictures, a picture that cannot be read, is truncated, has several pages or is a
        decompression bomb.
    """
    found = found or Pictures([path])
    files = found.files
    forms = [_inspect(file) for file in files]
    sizes = np.asarray([(form.height, form.width) for form in forms])
    dtype = np.result_type(*{form.dtype for form in forms})
    clear = [file for file, form in zip(files, forms, strict=True) if form.clear]
    transparency = behind(clear, len(clear) == len(files), _opened)
    fit = fit_of(
        sizes, wanted.fit, wanted.side_px, wanted.crop_px, lambda: _some(files, transparency)
    )
    colour = max(form.channels for form in forms) == 3 and not transparency.is_image
    taken = chosen_channels(path, wanted, 3 if colour else 1) if colour else ()
    channels = 3 if colour and len(taken) != 1 else 1
    remarks = [*found.remarks, *_said(forms)]
    if transparency.seen:
        remarks.append(transparency.remark(len(clear)))
    if fit is not None:
        remarks.insert(0, f"{sizes_in_words(sizes)}: every picture is {fit.words}")
    height, width = sizes[0].tolist() if fit is None else (fit.side, fit.side)
    stack = StackForm(len(files), height, width, channels, dtype)
    notes = StackNotes(labels=found.labels, label_names=found.names, remarks=tuple(remarks))
    return PictureStack(path, files, stack, notes, taken, transparency, fit, found.folders)


def _some(files: list[Path], transparency: Behind) -> list[NDArray[Any]]:
    """Return a few pictures, spread over all, as they are read."""
    places = np.unique(np.linspace(0, len(files) - 1, _FEW).astype(int)).tolist()
    found = []
    for file in (files[place] for place in places):
        with _opened(file) as picture:
            if transparency.is_image:
                found.append(_alpha(file, picture))
            else:
                found.append(_pixels(file, picture, True, transparency.background))
    return found


def _said(forms: list[_Form]) -> Iterator[str]:
    animated = sum(form.frames > 1 for form in forms)
    if animated:
        yield f"only the first frame of {words.count(animated, 'animated picture')} is read"


def have_pages(files: list[Path]) -> bool:
    """Return whether files are TIFF stacks, of which one at least has several pages.

    Raises
    ------
    ImageFileError
        Such a stack lies among other pictures.
    """
    are_tiff = [file.suffix.lower() in (".tif", ".tiff") for file in files]
    for file in (file for file, tiff in zip(files, are_tiff, strict=True) if tiff):
        with _opened(file) as picture:
            several = int(getattr(picture, "n_frames", 1)) > 1
        if several and not all(are_tiff):
            raise ImageFileError("has several pages", file, "open it by itself")
        if several:
            return True
    return False


def _inspect(file: Path) -> _Form:
    """Return the form of a picture from its header."""
    with _opened(file) as picture:
        width, height = picture.size
        if width * height > LARGEST_IMAGE:
            raise ImageFileError(f"absurd size: {height} x {width} pixels", file)
        check_expansion(file, width * height * len(picture.getbands()), file.stat().st_size)
        frames = int(getattr(picture, "n_frames", 1))
        if _orientation(picture) in SIDEWAYS:
            width, height = height, width
        clear = is_clear(picture)
        grey = "u1" if _is_grey_palette(picture) else _GREY.get(picture.mode)
        if _is_deep(file, picture):
            return _Form(width, height, 3, "u2", clear, frames)
        return _Form(width, height, 1 if grey else 3, grey or "u1", clear, frames)


@contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    """Open a picture, with Pillow's many errors told as one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # damaged EXIF data, of no concern here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as picture:
                yield picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFileError("absurd size: a decompression bomb", file) from error
    except UnidentifiedImageError as error:
        raise ImageFileError("not a picture", file, "is its name right?") from error
    except DECODING_ERRORS as error:
        raise ImageFileError(f"cannot be read: {error}", file, "is it truncated?") from error


def _pixels(file: Path, picture: Image.Image, colour: bool, background: int) -> NDArray[Any]:
    """Return a picture (H, W) or (H, W, 3) as it is meant to be seen."""
    if _is_deep(file, picture):
        return _deep(file, picture, background)
    if picture.format == "TIFF" and _tag(picture, _EXIF_ORIENTATION) in SIDEWAYS:
        return _sideways(file, colour)
    turn = _orientation(picture)
    if not colour:
        return oriented(_grey(picture, background), turn)
    if is_clear(picture):
        whole = np.asarray(picture.convert("RGBA"))
        return oriented(over(whole[..., :3], whole[..., 3], 255 * background), turn)
    return oriented(np.asarray(_flat(picture).convert("RGB")), turn)


def _alpha(file: Path, picture: Image.Image) -> NDArray[Any]:
    """Return the transparency of a picture (H, W)."""
    if picture.format == "PNG" and _is_deep(file, picture):
        return oriented(_deep_png(file)[..., -1], _orientation(picture))
    return oriented(np.asarray(picture.convert("RGBA"))[..., 3], _orientation(picture))


def _grey(picture: Image.Image, background: int) -> NDArray[Any]:
    if picture.mode in ("LA", "La"):
        both = np.asarray(picture.convert("LA"))
        return over(both[..., :1], both[..., 1], 255 * background)[..., 0]
    pixels = np.asarray(picture.convert("L") if picture.mode in ("1", "P") else picture)
    deep = picture.format == "TIFF" and picture.mode not in ("1", "L", "P")
    # Pillow turns 1 and 8 bits with white at zero by itself, and no others.
    return white_is_zero(pixels) if deep and _tag(picture, _PHOTOMETRIC) == 0 else pixels


def _is_grey_palette(picture: Image.Image) -> bool:
    palette = picture.getpalette() if picture.mode == "P" else None
    if not palette or "transparency" in picture.info:
        return False
    colours = np.asarray(palette).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _is_deep(file: Path, picture: Image.Image) -> bool:
    """Return whether a picture is 16-bit colour, of which Pillow keeps the high byte.

    The 25th byte of a PNG is its bits a sample, the next its kind: 2 colour, 4 and 6 with alpha.
    """
    if picture.format == "TIFF":
        bits = _tag(picture, _BITS_A_SAMPLE)
        return isinstance(bits, tuple) and len(bits) in (3, 4) and set(bits) == {16}
    if picture.format != "PNG":
        return False
    with open(file, "rb") as stream:
        head = stream.read(26)
    return len(head) == 26 and head[24] == 16 and head[25] in (2, 4, 6)


def _deep_png(file: Path) -> NDArray[Any]:
    """Return the samples of a PNG of 16 bits (H, W, samples)."""
    try:
        from imagecodecs import png_decode  # Pillow reads 8 of the 16 bits
    except ImportError:
        raise needs_imagecodecs("16-bit colours of a PNG", file) from None
    return np.asarray(png_decode(file.read_bytes()))


def _deep(file: Path, picture: Image.Image, background: int) -> NDArray[Any]:
    if picture.format == "TIFF":
        with tifffile.TiffFile(file) as pages:
            return seen_page(pages.pages[0])[..., :3]
    pixels = _deep_png(file)
    if pixels.shape[2] in (2, 4):
        pixels = over(pixels[..., :-1], pixels[..., -1], 65535 * background)
    colours = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    return oriented(colours, _orientation(picture))


def _sideways(file: Path, colour: bool) -> NDArray[Any]:
    """Return a TIFF whose rows and columns are to be swapped, which Pillow 13 scrambles."""
    with tifffile.TiffFile(file) as pages:
        pixels = seen_page(pages.pages[0])
    pixels = 255 * pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels
    if colour and pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    return pixels[..., :3] if colour else pixels


def _orientation(picture: Image.Image) -> int:
    """Return how a picture is turned, 1 to 8; of a TIFF Pillow turns it by itself."""
    if picture.format == "TIFF":
        return 1
    value = picture.getexif().get(_EXIF_ORIENTATION, 1)
    return value if isinstance(value, int) else 1


def _tag(picture: Image.Image, number: int) -> object:
    return getattr(picture, "tag_v2", {}).get(number)


def _flat(picture: Image.Image) -> Image.Image:
    """Return a picture that `convert("RGB")` takes as it is: Pillow clips 16-bit greys to 255."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        values = np.asarray(picture).astype(np.int64) >> 8
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    return picture
