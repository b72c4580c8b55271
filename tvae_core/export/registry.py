"""The kinds of export, each declared in one line; to add one, add its line.

`tvae export`, the export card and the messages about wrong names are all made from `KINDS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

from tvae_core.errors import ImageFileError, TableError
from tvae_core.export.file_form import FileForm
from tvae_core.export.frames import H5AD
from tvae_core.export.stack_files import HDF5, MRC, NPY, PNG, TIFF, StackForm
from tvae_core.export.table_files import CSV, PARQUET, TableForm

What = Literal["images", "table", "figure", "particles", "picks", "other"]


@dataclass(frozen=True)
class ExportKind:
    """One kind of export.

    Parameters
    ----------
    words : str
        What it is called to a person.
    endings : tuple of str
        How names of such files end, in small letters, the usual one first; empty for a folder.
    what : str
        What is written, and so which options apply: images, a table of what was inferred, a figure
        of the plane, rows of the run's particle table, objects found in a larger image, or
        something of its own.
    form : StackForm, TableForm or FileForm, optional
        How such a file is written and read back: of images, a table, or something of its own.
        Figures are matplotlib's, and particle tables are written as they were read.
    """

    words: str
    endings: tuple[str, ...]
    what: What
    form: StackForm | TableForm | FileForm | None = None

    @property
    def ending(self) -> str:
        """How names of new files end."""
        return self.endings[0]


KINDS: tuple[ExportKind, ...] = (
    ExportKind("images, MRC stack (.mrcs)", (".mrcs", ".mrc"), "images", MRC),
    ExportKind("images, TIFF", (".tif", ".tiff"), "images", TIFF),
    ExportKind("images, NumPy (.npy)", (".npy",), "images", NPY),
    ExportKind("images, HDF5", (".h5", ".hdf5"), "images", HDF5),
    ExportKind("images, folder of PNG", ("",), "images", PNG),
    ExportKind("table of every column, CSV", (".csv",), "table", CSV),
    ExportKind("table of every column, Parquet", (".parquet",), "table", PARQUET),
    ExportKind("table for scanpy, AnnData (.h5ad)", (".h5ad",), "other", H5AD),
    ExportKind("figure of the plane, PNG", (".png",), "figure"),
    ExportKind("figure of the plane, SVG", (".svg",), "figure"),
    ExportKind("figure of the plane, PDF", (".pdf",), "figure"),
    ExportKind("particles, RELION (.star)", (".star",), "particles"),
    ExportKind("particles, cryoSPARC (.cs)", (".cs",), "particles"),
    ExportKind("particles, cryoSPARC group (.csg)", (".csg",), "particles"),
)

# What `tvae detect` and the card of fields write: the endings say other things than in `KINDS`.
PICKS: tuple[ExportKind, ...] = (
    ExportKind("RELION coordinates (.star)", (".star",), "picks"),
    ExportKind("EMAN boxes (.box)", (".box",), "picks"),
    ExportKind("table, CSV", (".csv",), "picks"),
)


def endings_of(what: What) -> list[str]:
    """Return how the names of all files with such content end; that of a folder is empty."""
    return [e for kind in (*KINDS, *PICKS) if kind.what == what for e in kind.endings]


def kind_of(path: Path) -> ExportKind:
    """Return the kind of export that the name of `path` says.

    Raises
    ------
    ImageFileError
        No kind is called so.
    """
    ending = path.suffix.lower()
    for kind in KINDS:
        if ending in kind.endings:
            return kind
    raise ImageFileError(f"cannot export as {path.suffix!r}", path, f"use {every_ending()}")


def every_ending() -> str:
    """Return all endings in one line."""
    known = [ending for kind in KINDS for ending in kind.endings if ending]
    return f"{', '.join(known)}, or no ending for a folder of PNG"


@overload
def form_of(path: Path, what: Literal["images"]) -> StackForm: ...
@overload
def form_of(path: Path, what: Literal["table"]) -> TableForm: ...
def form_of(path: Path, what: Literal["images", "table"]) -> Any:
    """Return how images, or a table, are written to a file called so.

    Raises
    ------
    ImageFileError, TableError
        It does not end as such a file.
    """
    for kind in KINDS:
        if kind.what == what and path.suffix.lower() in kind.endings:
            return kind.form
    known = ", ".join(ending for ending in endings_of(what) if ending)
    if what == "table":
        raise TableError(f"tables cannot be written as {path.suffix!r}", path, f"use {known}")
    raise ImageFileError(
        f"image stacks cannot be written as {path.suffix!r}",
        path,
        f"use {known}, or no ending for a folder of PNG",
    )
