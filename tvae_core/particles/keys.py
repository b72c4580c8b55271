"""By what a row of a table is known to be of an image of a run: uid, image name, or number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TableError
from tvae_core.particles.references import gather
from tvae_core.particles.table import ImageReferences, ParticleTable

Array = NDArray[Any]
Rows = NDArray[np.int64]
_UID = ("uid",)
_NAMES = (
    "rlnimagename",
    "image_name",
    "imagename",
    "image",
    "filename",
    "file_name",
    "file",
    "path",
)
_FILES = ("file", "filename", "file_name", "stack", "path", "image_file")
_INDICES = ("index", "idx", "image_index", "image_number", "image")


class _Images(Protocol):
    @property
    def images(self) -> int: ...

    @property
    def source_files(self) -> Sequence[str]: ...

    @property
    def names(self) -> list[str]: ...

    def column(self, name: str) -> Array: ...


@dataclass(frozen=True)
class KeyedRows:
    """What the M rows of a table are known by.

    Parameters
    ----------
    words : str
        For the user.
    columns : tuple of str
        The columns it is made of.
    numbers : (M,) integers
        The uid, or the number of the image of the run or of its file.
    references : ImageReferences or None
        The image names, when rows are known by them; image -1 where a name is that of a file only.
    """

    words: str
    columns: tuple[str, ...]
    numbers: Array
    references: ImageReferences | None = None


def keys_of_table(table: ParticleTable) -> list[KeyedRows]:
    """Return the keys a particle table offers, the surest first."""
    keys = []
    if table.uid is not None:
        keys.append(KeyedRows("uid", _UID, table.uid))
    try:
        references = table.image_references()
    except TableError:
        return keys
    index = np.where(table.names_whole_files(), -1, references.image_index)
    columns = tuple(n for n in ("rlnImageName", "blob/path", "blob/idx") if n in table.column_names)
    named = references._replace(image_index=index)
    return [*keys, KeyedRows("image name", columns, index, named)]


def keys_of_text(columns: Mapping[str, Sequence[str]]) -> list[KeyedRows]:
    """Return the keys that columns of text offer, the surest first: known by their names."""
    named = {name.strip().lower().replace(" ", "_"): name for name in reversed(list(columns))}
    found = [_whole(columns, named, _UID, "uid"), _file_and_index(columns, named)]
    found += [_image_names(columns, named[name]) for name in _NAMES if name in named]
    keys = [key for key in found if key is not None]
    if any(key.references is not None for key in keys):
        return keys  # an index beside a file is one of that file
    index = _whole(columns, named, _INDICES, "index") or _unnamed(columns, named)
    return keys if index is None else [*keys, index]


def rows_of_images(key: KeyedRows, run: _Images, path: Path) -> Rows:
    """Return the row of each image of a run, (N,), -1 where the table has none.

    Raises
    ------
    TableError
        An image of the run has two rows, or a number lies beyond the images of the run.
    """
    if key.references is not None:
        return _by_name(key, key.references, run, path)
    if key.words == "uid":
        if "source/uid" not in run.names:
            return np.full(run.images, -1)
        ours, theirs = (uid.astype(np.uint64) for uid in (run.column("source/uid"), key.numbers))
        return _places(ours, theirs, "uid {}", path)
    wrong = key.numbers[(key.numbers < 0) | (key.numbers >= run.images)]
    if wrong.size:
        raise TableError(
            f"{key.words} {wrong[0]} matches no image: numbers go from 0 to {run.images - 1}", path
        )
    return _places(np.arange(run.images), key.numbers, f"{key.words} {{}}", path)


def _by_name(key: KeyedRows, references: ImageReferences, run: _Images, path: Path) -> Rows:
    """Return the rows by stack and number; by the stack's name alone where that is enough."""
    files = _same_files(references.files, run.source_files)
    ours, index = (run.column(f"source/{n}").astype(np.int64) for n in ("file_index", "index"))
    single = np.bincount(ours, minlength=len(run.source_files)) == 1
    file, asked = files[references.file_index], references.image_index
    asked = np.where((asked < 0) & single[file], 0, asked)
    reach = int(max(index.max(initial=0), asked.max(initial=0))) + 1
    wanted = ours * reach + index
    there = np.where((file >= 0) & (asked >= 0), file * reach + asked, -1)

    def named(code: int) -> str:
        return f"image {code % reach + 1} of {run.source_files[code // reach]}"

    return _places(wanted, there, named, path)


def _same_files(theirs: Sequence[str], ours: Sequence[str]) -> Rows:
    """Return which of our files each of theirs is, -1 for none: by whole path, else by name."""
    for spelt in (_path, _name):
        mine = [spelt(file) for file in ours]
        its = [spelt(file) for file in theirs]
        counted = (mine, list({_path(file): spelt(file) for file in theirs}.values()))
        ambiguous = {name for many in counted for name, n in Counter(many).items() if n > 1}
        places = {name: place for place, name in enumerate(mine) if name not in ambiguous}
        found = np.array([places.get(name, -1) for name in its], np.int64)
        if (found >= 0).any():
            return found
    return np.full(len(theirs), -1, np.int64)


def _path(file: str) -> str:
    return str(PurePosixPath(file.lstrip(">").replace("\\", "/")))


def _name(file: str) -> str:
    return PurePosixPath(_path(file)).name


def _places(wanted: Array, there: Array, named: str | Callable[[int], str], path: Path) -> Rows:
    """Return where each of `wanted` stands in `there`, -1 where it does not."""
    order = np.argsort(there, kind="stable")
    ordered = there[order]
    first = np.searchsorted(ordered, wanted, side="left")
    last = np.searchsorted(ordered, wanted, side="right")
    twice = np.flatnonzero(last - first > 1)
    if twice.size:
        value = wanted[twice[0]]
        words = named.format(value) if isinstance(named, str) else named(int(value))
        raise TableError(f"{words} has {(last - first)[twice[0]]} rows", path, "give it one")
    found = np.full(len(wanted), -1, np.int64)
    present = last > first
    found[present] = order[first[present]]
    return found


def _whole(
    columns: Mapping[str, Sequence[str]],
    named: Mapping[str, str],
    wanted: Sequence[str],
    words: str,
) -> KeyedRows | None:
    """Return the key of a column of whole numbers, None where there is none."""
    for name in wanted:
        numbers = _integers(columns[named[name]]) if name in named else None
        if numbers is not None:
            return KeyedRows(words, (named[name],), numbers)
    return None


def _unnamed(columns: Mapping[str, Sequence[str]], named: Mapping[str, str]) -> KeyedRows | None:
    """Return the key of a first column without a name, as pandas writes it, if it counts rows."""
    key = _whole(columns, named, ("column_1",), "the first column")
    counts = key is not None and len(set(key.numbers.tolist())) == len(key.numbers)
    return key if key is not None and counts and key.numbers.min() == 0 else None


def _integers(texts: Sequence[str]) -> Array | None:
    """Return texts as whole numbers, uid of 64 bits included, None when one is not."""
    try:
        whole = [int(text) for text in texts]
    except ValueError:
        try:
            numbers = [float(text) for text in texts]
        except ValueError:
            return None
        if not all(number.is_integer() for number in numbers):
            return None
        whole = [int(number) for number in numbers]
    large = bool(whole) and min(whole) >= 0 and max(whole) >= 1 << 63
    try:
        return np.array(whole, np.uint64 if large else np.int64)
    except OverflowError:
        return None


def _file_and_index(
    columns: Mapping[str, Sequence[str]], named: Mapping[str, str]
) -> KeyedRows | None:
    file = next((named[name] for name in _FILES if name in named), None)
    index = _whole(columns, named, _INDICES, "index")
    if file is None or index is None or file in index.columns:
        return None
    names, places = gather(text.encode() for text in columns[file])
    references = ImageReferences(names, places, index.numbers.astype(np.int64))
    return KeyedRows("file and index", (file, *index.columns), index.numbers, references)


def _image_names(columns: Mapping[str, Sequence[str]], name: str) -> KeyedRows | None:
    """Return the key of a column of names: N@stack, or files of one image; None of numbers."""
    if _integers(columns[name]) is not None:
        return None
    numbers, files = [], []
    for text in columns[name]:
        number, at, file = text.partition("@")
        numbers.append(int(number) - 1 if at and number.isdigit() else -1)
        files.append((file if at else number).encode())
    names, places = gather(files)
    index = np.array(numbers, np.int64)
    return KeyedRows("image name", (name,), index, ImageReferences(names, places, index))
