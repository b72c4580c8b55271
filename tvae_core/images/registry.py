"""The kinds of image file that are read, each declared in one line; to add one, add its line.

Opening, `tvae info`, the window's file dialogs and docs/image-files.md are all made from `KINDS`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tvae_core.files import file_error
from tvae_core.images import hdf5, idx, mrc, npy, npz, pictures, table_stack, tiff
from tvae_core.images.stack import ImageStack, Wanted

HEAD_BYTES = 4096


@dataclass(frozen=True)
class ImageKind:
    """One kind of image file.

    Parameters
    ----------
    words : str
        What it is called to a person.
    endings : tuple of str
        How names of such files end, in small letters.
    read : callable
        From path and `Wanted` to the open stack; raises `ImageFileError`.
    sniff : callable
        Whether the first `HEAD_BYTES` of a file are of this kind.
    also_gzipped : bool
        Whether it is read from a name with `.gz` behind as well.
    """

    words: str
    endings: tuple[str, ...]
    read: Callable[[Path, Wanted], ImageStack]
    sniff: Callable[[bytes], bool]
    also_gzipped: bool = False

    @property
    def is_table(self) -> bool:
        """Whether such a file names stacks and holds no pixels itself."""
        return self.read is table_stack.open_table

    @property
    def every_ending(self) -> tuple[str, ...]:
        """The endings, with and without `.gz`."""
        packed = [f"{ending}.gz" for ending in self.endings] if self.also_gzipped else []
        return (*self.endings, *packed)

    def takes(self, name: str) -> bool:
        """Return whether a file called `name` is of this kind."""
        return name.lower().endswith(self.every_ending)


KINDS = (
    ImageKind("MRC stack or volume", mrc.SUFFIXES, mrc.open_mrc, mrc.sniff, also_gzipped=True),
    ImageKind("RELION table", (".star",), table_stack.open_table, table_stack.sniff_star),
    ImageKind("cryoSPARC table", (".cs", ".csg"), table_stack.open_table, table_stack.sniff_cs),
    ImageKind("TIFF stack", (".tif", ".tiff"), tiff.open_tiff, tiff.sniff),
    ImageKind("NumPy array", (".npy",), npy.open_npy, npy.sniff),
    ImageKind("NumPy archive", (".npz",), npz.open_npz, npz.sniff),
    ImageKind("HDF5 file", (".h5", ".hdf5", ".hdf"), hdf5.open_hdf5, hdf5.sniff),
    ImageKind("idx file", idx.ENDINGS, idx.open_idx, idx.sniff, also_gzipped=True),
    ImageKind("picture", pictures.SUFFIXES, pictures.open_pictures, pictures.sniff),
)
FOLDER = "a folder of pictures or of stacks, of any sizes, any levels down; folders are classes"


def kind_of_name(name: str) -> ImageKind | None:
    """Return the kind of file that `name` says, or None."""
    return next((kind for kind in KINDS if kind.takes(name)), None)


def kind_of_content(path: Path) -> ImageKind | None:
    """Return the kind of file that its first bytes say, or None; a gzip file is looked into."""
    head = _head(path)
    return next((kind for kind in KINDS if kind.sniff(head)), None)


def readable() -> str:
    """Return what is read, in one line."""
    endings = " ".join(ending for kind in KINDS for ending in kind.endings)
    return f"{endings}, or a folder of pictures"


def file_filters() -> str:
    """Return the filters of a file dialog: all images, each kind, all files."""
    every = [ending for kind in KINDS for ending in kind.every_ending]
    rows = [("Images", every), *((kind.words, list(kind.every_ending)) for kind in KINDS)]
    named = [f"{words} ({' '.join(f'*{e}' for e in endings)})" for words, endings in rows]
    return ";;".join([*named, "All files (*)"])


def markdown() -> str:
    """Return the table of docs/image-files.md."""
    rows = ["| kind | names end in |", "|---|---|"]
    for kind in KINDS:
        also = " (also with `.gz`)" if kind.also_gzipped else ""
        rows.append(f"| {kind.words} | `{' '.join(kind.endings)}`{also} |")
    return "\n".join([*rows, f"| {FOLDER} | |"]) + "\n"


def _head(path: Path) -> bytes:
    try:
        with open(path, "rb") as stream:
            head = stream.read(HEAD_BYTES)
        if head[:2] != b"\x1f\x8b":
            return head
        with gzip.open(path, "rb") as packed:
            return packed.read(HEAD_BYTES)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""
    except OSError as error:
        raise file_error(error, path, "cannot be opened") from error
