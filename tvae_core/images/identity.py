"""Which image is which: images are known by row key, name and content, never by position alone.

An image's key is its source (`Sources`: which file, which image of it) or, where a table has them,
its uid. Its fingerprint is 64 bits of BLAKE2b over its pixels as they are read (float32, little
endian, C order), so that it is the same in every kind of file. docs/decisions/0004-identity.md
says why, and what it costs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.ctf import Ctf
from tvae_core.errors import ImageFileError, TvaeError
from tvae_core.files import file_error
from tvae_core.images.boxes import Picked
from tvae_core.images.fitting import Fit
from tvae_core.images.levels import Levels
from tvae_core.images.stack import ImageStack, Sources, StackNotes
from tvae_core.particles.described import Categories
from tvae_core.particles.table import ParticleTable

FINGERPRINT = "blake2b-64 of float32 pixels"
UNKNOWN = np.uint64(0)
NAME_THEM = "name the images of this run with --images-at"
_PROBED = 64  # images looked at when a stack is opened
_BLOCK_BYTES = 1 << 24
Prints = NDArray[np.uint64]
Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ImageIdentity:
    """What N images are known by.

    Parameters
    ----------
    sources : Sources
        Where each image was.
    uid : (N,) uint64, optional
        The table's own key of each image.
    prints : (N,) uint64, optional
        Fingerprints; `UNKNOWN` where an image was not read yet, None when none is known.
    image_shape : tuple of int, optional
        (H, W) or (H, W, 3); empty when not known.
    pixel_type : str
        Type of the pixels in the file that they were known from, as numpy writes it, such as `|u1`:
        it says how they are scaled. Empty when not known.
    """

    sources: Sources
    uid: NDArray[np.uint64] | None = None
    prints: Prints | None = None
    image_shape: tuple[int, ...] = ()
    pixel_type: str = ""

    def __len__(self) -> int:
        return len(self.sources.image_index)

    def name(self, index: int) -> str:
        """Return image `index` in words: its number from 0 and its source."""
        sources = self.sources
        file = sources.files[int(sources.file_index[index])]
        number = int(sources.image_index[index])
        alone = number == 0 and np.count_nonzero(sources.file_index == sources.file_index[index])
        return f"image {index} ({file if alone == 1 else f'{number + 1}@{file}'})"


def fingerprints(images: NDArray[Any]) -> Prints:
    """Return the fingerprint of each of (n, H, W[, 3]) images as they were read, (n,)."""
    pixels = np.ascontiguousarray(images, dtype="<f4")
    digests = [hashlib.blake2b(image.data, digest_size=8).digest() for image in pixels]
    found = np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
    return np.where(found == UNKNOWN, np.uint64(1), found)


def identity_of(stack: ImageStack) -> ImageIdentity:
    """Return what the images of a stack are known by before one of them is read."""
    table = stack.table
    uid = None if table is None else table.uid
    pixel_type = stack.dtype.newbyteorder("=").str
    return ImageIdentity(stack.sources(), uid, None, stack.form.image_shape, pixel_type)


def dated(files: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    """Yield name, size and date of each file, wherever it lies.

    Raises
    ------
    FileError
        One is not there.
    """
    for file in files:
        try:
            stat = os.stat(file)
        except OSError as error:
            raise file_error(error, file, "cannot be read") from error
        yield file.name, stat.st_size, stat.st_mtime_ns


def match(wanted: NDArray[Any], found: NDArray[Any]) -> Places:
    """Return where each of the `wanted` keys (n,) is among the `found` (m,), -1 for nowhere.

    The second of two equal keys is matched with the second, as far as there is one.
    """
    if not found.size:
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(found, kind="stable")
    ordered = found[order]
    first = np.searchsorted(ordered, wanted)
    again = np.minimum(first + _occurrence(wanted), len(ordered) - 1)
    first = np.minimum(first, len(ordered) - 1)
    place = np.where(ordered[again] == wanted, again, first)
    return np.where(ordered[place] == wanted, order[place], -1)


def _occurrence(keys: NDArray[Any]) -> Places:
    """Return how many equal keys stand before each, (n,)."""
    order = np.argsort(keys, kind="stable")
    ordered, places = keys[order], np.arange(len(keys))
    begins = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(keys)]
    count = np.empty(len(keys), np.int64)
    count[order] = places - np.maximum.accumulate(np.where(begins, places, 0))
    return count


def places_by_key(wanted: ImageIdentity, found: ImageIdentity) -> Places:
    """Return where each wanted image is by its uid, else by file and index; -1 for nowhere."""
    uids = wanted.uid, found.uid
    if uids[0] is not None and uids[1] is not None and _unique(uids[0]) and _unique(uids[1]):
        return match(uids[0], uids[1])
    files = {name: number for number, name in enumerate(found.sources.files)}
    numbers = [files.get(name, -1) for name in wanted.sources.files]
    if len(numbers) == len(files) == 1:
        numbers = [0]  # the one stack may have another name
    step = 1 + max(_largest(wanted.sources.image_index), _largest(found.sources.image_index))
    file = np.asarray(numbers, np.int64)[wanted.sources.file_index]
    keys = file * step + wanted.sources.image_index
    there = match(keys, found.sources.file_index * np.int64(step) + found.sources.image_index)
    return np.where(file < 0, -1, there)


def _unique(keys: NDArray[Any]) -> bool:
    return len(np.unique(keys)) == len(keys)


def _largest(values: NDArray[Any]) -> int:
    return int(values.max()) if values.size else 0


def has_names(identity: ImageIdentity) -> bool:
    """Return whether images carry names of their own, so that a source may grow."""
    return identity.uid is not None or len(identity.sources.files) > 1


class KnownImages(ImageStack):
    """The images of an identity, wherever a stack has them now.

    Image i is the one that `wanted` knows as i. It is looked for by its key, then by its content.
    Its fingerprint is checked the first time it is read, and noted in `prints` where it was not
    known: so the same stack learns what images are and guards them.

    Parameters
    ----------
    stack : ImageStack
        Closed with this one, and when it is refused.
    wanted : ImageIdentity, optional
        The stack's own when not given.
    since : str
        What was done with the images when they were known, for the error.

    Raises
    ------
    ImageFileError
        The images are of another size, none of them is here, or the first ones have changed.
    """

    def __init__(
        self, stack: ImageStack, wanted: ImageIdentity | None = None, since: str = "the run started"
    ) -> None:
        own = identity_of(stack)
        self.stack = stack
        self.wanted = own if wanted is None else wanted
        self._since = since
        prints = self.wanted.prints
        self.prints = np.zeros(len(self.wanted), np.uint64)
        self.prints[:] = UNKNOWN if prints is None else prints
        self._checked = np.zeros(len(self.wanted), bool)
        try:
            self._check_shape()
            self._places = self._first_places(own)
        except TvaeError:
            stack.close()
            raise
        # the same values are scaled as before, also from a file of another type or among others
        dtype = np.dtype(self.wanted.pixel_type) if self.wanted.pixel_type else stack.dtype
        form = replace(stack.form, count=len(self.wanted), dtype=dtype)
        super().__init__(stack.path, stack.kind, form, self._notes())

    @property
    def identity(self) -> ImageIdentity:
        """What the images are known by, with every fingerprint found so far."""
        return replace(self.wanted, prints=self.prints.copy(), image_shape=self.form.image_shape)

    @property
    def fit(self) -> Fit | None:
        """How the stack brought pictures of several sizes to one."""
        return self.stack.fit

    @property
    def picked(self) -> Picked | None:
        """What was found in large images of many objects."""
        return self.stack.picked

    @property
    def table(self) -> ParticleTable | None:
        """The whole table the images were opened through, or None; `rows` says which is whose."""
        return self.stack.table

    @property
    def pixel_sizes_angstrom(self) -> NDArray[np.float64] | None:
        """Pixel size of each image, (N,), None when unknown."""
        sizes = self.stack.pixel_sizes_angstrom
        return None if sizes is None else sizes[self.rows()]

    def rows(self) -> Places:
        """Return the row of each image in the table, which is its place in the stack, (N,)."""
        return np.maximum(self._places, 0)  # one that is missing is refused when it is read

    def pixel_files(self) -> list[Path]:
        """Return the files of the stack."""
        return self.stack.pixel_files()

    def sources(self) -> Sources:
        """Return where the images are now."""
        now = self.stack.sources()
        rows = self.rows()
        return Sources(now.files, now.file_index[rows], now.image_index[rows])

    def ctf(self) -> Ctf | None:
        """Return the CTF of every image, fields (N,), None when it is not known."""
        ctf = self.stack.ctf()
        return None if ctf is None else ctf.take(self.rows())

    def described(self) -> dict[str, NDArray[Any] | Categories]:
        """Return what the table says of each image."""
        rows = self.rows()
        return {
            name: replace(kept, codes=kept.codes[rows])
            if isinstance(kept, Categories)
            else kept[rows]
            for name, kept in self.stack.described().items()
        }

    def require_all(self) -> None:
        """Raise an ImageFileError that names an image which is not here."""
        self._refuse_missing(np.arange(len(self)))

    def learn(self, indices: NDArray[np.int64]) -> None:
        """Read images, a few at a time, so that their fingerprints are known and checked.

        Raises
        ------
        ImageFileError
            One is missing or has changed.
        """
        for some in self._few(indices[~self._checked[indices]]):
            self.read(some)

    def are_known(self, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of which images the fingerprint is known and checked, (n,)."""
        return np.asarray(self._checked[indices])

    def told(self, indices: NDArray[np.int64], prints: Prints) -> None:
        """Note fingerprints that were found when images were read before; check those known.

        Raises
        ------
        ImageFileError
            An image is known by another fingerprint.
        """
        fresh = ~self._checked[indices]
        which, seen = indices[fresh], prints[fresh]
        before = self.prints[which]
        wrong = which[(before != UNKNOWN) & (before != seen)]
        if wrong.size:
            raise self._gone(wrong, "has changed since")
        self.prints[which] = seen
        self._checked[which] = True

    def close(self) -> None:
        """Close the stack."""
        self.stack.close()

    @cached_property
    def levels(self) -> Levels:
        """Nothing more: the stack itself takes off what float32 cannot hold."""
        return Levels()

    @property
    def _in_place(self) -> bool:
        return np.array_equal(self._places, np.arange(len(self.stack)))

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        self._refuse_missing(indices)
        images = self.stack.read(self._places[indices])
        wrong = self._note(indices, images)
        if wrong.size:
            if self.stack.table is not None or not self._searched(indices[wrong]):
                raise self._gone(indices[wrong], "has changed since")
            images = self.stack.read(self._places[indices])
        return images

    def _note(self, indices: NDArray[np.int64], images: NDArray[Any]) -> Places:
        """Note the fingerprints of images just read; return the places in them that differ."""
        fresh = np.flatnonzero(~self._checked[indices])
        seen, which = fingerprints(images[fresh]), indices[fresh]
        before = self.prints[which]
        self.prints[which] = np.where(before == UNKNOWN, seen, before)
        right = self.prints[which] == seen
        self._checked[which[right]] = True
        wrong: Places = fresh[~right]
        return wrong

    def _first_places(self, own: ImageIdentity) -> Places:
        """Return where the images are, looked for by key, and by content where that fails."""
        self._places = places_by_key(self.wanted, own)
        if not (self.prints != UNKNOWN).any():
            return self._by_key_alone()
        if self._probe_differs():
            self._searched(np.arange(len(self.wanted)))
        elif (self._places < 0).any():
            self._searched(np.flatnonzero(self._places < 0))
        if (self._places < 0).all():
            counts = f"none of the {len(self.wanted):,} is among the {len(self.stack):,} here"
            what = f"the images have changed since {self._since}: {counts}"
            raise ImageFileError(what, self.stack.path, NAME_THEM)
        return self._places

    def _by_key_alone(self) -> Places:
        """Return the places of images whose content is not known: all by key, or by position."""
        counts = len(self.wanted), len(self.stack)
        nameless = not has_names(self.wanted) or not has_names(identity_of(self.stack))
        if nameless and counts[0] != counts[1]:
            what = f"{counts[1]:,} images here, but there were {counts[0]:,} when {self._since}"
            raise ImageFileError(what, self.stack.path, NAME_THEM)
        everywhere: Places = np.arange(counts[0])
        return everywhere if nameless and (self._places < 0).all() else self._places

    def _probe_differs(self) -> bool:
        known = np.flatnonzero((self._places >= 0) & (self.prints != UNKNOWN))
        if not known.size:
            return True
        some = known[np.unique(np.linspace(0, len(known) - 1, _PROBED).astype(np.int64))]
        return bool(self._note(some, self.stack.read(self._places[some])).size)

    def _searched(self, lost: Places) -> bool:
        """Look for lost images by content all over the stack; return whether each was found."""
        candidates = np.arange(len(self.stack))
        if (self._places[lost] < 0).all():  # the others are where they should be
            candidates = np.setdiff1d(candidates, self._places)
        lost = lost[self.prints[lost] != UNKNOWN]
        there = match(self.prints[lost], self._prints_of(candidates))
        self._places[lost] = -1
        self._places[lost[there >= 0]] = candidates[there[there >= 0]]
        return bool((there >= 0).all())

    def _few(self, places: Places) -> Iterator[Places]:
        rows = max(1, _BLOCK_BYTES // max(1, 4 * int(np.prod(self.stack.form.image_shape))))
        return (places[start : start + rows] for start in range(0, len(places), rows))

    def _prints_of(self, places: Places) -> Prints:
        seen = [fingerprints(self.stack.read(some)) for some in self._few(places)]
        return np.concatenate([*seen, np.zeros(0, np.uint64)])

    def _check_shape(self) -> None:
        here, known = self.stack.form.image_shape, self.wanted.image_shape
        if known and here != known:
            raise ImageFileError(
                f"the images here have {_size(here)}, those of the run {_size(known)}",
                self.stack.path,
                NAME_THEM,
            )

    def _refuse_missing(self, indices: NDArray[np.int64]) -> None:
        missing = indices[self._places[indices] < 0]
        if missing.size:
            raise self._gone(missing, "is missing or has changed since")

    def _gone(self, which: Places, what: str) -> ImageFileError:
        first = self.wanted.name(int(which[0]))
        more = f" (and {len(which) - 1:,} more)" if len(which) > 1 else ""
        return ImageFileError(f"{first} {what} {self._since}{more}", self.stack.path, NAME_THEM)

    def _notes(self) -> StackNotes:
        notes = replace(self.stack.notes, remarks=self.stack.remarks)
        if notes.labels is None or self._in_place:
            return notes
        labels = np.where(self._places < 0, -1, notes.labels[self.rows()])
        return replace(notes, labels=labels)


def _size(shape: tuple[int, ...]) -> str:
    colour = " in colour" if len(shape) == 3 else ""
    return f"{shape[0]} x {shape[1]} px{colour}"
