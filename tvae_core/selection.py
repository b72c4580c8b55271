"""Selections: masks over ALL images of a store, and the rules that made them.

A rule is a plain dictionary that JSON can hold, so that a set can be explained, saved and applied
again, to this store or to another. Its `kind` is a key of `RULES`:

=========== ==========================================================================
polygon     plane, vertices [[x, y], ...]
rectangle   plane, x [low, high], y [low, high]
circle      plane, centre [x, y], radius
nearest     plane, centre [x, y], count; or z [z1, z2, ...], count
near        z [z1, z2, ...], radius in standard deviations of the data
range       column, low, high (both ends belong; null is open)
values      column, values [...]
indices     indices [...]
hand        - (picked by hand, image by image: it cannot be applied again)
all, none   -
union, intersect, subtract   of [rule, rule, ...]; subtract takes the later from the first
invert      of [rule]
=========== ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ConfigError
from tvae_core.polygon import points_in_polygon

Mask = NDArray[np.bool_]
Floats = NDArray[np.floating]
Array = NDArray[Any]  # of numbers or of text
Rule = dict[str, Any]
How = Literal["replace", "union", "subtract", "intersect"]


def polygon_mask(xy: Floats, vertices: Floats | Sequence[Sequence[float]]) -> Mask:
    """Return which points (N, 2) lie inside the closed polygon `vertices` (V, 2); even-odd."""
    return points_in_polygon(xy, np.asarray(vertices, dtype=np.float64))


def rectangle_mask(xy: Floats, x: tuple[float, float], y: tuple[float, float]) -> Mask:
    """Return which points (N, 2) lie in x[0] <= x <= x[1] and y[0] <= y <= y[1]."""
    return range_mask(xy[:, 0], *x) & range_mask(xy[:, 1], *y)


def circle_mask(xy: Floats, centre: Sequence[float], radius: float) -> Mask:
    """Return which points (N, 2) are at most `radius` from `centre`."""
    x, y = (np.subtract(xy[:, axis], centre[axis], dtype=np.float64) for axis in (0, 1))
    inside: Mask = x * x + y * y <= radius * radius
    return inside


def nearest_mask(xy: Floats, centre: Sequence[float], count: int) -> Mask:
    """Return the `count` points (N, 2) nearest to `centre`; ties go to the lower index."""
    x, y = (np.subtract(xy[:, axis], centre[axis], dtype=np.float64) for axis in (0, 1))
    return smallest_mask(x * x + y * y, count)


def smallest_mask(distance: Floats, count: int) -> Mask:
    """Return the `count` images of smallest distance (N,); ties go to the lower index."""
    mask = np.zeros(len(distance), dtype=bool)
    count = min(count, int(np.isfinite(distance).sum()))
    if count > 0:
        limit = np.partition(distance, count - 1)[count - 1]
        mask = distance < limit
        ties = np.flatnonzero(distance == limit)
        mask[ties[: count - int(mask.sum())]] = True
    return mask


def range_mask(values: Array, low: float | None, high: float | None) -> Mask:
    """Return which values (N,) lie in [low, high]; None is open; NaN never lies in a range."""
    mask: Mask = values >= (-np.inf if low is None else low)
    mask &= values <= (np.inf if high is None else high)
    return mask


def values_mask(values: Array, wanted: Sequence[Any]) -> Mask:
    """Return which values (N,), such as labels, are among `wanted`."""
    return np.isin(values, np.asarray(wanted))


def indices_mask(images: int, indices: NDArray[np.integer] | Sequence[int]) -> Mask:
    """Return the mask over `images` images that holds `indices`."""
    mask = np.zeros(images, dtype=bool)
    mask[np.asarray(indices, dtype=np.int64)] = True
    return mask


class Source(Protocol):
    """Where rules look planes and columns up."""

    @property
    def images(self) -> int:
        """Number N of images."""

    def plane(self, name: str) -> Floats:
        """Return plane coordinates (N, 2)."""

    def column(self, name: str) -> Array:
        """Return a column (N,)."""

    def distance(self, z: Sequence[float]) -> Floats:
        """Return how far each image is from a place (D,) of the latent space, (N,), whitened."""


@dataclass(frozen=True)
class Arrays:
    """A source made of arrays: planes (N, 2) and columns (N,) by name, and whitened z (N, D)."""

    images: int
    planes: Mapping[str, Floats] = field(default_factory=dict)
    columns: Mapping[str, Array] = field(default_factory=dict)
    z: Floats | None = None

    def plane(self, name: str) -> Floats:
        """Return plane coordinates (N, 2)."""
        return self.planes[name]

    def column(self, name: str) -> Array:
        """Return a column (N,)."""
        return self.columns[name]

    def distance(self, z: Sequence[float]) -> Floats:
        """Return how far each image is from a place (D,) of the latent space, (N,)."""
        if self.z is None:
            raise KeyError("z")
        away = self.z - np.asarray(z, dtype=np.float64)
        return np.asarray(np.sqrt((away * away).sum(axis=1)))


def apply_rule(rule: Rule, source: Source) -> Mask:
    """Return the mask (N,) that `rule` makes of `source`.

    Raises
    ------
    ConfigError
        The rule is of no known kind, lacks a part, or names what the source does not have.
    """
    kind = str(rule.get("kind"))
    if kind not in RULES:
        raise ConfigError(f"no rule of kind {kind!r}", todo="kinds: " + ", ".join(RULES))
    try:
        return RULES[kind](rule, source)
    except KeyError as error:
        raise ConfigError(f"the rule {kind!r} needs {error}, which is missing") from None
    except (TypeError, ValueError, IndexError) as error:
        raise ConfigError(f"the rule {kind!r} cannot be applied ({error})") from None


def _of(rule: Rule, source: Source) -> list[Mask]:
    return [apply_rule(part, source) for part in rule["of"]]


def _nearest(rule: Rule, source: Source) -> Mask:
    if "z" in rule:
        return smallest_mask(source.distance(rule["z"]), rule["count"])
    return nearest_mask(source.plane(rule["plane"]), rule["centre"], rule["count"])


def _subtract(rule: Rule, source: Source) -> Mask:
    first, *others = _of(rule, source)
    for other in others:
        first = first & ~other
    return first


def _by_hand(_: Rule, __: Source) -> Mask:
    raise ConfigError(
        "these images were picked by hand: there is no rule to apply", todo="keep the set as it is"
    )


HAND: Rule = {"kind": "hand"}
RULES: dict[str, Callable[[Rule, Source], Mask]] = {
    "polygon": lambda r, s: polygon_mask(s.plane(r["plane"]), r["vertices"]),
    "rectangle": lambda r, s: rectangle_mask(s.plane(r["plane"]), tuple(r["x"]), tuple(r["y"])),
    "circle": lambda r, s: circle_mask(s.plane(r["plane"]), r["centre"], r["radius"]),
    "nearest": _nearest,
    "near": lambda r, s: np.asarray(s.distance(r["z"]) <= r["radius"]),
    "range": lambda r, s: range_mask(s.column(r["column"]), r["low"], r["high"]),
    "values": lambda r, s: values_mask(s.column(r["column"]), r["values"]),
    "indices": lambda r, s: indices_mask(s.images, r["indices"]),
    "hand": _by_hand,
    "all": lambda _, s: np.ones(s.images, dtype=bool),
    "none": lambda _, s: np.zeros(s.images, dtype=bool),
    "union": lambda r, s: reduce(np.logical_or, _of(r, s)),
    "intersect": lambda r, s: reduce(np.logical_and, _of(r, s)),
    "subtract": _subtract,
    "invert": lambda r, s: ~_of(r, s)[0],
}


def _sealed(mask: Mask) -> Mask:
    """Return a mask that nobody can change: itself where it is one, else a copy."""
    if isinstance(mask, np.ndarray) and mask.dtype == bool and _is_sealed(mask):
        return mask
    mask = np.array(mask, dtype=bool)
    mask.setflags(write=False)
    return mask


def _is_sealed(mask: Mask) -> bool:
    return mask.base is None and not mask.flags.writeable


@dataclass(frozen=True, eq=False)
class Selection:
    """Some of all images, and the rule that chose them. Never changed: operations make new ones.

    mask (N,) bool is made read-only.
    """

    mask: Mask
    rule: Rule

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", _sealed(self.mask))

    @classmethod
    def none(cls, images: int) -> Self:
        """Return the empty selection of `images` images."""
        return cls(np.zeros(images, dtype=bool), {"kind": "none"})

    @classmethod
    def every(cls, images: int) -> Self:
        """Return the selection of all `images` images."""
        return cls(np.ones(images, dtype=bool), {"kind": "all"})

    @classmethod
    def from_rule(cls, rule: Rule, source: Source) -> Self:
        """Return what `rule` chooses in `source`."""
        return cls(apply_rule(rule, source), rule)

    @property
    def count(self) -> int:
        """How many images are selected, of all images."""
        return int(np.count_nonzero(self.mask))

    @property
    def indices(self) -> NDArray[np.int64]:
        """Indices of the selected images, ascending, (count,) int64."""
        return np.flatnonzero(self.mask)

    def union(self, other: Selection) -> Selection:
        """Return the images in either."""
        return Selection(self.mask | other.mask, _joined("union", self.rule, other.rule))

    def intersect(self, other: Selection) -> Selection:
        """Return the images in both."""
        return Selection(self.mask & other.mask, _joined("intersect", self.rule, other.rule))

    def subtract(self, other: Selection) -> Selection:
        """Return the images in this and not in `other`."""
        return Selection(self.mask & ~other.mask, _joined("subtract", self.rule, other.rule))

    def invert(self) -> Selection:
        """Return the images not in this."""
        if self.rule.get("kind") == "invert":
            return Selection(~self.mask, self.rule["of"][0])
        return Selection(~self.mask, {"kind": "invert", "of": [self.rule]})

    def combine(self, other: Selection, how: How) -> Selection:
        """Return `other` (replace), or what the set operation `how` makes of both."""
        if how == "replace":
            return other
        return {"union": self.union, "intersect": self.intersect, "subtract": self.subtract}[how](
            other
        )


def _joined(kind: str, first: Rule, second: Rule) -> Rule:
    empty = {"kind": "none"}
    if second == empty and kind != "intersect":
        return first
    if first == empty and kind == "union":
        return second
    parts = list(first["of"]) if first.get("kind") == kind else [first]
    return {"kind": kind, "of": [*parts, second]}


@dataclass(frozen=True, eq=False)
class NamedSet:
    """A selection the user named. `colour` is `#rrggbb`; `mask` is (N,) bool, read-only."""

    name: str
    colour: str
    mask: Mask
    rule: Rule
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", _sealed(self.mask))

    @property
    def count(self) -> int:
        """How many images are in the set, of all images."""
        return int(np.count_nonzero(self.mask))

    @property
    def selection(self) -> Selection:
        """The set as a selection."""
        return Selection(self.mask, self.rule)

    def reapplied(self, source: Source) -> NamedSet:
        """Return the set with its rule applied again, to `source`."""
        return replace(self, mask=apply_rule(self.rule, source))
