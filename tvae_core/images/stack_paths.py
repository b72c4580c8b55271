"""Finding the stacks that a table names, however its program spelt them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tvae_core.errors import ImageFileError

_FORCED_KIND = re.compile(r":(mrcs?|map|st)$", re.IGNORECASE)


def names_its_kind(file: str) -> bool:
    """Return whether a table says itself that a file is MRC, as in `stack.mrc:mrcs`."""
    return bool(_FORCED_KIND.search(file))


def find_stacks(table: Path, files: list[str], image_root: str) -> list[Path]:
    """Return where the stacks `files` of a table are.

    A path is taken as it is, relative to the table's folder or one above it, or to `image_root`.
    A stack is also found by its name alone in there or beside the table, when no two stacks of the
    table share it. A kind behind a colon is dropped, and backslashes are slashes, where no file
    has the name as it is written.

    Raises
    ------
    ImageFileError
        One is missing.
    """
    names = Counter(_name(file) for file in files)
    found = [_find(table, file, image_root, names[_name(file)] == 1) for file in files]
    missing = [file for file, stack in zip(files, found, strict=True) if stack is None]
    if missing:
        raise _missing(table, missing, image_root)
    return [stack for stack in found if stack is not None]


def _spellings(file: str) -> list[str]:
    plain = _FORCED_KIND.sub("", file)
    return list(dict.fromkeys([file, plain, plain.replace("\\", "/")]))


def _name(file: str) -> str:
    return PurePosixPath(_spellings(file)[-1]).name


def _find(table: Path, file: str, image_root: str, unique_name: bool) -> Path | None:
    choices = _choices(table, file, image_root, unique_name)
    return next((choice for choice in choices if choice.is_file()), None)


def _choices(table: Path, file: str, image_root: str, unique_name: bool) -> Iterator[Path]:
    folder = table.absolute().parent
    roots = [Path(image_root).absolute()] if image_root else [folder, *folder.parents]
    for spelling in _spellings(file):
        for root in roots:
            yield root / (spelling.lstrip("/") if image_root else spelling)
    if unique_name:
        yield from (roots[0] / PurePosixPath(spelling).name for spelling in _spellings(file))


def _missing(table: Path, missing: list[str], image_root: str) -> ImageFileError:
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    todo = "set image_root to the folder that holds the stacks"
    if image_root:
        todo = f"image_root {image_root} does not hold it"
    elif "\\" in missing[0]:
        todo += "; the name is a path of Windows, its backslashes were read as slashes"
    return ImageFileError(f"its stack {missing[0]}{more} is missing", table, todo)
