"""What a person changed of the picks of one field: some taken away, some placed by hand. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.picks import Picks

Array = NDArray[Any]
Place = tuple[float, float]  # (x, y) from the field's centre, pixels of the file, y up
SURE = 1.0  # confidence of what a person placed
_SAME_PX = 0.01


@dataclass(frozen=True)
class Edits:
    """Places of picks that were taken away, and places that were added.

    They speak of places, not of numbers: the same edits suit another search of the same image.
    """

    removed: frozenset[Place] = frozenset()
    added: tuple[Place, ...] = ()

    def with_place(self, place: Place) -> Edits:
        """Return the same with one more place."""
        return replace(self, added=(*self.added, place))

    def without(self, place: Place) -> Edits:
        """Return the same without the pick at a place."""
        if place in self.added:
            return replace(self, added=tuple(p for p in self.added if p != place))
        return replace(self, removed=self.removed | {place})

    def moved(self, place: Place, to: Place) -> Edits:
        """Return the same with a pick somewhere else; from then on it counts as placed."""
        return self.without(place).with_place(to)

    def shown(self, found: Picks, image: int, threshold: float, read: Mapping[Any, Picks]) -> Picks:
        """Return the picks that are left: those found, then those placed.

        Parameters
        ----------
        found : Picks
            All that was found in the image.
        threshold : float
            Lowest confidence of those found; what was placed always stays.
        read : mapping
            Of a place what the encoder saw there, where it has looked already.
        """
        keep = found.confidence >= threshold
        for x, y in self.removed:
            away = np.hypot(found.place_px[:, 0] - x, found.place_px[:, 1] - y)
            keep &= away > _SAME_PX
        placed = [read.get(p) or unread(image, p, found.z.shape[1]) for p in self.added]
        return Picks.joined([found.chosen(keep), *placed])

    def kept(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"removed": sorted(self.removed), "added": list(self.added)}

    @classmethod
    def of_kept(cls, kept: Mapping[str, Any]) -> Edits:
        """Return edits from what `kept` returned.

        Raises
        ------
        KeyError, TypeError, ValueError
            `kept` was not written by `Edits.kept`.
        """
        removed, added = (
            [(float(x), float(y)) for x, y in kept[name]] for name in ("removed", "added")
        )
        return cls(frozenset(removed), tuple(added))


def unread(image: int, place: Place, dims: int) -> Picks:
    """Return a pick of which only the place is known."""
    unknown = np.full(1, np.nan)
    return Picks(
        np.array([image]), np.array([place], np.float64), np.zeros(1), np.full((1, dims), np.nan),
        unknown, np.full(1, SURE), unknown,
    )  # fmt: skip
