"""Where an export goes, and the promise that it is whole: written aside, read back, renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tvae_core.errors import Cancelled, ImageFileError
from tvae_core.files import atomic_write

Progress = Callable[[float], None]
Asked = Callable[[], bool]


@dataclass(frozen=True)
class Exported:
    """What was written: its path and how many images or rows were read back from it."""

    path: Path
    count: int


@contextmanager
def new_file(path: Path, overwrite: bool) -> Iterator[Path]:
    """Give a path beside `path` to write to; on success it becomes `path`.

    Raises
    ------
    ImageFileError
        `path` is there and `overwrite` is false.
    """
    refuse_existing(path, overwrite)
    with atomic_write(path) as part:
        yield part


@contextmanager
def new_folder(path: Path, overwrite: bool) -> Iterator[Path]:
    """Give a folder beside `path` to write into; on success it becomes `path`."""
    refuse_existing(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        yield part
        part.chmod(0o755)
        if path.exists():
            old = part.with_suffix(".old")
            os.replace(path, old)
            os.replace(part, path)
            shutil.rmtree(old)
        else:
            os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise an ImageFileError when `path` is there and must not be replaced."""
    if path.exists() and not overwrite:
        raise ImageFileError("already there", path, "choose another name or allow overwriting")


def verify(written: object, read: object, path: Path, what: str = "images") -> None:
    """Raise an ImageFileError unless what was read back is what was written."""
    if written != read:
        raise ImageFileError(f"the {what} read back differ from those written", path, "try again")


def report(
    done: int, total: int, progress: Progress | None = None, cancelled: Asked | None = None
) -> None:
    """Tell the share done; raise Cancelled when the user asked to stop."""
    if cancelled is not None and cancelled():
        raise Cancelled("the export was stopped; nothing was written")
    if progress is not None:
        progress(done / max(total, 1))
