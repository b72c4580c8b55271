"""Large images of many objects at random places (paper, appendix A.4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ConfigError
from tvae_core.synthetic.noise import add_noise, signal_variance
from tvae_core.synthetic.options import About, Count, Seed, Side, Snr
from tvae_core.synthetic.plan import ImagePlan, Images, IntArray, TrueColumns
from tvae_core.synthetic.singles import SINGLES

FloatArray = NDArray[np.floating[Any]]
Float32Array = NDArray[np.float32]

Of = Annotated[
    Literal["digits-u", "mnist-n", "mnist-u", "sprites", "hinge", "two-arm"],
    About("kind of the objects"),
]
Objects = Annotated[float, About("mean number of objects in an image (Poisson, at least 1)", 1)]
Overlap = Annotated[float, About("part of an object's diameter that may overlap", 0, 1)]
ObjectSide = Annotated[int | None, About("side of one object's image", 8, 4096, "px")]
Pool = Annotated[int, About("different objects to draw from", 1, 10**7)]
DigitImages = Annotated[Path | None, About("idx file of images, for the mnist kinds")]
DigitLabels = Annotated[Path | None, About("idx file of labels, for the mnist kinds")]

_TRIES_PER_OBJECT = 50
_OF_UNIT_RANGE = ("digits-u", "mnist-n", "mnist-u", "sprites")
_MEASURED_OBJECTS = 64


def field(
    of: Of = "digits-u",
    count: Count = 100,
    seed: Seed = 0,
    side: Side = 150,
    objects: Objects = 8.0,
    overlap: Overlap = 0.0,
    snr: Snr = float("inf"),
    object_side: ObjectSide = None,
    pool: Pool = 1000,
    images: DigitImages = None,
    labels: DigitLabels = None,
) -> ImagePlan:
    """Plan fields of objects of another kind; see `scatter` for the truth's columns.

    Raises
    ------
    ConfigError
        When an mnist kind lacks its files, or no object fits.
    """
    options: dict[str, Any] = {"count": pool, "seed": seed}
    if object_side is not None:
        options["side"] = object_side
    if of.startswith("mnist"):
        options |= {
            name: path
            for name, path in (("images", images), ("labels", labels))
            if path is not None
        }
    if of in ("hinge", "two-arm"):
        options["snr"] = float("inf")
    layout = Layout(count, side, objects, overlap, seed)
    return scatter(SINGLES[of](**options), layout, snr, clip=of in _OF_UNIT_RANGE)


@dataclass(frozen=True)
class Layout:
    """How many images, how large, how densely filled, and the seed of the places."""

    count: int
    side: int
    objects: float
    overlap: float
    seed: int


def scatter(pool: ImagePlan, layout: Layout, snr: float, clip: bool) -> ImagePlan:
    """Plan fields of objects drawn at random from `pool`, each with the pose it has there.

    Objects are added up; an image holds fewer than drawn where no more fit. The truth has one row
    an object: the columns of the pool (`angle_rad`, `label`, ...), `image`, and the object's
    place in the field `x_px`, `y_px` (from the field's centre, y up), also given as its shift.

    Parameters
    ----------
    pool : ImagePlan
        Grey images without noise.
    layout : Layout
    snr : float
        Variance of an object in its circle over that of the noise; inf for none.
    clip : bool
        Cut sums at 1, for objects in 0..1.

    Raises
    ------
    ConfigError
        When the object does not fit into the field.
    """
    reach = layout.side / 2.0 - pool.object_radius_px
    if reach < 0.0:
        raise ConfigError(f"an object of {2 * pool.object_radius_px:.0f} px does not fit", "side")
    # a stream of its own: the pool may have been drawn with the same seed
    rng = np.random.default_rng(np.random.SeedSequence(layout.seed, spawn_key=(0, 0)))
    places = [_draw_places(rng, layout, reach, pool.object_radius_px) for _ in range(layout.count)]
    image = np.repeat(np.arange(layout.count), [len(place) for place in places])
    source = rng.integers(pool.count, size=len(image))
    patch_side = pool.image_shape[0]
    shift = np.stack([pool.truth["shift_x_px"], pool.truth["shift_y_px"]], axis=1)[source]
    corner = _corners(np.concatenate(places) - shift, patch_side, layout.side)
    truth = _truth(pool, source, image, _centres(corner, patch_side, layout.side) + shift)
    noise_std = _noise_std(pool, snr)

    def render_one(index: int) -> Float32Array:
        first, last = np.searchsorted(image, [index, index + 1])
        patches = pool.render(source[first:last])
        total = _add_up(patches, corner[first:last], layout.side)
        return np.clip(total, 0.0, 1.0) if clip else total

    def render(indices: IntArray) -> Images:
        clean = np.stack([render_one(index) for index in indices.tolist()])
        return add_noise(clean, indices, noise_std, layout.seed)

    shape, radius_px = (layout.side, layout.side), pool.object_radius_px
    return ImagePlan(layout.count, shape, truth, render, radius_px, pool.pixel_size_angstrom)


def _draw_places(
    rng: np.random.Generator, layout: Layout, reach_px: float, radius_px: float
) -> FloatArray:
    """Return places (n, 2) no two of which are closer than the overlap allows."""
    wanted = max(1, int(rng.poisson(layout.objects)))
    apart = 2.0 * radius_px * (1.0 - layout.overlap)
    places = np.empty((0, 2))
    for candidate in rng.uniform(-reach_px, reach_px, (wanted * _TRIES_PER_OBJECT, 2)):
        if len(places) == wanted:
            break
        if np.all(np.hypot(*(places - candidate).T) >= apart):
            places = np.vstack([places, candidate])
    return places


def _corners(centres_px: FloatArray, patch_side: int, side: int) -> NDArray[np.int64]:
    """Return the (row, column) of the first pixel of patches about `centres_px`, whole pixels."""
    column = centres_px[:, 0] + (side - patch_side) / 2.0
    row = -centres_px[:, 1] + (side - patch_side) / 2.0
    return np.rint(np.stack([row, column], axis=1)).astype(np.int64)


def _centres(corner: NDArray[np.int64], patch_side: int, side: int) -> FloatArray:
    """Return where the patches' centres lie, (n, 2) as (x, y) in pixels, y up."""
    offset = corner - (side - patch_side) / 2.0
    return np.stack([offset[:, 1], -offset[:, 0]], axis=1)


def _truth(
    pool: ImagePlan, source: NDArray[np.int64], image: NDArray[np.int64], place_px: FloatArray
) -> TrueColumns:
    truth = {name: column[source] for name, column in pool.truth.items()}
    truth |= {"image": image, "shift_x_px": place_px[:, 0], "shift_y_px": place_px[:, 1]}
    return truth | {"x_px": place_px[:, 0], "y_px": place_px[:, 1], "pool_index": source}


def _noise_std(pool: ImagePlan, snr: float) -> float:
    if np.isinf(snr):
        return 0.0
    first = np.arange(min(_MEASURED_OBJECTS, pool.count))
    centres = np.stack([pool.truth["shift_x_px"], pool.truth["shift_y_px"]], axis=1)[first]
    variance = signal_variance(
        pool.render(first).astype(np.float32), centres, pool.object_radius_px
    )
    return float(np.sqrt(variance / snr))


def _add_up(patches: Images, corner: NDArray[np.int64], side: int) -> Float32Array:
    """Return the sum of the patches at their corners; what lies outside the field is lost."""
    total = np.zeros((side, side), dtype=np.float32)
    size = patches.shape[1]
    for patch, (row, column) in zip(patches, corner.tolist(), strict=True):
        top, left = max(row, 0), max(column, 0)
        bottom, right = min(row + size, side), min(column + size, side)
        part = patch[top - row : bottom - row, left - column : right - column]
        total[top:bottom, left:right] += part
    return total
