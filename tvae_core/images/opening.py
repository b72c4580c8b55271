"""Opening a stack of images by the kind its name says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tvae_core.config import DataConfig
from tvae_core.errors import ImageFileError, TvaeError
from tvae_core.files import file_error
from tvae_core.images.boxes import boxes_of
from tvae_core.images.fitting import FitChoice
from tvae_core.images.picture_folder import pictures_of
from tvae_core.images.pictures import have_pages, open_pictures
from tvae_core.images.registry import kind_of_content, kind_of_name, readable
from tvae_core.images.stack import ImageStack, Wanted
from tvae_core.images.stack_folder import open_folder_of_stacks


def open_data(data: DataConfig) -> ImageStack:
    """Open the images that a run's settings name, as they are in their files.

    Of large images of many objects these are boxes about the objects; see
    `tvae_core.images.boxes`.

    Raises
    ------
    ImageFileError
        They name none, or as `open_stack`.
    """
    if not data.path:  # it would be the folder that the program was started in
        raise ImageFileError("no images are named", "", "name them: --data PATH")
    stack = open_stack(
        data.path,
        dataset=data.dataset,
        image_root=data.image_root,
        axes=data.axes,
        channel=data.channel,
        fit=data.fit,
        side_px=data.side_px,
        crop_px=data.crop_px,
        allow_outside=data.allow_outside,
    )
    try:
        return boxes_of(stack, data)
    except TvaeError:
        stack.close()
        raise


def open_stack(
    path: Path | str,
    *,
    dataset: str = "",
    image_root: str = "",
    axes: str = "",
    channel: str = "",
    fit: FitChoice = "auto",
    side_px: int = 0,
    crop_px: int = 0,
    allow_outside: bool = False,
) -> ImageStack:
    """Open images of any kind of `tvae_core.images.registry`, for reading only.

    Parameters
    ----------
    path : path
        A stack, a particle table, a picture, or a folder of pictures.
    dataset : str
        Name of the array of an .npz or .h5 file; empty takes the only one.
    image_root : str
        Folder of the stacks of a table; empty looks beside and above the table.
    axes, channel : str
        What the axes mean and which channels are taken, as in `Wanted`; empty guesses, or asks.
    fit, side_px, crop_px
        How pictures of several sizes come to one, as for `tvae_core.images.fitting.fit_of`.
    allow_outside : bool
        The stacks of a table may lie outside its project folder (see `find_stacks`).

    Raises
    ------
    FileError
        The machine would not open it.
    OutsideError
        A table leads out of its project folder, and that is not allowed.
    ImageFileError
        One line: missing, unknown kind, not the kind it says, truncated, no images, a stack of
        mixed sizes, absurd size, pixels that are not read.
    """
    path = Path(path)
    wanted = Wanted(dataset, image_root, axes, channel, fit, side_px, crop_px, allow_outside)
    try:
        return _open(path, wanted)
    except OSError as error:
        raise file_error(error, path, "cannot be opened") from error


def named_by(path: Path) -> Path:
    """Return what a path stands for: of a folder whose only images are those of a table, that."""
    if not path.is_dir():
        return path
    try:
        found = pictures_of(path, _stack_kind)
    except ImageFileError:
        return path  # whoever opens it is told
    return found.files[0] if found.is_table else path


def _open(path: Path, wanted: Wanted) -> ImageStack:
    if not path.exists():
        raise ImageFileError("no such file or folder", path)
    if path.is_dir():
        return _open_folder(path, wanted)
    if not path.is_file():
        raise ImageFileError("neither a file nor a folder", path)
    if not path.stat().st_size:
        raise ImageFileError("empty file", path)
    kind = kind_of_name(path.name)
    if kind is None:
        raise _unknown(path)
    return kind.read(path, wanted)


def _open_folder(path: Path, wanted: Wanted) -> ImageStack:
    found = pictures_of(path, _stack_kind)
    if found.is_table:
        return _table_of_folder(path, found.files[0], wanted)
    if not found.are_stacks and not have_pages(found.files):
        return open_pictures(path, wanted, found)
    return open_folder_of_stacks(path, found, wanted, lambda file: _open(file, wanted))


def _table_of_folder(folder: Path, table: Path, wanted: Wanted) -> ImageStack:
    """Open the only table of a folder, and say so."""
    stack = _open(table, wanted)
    said = f"the folder's only table is read: {table.relative_to(folder)}"
    stack.notes = replace(stack.notes, remarks=(said, *stack.notes.remarks))
    return stack


def _stack_kind(name: str) -> str:
    kind = kind_of_name(name)
    return "" if kind is None else "table" if kind.is_table else "stack"


def _unknown(path: Path) -> ImageFileError:
    if path.suffix.lower() in (".pkl", ".pickle"):
        todo = "save it as .npy"
        return ImageFileError("pickles are not read: they can run any code", path, todo)
    alike = kind_of_content(path)
    if alike is not None:
        what = f"unknown kind of file; its content is that of a {alike.words}"
        todo = f"rename it so that it ends in {alike.endings[0]}"
        if path.suffix.lower() in (".gz", ".bz2", ".xz", ".zip"):
            todo = f"unpack it to a file that ends in {alike.endings[0]}"
        return ImageFileError(what, path, todo)
    return ImageFileError("unknown kind of file", path, f"known are {readable()}")
