"""Opening a stack of images by the kind its name says."""

from __future__ import annotations

from pathlib import Path

from tvae_core.errors import ImageFileError
from tvae_core.images.hdf5 import open_hdf5
from tvae_core.images.idx import is_idx_name, open_idx
from tvae_core.images.mrc import open_mrc
from tvae_core.images.npy import open_npy
from tvae_core.images.npz import open_npz
from tvae_core.images.pictures import open_pictures
from tvae_core.images.stack import ImageStack
from tvae_core.images.table_stack import open_table
from tvae_core.images.tiff import open_tiff

_PLAIN = {
    ".mrc": open_mrc,
    ".mrcs": open_mrc,
    ".map": open_mrc,
    ".npy": open_npy,
    ".tif": open_tiff,
    ".tiff": open_tiff,
    ".png": open_pictures,
    ".jpg": open_pictures,
    ".jpeg": open_pictures,
}
_KNOWN = ".mrc .mrcs .map .star .cs .csg .tif .tiff .npy .npz .h5 .hdf5 .png .jpg idx, or a folder"


def open_stack(path: Path | str, *, dataset: str = "", image_root: str = "") -> ImageStack:
    """Open images of any kind that is read, for reading only.

    Parameters
    ----------
    path : path
        A stack (.mrc .mrcs .map, also .gz; .tif .tiff .npy .npz .h5 .hdf5; idx, also .gz), a
        particle table (.star .cs .csg), a picture, or a folder of pictures.
    dataset : str
        Name of the array of an .npz or .h5 file; empty takes the only one.
    image_root : str
        Folder of the stacks of a table; empty looks beside and above the table.

    Raises
    ------
    ImageFileError
        One line: missing, unknown kind, not the kind it says, truncated, no images, mixed
        sizes, absurd size, pixels that are not read.
    """
    path = Path(path)
    if not path.exists():
        raise ImageFileError("no such file or folder", path)
    if path.is_dir():
        return open_pictures(path)
    if not path.is_file():
        raise ImageFileError("neither a file nor a folder", path)
    if not path.stat().st_size:
        raise ImageFileError("empty file", path)
    return _open_file(path, dataset, image_root)


def _open_file(path: Path, dataset: str, image_root: str) -> ImageStack:
    kind = path.suffix.lower()
    if kind in (".star", ".cs", ".csg"):
        return open_table(path, image_root)
    if kind == ".npz":
        return open_npz(path, dataset)
    if kind in (".h5", ".hdf5", ".hdf"):
        return open_hdf5(path, dataset)
    if is_idx_name(path.name):
        return open_idx(path)
    if kind == ".gz" and path.with_suffix("").suffix.lower() in (".mrc", ".mrcs", ".map"):
        return open_mrc(path)
    if kind in _PLAIN:
        return _PLAIN[kind](path)
    if kind in (".pkl", ".pickle"):
        raise ImageFileError("pickles are not read: they can run any program", path, "save .npy")
    raise ImageFileError("unknown kind of file", path, f"known are {_KNOWN}")
