"""The probe: a place on the plane, the z that is decoded, its pose, and the images near it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.planes import NEIGHBOURS, ShownPlane, to_plane
from tvae_gui.state.nearness import Nearness, medoid

Array = NDArray[Any]


@dataclass(frozen=True)
class Probe:
    """The place on the plane and the z, angle and shift that are decoded."""

    xy: tuple[float, float]
    z: Array
    angle_rad: float = 0.0
    shift_px: tuple[float, float] = (0.0, 0.0)
    near: int = 0
    nearest: Array = field(default_factory=lambda: np.empty(0, np.int64))
    estimated: bool = False

    def at(
        self,
        z: Array,
        xy: tuple[float, float] | None,
        shown: ShownPlane,
        nearness: Nearness,
        shows: int,
        may_estimate: bool = False,
    ) -> Probe:
        """Return the probe at z (D,) with its neighbours in z, `shows` of them listed.

        Without a place it stands where z lies on the plane; on a plane with no way from z, where
        the images nearest in z lie. With `may_estimate` its neighbours are those of a sample where
        all would take long.
        """
        place = None if xy is not None else to_plane(shown, z)
        on_plane = place is None or bool(np.isfinite(place).all())
        estimated = may_estimate and on_plane and nearness.takes_long
        find = nearness.sketch if estimated else nearness.around
        near, nearest, distance = find(z, max(shows, NEIGHBOURS))
        if place is not None:
            if not on_plane:
                place = medoid(shown.xy[nearest], distance)
            known = bool(np.isfinite(place).all())
            xy = (float(place[0]), float(place[1])) if known else self.xy
        assert xy is not None
        return replace(self, xy=xy, z=z, near=near, nearest=nearest[:shows], estimated=estimated)
