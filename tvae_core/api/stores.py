"""Stores from Python: what was inferred of each image, the images, and the decoder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvae_core.errors import ConfigError, extras_named
from tvae_core.export.frames import to_anndata, to_dataframe
from tvae_core.images.identity import KnownImages
from tvae_core.images_of import open_images_of, open_prepared_of
from tvae_core.sidecar import Sidecar, load_sidecar
from tvae_core.store import EmbeddingStore

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

    from tvae_core.engine.using.decode import Decoder
    from tvae_core.images.prepared import PreparedStack

Floats = NDArray[np.float32]


class StoreImages:
    """The images of a store, read when they are asked for: `images[3]`, `images[10:20]`.

    A whole number gives one image (H, W) or (H, W, 3), float32; a slice, a list, an array of
    numbers or a mask (N,) gives (n, H, W) or (n, H, W, 3).
    """

    def __init__(self, stack: KnownImages | PreparedStack) -> None:
        self._stack = stack
        self._channel_first = not isinstance(stack, KnownImages)

    def __len__(self) -> int:
        return len(self._stack)

    def __getitem__(self, which: int | slice | ArrayLike) -> Floats:
        chosen = np.arange(len(self))[which]  # type: ignore[index]
        found = self._stack.read(np.atleast_1d(chosen))
        if self._channel_first:
            found = found[:, 0] if found.shape[1] == 1 else np.moveaxis(found, 1, -1)
        return found[0] if chosen.ndim == 0 else found

    def __iter__(self) -> Iterator[Floats]:
        return (self[i] for i in range(len(self)))

    def close(self) -> None:
        """Close the files."""
        self._stack.close()


class Store:
    """What a run found out about images; opened for reading, without torch.

    Parameters
    ----------
    path : path
        An `embeddings.h5`, or the folder of a run that holds one.
    images_at : path
        Where the images are now, when they have moved.

    Attributes
    ----------
    file : EmbeddingStore
        The file itself, for what is not offered here.

    Raises
    ------
    StoreError
        The file is missing, damaged, no embedding file, or of a newer version.
    """

    def __init__(self, path: str | PathLike[str], images_at: str | PathLike[str] = "") -> None:
        self.file = EmbeddingStore(Path(path).expanduser())
        self._images_at = str(images_at)

    def __len__(self) -> int:
        return len(self.file)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {len(self)} images, {self.file.z_dim} dimensions of z)"

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path

    @property
    def z(self) -> Floats:
        """Content, (N, D) float32: the means of q(z)."""
        return self.file.z_mean

    @cached_property
    def z_std(self) -> Floats:
        """Standard deviations of q(z), (N, D) float32."""
        return self.file.column("content/std")

    @property
    def angle_rad(self) -> Floats:
        """Rotations, (N,) float32, counter-clockwise radians from -pi to pi."""
        return self.file.angle_rad

    @property
    def shift_px(self) -> Floats:
        """Shifts, (N, 2) float32, x right and y up, in pixels of the model's images."""
        return self.file.shift_px

    @property
    def labels(self) -> NDArray[np.int32] | None:
        """Labels that came with the images, (N,), as numbers into `label_names`; else None."""
        return self.file.labels

    @property
    def label_names(self) -> list[str]:
        """Names of the labels; empty where labels are plain numbers."""
        return self.file.label_names

    @property
    def notes(self) -> Sidecar:
        """What was added to the store: sets, clusterings, planes, joined columns; read anew."""
        return load_sidecar(self.file)

    @property
    def planes(self) -> dict[str, Floats]:
        """Coordinates (N, 2) of every plane by name, such as `pca`, and `umap` once computed."""
        kept = {name: self.file.plane(name).coordinates for name in self.file.plane_names}
        return {name: np.asarray(xy, np.float32) for name, xy in (kept | self.notes.planes).items()}

    @property
    def clusters(self) -> dict[str, NDArray[np.int32]]:
        """Clusterings by name: the cluster (N,) of each image from 0, -1 for none."""
        return {name: found.labels for name, found in self.notes.labellings.items()}

    @property
    def sets(self) -> dict[str, NDArray[np.bool_]]:
        """Named sets: which images (N,) are in them."""
        return {kept.name: np.asarray(kept.mask, bool) for kept in self.notes.sets}

    @cached_property
    def images(self) -> StoreImages:
        """The images as they are in their files.

        Raises
        ------
        ImageFileError
            They are not there, or are not the images of this store.
        """
        return StoreImages(open_images_of(self.file, self._images_at))

    @cached_property
    def model_images(self) -> StoreImages:
        """The images as the model sees them: cropped, downsampled, normalised; raises likewise."""
        return StoreImages(open_prepared_of(self.file, self._images_at))

    @cached_property
    def _decoder(self) -> Decoder:
        with extras_named():
            from tvae_core.engine.using.decode import Decoder  # torch: only here

        return Decoder.from_store(self.file)

    def decode(
        self,
        z: ArrayLike,
        angle_rad: ArrayLike = 0.0,
        shift_px: ArrayLike = (0.0, 0.0),
        size_px: int | None = None,
    ) -> Floats:
        """Return the image that the model draws of a content at a pose.

        Parameters
        ----------
        z : (D,) or (n, D)
            Content.
        angle_rad : number or (n,)
            Rotation, counter-clockwise.
        shift_px : (2,) or (n, 2)
            Shift in pixels of the model's images, x right, y up.
        size_px : int, optional
            Pixels along each side of the picture, of the same field of view; as the model's images
            where not given.

        Returns
        -------
        (size, size), (n, size, size), or the same with a last axis of 3 for colour; float32

        Raises
        ------
        ConfigError
            z has another number of dimensions than the store's.
        """
        points = np.asarray(z, dtype=np.float32)
        if points.ndim not in (1, 2) or points.shape[-1] != self.file.z_dim:
            dims = self.file.z_dim
            what = f"z of shape {points.shape}, but this store has {dims} dimensions"
            raise ConfigError(what, self.path, f"give ({dims},) or (n, {dims})")
        pictures = self._decoder.decode(points, angle_rad, shift_px, size_px)
        return pictures[0] if points.ndim == 1 else pictures

    def to_dataframe(self) -> DataFrame:
        """Return every column as a pandas DataFrame, one row an image.

        Source, angle, shift, z, their spreads, quality, label with its name, particle table,
        planes, clusterings, named sets and joined columns; the names are those of
        `tvae export STORE table.csv`.

        Raises
        ------
        DeviceError
            pandas is not installed.
        """
        return to_dataframe(self.file, self.notes)

    def to_anndata(self) -> AnnData:
        """Return the store as AnnData for scanpy: z as X, planes in obsm, all else in obs.

        Raises
        ------
        DeviceError
            anndata is not installed.
        """
        return to_anndata(self.file, self.notes)

    def close(self) -> None:
        """Close the file and the images."""
        for name in ("images", "model_images"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_store(path: str | PathLike[str], images_at: str | PathLike[str] = "") -> Store:
    """Open what a run found out about images.

    Parameters
    ----------
    path : path
        An `embeddings.h5`, or the folder of a run that holds one.
    images_at : path, optional
        Where the images are now, when they have moved.

    Raises
    ------
    StoreError
        The file is missing, damaged, no embedding file, or of a newer version.
    """
    return Store(path, images_at)
