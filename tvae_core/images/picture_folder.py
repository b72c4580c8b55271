"""Which files of a folder are its pictures, their classes, and what is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core import words
from tvae_core.errors import ImageFileError

READ = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".pgm", ".ppm"),
    *(".tif", ".tiff"),
)
_OTHER_PICTURES = (
    *(".svg", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".psd", ".exr", ".hdr", ".dng", ".nef"),
    *(".cr2", ".raw", ".czi", ".lif", ".nd2", ".dm3", ".dm4", ".ser", ".emd", ".eer", ".dcm"),
    *(".fits", ".svs", ".ndpi", ".zarr"),
)
_MOST_LOOKED_AT = 100_000  # entries of deeper folders
_LARGEST = np.iinfo(np.int32).max


@dataclass
class Pictures:
    """The pictures of a folder, in order.

    Parameters
    ----------
    files : list of Path
    labels : (N,) int64 or None
        Class of each: the number that its folder is called, or the place of its folder's name.
    names : tuple of str
        Names of the folders, empty where they are numbers.
    left_out : Counter
        How many files were not read, by reason.
    """

    files: list[Path] = field(default_factory=list)
    labels: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was left out, one line a reason."""
        return tuple(reason.format(words.count(n, "file")) for reason, n in self.left_out.items())


def pictures_of(folder: Path, is_stack: Callable[[str], bool]) -> Pictures:
    """Return the pictures of a folder, or of its class folders.

    Parameters
    ----------
    is_stack : callable
        Whether a file of this name is a stack or a table, which is not read from a folder.

    Raises
    ------
    ImageFileError
        There are none, or both pictures and folders of pictures.
    """
    found = Pictures()
    files = _here(folder, found.left_out, is_stack)
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and _is_seen(path)]
    inside = {path.name: _here(path, found.left_out, is_stack) for path in folders}
    classes = {name: files_there for name, files_there in inside.items() if files_there}
    if files and classes:
        raise ImageFileError(
            "holds both pictures and folders of pictures", folder, "give one of the folders"
        )
    if files:
        found.files = files
        return found
    if not classes:
        raise _none(folder, found)
    found.files = [file for inside in classes.values() for file in inside]
    deeper, place = _deeper([folder / name for name in classes])
    if deeper:
        found.left_out[f"{{}} lie deeper down and are not read: {place.relative_to(folder)}"] = (
            deeper
        )
    _label(found, classes)
    return found


def _label(found: Pictures, classes: dict[str, list[Path]]) -> None:
    numbers = [int(name) for name in classes if name.isascii() and name.isdigit()]
    plain = len(set(numbers)) == len(classes) and max(numbers) <= _LARGEST
    values = numbers if plain else range(len(classes))
    counts = [len(inside) for inside in classes.values()]
    found.labels = np.repeat(np.asarray(values, dtype=np.int64), counts)
    found.names = () if plain else tuple(classes)


def _here(folder: Path, left_out: Counter[str], is_stack: Callable[[str], bool]) -> list[Path]:
    """Return the pictures that lie in a folder itself, counting what is not read."""
    found = []
    for file in sorted(folder.iterdir()):
        suffix = file.suffix.lower()
        if not _is_seen(file) or file.is_dir():
            continue
        if suffix in READ and file.is_file():
            found.append(file)
        elif file.is_symlink() and not file.exists():
            left_out["{} not read: links that lead nowhere"] += 1
        elif suffix in _OTHER_PICTURES or is_stack(file.name):
            left_out[f"{{}} not read: {suffix} is not read from a folder"] += 1
    return found


def _is_seen(path: Path) -> bool:
    return not path.name.startswith(".")


def _deeper(folders: list[Path]) -> tuple[int, Path]:
    """Return how many pictures lie in folders within `folders`, and where the first do."""
    count, first, looked_at = 0, Path(), 0
    for top in folders:
        for place, inside, files in os.walk(top):
            inside[:] = sorted(name for name in inside if not name.startswith("."))
            looked_at += len(files)
            if Path(place) == top or looked_at > _MOST_LOOKED_AT:
                continue
            here = sum(Path(name).suffix.lower() in READ and name[0] != "." for name in files)
            first = Path(place) if here and not count else first
            count += here
    return count, first


def _none(folder: Path, found: Pictures) -> ImageFileError:
    """Say what lies there instead of pictures."""
    deeper, place = _deeper([folder])
    if deeper:
        what = f"holds no images itself; {words.count(deeper, 'picture')} lie deeper down"
        return ImageFileError(what, folder, f"name the folder that holds them, such as {place}")
    said = "; ".join(found.remarks)
    what = f"holds no images ({said})" if said else "holds no images"
    todo = "a folder must hold pictures, such as PNG, JPEG or TIFF; name a stack or table itself"
    return ImageFileError(what, folder, todo)
