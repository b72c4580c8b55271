"""Finding the stacks that a table names, however its program spelt them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tvae_core.errors import ImageFileError, OutsideError

_DEEPEST = 5  # folders between a table and its project
_JOB = re.compile(r"job\d+")
_CRYOSPARC_JOB = re.compile(r"J\d+")
_RELION_TYPES = {
    *("Import", "MotionCorr", "CtfFind", "ManualPick", "AutoPick", "Extract", "Select", "Class2D"),
    *("InitialModel", "Class3D", "MultiBody", "Refine3D", "JoinStar", "Subtract", "PostProcess"),
    *("LocalRes", "Polish", "CtfRefine", "External", "MaskCreate", "PseudoSubtomo"),
}
_FORCED_KIND = re.compile(r":(mrcs?|map|st)$", re.IGNORECASE)


class _Found(NamedTuple):
    """A file, and the folder that its name was taken relative to."""

    path: Path
    root: Path


def names_its_kind(file: str) -> bool:
    """Return whether a table says itself that a file is MRC, as in `stack.mrc:mrcs`."""
    return bool(_FORCED_KIND.search(file))


def find_stacks(
    table: Path, files: list[str], image_root: str, allow_outside: bool = False
) -> list[Path]:
    """Return where the stacks `files` of a table are.

    A path is taken as it is, relative to the table's folder or one above it, or to `image_root`.
    A stack is also found by its name alone in there or beside the table, when no two stacks of the
    table share it. A kind behind a colon is dropped, and backslashes are slashes, where no file
    has the name as it is written.

    A table may be a stranger's, so its stacks must lie, links followed, in `image_root` or in the
    project folder: the table's own, the one above it (but not the user's home, nor any that all
    share), or the one that RELION's, cryoSPARC's or Scipion's names of jobs tell.

    Raises
    ------
    ImageFileError
        One is missing.
    OutsideError
        One leads out, and `allow_outside` is false.
    """
    names = Counter(_name(file) for file in files)
    found = [_find(table, file, image_root, names[_name(file)] == 1) for file in files]
    missing = [file for file, stack in zip(files, found, strict=True) if stack is None]
    if missing:
        raise _missing(table, missing, image_root)
    stacks = [stack for stack in found if stack is not None]
    if not allow_outside:
        _refuse_outside(table, files, stacks, image_root)
    return [path for path, _ in stacks]


def _spellings(file: str) -> list[str]:
    plain = _FORCED_KIND.sub("", file)
    return list(dict.fromkeys([file, plain, plain.replace("\\", "/")]))


def _name(file: str) -> str:
    return PurePosixPath(_spellings(file)[-1]).name


def _find(table: Path, file: str, image_root: str, unique_name: bool) -> _Found | None:
    choices = _choices(table, file, image_root, unique_name)
    return next((choice for choice in choices if choice.path.is_file()), None)


def _choices(table: Path, file: str, image_root: str, unique_name: bool) -> Iterator[_Found]:
    folder = table.absolute().parent
    roots = [Path(image_root).absolute()] if image_root else [folder, *folder.parents]
    for spelling in _spellings(file):
        for root in roots:
            path = root / (spelling.lstrip("/") if image_root else spelling)
            yield _Found(path, roots[0] if path == Path(spelling) else root)
    if unique_name:
        for spelling in _spellings(file):
            yield _Found(roots[0] / PurePosixPath(spelling).name, roots[0])


def _refuse_outside(table: Path, files: list[str], stacks: list[_Found], image_root: str) -> None:
    """Raise an OutsideError when a stack is not where the stacks of a table belong."""
    folder = table.absolute().parent
    shared, project = _shared(), _project(folder)
    own = [folder, folder if project in shared else project]
    above = () if folder.parent in shared else (folder.parent,)
    if image_root:
        own, above = [Path(image_root).absolute()], ()
    real = {root: os.path.realpath(root) for root in {*own, *above}}
    outside = [
        (file, found.path)
        for file, found in zip(files, stacks, strict=True)
        if not any(
            _within(found.path, real[root])
            for root in (*own, *(above if found.root in above else ()))
        )
    ]
    if outside:
        file, path = outside[0]
        more = f" (and {len(outside) - 1} more)" if len(outside) > 1 else ""
        raise OutsideError(
            f"its stack {file}{more} leads out of the project folder {own[-1]}, to "
            f"{os.path.realpath(path)}",
            table,
            "if you trust the table, allow it: --allow-outside on",
        )


def _within(path: Path, root: str) -> bool:
    real = os.path.realpath(path)
    return real.startswith(root.rstrip(os.sep) + os.sep)


def _project(folder: Path) -> Path:
    """Return the project folder of a table in `folder`, as names of jobs tell; else `folder`."""
    for above in (folder, *folder.parents)[:_DEEPEST]:
        if _JOB.fullmatch(above.name) and above.parent.name in _RELION_TYPES:
            return above.parent.parent
        if above.name in _RELION_TYPES or _CRYOSPARC_JOB.fullmatch(above.name):
            return above.parent
        if above.name in ("exports", "Runs") and above != folder:
            return above.parent
    return folder


def _shared() -> tuple[Path, ...]:
    """Return folders that no project is: the user's home, those above it, and those of the disk."""
    home = Path.home()
    system = ("/", "/tmp", "/var/tmp", "/mnt", "/media", "/data", "/scratch")
    return (home, *home.parents, *map(Path, system))


def _missing(table: Path, missing: list[str], image_root: str) -> ImageFileError:
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    todo = "set image_root to the folder that holds the stacks"
    if image_root:
        todo = f"image_root {image_root} does not hold it"
    elif "\\" in missing[0]:
        todo += "; the name is a path of Windows, its backslashes were read as slashes"
    return ImageFileError(f"its stack {missing[0]}{more} is missing", table, todo)
