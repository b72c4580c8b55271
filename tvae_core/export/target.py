"""Where an export goes, and the promise that it is whole: written aside, read back, renamed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tvae_core.errors import Cancelled, ImageFileError
from tvae_core.export.ours import put_in_place, refuse_others, refuse_own, take_back, write_manifest
from tvae_core.files import atomic_write, sync, sync_folder, told_of, umask
from tvae_core.parts import begin_of_part, part_beside
from tvae_core.progress import Cancel, Share


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
        `path` is there and `overwrite` is false, or it is part of a run.
    """
    refuse_existing(path, overwrite)
    with atomic_write(path) as part:
        yield part


@contextmanager
def new_folder(path: Path, overwrite: bool) -> Iterator[Path]:
    """Give a folder beside `path` to write into; on success it becomes `path`.

    Raises
    ------
    ImageFileError
        `path` is there and `overwrite` is false, or it holds what no export wrote.
    """
    path = path.resolve()
    take_back(path)
    refuse_existing(path, overwrite, folder=True)
    with told_of(path, begin_of_part(path)), part_beside(path) as aside:
        part = aside / path.name
        part.mkdir()
        with told_of(path, aside):
            yield part
            write_manifest(part)
        part.chmod(0o777 & ~umask())
        sync_folder(part)
        put_in_place(part, path)
        sync(path.parent)


def refuse_existing(path: Path, overwrite: bool, folder: bool = False) -> None:
    """Raise an ImageFileError when `path` is there and must not be replaced.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Whether what an export wrote may be replaced.
    folder : bool
        Whether a folder is to be written.
    """
    if not path.exists():
        return
    if not overwrite:
        raise ImageFileError("already there", path, "choose another name or allow overwriting")
    if folder and path.is_dir():
        refuse_others(path)
    elif folder:
        raise ImageFileError("is a file, not a folder", path, "choose another name")
    else:
        refuse_own(path)


def verify(written: object, read: object, path: Path, what: str = "images") -> None:
    """Raise an ImageFileError unless what was read back is what was written."""
    if written != read:
        raise ImageFileError(f"the {what} read back differ from those written", path, "try again")


def report(
    done: int, total: int, progress: Share | None = None, cancelled: Cancel | None = None
) -> None:
    """Tell the share done; raise Cancelled when the user asked to stop."""
    if cancelled is not None and cancelled():
        raise Cancelled("the export was stopped; nothing was written")
    if progress is not None:
        progress(done / max(total, 1))
