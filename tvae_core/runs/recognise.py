"""One door: what a path is, whatever it is, and how one goes on with it.

`tvae open`, `tvae-gui PATH`, a drop on the window and its Open dialog all ask here. A folder is
told by its first image, a file by its name and its first bytes; nothing is read whole. The readers
of images are imported when the first file asks for them: a store needs none.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from tvae_core import words
from tvae_core.errors import ImageFileError, OutsideError, TvaeError, UnclearImagesError
from tvae_core.files import file_error
from tvae_core.hdf5_files import read_hdf5
from tvae_core.images.seems import seems_to_be
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.listing import RunSummary, find_runs, summarise
from tvae_core.runs.status import RunStatus
from tvae_core.store_header import FORMAT

if TYPE_CHECKING:
    from tvae_core.images.stack import ImageStack

_TABLES = (".csv", ".tsv")
_ANALYSIS = ".analysis.h5"
_FIELD_SIDE = 512  # px: a single larger image is one of many objects
_LARGE_FIELD = 1024  # px: images of a short stack that are larger are fields too
_FEW_FIELDS = 64
_WITHIN_A_RUN = ("checkpoints", "previews")
_MOST_LOOKED_AT = 20_000


class Kind(StrEnum):
    """What a path is."""

    STORE = "store"
    RUN = "run"
    RUNS = "folder of runs"
    IMAGES = "images"
    FIELD = "field"
    TABLE = "table"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Recognised:
    """What a path is, and how to go on.

    Attributes
    ----------
    kind : Kind
    path : Path
        What is to be opened: of a file within a run, the run.
    words : str
        What it is, as part of a sentence.
    command : str
        The command that goes on from here; empty where there is none.
    store : Path or None
        What there is to explore.
    error : TvaeError or None
        Why it cannot be used as it is.
    others : tuple of Path
        What else was given and is of the same kind.
    """

    kind: Kind
    path: Path
    words: str
    command: str = ""
    store: Path | None = None
    error: TvaeError | None = None
    others: tuple[Path, ...] = ()


def what_are(paths: Sequence[Path | str]) -> Recognised:
    """Return what several paths are together; those of other kinds than the first are left out.

    All pictures of one folder are that folder.
    """
    found = [what_is(path) for path in paths]
    first = found[0]
    if len(found) == 1:
        return first
    folder = _folder_of(found)
    if folder is not None:
        return what_is(folder)
    alike = [each.path for each in found[1:] if each.kind is first.kind]
    said = f"{first.words}, the first of {words.count(len(found), 'thing')} given"
    return replace(first, words=said, others=tuple(dict.fromkeys(alike)))


def what_is(path: Path | str) -> Recognised:
    """Return what a path is: store, run, folder of runs, images, field, table, or unknown.

    Never raises: why something cannot be used is its `error`.
    """
    path = Path(path).expanduser().absolute()
    try:
        return _what_is(path)
    except TvaeError as error:
        return _unknown(path, error.what, error)
    except OSError as error:
        told = file_error(error, path, "cannot be opened")
        return _unknown(path, told.what, told)


def _what_is(path: Path) -> Recognised:
    if not path.exists():
        todo = "is it spelt rightly, and is its disk there?"
        return _unknown(path, "nothing there", ImageFileError("no such file or folder", path, todo))
    if (run := _run_of(path)) is not None:
        return _run(run)
    return _folder(path) if path.is_dir() else _file(path)


def _run_of(path: Path) -> Path | None:
    """Return the run that a path is, or lies in; None for a store, which says more by itself."""
    if path.is_dir():
        places = [path, path.parent] if path.name in _WITHIN_A_RUN else [path]
    else:
        places = [] if path.suffix.lower() in (".h5", ".hdf5") else [path.parent]
        places += [path.parent.parent] if path.parent.name in _WITHIN_A_RUN else []
    return next((place for place in places if _is_run(place)), None)


def _is_run(path: Path) -> bool:
    folder = RunFolder(path)
    traces = folder.metrics.exists() or folder.checkpoints.is_dir() or folder.pid_file.exists()
    return traces or (folder.is_run() and _has_settings(folder))


def _has_settings(folder: RunFolder) -> bool:
    try:
        folder.config()
    except TvaeError:
        return False
    return True


def _run(path: Path) -> Recognised:
    folder, found = RunFolder(path), summarise(path)
    store = folder.store if folder.store.is_file() else None
    if not _has_settings(folder):
        what = "a run whose settings (config.json) are missing or damaged"
        if store is not None:
            return Recognised(Kind.RUN, path, what, _gui(path), store)
        error = ImageFileError(what, path, "train it again")
        return Recognised(Kind.RUN, path, what, error=error)
    named = shlex.quote(str(path))
    command = f"tvae train {named} --resume"
    if found.status.is_live:
        command = ""
    elif found.status is RunStatus.QUEUED:
        command = f"tvae train {named}"
    elif store is not None and found.status is RunStatus.FINISHED:
        command = _gui(path)
    return Recognised(Kind.RUN, path, _state(found), command, store)


def _state(found: RunSummary) -> str:
    planned = f" of {found.epochs_planned:,}" if found.epochs_planned else ""
    epochs = f" after {found.epochs:,}{planned} epochs" if found.epochs else ""
    if found.status is RunStatus.QUEUED:
        return "a run that has not begun"
    if found.status is RunStatus.FINISHED:
        return f"a finished run{epochs}"
    if found.status is RunStatus.FAILED:
        why = f": {found.reason.rstrip('.')}" if found.reason else ""
        return f"a run that failed{epochs}{why}"
    doing = "at work" if found.status.is_live else "that was stopped"
    return f"a run {doing}{epochs}"


def _folder(path: Path) -> Recognised:
    from tvae_core.images.opening import open_stack
    from tvae_core.images.picture_folder import READ

    inside = next((path / n for n in ("embeddings.h5",) if (path / n).is_file()), None)
    if inside is not None:
        return _store(inside)
    runs = find_runs([path])
    if runs:
        what = f"a folder of {words.count(len(runs), 'run')}"
        return Recognised(Kind.RUNS, path, what, _gui(path), others=tuple(runs))
    tables = sorted(p for p in path.iterdir() if p.suffix.lower() in (".star", ".cs", ".csg"))
    if len(tables) == 1 and not any(p.suffix.lower() in READ for p in path.iterdir()):
        return _file(tables[0])
    first = _first_image(path)
    if first is not None:
        return Recognised(Kind.IMAGES, path, "a folder of images", _train(path))
    try:
        open_stack(path).close()
    except TvaeError as error:
        return _unknown(path, f"a folder that {error.what}", error)
    return Recognised(Kind.IMAGES, path, "a folder of images", _train(path))


def _first_image(folder: Path) -> Path | None:
    """Return the first picture of a folder of any depth, not looking for ever."""
    from tvae_core.images.picture_folder import READ

    looked_at = 0
    for top, inside, files in os.walk(folder):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        for name in sorted(files):
            looked_at += 1
            if not name.startswith(".") and Path(name).suffix.lower() in READ:
                return Path(top, name)
        if looked_at > _MOST_LOOKED_AT:
            break
    return None


def _file(path: Path) -> Recognised:
    from tvae_core.images.registry import kind_of_name

    suffix = path.suffix.lower()
    if path.name.endswith(_ANALYSIS):
        store = path.with_name(path.name.removesuffix(_ANALYSIS) + ".h5")
        if store.is_file():
            return replace(_store(store), words=f"notes on {store.name}, a store")
        error = ImageFileError("notes on a store that is not beside them", path, f"find {store}")
        return _unknown(path, "notes without their store", error)
    if suffix in (".h5", ".hdf5") and _is_store(path):
        return _store(path)
    if suffix in _TABLES:
        command = f"{_gui(Path('STORE'))}, then drop the table on the window"
        return Recognised(Kind.TABLE, path, "a table of values, to join to an open run", command)
    if kind_of_name(path.name) is None:
        return _not_read(path)
    return _images(path)


def _is_store(path: Path) -> bool:
    try:
        with read_hdf5(path) as file:  # as everywhere: one process cannot lock in two ways
            return bool(file.attrs.get("format") == FORMAT)
    except OSError:
        return False


def _store(path: Path) -> Recognised:
    return Recognised(Kind.STORE, path, "an embedding store", _gui(path), path)


def _images(path: Path) -> Recognised:
    from tvae_core.images.opening import open_stack
    from tvae_core.images.registry import kind_of_content, kind_of_name

    kind = kind_of_name(path.name)
    noun = kind.words if kind is not None else "file"
    try:
        with open_stack(path) as stack:
            return _of_stack(path, stack)
    except OutsideError:  # whoever trains on it is asked
        return Recognised(Kind.IMAGES, path, f"a {noun} of images elsewhere", _train(path))
    except TvaeError as error:
        alike = None if kind is not None and kind.is_table else kind_of_content(path)
        if alike is None and (kind is None or not kind.is_table):
            return _unknown(path, f"called {path.suffix} but not a {noun}", error)
        unclear = isinstance(error, UnclearImagesError)
        if path.suffix.lower() in (".h5", ".hdf5") and not unclear:
            return _unknown(path, f"{noun} without images, or damaged", error)  # no setting helps
        return Recognised(Kind.IMAGES, path, f"a {noun} that cannot be read", "", error=error)


def _of_stack(path: Path, stack: ImageStack) -> Recognised:
    count, side = len(stack), min(stack.height, stack.width)
    size = f"{stack.width:,} × {stack.height:,} px"
    few_large = count <= _FEW_FIELDS and side > _LARGE_FIELD
    if stack.table is None and ((count == 1 and side > _FIELD_SIDE) or few_large):
        noun = f"{words.count(count, 'field')} of many objects" if count > 1 else "a field"
        return Recognised(Kind.FIELD, path, f"{noun}, {size}", _train(path))
    colour = ", in colour" if stack.channels == 3 else ""
    what = f"{words.count(count, 'image')} of {size}{colour} ({stack.kind})"
    return Recognised(Kind.IMAGES, path, what, _train(path))


def _not_read(path: Path) -> Recognised:
    from tvae_core.images.opening import open_stack
    from tvae_core.images.registry import kind_of_content, readable

    if not path.stat().st_size:
        return _unknown(path, "an empty file", ImageFileError("empty file", path))
    try:
        open_stack(path).close()
    except ImageFileError as error:
        seems = seems_to_be(path)
        if not seems or kind_of_content(path) is not None:
            return _unknown(path, error.what, error)
        what = f"{seems}, which is not read"
        todo = f"these are: {readable()}, runs, stores and CSV tables"
        todo = "unpack it first" if "archive" in seems else todo
        return _unknown(path, what, ImageFileError(what, path, todo))
    return _images(path)


def _unknown(path: Path, what: str, error: TvaeError) -> Recognised:
    return Recognised(Kind.UNKNOWN, path, what, error=error)


def _folder_of(found: list[Recognised]) -> Path | None:
    """Return the folder whose pictures all were given; None where they are not all of it."""
    from tvae_core.images.picture_folder import READ

    parents = {each.path.parent for each in found}
    pictures = all(each.path.suffix.lower() in READ for each in found)
    if len(parents) != 1 or not pictures:
        return None
    folder = parents.pop()
    there = {p for p in folder.iterdir() if p.suffix.lower() in READ and p.name[0] != "."}
    return folder if there == {each.path for each in found} else None


def _train(path: Path) -> str:
    return f"tvae train RUN --data {shlex.quote(str(path))}"


def _gui(path: Path) -> str:
    return f"tvae-gui {shlex.quote(str(path))}"
