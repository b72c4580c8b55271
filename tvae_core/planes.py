"""The planes a latent space can be shown in, and the way back from a plane to z."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvae_core.store import EmbeddingStore, Plane

Array = NDArray[np.floating]
NEIGHBOURS = 24
_Z_AXIS = re.compile(r"z\d+")
_PLANE_AXIS = re.compile(r"(\w+) ([12])")
_ESTIMATE = (
    f"estimate: a place stands for the mean z of its {NEIGHBOURS} neighbours, and a z for the "
    "place of the images nearest to it"
)


@dataclass(frozen=True)
class PlaneChoice:
    """Which plane: `z` with two of its dimensions (from 0), `pca`, `umap`, or any two `axes`.

    An axis `x`, `y` is `z1`, `pca 2`, `umap 1`, or the key of a column.
    """

    kind: str = "z"
    first: int = 0
    second: int = 1
    x: str = ""
    y: str = ""

    @property
    def name(self) -> str:
        """The name that rules and stores know, such as `z1 z2`, `pca` or `axes z1 | error`."""
        if self.kind == "axes":
            return f"axes {self.x} | {self.y}"
        return f"z{self.first + 1} z{self.second + 1}" if self.kind == "z" else self.kind

    @classmethod
    def named(cls, name: str) -> PlaneChoice:
        """Return the choice whose name this is."""
        if name.startswith("axes "):
            x, _, y = name.removeprefix("axes ").partition(" | ")
            return cls.of_axes(x, y)
        if not name.startswith("z"):
            return cls(name)
        first, second = (int(part[1:]) - 1 for part in name.split())
        return cls("z", first, second)

    @classmethod
    def of_axes(cls, x: str, y: str) -> PlaneChoice:
        """Return the plane of two axes: of two dimensions of z, or of PCA, it is their own."""
        if _Z_AXIS.fullmatch(x) and _Z_AXIS.fullmatch(y) and x != y:
            return cls("z", int(x[1:]) - 1, int(y[1:]) - 1)
        both = _PLANE_AXIS.fullmatch(x), _PLANE_AXIS.fullmatch(y)
        if both[0] and both[1] and both[0][1] == both[1][1] and (x[-1], y[-1]) == ("1", "2"):
            return cls(both[0][1])
        return cls("axes", x=x, y=y)


@dataclass(frozen=True)
class ShownPlane:
    """A plane as it is drawn: coordinates (N, 2), words for its axes, and how it leads back to z.

    `how` says in the user's words how exact the way back is.
    """

    choice: PlaneChoice
    xy: Array
    x_title: str
    y_title: str
    how: str
    linear: Plane | None = None

    @property
    def is_line(self) -> bool:
        """Whether only x has a meaning: a latent of one dimension, drawn as a histogram."""
        return self.choice.kind == "z" and self.choice.second < 0

    @property
    def leads_to_z(self) -> bool:
        """Whether a place of the plane and z lead to each other exactly."""
        linear = self.linear is not None and self.linear.components is not None
        return self.choice.kind == "z" or linear


def shown_plane(
    store: EmbeddingStore,
    choice: PlaneChoice,
    planes: dict[str, Plane],
    values: Callable[[str], Array] | None = None,
) -> ShownPlane:
    """Return the plane of `choice`; `planes` holds those computed in this session.

    Parameters
    ----------
    values : callable, optional
        Gives a column (N,) by its key, for a plane of any two axes.

    Raises
    ------
    KeyError
        There is no such axis.
    """
    if choice.kind == "axes":
        return _any_axes(store, choice, planes, values)
    if choice.kind == "z" and store.z_dim == 1:
        return _line(store)
    if choice.kind == "z":
        dims = [min(choice.first, store.z_dim - 1), min(choice.second, store.z_dim - 1)]
        titles = [f"z{d + 1}" for d in dims]
        xy = np.ascontiguousarray(store.z_mean[:, dims])
        made = PlaneChoice("z", dims[0], dims[1])
        return ShownPlane(made, xy, titles[0], titles[1], "exact: two latent axes")
    plane = planes[choice.kind] if choice.kind in planes else store.plane(choice.kind)
    if plane.components is None:
        return ShownPlane(choice, plane.coordinates, "UMAP 1", "UMAP 2", _ESTIMATE)
    shares = plane.variance_share if plane.variance_share is not None else np.zeros(2)
    titles = [f"PC{k + 1} ({100 * share:.0f} %)" for k, share in enumerate(shares)]
    return ShownPlane(choice, plane.coordinates, titles[0], titles[1], "exact: linear", plane)


def to_z(
    plane: ShownPlane,
    store: EmbeddingStore,
    place: Array,
    held: Array,
    near: NDArray[np.integer],
) -> Array:
    """Return the z (D,) of a place (2,) of the plane.

    Parameters
    ----------
    held : (D,)
        What the dimensions off the plane stay at.
    near : (k,) indices of the images nearest to the place, for a plane with no exact way back.
    """
    z = np.array(held, dtype=np.float32)
    if plane.is_line:
        z[0] = place[0]
    elif plane.choice.kind == "z":
        z[plane.choice.first], z[plane.choice.second] = place
    elif plane.linear is not None and plane.linear.components is not None:
        z += (np.asarray(place) - to_plane(plane, z)) @ plane.linear.components
    else:
        z = _local_mean(plane.xy[near], store.z_mean[near], place)
    return z


def to_plane(plane: ShownPlane, z: Array) -> Array:
    """Return the place (2,) of z on a plane that has an exact way; NaN where there is none."""
    if plane.is_line:
        return np.array([z[0], 0.0])
    if plane.choice.kind == "z":
        return np.array([z[plane.choice.first], z[plane.choice.second]], dtype=np.float64)
    linear = plane.linear
    if linear is None or linear.components is None or linear.mean is None:
        return np.full(2, np.nan)
    away = np.asarray(z - linear.mean, dtype=np.float64)
    place = np.einsum("d,kd->k", away, linear.components)  # BLAS warns without cause
    return np.asarray(place, dtype=np.float64)


def _any_axes(
    store: EmbeddingStore,
    choice: PlaneChoice,
    planes: dict[str, Plane],
    values: Callable[[str], Array] | None,
) -> ShownPlane:
    sides, titles = [], []
    for key in (choice.x, choice.y):
        of_plane = _PLANE_AXIS.fullmatch(key)
        if of_plane and (of_plane[1] in planes or of_plane[1] in store.plane_names):
            name, number = of_plane[1], int(of_plane[2])
            plane = planes[name] if name in planes else store.plane(name)
            sides.append(np.asarray(plane.coordinates[:, number - 1], dtype=np.float32))
            titles.append(f"{name.upper()} {number}")
        elif _Z_AXIS.fullmatch(key) and int(key[1:]) <= store.z_dim:
            sides.append(store.z_mean[:, int(key[1:]) - 1])
            titles.append(key)
        elif values is not None:
            sides.append(np.asarray(values(key), dtype=np.float32))
            titles.append(key.removeprefix("joined/"))
        else:
            raise KeyError(key)
    return ShownPlane(choice, np.stack(sides, axis=1), titles[0], titles[1], _ESTIMATE)


def _local_mean(xy: Array, z: Array, place: Array) -> Array:
    if not len(xy):
        return np.zeros(z.shape[1], np.float32)
    spread = np.where(xy.std(axis=0) > 0, xy.std(axis=0), 1.0)  # axes may differ in unit
    distance = (((xy - place) / spread) ** 2).sum(axis=1)
    weights = np.exp(-distance / max(float(np.median(distance)), 1e-12))
    return np.asarray((weights[:, None] * z).sum(0) / weights.sum(), dtype=np.float32)


def _line(store: EmbeddingStore) -> ShownPlane:
    """Lay the images of a one-dimensional latent out under their histogram."""
    z = store.z_mean[:, 0].astype(np.float64)
    low, high = np.quantile(z, [0.0005, 0.9995]) if len(z) else (0.0, 1.0)
    bins = int(np.clip(2 * np.sqrt(max(len(z), 1)), 24, 160))
    edges = np.linspace(low, max(high, low + 1e-6), bins + 1)
    counts = np.histogram(z, edges)[0].astype(np.float64)
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    centres = 0.5 * (edges[:-1] + edges[1:])
    height = np.interp(z, centres, np.convolve(counts, kernel, mode="same"))
    share = (np.arange(len(z)) * 0.6180339887498949) % 1.0
    xy = np.stack([z, height * share], axis=1).astype(np.float32)
    choice = PlaneChoice("z", 0, -1)
    return ShownPlane(choice, xy, "z1", "images", "exact: the latent axis")
