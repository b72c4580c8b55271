"""The embedding file: one HDF5 file that says all a run found out about its images.

The format is stated in docs/file-format.md. A store is written once, atomically; what is added
later lives in the sidecar file. Opening one needs neither torch nor the images.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import FileError, StoreError, TvaeError
from tvae_core.files import atomic_write, sha256_of_bytes
from tvae_core.hdf5_files import data_sets, new_hdf5, read_hdf5
from tvae_core.hdf5_guard import UnsafeError
from tvae_core.images.identity import FINGERPRINT, ImageIdentity, Prints
from tvae_core.images.stack import Sources
from tvae_core.particles import Categories, TableRecord
from tvae_core.store_checks import (
    BlockDigests,
    CheckedFile,
    blocks_name,
    digest_of,
    wrong_checksums,
)
from tvae_core.store_header import (
    ATTRIBUTES,
    StoreHeader,
    attributes_checksum,
    read_header,
    write_header,
)
from tvae_core.words import listed

Floats = NDArray[np.floating]
Array = NDArray[Any]  # a column may hold whole numbers, real ones or text

# name -> (dtype, shape after N; a letter stands for a length of the run)
PER_IMAGE: dict[str, tuple[str, tuple[str, ...]]] = {
    "content/mean": ("f4", ("D",)),
    "content/std": ("f4", ("D",)),
    "pose/angle_rad": ("f4", ()),
    "pose/angle_std_rad": ("f4", ()),
    "pose/shift_px": ("f4", ("2",)),
    "pose/shift_std_px": ("f4", ("2",)),
    "posterior/peak": ("f4", ()),
    "posterior/entropy": ("f4", ()),
    "posterior/rotation": ("f4", ("R",)),
    "quality/reconstruction_error": ("f4", ()),
    "quality/elbo": ("f4", ()),
    "source/file_index": ("i4", ()),
    "source/index": ("i8", ()),
}
OPTIONAL_PER_IMAGE = {
    "quality/junk": "f4",
    "source/label": "i4",
    "source/uid": "u8",
    "source/row": "i8",
    "source/fingerprint": "u8",
}


@dataclass(frozen=True)
class Plane:
    """Plane coordinates (N, 2) of all images, and the linear map that made them, if linear.

    coordinates = (z - mean) @ components.T; components (2, D), mean (D,), variance_share (2,).
    """

    coordinates: Floats
    components: Floats | None = None
    mean: Floats | None = None
    variance_share: Floats | None = None


@dataclass(frozen=True)
class Atlas:
    """Images the generator makes at the nodes of a grid over a plane, pose zero.

    images (G, G, h, w[, 3]) uint8, first index along y upwards; x, y (G,) node coordinates in plane
    `plane`; z (G, G, D); value = low + uint8 / 255 * (high - low).
    """

    images: NDArray[np.uint8]
    x: Floats
    y: Floats
    z: Floats
    plane: str
    low: float
    high: float


@dataclass
class StoreContent:
    """Everything a store holds, ready to be written. Thumbnails come in blocks (n, h, w[, 3])."""

    header: StoreHeader
    columns: dict[str, Array]
    source_files: list[str]
    weights: bytes
    label_names: list[str] = field(default_factory=list)
    table_columns: dict[str, Array | Categories] = field(default_factory=dict)
    planes: dict[str, Plane] = field(default_factory=dict)
    atlas: Atlas | None = None
    thumbnails: Mapping[str, Iterable[NDArray[np.uint8]]] = field(default_factory=dict)
    thumbnail_range: tuple[float, float] = (0.0, 1.0)


class EmbeddingStore:
    """A read-only embedding file. Columns are read when first asked for, thumbnails by index.

    Parameters
    ----------
    path : Path or str
        An `embeddings.h5`, or the folder of a run that holds one.

    Raises
    ------
    StoreError
        The file is missing, damaged, no embedding file, or of a newer version.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = _store_path(Path(path))
        self._file = _open(self.path)
        try:
            self.header = read_header(self._file, self.path)
            self.images = int(self._file.attrs["images"])
            self._checked = CheckedFile(self._file, self.path, ATTRIBUTES)
            self._there = list(data_sets(self._file))
            self.z_dim = int(self._file["content/mean"].shape[1])
            self.identity = sha256_of_bytes(str(self._file.attrs["checksums"]).encode())
        except TvaeError:
            self._file.close()
            raise
        except (KeyError, ValueError, TypeError, OSError, RuntimeError) as error:
            self._file.close()
            raise StoreError(
                f"the file is damaged ({error})", self.path, "embed the run again"
            ) from None

    def __len__(self) -> int:
        return self.images

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def names(self) -> list[str]:
        """Names of the per-image columns the store holds."""
        known = [*PER_IMAGE, *OPTIONAL_PER_IMAGE]
        return [name for name in known if name in self._there] + self.table_names

    @property
    def table_names(self) -> list[str]:
        """Names (`source/columns/...`) of the columns kept from the particle table."""
        return [name for name in self._there if name.startswith("source/columns/")]

    def categories(self, name: str) -> list[str]:
        """Names of the values of the column `name`, empty when it holds numbers."""
        return self._text(name.replace("/columns/", "/categories/"))

    def column(self, name: str) -> Array:
        """Return a per-image column, (N, ...).

        Raises
        ------
        StoreError
            There is no such column or it cannot be read.
        """
        if name not in self._there:
            raise StoreError(f"no column {name!r}", self.path, "columns: " + listed(self.names, 40))
        values = self._checked.read(name)
        return np.asarray(values.tolist()) if values.dtype.kind == "O" else values

    @cached_property
    def z_mean(self) -> NDArray[np.float32]:
        """Content means, (N, D) float32."""
        return self.column("content/mean")

    @cached_property
    def angle_rad(self) -> NDArray[np.float32]:
        """Rotations, (N,) float32, counter-clockwise radians."""
        return self.column("pose/angle_rad")

    @cached_property
    def shift_px(self) -> NDArray[np.float32]:
        """Shifts (x right, y up), (N, 2) float32, in pixels of the model's images."""
        return self.column("pose/shift_px")

    @cached_property
    def labels(self) -> NDArray[np.int32] | None:
        """Labels, (N,) int32, or None."""
        return self.column("source/label") if "source/label" in self._there else None

    @cached_property
    def label_names(self) -> list[str]:
        """Names of the labels; empty where labels are plain numbers."""
        return self._text("source/label_names")

    @cached_property
    def source_files(self) -> list[str]:
        """Files the images came from; `source/file_index` points into it."""
        return self._text("source/files")

    @cached_property
    def images_known_by(self) -> ImageIdentity:
        """What the images are known by; without fingerprints in stores of older programs."""
        sources = Sources(
            self.source_files, self.column("source/file_index"), self.column("source/index")
        )
        uid = self.column("source/uid") if "source/uid" in self._there else None
        prints = None
        if self.header.fingerprint == FINGERPRINT and "source/fingerprint" in self._there:
            prints = self.column("source/fingerprint")
        original = self.header.original
        shape: tuple[int, ...] = ()
        if original is not None:
            colour = (3,) if self.header.channels == 3 else ()
            shape = (original.height_px, original.width_px, *colour)
        return ImageIdentity(sources, uid, prints, shape, self.header.pixel_type)

    @property
    def prints(self) -> Prints | None:
        """Fingerprints of the images, (N,) uint64, None in stores of older programs."""
        return self.images_known_by.prints

    @property
    def weights_sha256(self) -> str:
        """Of the model that made the store."""
        return self.header.weights_sha256

    @property
    def plane_names(self) -> list[str]:
        """Names of the planes kept in the store."""
        names = [name.split("/")[1] for name in self._there if name.startswith("planes/")]
        return list(dict.fromkeys(names))

    def plane(self, name: str) -> Plane:
        """Return the plane `name`, such as `pca`."""
        if name not in self.plane_names:
            raise StoreError(f"no plane {name!r}", self.path, "planes: " + listed(self.plane_names))
        keys = [key for key in self._there if key.startswith(f"planes/{name}/")]
        return Plane(**{key.rsplit("/", 1)[1]: self._checked.read(key) for key in keys})

    @cached_property
    def atlas(self) -> Atlas | None:
        """The decode atlas, or None."""
        if "atlas/images" not in self._there:
            return None
        arrays = {key: self._checked.read(f"atlas/{key}") for key in ("images", "x", "y", "z")}
        with self._checked.told("atlas"):
            attrs = self._file["atlas"].attrs
            plane, low, high = (attrs[key] for key in ("plane", "low", "high"))
        return Atlas(**arrays, plane=str(plane), low=float(low), high=float(high))

    @property
    def has_thumbnails(self) -> bool:
        """Whether raw and upright thumbnails are kept."""
        return "thumbnails/raw" in self._there

    @property
    def thumbnail_range(self) -> tuple[float, float]:
        """Image values that thumbnail 0 and 255 stand for."""
        with self._checked.told("thumbnails"):
            attrs = self._file["thumbnails"].attrs
            return float(attrs["low"]), float(attrs["high"])

    def thumbnails(self, kind: str, indices: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return `raw` or `upright` thumbnails, (n, h, w[, 3]) uint8, in the order asked."""
        order, inverse = np.unique(np.asarray(indices, dtype=np.int64), return_inverse=True)
        with self._checked.told(f"thumbnails/{kind}"):
            dataset = self._file[f"thumbnails/{kind}"]
            if not order.size:
                return np.empty((0, *dataset.shape[1:]), np.uint8)
            self._checked.check_rows(f"thumbnails/{kind}", order)
            together = order[-1] - order[0] + 1 == order.size
            block = dataset[order[0] : order[-1] + 1] if together else dataset[order]
            return np.asarray(block[inverse])

    def _text(self, name: str) -> list[str]:
        return [str(text) for text in self._checked.read(name)] if name in self._there else []

    def weights(self) -> bytes:
        """Return the model as a safetensors file's bytes, checked against its SHA-256."""
        content: bytes = self._checked.read("run/weights").tobytes()
        if sha256_of_bytes(content) != self.header.weights_sha256:
            raise StoreError("the model's weights are damaged", self.path, "embed the run again")
        return content


def write_store(path: Path | str, content: StoreContent) -> None:
    """Write a store atomically, with a SHA-256 of each of its data sets."""
    _check_columns(content)
    with atomic_write(path, _verified) as part, new_hdf5(part) as file:
        checksums: dict[str, str] = {}
        for name, array in _arrays(content).items():
            checksums[name] = _write_array(file, name, array)
        for kind, blocks in content.thumbnails.items():
            checksums |= _write_blocks(file, f"thumbnails/{kind}", blocks)
        if content.thumbnails:
            low, high = content.thumbnail_range
            file["thumbnails"].attrs.update(low=low, high=high)
        if content.atlas is not None:
            a = content.atlas
            file["atlas"].attrs.update(plane=a.plane, low=a.low, high=a.high)
        file.require_group("planes")
        write_header(file, content.header, len(content.columns["content/mean"]))
        checksums[ATTRIBUTES] = attributes_checksum(file)
        file.attrs["checksums"] = json.dumps(checksums, sort_keys=True)


def _verified(part: Path) -> None:
    """Raise a FileError unless every data set reads back as it was written."""
    try:
        with read_hdf5(part) as file:
            wrong = wrong_checksums(file, ATTRIBUTES)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        wrong = [str(error).splitlines()[0]]
    if wrong:
        todo = "free some space or check the disk, and embed again"
        raise FileError(f"what was written cannot be read back: {wrong[0]}", part, todo)


def validate(path: Path | str) -> list[str]:
    """Return what is wrong with a store, an empty list when it is sound.

    Checks version, presence, shapes, finiteness and the SHA-256 of every data set.
    """
    try:
        store = EmbeddingStore(path)
    except StoreError as error:
        return [error.what]
    with store:
        file = store._file
        try:
            return [*_wrong_shapes(file, store), *wrong_checksums(file, ATTRIBUTES)]
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            return [f"the file is damaged ({error})"]


def _store_path(path: Path) -> Path:
    if path.is_dir():
        if not (path / "embeddings.h5").exists():
            raise StoreError("no embeddings.h5 in this folder", path, "run `tvae embed` on it")
        return path / "embeddings.h5"
    if not path.exists():
        raise StoreError("no such file", path)
    return path


def _open(path: Path) -> h5py.File:
    try:
        return read_hdf5(path)
    except UnsafeError as error:
        raise StoreError(str(error), path) from None
    except OSError as error:
        what = (
            "not an HDF5 file or truncated" if not h5py.is_hdf5(path) else f"cannot read ({error})"
        )
        raise StoreError(what, path, "choose an embeddings.h5 written by `tvae embed`") from None


def _check_columns(content: StoreContent) -> None:
    missing = PER_IMAGE.keys() - content.columns.keys()
    lengths = {len(values) for values in content.columns.values()}
    if missing or len(lengths) != 1:
        raise StoreError(f"columns missing {sorted(missing)} or of lengths {sorted(lengths)}")


def _arrays(content: StoreContent) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for name, values in content.columns.items():
        dtype = PER_IMAGE[name][0] if name in PER_IMAGE else OPTIONAL_PER_IMAGE[name]
        arrays[name] = np.ascontiguousarray(values, dtype=dtype)
    for name, kept in content.table_columns.items():
        if isinstance(kept, Categories):
            arrays[f"source/columns/{name}"] = kept.codes
            arrays[f"source/categories/{name}"] = np.asarray(kept.names, dtype=object)
        else:
            arrays[f"source/columns/{name}"] = kept
    arrays["source/files"] = np.asarray(content.source_files, dtype=object)
    arrays["run/weights"] = np.frombuffer(content.weights, dtype=np.uint8)
    if content.label_names:
        arrays["source/label_names"] = np.asarray(content.label_names, dtype=object)
    for name, plane in content.planes.items():
        parts = {k: v for k, v in vars(plane).items() if v is not None}
        arrays |= {f"planes/{name}/{key}": np.asarray(value) for key, value in parts.items()}
    if content.atlas is not None:
        arrays |= {f"atlas/{key}": getattr(content.atlas, key) for key in ("images", "x", "y", "z")}
    return arrays


def _write_array(file: h5py.File, name: str, array: Array) -> str:
    if array.dtype.kind in "OU":
        file.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
    else:
        file.create_dataset(name, data=np.ascontiguousarray(array))
    return digest_of(array)


def _write_blocks(file: h5py.File, name: str, blocks: Iterable[Array]) -> dict[str, str]:
    """Write thumbnails and the digests of their blocks; return the checksums of both."""
    digests = BlockDigests()
    dataset = None
    for block in blocks:
        shape = block.shape[1:]
        if dataset is None:
            rows = max(1, min(256, (1 << 18) // max(1, int(np.prod(shape)))))
            dataset = file.create_dataset(
                name, (0, *shape), "u1", maxshape=(None, *shape), chunks=(rows, *shape)
            )
        start = len(dataset)
        dataset.resize(start + len(block), axis=0)
        dataset[start:] = block
        digests.add(block)
    of_blocks = _write_array(file, blocks_name(name), digests.array())
    return {name: digests.whole.hexdigest(), blocks_name(name): of_blocks}


def _wrong_shapes(file: h5py.File, store: EmbeddingStore) -> list[str]:
    lengths = {"D": store.z_dim, "2": 2, "R": store.header.config.model.rotation_cells}
    wrong = []
    for name, (dtype, letters) in PER_IMAGE.items():
        if name not in file:
            wrong.append(f"{name} is missing")
            continue
        expected = (store.images, *(lengths[letter] for letter in letters))
        if file[name].shape != expected or file[name].dtype != np.dtype(dtype):
            wrong.append(f"{name} is {file[name].dtype}{file[name].shape}, not {dtype}{expected}")
        elif dtype == "f4" and not np.isfinite(file[name][()]).all():
            wrong.append(f"{name} holds values that are not finite")
    if store.header.table is not None:
        wrong += _wrong_rows(file, store.header.table)
    kinds = [f"thumbnails/{kind}" for kind in file.get("thumbnails", ())]
    return wrong + [f"{k} are not one per image" for k in kinds if len(file[k]) != store.images]


def _wrong_rows(file: h5py.File, table: TableRecord) -> list[str]:
    if "source/row" not in file:
        return ["source/row is missing"]
    rows = file["source/row"][()]
    inside = len(rows) == file.attrs["images"] and rows.min() >= 0 and rows.max() < table.rows
    return [] if inside else ["source/row does not point into the particle table"]
