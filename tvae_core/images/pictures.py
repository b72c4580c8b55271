"""PNG, JPEG and TIFF pictures: one, or a folder of them, with one folder a class or none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from imagecodecs import png_decode
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tvae_core.errors import ImageFileError
from tvae_core.images.limits import DECODING_ERRORS, LARGEST_IMAGE
from tvae_core.images.stack import ImageStack, Sources, StackForm, StackNotes, Wanted

SUFFIXES = (".png", ".jpg", ".jpeg")
_IN_FOLDERS = (*SUFFIXES, ".tif", ".tiff")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_GREY = {"1": "u1", "L": "u1", "LA": "u1", "La": "u1", "I": "i4", "F": "f4"}
_GREY |= {"I;16": "u2", "I;16B": "u2", "I;16L": "u2", "I;16N": "u2"}


class _Form(NamedTuple):
    width: int
    height: int
    channels: int
    dtype: str


class PictureStack(ImageStack):
    """Picture files of one size, one image each; made by `open_pictures`."""

    def __init__(self, path: Path, files: list[Path], form: StackForm, notes: StackNotes) -> None:
        kind = "picture" if path.is_file() else "folder of pictures"
        super().__init__(path, kind, form, notes)
        self._files = files

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
            if (picture.height, picture.width) != (self.height, self.width):
                raise ImageFileError("changed its size while the stack was open", file)
            if self.channels == 3:
                return _colours(file, picture)
            grey = picture.convert("L") if picture.mode in ("LA", "La", "1") else picture
            return np.asarray(grey)


def sniff(head: bytes) -> bool:
    """Return whether a file's first bytes are those of a picture."""
    return head.startswith(_MAGIC)


def open_pictures(path: Path, wanted: Wanted) -> PictureStack:
    """Open a picture, or a folder of pictures of one size.

    Sub-folders of pictures are classes: they give the labels, in alphabetical order. Grey and
    colour mixed are read as colour; transparency is dropped.

    Raises
    ------
    ImageFileError
        No pictures, mixed sizes (two files are named), a picture that cannot be read, is
        truncated, has several pages or is a decompression bomb.
    """
    files, labels, names = _list(path)
    first = _inspect(files[0])
    channels, dtype = first.channels, np.dtype(first.dtype)
    for file in files[1:]:
        form = _inspect(file)
        if form[:2] != first[:2]:
            raise _mixed(files[0], first, file, form)
        channels = max(channels, form.channels)
        dtype = np.result_type(dtype, form.dtype)
    stack = StackForm(len(files), first.height, first.width, channels, dtype)
    return PictureStack(path, files, stack, StackNotes(labels=labels, label_names=names))


def _list(path: Path) -> tuple[list[Path], NDArray[np.int64] | None, tuple[str, ...]]:
    """Return the pictures in order, and the class of each when they lie in class folders."""
    if path.is_file():
        return [path], None, ()
    files = _pictures(path)
    folders = [folder for folder in sorted(path.iterdir()) if folder.is_dir()]
    classes = {folder.name: found for folder in folders if (found := _pictures(folder))}
    if files and classes:
        raise ImageFileError(
            "holds both pictures and folders of pictures", path, "give one of the folders"
        )
    if files:
        return files, None, ()
    if not classes:
        raise ImageFileError(
            "holds no images",
            path,
            "a folder must hold PNG, JPEG or TIFF files; give a stack itself",
        )
    labels = np.repeat(np.arange(len(classes)), [len(found) for found in classes.values()])
    every = [file for found in classes.values() for file in found]
    return every, labels.astype(np.int64), tuple(classes)


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in _IN_FOLDERS and not file.name.startswith(".") and file.is_file()
    )


def _inspect(file: Path) -> _Form:
    """Return the form of a picture from its header."""
    with _opened(file) as picture:
        if picture.width * picture.height > LARGEST_IMAGE:
            raise ImageFileError(f"absurd size: {picture.height} x {picture.width} pixels", file)
        if picture.format == "TIFF" and getattr(picture, "n_frames", 1) > 1:
            raise ImageFileError("has several pages", file, "open it by itself")
        if _is_deep_png(file, picture):
            return _Form(picture.width, picture.height, 3, "u2")
        grey = _GREY.get(picture.mode)
        return _Form(picture.width, picture.height, 1 if grey else 3, grey or "u1")


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


def _is_deep_png(file: Path, picture: Image.Image) -> bool:
    """Return whether a picture is a PNG of 16 bits in colour, of which Pillow keeps the high byte.

    The 25th byte of a PNG is its bits a sample, the next its kind: 2 colour, 4 and 6 with alpha.
    """
    if picture.format != "PNG":
        return False
    with open(file, "rb") as stream:
        head = stream.read(26)
    return len(head) == 26 and head[24] == 16 and head[25] in (2, 4, 6)


def _colours(file: Path, picture: Image.Image) -> NDArray[Any]:
    """Return a picture as (H, W, 3), its values as deep as those of the file."""
    if not _is_deep_png(file, picture):
        return np.asarray(_flat(picture).convert("RGB"))
    pixels = np.asarray(png_decode(file.read_bytes()))
    return np.repeat(pixels[..., :1], 3, axis=2) if pixels.shape[2] < 3 else pixels[..., :3]


def _flat(picture: Image.Image) -> Image.Image:
    """Return a picture that `convert("RGB")` takes as it is.

    Pillow would clip 16-bit greys to 255, and warns about palettes with transparency.
    """
    if picture.mode in ("P", "PA"):
        return picture.convert("RGBA")
    if picture.mode.startswith("I;16") or picture.mode == "I":
        values = np.asarray(picture).astype(np.int64) >> 8
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    return picture


def _mixed(first: Path, form: _Form, other: Path, other_form: _Form) -> ImageFileError:
    return ImageFileError(
        f"mixed sizes: {first.name} is {form.height} x {form.width} pixels, "
        f"{other.name} is {other_form.height} x {other_form.width}",
        other.parent,
        "make them one size",
    )
