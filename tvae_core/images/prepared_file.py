"""Prepared images on disk: a folder of NumPy files, filled block by block by any number of writers.

`images.npy` is (N, C, h, w), so anything that reads NumPy can map it. Beside it lie `prints.npy`,
the fingerprints of the images they were made of, `checks.npy`, a CRC-32 of each kept image, and
`blocks.npy`, the SHA-256 of each block of images with its prints and checks; zeros stand for a
block that is not there. A block's digest is written last, after the block was read back.

Files are read by `files.read_at`: a memory-mapped file that someone truncates kills the process.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import FileError, ImageFileError
from tvae_core.files import file_error, parsed_json, read_text, told_of, write_text
from tvae_core.images.pixel_forms import FORMS, Form, packed, unpacked
from tvae_core.images.raw import FileBytes, runs

FloatImages = NDArray[np.float32]
Indices = NDArray[np.int64]
VERSION = 1
_BLOCK_BYTES = 8 << 20
_MOST_IN_BLOCK = 4096
_DIGEST = 32
_USED_EVERY_S = 60.0
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class About:
    """What a file of prepared images holds.

    Parameters
    ----------
    count, channels, side : int
        Images; 1 or 3; pixels along each side.
    form : str
        Pixel type in which they are kept, one of `pixel_forms.FORMS`.
    block : int
        Images that are written at once.
    key : str
        Of the images and of what was done to them.
    made_from : str
        The file or folder of the images, for the user.
    settings : str
        What was done to them, for the user.
    version : int
    """

    count: int
    channels: int
    side: int
    form: Form
    block: int
    key: str = ""
    made_from: str = ""
    settings: str = ""
    version: int = VERSION

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, h, w) of an image."""
        return (self.channels, self.side, self.side)

    @property
    def image_bytes(self) -> int:
        """Bytes of a kept image."""
        return self.channels * self.side**2 * np.dtype(self.form).itemsize

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.count // self.block)

    @property
    def bytes_on_disk(self) -> int:
        """Bytes of all files together, but for some hundred."""
        return self.count * (self.image_bytes + 12) + _DIGEST * self.blocks


def images_in_block(channels: int, side: int, form: Form) -> int:
    """Return how many images are written at once."""
    image = channels * side**2 * np.dtype(form).itemsize
    return max(1, min(_MOST_IN_BLOCK, _BLOCK_BYTES // image))


class PreparedFile:
    """Prepared images of one set in one form, complete or being filled.

    Parameters
    ----------
    folder : Path
        As `create` has made it.

    Raises
    ------
    ImageFileError
        There are none, they are damaged, or were written by a newer program.
    FileError
        They cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about = read_about(folder)
        about = self.about
        self._arrays = {
            "images": _Array(folder / "images.npy", (about.count, *about.shape), about.form),
            "prints": _Array(folder / "prints.npy", (about.count,), "<u8"),
            "checks": _Array(folder / "checks.npy", (about.count,), "<u4"),
            "blocks": _Array(folder / "blocks.npy", (about.blocks, _DIGEST), "u1"),
        }
        try:
            self._files = {name: array.opened() for name, array in self._arrays.items()}
        except FileNotFoundError as error:
            raise ImageFileError("prepared images are incomplete", folder) from error
        self._digests = self._get("blocks", 0, about.blocks)
        self._there: NDArray[np.bool_] = _filled(self._digests)
        self._checks: NDArray[np.uint32] | None = None
        self._looked_at = time.monotonic()
        self._used_at = -_USED_EVERY_S

    def __len__(self) -> int:
        return self.about.count

    @property
    def is_complete(self) -> bool:
        """Whether every block was there when it was looked at last."""
        return bool(self._there.all())

    @property
    def share(self) -> float:
        """Share of the blocks that were there when they were looked at last."""
        return float(self._there.mean())

    def missing(self) -> Indices:
        """Return the numbers of the blocks that are not there, as they are now."""
        self.look()
        return np.flatnonzero(~self._there).astype(np.int64)

    def images_of(self, block: int) -> Indices:
        """Return the images of a block."""
        first = block * self.about.block
        return np.arange(first, min(first + self.about.block, self.about.count), dtype=np.int64)

    def look(self) -> None:
        """See which blocks others have written meanwhile."""
        self._digests = self._get("blocks", 0, self.about.blocks)
        self._there = _filled(self._digests)
        self._looked_at = time.monotonic()

    def there(self, indices: Indices) -> NDArray[np.bool_]:
        """Return which images can be read, (n,); others may fill the file meanwhile."""
        if not self.is_complete and time.monotonic() - self._looked_at > _LOOK_EVERY_S:
            self.look()
        return np.asarray(self._there[indices // self.about.block])

    def read(self, indices: Indices) -> tuple[FloatImages, NDArray[np.bool_]]:
        """Read images that are there, in one sorted sweep.

        Returns
        -------
        images : (n, C, h, w) float32
        sound : (n,) bool
            Which of them are as they were written. The block of another is no longer there.
        """
        self._note_use()
        in_order = bool((np.diff(indices) >= 0).all())
        order = slice(None) if in_order else np.argsort(indices, kind="stable")
        ordered = indices[order]
        kept = np.empty((len(indices), *self.about.shape), self.about.form)
        for start, stop in runs(ordered) if len(ordered) else []:
            self._fill("images", kept[start:stop], int(ordered[start]))
        sound = _checks_of(kept) == self._checks_at(ordered)
        for block in np.unique(ordered[~sound] // self.about.block).tolist():
            self._forget(block)
        images = unpacked(kept)
        if isinstance(order, slice):
            return images, sound
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return images[back], sound[back]

    def prints(self, indices: Indices) -> NDArray[np.uint64]:
        """Return the fingerprints of the raw images that these were made of, (n,)."""
        order = np.argsort(indices, kind="stable")
        ordered, found = indices[order], np.empty(len(indices), "<u8")
        for start, stop in runs(ordered):
            self._fill("prints", found[start:stop], int(ordered[start]))
        back = np.empty(len(indices), np.uint64)
        back[order] = found
        return back

    def _checks_at(self, ordered: Indices) -> NDArray[np.uint32]:
        """Return the CRC-32 of images as it was written; those of a complete file are held."""
        if self._checks is None and self.is_complete:
            self._checks = self._get("checks", 0, self.about.count)
        if self._checks is not None:
            return np.asarray(self._checks[ordered])
        found = np.empty(len(ordered), "<u4")
        for start, stop in runs(ordered) if len(ordered) else []:
            self._fill("checks", found[start:stop], int(ordered[start]))
        return found

    def write(self, block: int, images: FloatImages, prints: NDArray[np.uint64]) -> None:
        """Write a block and read it back; then it is there.

        Raises
        ------
        FileError
            It cannot be written, or what is read is not what was written.
        """
        first = block * self.about.block
        kept = np.ascontiguousarray(packed(images, self.about.form))
        parts = {"images": kept, "prints": prints.astype("<u8"), "checks": _checks_of(kept)}
        digest = _digest(parts)
        with told_of(self.folder):
            for name, values in parts.items():
                self._arrays[name].write(first, values)
            if _digest(self._parts(block)) != digest:
                what = "what was read back is not what was written"
                raise FileError(what, self.folder, "check the disk")
            self._arrays["blocks"].write(block, np.frombuffer(digest, np.uint8)[None])
        self._there[block] = True

    def check(self) -> Iterator[tuple[int, bool]]:
        """Yield each block that is there, and whether it is as it was written; forget the others.

        What is read comes from the disk, as far as the system lets go of what it remembers.
        """
        self.look()
        for block in np.flatnonzero(self._there).tolist():
            for name in ("images", "prints", "checks"):
                self._arrays[name].drop(block * self.about.block, self.about.block)
            sound = _digest(self._parts(block)) == self._digests[block].tobytes()
            if not sound:
                self._forget(block)
            yield block, sound

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _parts(self, block: int) -> dict[str, NDArray[Any]]:
        these = self.images_of(block)
        first, count = int(these[0]), len(these)
        return {name: self._get(name, first, count) for name in ("images", "prints", "checks")}

    def _get(self, name: str, first: int, count: int) -> NDArray[Any]:
        array = self._arrays[name]
        target = np.empty((count, *array.shape[1:]), array.dtype)
        self._fill(name, target, first)
        return target

    def _fill(self, name: str, target: NDArray[Any], first: int) -> None:
        self._files[name].fill(target, self._arrays[name].place(first))

    def _forget(self, block: int) -> None:
        """Take a damaged block for one that is not there, here and for others."""
        self._there[block] = False
        self._checks = None
        with suppress(OSError):
            self._arrays["blocks"].write(block, np.zeros((1, _DIGEST), np.uint8))

    def _note_use(self) -> None:
        if time.monotonic() - self._used_at > _USED_EVERY_S:
            self._used_at = time.monotonic()
            with suppress(OSError):
                (self.folder / "used").touch()


def create(folder: Path, about: About) -> None:
    """Make the folder of a file without a block; the disk gives its room when it is filled.

    Raises
    ------
    FileError
        It cannot be written.
    """
    with told_of(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _Array(folder / "images.npy", (about.count, *about.shape), about.form).create()
        _Array(folder / "prints.npy", (about.count,), "<u8").create()
        _Array(folder / "checks.npy", (about.count,), "<u4").create()
        _Array(folder / "blocks.npy", (about.blocks, _DIGEST), "u1").create()
        (folder / "used").touch()
        write_text(folder / "about.json", json.dumps(asdict(about), indent=1) + "\n")


def read_about(folder: Path) -> About:
    """Return what a folder of prepared images holds.

    Raises
    ------
    ImageFileError
        There are none, they are damaged, or were written by a newer program.
    """
    try:
        found = parsed_json(read_text(folder / "about.json"))
        if found["version"] > VERSION:
            raise ImageFileError("written by a newer program", folder, "update this program")
        about = About(**found)
        if about.form not in FORMS or min(about.count, about.block, about.side) < 1:
            raise ValueError("absurd values")
    except FileNotFoundError as error:
        raise ImageFileError("no prepared images here", folder) from error
    except OSError as error:
        raise file_error(error, folder, "cannot be read") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ImageFileError(f"damaged prepared images ({error})", folder) from error
    return about


def _digest(parts: dict[str, NDArray[Any]]) -> bytes:
    digest = hashlib.sha256()
    for name in ("images", "prints", "checks"):
        digest.update(np.ascontiguousarray(parts[name]).data)
    return digest.digest()


def _checks_of(kept: NDArray[Any]) -> NDArray[np.uint32]:
    return np.fromiter((crc32(image.data) for image in kept), "<u4", len(kept))


def _filled(digests: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(digests.any(axis=1))


class _Array:
    """A NumPy file of known shape, of which parts are written."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str) -> None:
        self.path, self.shape, self.dtype = path, shape, np.dtype(dtype)
        header = io.BytesIO()
        told = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, told)
        self._header = header.getvalue()
        self._row = int(np.prod(shape[1:], dtype=np.int64)) * self.dtype.itemsize

    def place(self, row: int) -> int:
        return len(self._header) + row * self._row

    def create(self) -> None:
        with open(self.path, "wb") as stream:
            stream.write(self._header)
            stream.truncate(self.place(self.shape[0]))

    def opened(self) -> FileBytes:
        """Open it for reading.

        Raises
        ------
        ImageFileError
            It is not as it was made.
        """
        if not self.path.exists():
            raise FileNotFoundError(self.path)
        file = FileBytes(self.path)
        if file.size != self.place(self.shape[0]) or file.head(len(self._header)) != self._header:
            file.close()
            raise ImageFileError("damaged prepared images", self.path)
        return file

    def write(self, row: int, values: NDArray[Any]) -> None:
        """Write rows through to the disk; what the system remembers of them is dropped."""
        with open(self.path, "r+b", buffering=0) as stream:
            stream.seek(self.place(row))
            view = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
            while view:
                view = view[stream.write(view) :]
            os.fsync(stream.fileno())
            self._drop(stream.fileno(), row, len(values))

    def drop(self, row: int, count: int) -> None:
        with open(self.path, "rb", buffering=0) as stream:
            self._drop(stream.fileno(), row, count)

    def _drop(self, handle: int, row: int, count: int) -> None:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, self.place(row), count * self._row, os.POSIX_FADV_DONTNEED)
