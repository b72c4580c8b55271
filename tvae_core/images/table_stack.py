"""The images that a particle table points to, in one stack or in thousands."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.ctf import Ctf
from tvae_core.errors import ImageFileError, TableError
from tvae_core.images.mrc import SUFFIXES, MrcHeader, read_header
from tvae_core.images.raw import FileBytes, runs
from tvae_core.images.stack import ImageStack, Sources, StackForm, StackNotes, Wanted
from tvae_core.images.stack_paths import find_stacks, names_its_kind
from tvae_core.images.table_pixels import PixelSizes, pixel_sizes
from tvae_core.npy_header import MAGIC
from tvae_core.particles import (
    Categories,
    ImageReferences,
    ParticleTable,
    StarTable,
    described_columns,
    read_table,
    table_ctf,
)

Signs = NDArray[np.float32]
_OPEN_AT_ONCE = 64
_ONE_ROW_AN_IMAGE = "give a table with a row for each image: N@stack"


class TableStack(ImageStack):
    """The particles of a table, in the table's order; made by `open_table`."""

    def __init__(
        self,
        table: ParticleTable,
        references: ImageReferences,
        paths: list[Path],
        headers: list[MrcHeader],
        pixels: PixelSizes,
        signs: Signs | None = None,
    ) -> None:
        first = headers[0].form
        dtypes = {header.form.dtype.newbyteorder("=") for header in headers}
        turned = signs is not None and bool((signs < 0).any())
        dtype = np.dtype(np.float32) if turned or len(dtypes) > 1 else dtypes.pop()
        form = StackForm(len(table), first.height, first.width, 1, dtype)
        kind = "RELION table" if isinstance(table, StarTable) else "cryoSPARC table"
        notes = StackNotes(pixels.common, remarks=pixels.remarks)
        super().__init__(table.path, kind, form, notes)
        self._pixels = pixels
        self._signs = signs if turned else None
        self._table = table
        self._references = references
        self._paths = paths
        self._headers = headers
        self._open: OrderedDict[int, FileBytes] = OrderedDict()

    @property
    def table(self) -> ParticleTable:
        """The table itself, with every column."""
        return self._table

    def pixel_files(self) -> list[Path]:
        """Return the table and its stacks."""
        return [self.path, *self._paths]

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

    @property
    def pixel_sizes_angstrom(self) -> NDArray[np.float64] | None:
        """Pixel size of each image, (N,): see `pixel_sizes`; None when unknown."""
        return self._pixels.angstrom

    def described(self) -> dict[str, NDArray[Any] | Categories]:
        """Return `described_columns` of the table, for images of `pixel_sizes_angstrom`.

        Raises
        ------
        ImageFileError
            A value of the table is no number, or an optics group is missing.
        """
        try:
            return described_columns(self.table, self.pixel_sizes_angstrom)
        except TableError as error:
            raise ImageFileError(error.what, error.where, error.todo) from error

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
        if self._signs is not None:
            images *= self._signs[indices, None, None]
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

    The stacks are found as `find_stacks` says.

    Raises
    ------
    ImageFileError
        The table cannot be read, a stack is missing, damaged, of another size than the first,
        or has fewer images than the table says; rows name whole stacks, such as tilt series.
    OutsideError
        A stack lies outside the project folder, and nobody has allowed it.
    """
    try:
        return _opened(path, wanted.image_root, wanted.allow_outside)
    except TableError as error:
        raise ImageFileError(error.what, error.where, error.todo) from error


def _opened(path: Path, image_root: str, allow_outside: bool) -> TableStack:
    table = read_table(path)
    references, whole = table.image_references(), table.names_whole_files()
    if not len(table):
        raise ImageFileError("holds no images", path)
    _refuse_whole_files(table, whole, references)
    signs = table.signs
    paths = find_stacks(path, references.files, image_root, allow_outside)
    headers = [_header(*stack) for stack in zip(paths, references.files, strict=True)]
    _check_sizes(paths, headers)
    _check_places(path, references, headers)
    _check_whole_files(path, whole, references, headers)
    sizes = pixel_sizes(table, references.file_index, headers)
    remarks = (*_remarks(table, paths, headers, signs), *sizes.remarks)
    pixels = sizes._replace(remarks=remarks)
    return TableStack(table, references, paths, headers, pixels, signs)


def _header(path: Path, file: str) -> MrcHeader:
    if path.suffix.lower() not in SUFFIXES and not names_its_kind(file):
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


def _refuse_whole_files(
    table: ParticleTable, whole: NDArray[np.bool_], references: ImageReferences
) -> None:
    """Refuse rows that name subtomograms or the images of a tilt series, before any is sought."""
    row = np.flatnonzero(whole)
    if row.size and table.subtomogram_column:
        file = references.files[references.file_index[row[0]]]
        raise ImageFileError(
            f"row {row[0] + 1} names {file} and no image of it, and {table.subtomogram_column} "
            "says that it is of a tomogram: a volume, or the images of a tilt series",
            table.path,
            _ONE_ROW_AN_IMAGE,
        )


def _check_whole_files(
    table: Path,
    whole: NDArray[np.bool_],
    references: ImageReferences,
    headers: list[MrcHeader],
) -> None:
    """Refuse rows that name a stack and not which of its images."""
    counts = np.asarray([header.form.count for header in headers])[references.file_index]
    row = np.flatnonzero(whole & (counts > 1))
    if row.size:
        raise ImageFileError(
            f"row {row[0] + 1} names {references.files[references.file_index[row[0]]]} and not "
            f"which of its {counts[row[0]]} images",
            table,
            _ONE_ROW_AN_IMAGE,
        )


def _remarks(
    table: ParticleTable, paths: list[Path], headers: list[MrcHeader], signs: Signs | None
) -> list[str]:
    """Return what is to be said of the table and of its stacks, each once."""
    found = list(table.remarks)
    turned = 0 if signs is None else int((signs < 0).sum())
    if turned:
        found.append(f"the contrast of {turned:,} images is inverted, as blob/sign says")
    of_stacks: dict[str, list[Path]] = {}
    for path, header in zip(paths, headers, strict=True):
        for remark in header.remarks:
            of_stacks.setdefault(remark, []).append(path)
    for remark, where in of_stacks.items():
        more = f" (and {len(where) - 1} more)" if len(where) > 1 else ""
        found.append(f"{where[0].name}{more}: {remark}")
    return found
