"""The errors a user can act on: what went wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class TvaeError(Exception):
    """An error with one clear line for the user.

    Parameters
    ----------
    what : str
        What happened, in the user's words.
    where : str
        The file, run or option concerned; empty when there is none.
    todo : str
        What the user can do about it; empty when nothing helps.
    """

    exit_code = 2

    def __init__(self, what: str, where: object = "", todo: str = "") -> None:
        self.what = what
        self.where = str(where)
        self.todo = todo
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.todo})" if self.todo else ""
        return f"{place}{self.what}{advice}"


class ConfigError(TvaeError):
    """A setting is unknown, out of bounds or contradicts another."""


class ImageFileError(TvaeError):
    """Images cannot be read."""


class UnclearImagesError(ImageFileError):
    """Images cannot be read until a setting says how; the advice names it."""


class OutsideError(ImageFileError):
    """A table leads to images outside its project folder, which nobody has allowed."""


class TableError(TvaeError):
    """A particle table cannot be read or written."""


class StoreError(TvaeError):
    """An embedding file cannot be used."""

    exit_code = 4


class CheckpointError(TvaeError):
    """A checkpoint cannot be used."""

    exit_code = 4


class DeviceError(TvaeError):
    """The machine lacks what was asked for: a GPU, memory, an installed extra."""

    exit_code = 3


class FileError(TvaeError, OSError):
    """The machine would not read or write a file: no room, no rights, a failing disk.

    It is an `OSError` too, told in words: what can do without the file may catch it as one.
    """

    exit_code = 3


class TrainingError(TvaeError):
    """Training cannot go on."""

    exit_code = 3


class BusyError(TvaeError):
    """Another process works on the same file."""

    exit_code = 3


class Cancelled(TvaeError):
    """The user stopped the work; what was finished is kept."""

    exit_code = 130


_EXTRAS = {
    "torch": "train", "safetensors": "train", "PyQt6": "gui", "pyqtgraph": "gui", "umap": "umap",
    "submitit": "slurm", "imagecodecs": "images", "pandas": "tables", "pyarrow": "tables",
    "anndata": "tables",
}  # fmt: skip


def missing(error: ModuleNotFoundError) -> DeviceError | None:
    """Return which extra brings a module that is not installed; None for one of no extra."""
    name = (error.name or "").partition(".")[0]
    if name not in _EXTRAS:
        return None
    todo = f"pip install 'target-vae[{_EXTRAS[name]}]'"
    return DeviceError(f"this needs {name}, which is not installed", todo=todo)


@contextmanager
def extras_named() -> Iterator[None]:
    """Tell of a module that is not installed by the extra that brings it.

    Raises
    ------
    DeviceError
        In place of the ModuleNotFoundError of such a module.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        told = missing(error)
        if told is None:
            raise
        raise told from error


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean '...'?` where a known word is near; empty where none is.

    Of words such as `train.epochs` the last part alone may be meant.
    """
    from difflib import get_close_matches

    by_key = {one.rpartition(".")[2]: one for one in known}
    key = word.rpartition(".")[2]
    near = [] if key in by_key else get_close_matches(word, by_key.values(), n=1)
    near = near or [by_key[one] for one in get_close_matches(key, by_key, n=1)]
    return f"did you mean {near[0]!r}?" if near else ""
