"""Which files of a folder are its pictures or its stacks, their classes, and what is left out."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core import words
from tvae_core.errors import ImageFileError
from tvae_core.files import file_error
from tvae_core.images.labels import NAMES
from tvae_core.particles.described import Categories

READ = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".pgm", ".ppm"),
    *(".tif", ".tiff"),
)
_OTHER_PICTURES = (
    *(".svg", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".psd", ".exr", ".hdr", ".dng", ".nef"),
    *(".cr2", ".raw", ".czi", ".lif", ".nd2", ".dm3", ".dm4", ".ser", ".emd", ".eer", ".dcm"),
    *(".fits", ".svs", ".ndpi", ".zarr"),
)
_SPLITS = {
    *("train", "training", "test", "testing", "val", "valid", "validation", "eval", "dev"),
    *("holdout", "all", "images"),
}
_OF_A_RUN = ("config.json", "metrics.jsonl")
_LARGEST = np.iinfo(np.int32).max
Place = tuple[str, ...]
_Files = list[tuple[Path, Place]]


@dataclass
class Pictures:
    """The pictures, or else the stacks, of a folder and of all folders in it, in order.

    Parameters
    ----------
    files : list of Path
    labels : (N,) int64 or None
        Class of each: the number that its folder is called, or the place of its folder's name;
        -1 for a picture that lies in no folder of a class. None where no folders tell them apart.
    names : tuple of str
        Names of the folders, empty where they are numbers.
    folders : Categories or None
        The whole path of each picture's folder, where it says more than the label.
    left_out : Counter
        How many files were not read, by reason.
    are_stacks, is_table : bool
        The files are stacks: there are no pictures. The only file is a table, which names stacks.
    """

    files: list[Path] = field(default_factory=list)
    labels: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    folders: Categories | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    are_stacks: bool = False
    is_table: bool = False

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was left out, one line a reason."""
        return tuple(reason.format(words.count(n, "file")) for reason, n in self.left_out.items())


def pictures_of(folder: Path, stack_kind: Callable[[str], str]) -> Pictures:
    """Return the pictures of a folder and of the folders in it, any levels down.

    Where there are none, its only table is returned, or its stacks.

    Where folders tell pictures apart, the first level that does so names their classes; a level
    that only says train or test is passed over. Hidden folders and those of runs are left out.

    Parameters
    ----------
    stack_kind : callable
        "stack" or "table" where a file's name says that it is one, else "".

    Raises
    ------
    ImageFileError
        There is neither, or several tables that name stacks.
    """
    found = Pictures()
    pictures, stacks, tables = _Files(), _Files(), _Files()
    kinds = {"picture": pictures, "stack": stacks, "table": tables}
    for place, names in _walk(folder, found.left_out):
        for file in (Path(folder, *place, name) for name in names if not name.startswith(".")):
            if (kind := _kind(file, found.left_out, stack_kind)) in kinds:
                kinds[kind].append((file, place))
    if len(tables) > 1 and not pictures:
        raise _has_tables(folder, [file for file, _ in tables])
    if tables and not pictures:
        return Pictures([tables[0][0]], left_out=found.left_out, is_table=True)
    for file, _ in (*stacks, *tables) if pictures else ():
        found.left_out[_beside(file)] += 1
    found.are_stacks = not pictures
    chosen = pictures or stacks
    if not chosen:
        raise _none(folder, found)
    found.files = [file for file, _ in chosen]
    _label(found, [place for _, place in chosen])
    return found


def _walk(folder: Path, left_out: Counter[str]) -> Iterator[tuple[Place, list[str]]]:
    """Yield each folder within, as its place in `folder`, and the names of its files, in order."""
    seen: set[tuple[int, int]] = set()
    for top, inside, files in os.walk(folder, onerror=_raise, followlinks=True):
        here = os.stat(top)
        is_run = top != str(folder) and all(name in files for name in _OF_A_RUN)
        if is_run:
            left_out["{} not read: they belong to a run of this program"] += len(files)
        if is_run or (here.st_dev, here.st_ino) in seen:  # a link may lead up again
            inside.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        yield Path(top).relative_to(folder).parts, sorted(files)


def _raise(error: OSError) -> None:
    raise file_error(error, error.filename, "cannot be opened") from error


def _kind(file: Path, left_out: Counter[str], stack_kind: Callable[[str], str]) -> str:
    """Return "picture", "stack" or "table", counting what is known and not read."""
    suffix = file.suffix.lower()
    if file.is_symlink() and not file.exists():
        left_out["{} not read: links that lead nowhere"] += 1
    elif suffix in READ and file.is_file():
        return "picture"
    elif suffix in _OTHER_PICTURES:
        left_out[f"{{}} not read: {suffix} is not read from a folder"] += 1
    elif kind := stack_kind(file.name):
        if not _is_labels(file.name) and file.is_file():
            return kind
        left_out["{} not read: labels by their name"] += 1
    return ""


def _is_labels(name: str) -> bool:
    """Return whether a file's name says that it holds labels, as train-labels-idx1-ubyte.gz."""
    stem = name.lower().partition(".")[0]
    return stem in NAMES or bool({"label", "labels"} & set(re.split(r"[^a-z]+", stem)))


def _beside(file: Path) -> str:
    return f"{{}} not read: {file.suffix.lower()} is not read from a folder of pictures"


def _label(found: Pictures, places: list[Place]) -> None:
    classes = _classes(places)
    if classes is None:
        return
    names = sorted({name for name in classes if name})
    numbers = [int(name) for name in names if name.isascii() and name.isdigit()]
    plain = len(set(numbers)) == len(names) and max(numbers) <= _LARGEST
    value = dict(zip(names, numbers if plain else range(len(names)), strict=True))
    found.labels = np.asarray([value.get(name, -1) for name in classes], dtype=np.int64)
    found.names = () if plain else tuple(names)
    whole = ["/".join(place) for place in places]
    if len(set(whole)) > len(set(classes)):
        folders, codes = np.unique(whole, return_inverse=True)
        found.folders = Categories(codes.astype(np.int32), tuple(folders.tolist()))


def _classes(places: list[Place]) -> list[str] | None:
    """Return the class of each picture by its folder; "" where it has none."""
    while True:
        first = {place[0] if place else "" for place in places}
        if first == {""}:
            return None
        splits = {name.lower() for name in first} <= _SPLITS
        if len(first) > 1 and not (splits and any(len(place) > 1 for place in places)):
            return [place[0] if place else "" for place in places]
        places = [place[1:] for place in places]


def _has_tables(folder: Path, tables: list[Path]) -> ImageFileError:
    named = tables[0].relative_to(folder)
    more = f" and {words.count(len(tables) - 1, 'other table')}" if len(tables) > 1 else ""
    return ImageFileError(f"holds the table {named}{more}", folder, f"name the table: {tables[0]}")


def _none(folder: Path, found: Pictures) -> ImageFileError:
    """Say what lies there instead of pictures."""
    said = "; ".join(found.remarks)
    what = f"holds no images ({said})" if said else "holds no images"
    todo = "a folder must hold pictures, such as PNG, JPEG or TIFF; name a stack or table itself"
    return ImageFileError(what, folder, todo)
