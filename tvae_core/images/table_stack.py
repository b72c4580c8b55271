"""The images that a particle table points to, in one stack or in thousands."""

from __future__ import annotations

from collections import Counter, OrderedDict
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.ctf import Ctf
from tvae_core.errors import ImageFileError, TableError
from tvae_core.images.mrc import SUFFIXES, MrcHeader, read_header
from tvae_core.images.raw import FileBytes, runs
from tvae_core.images.stack import ImageStack, Sources, StackForm, StackNotes, Wanted
from tvae_core.npy_header import MAGIC
from tvae_core.particles import (
    ImageReferences,
    ParticleTable,
    StarTable,
    read_table,
    table_ctf,
)

_OPEN_AT_ONCE = 64


class TableStack(ImageStack):
    """The particles of a table, in the table's order; made by `open_table`."""

    def __init__(
        self,
        table: ParticleTable,
        references: ImageReferences,
        paths: list[Path],
        headers: list[MrcHeader],
    ) -> None:
        first = headers[0].form
        dtypes = {header.form.dtype.newbyteorder("=") for header in headers}
        dtype = dtypes.pop() if len(dtypes) == 1 else np.dtype(np.float32)
        form = StackForm(len(table), first.height, first.width, 1, dtype)
        kind = "RELION table" if isinstance(table, StarTable) else "cryoSPARC table"
        super().__init__(table.path, kind, form, _notes(table, headers[0]))
        self._table = table
        self._references = references
        self._paths = paths
        self._headers = headers
        self._open: OrderedDict[int, FileBytes] = OrderedDict()

    @property
    def table(self) -> ParticleTable:
        """The table itself, with every column."""
        return self._table

    def sources(self) -> Sources:
        """Return the stacks and places as the table writes them."""
        return Sources(*self._references)

    def ctf(self) -> Ctf | None:
        """Return the CTF of every image, fields (N,), or None when the table does not say it.

        The CTF belongs to images of `pixel_sizes_angstrom`.

        Raises
        ------
        ImageFileError
            A value of the table is no number.
        """
        try:
            return table_ctf(self.table)
        except TableError as error:
            raise ImageFileError(error.what, error.where, error.todo) from error

    @cached_property
    def pixel_sizes_angstrom(self) -> NDArray[np.float64] | None:
        """Pixel size of each image, (N,): of the table, else of its stack; None when unknown."""
        sizes = self.table.pixel_size_angstrom
        if sizes is None or not _all_positive(sizes):
            of_stacks = np.array([h.pixel_size_angstrom or np.nan for h in self._headers])
            sizes = of_stacks[self._references.file_index]
        return sizes if _all_positive(sizes) else None

    def close(self) -> None:
        """Close the stacks."""
        while self._open:
            self._open.popitem()[1].close()

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        images = np.empty((len(indices), *self.form.image_shape), np.float32)
        files = self._references.file_index[indices]
        for file in np.unique(files).tolist():
            places = np.flatnonzero(files == file)
            wanted = self._references.image_index[indices[places]]
            images[places] = self._of_file(file, wanted)
        return images

    def _of_file(self, file: int, wanted: NDArray[np.int64]) -> NDArray[Any]:
        header = self._headers[file]
        source = self._source(file)
        images = np.empty((len(wanted), *header.form.image_shape), header.form.dtype)
        for start, stop in runs(wanted):
            offset = header.offset + int(wanted[start]) * header.form.image_bytes
            source.fill(images[start:stop], offset)
        return images

    def _source(self, file: int) -> FileBytes:
        """Return an open stack; the longest unused is closed when too many are open."""
        source = self._open.pop(file, None) or FileBytes(self._paths[file])
        self._open[file] = source
        if len(self._open) > _OPEN_AT_ONCE:
            self._open.popitem(last=False)[1].close()
        return source


def sniff_star(head: bytes) -> bool:
    """Return whether a file's first bytes are a STAR table of RELION's."""
    return b"data_" in head and b"_rln" in head


def sniff_cs(head: bytes) -> bool:
    """Return whether a file's first bytes are a cryoSPARC table."""
    return head[:6] == MAGIC and b"'uid'" in head


def open_table(path: Path, wanted: Wanted) -> TableStack:
    """Open the images of a .star or .cs table.

    A stack's path is taken as it is, relative to the table's folder or one above it, or to
    `wanted.image_root`. A stack is also found by its name alone in there or beside the table,
    when no two stacks of the table share it.

    Raises
    ------
    ImageFileError
        The table cannot be read, a stack is missing, damaged, of another size than the first,
        or has fewer images than the table says.
    """
    try:
        table = read_table(path)
        references = table.image_references()
    except TableError as error:
        raise ImageFileError(error.what, error.where, error.todo) from error
    if not len(table):
        raise ImageFileError("holds no images", path)
    paths = _find_all(path, references.files, wanted.image_root)
    headers = [_header(stack) for stack in paths]
    _check_sizes(paths, headers)
    _check_places(path, references, headers)
    return TableStack(table, references, paths, headers)


def _find_all(table: Path, files: list[str], image_root: str) -> list[Path]:
    names = Counter(PurePosixPath(file).name for file in files)
    found, missing = [], []
    for file in files:
        unique = names[PurePosixPath(file).name] == 1
        stack = _find(table, file, image_root, unique)
        if stack is None:
            missing.append(file)
        else:
            found.append(stack)
    if missing:
        raise _missing(table, missing, image_root)
    return found


def _find(table: Path, file: str, image_root: str, unique_name: bool) -> Path | None:
    folder = table.absolute().parent
    roots = [Path(image_root).absolute()] if image_root else [folder, *folder.parents]
    choices = [root / file.lstrip("/") for root in roots] if image_root else []
    choices += [] if image_root else [root / file for root in roots]
    if unique_name:
        choices.append(roots[0] / PurePosixPath(file).name)
    return next((choice for choice in choices if choice.is_file()), None)


def _missing(table: Path, missing: list[str], image_root: str) -> ImageFileError:
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    todo = "set image_root to the folder that holds the stacks"
    if image_root:
        todo = f"image_root {image_root} does not hold it"
    return ImageFileError(f"its stack {missing[0]}{more} is missing", table, todo)


def _header(path: Path) -> MrcHeader:
    if path.suffix.lower() not in SUFFIXES:
        raise ImageFileError("tables are read with MRC stacks only", path)
    source = FileBytes(path)
    try:
        return read_header(source, path)
    finally:
        source.close()


def _check_sizes(paths: list[Path], headers: list[MrcHeader]) -> None:
    first = headers[0].form
    for path, header in zip(paths, headers, strict=True):
        if header.form.image_shape != first.image_shape:
            raise ImageFileError(
                f"mixed sizes: its images are {header.form.height} x {header.form.width} pixels, "
                f"those of {paths[0].name} are {first.height} x {first.width}",
                path,
            )


def _check_places(table: Path, references: ImageReferences, headers: list[MrcHeader]) -> None:
    counts = np.asarray([header.form.count for header in headers])[references.file_index]
    wrong = np.flatnonzero(references.image_index >= counts)
    if len(wrong):
        row = int(wrong[0])
        raise ImageFileError(
            f"row {row + 1} asks for image {references.image_index[row] + 1} of "
            f"{references.files[references.file_index[row]]}, which has {counts[row]}",
            table,
        )


def _notes(table: ParticleTable, header: MrcHeader) -> StackNotes:
    """Return the pixel size of the table, or of its first stack when the table is silent."""
    sizes = table.pixel_size_angstrom
    if sizes is None or not _all_positive(sizes):
        return StackNotes(header.pixel_size_angstrom)
    if np.ptp(sizes) > 1e-3 * sizes[0]:
        remark = f"pixel sizes from {sizes.min():.4g} to {sizes.max():.4g} angstrom are mixed"
        return StackNotes(None, remarks=(remark,))
    return StackNotes(float(sizes[0]))


def _all_positive(sizes: NDArray[np.float64]) -> bool:
    return bool(np.all(np.isfinite(sizes) & (sizes > 0)))
