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

    def at(
        self,
        z: Array,
        xy: tuple[float, float] | None,
        shown: ShownPlane,
        nearness: Nearness,
        shows: int,
    ) -> Probe:
        """Return the probe at z (D,) with its neighbours in z, `shows` of them listed.

        Without a place it stands where z lies on the plane; on a plane with no way from z, where
        the images nearest in z lie.
        """
        near, nearest, distance = nearness.around(z, max(shows, NEIGHBOURS))
        if xy is None:
            place = to_plane(shown, z)
            if not np.isfinite(place).all():
                place = medoid(shown.xy[nearest], distance)
            known = bool(np.isfinite(place).all())
            xy = (float(place[0]), float(place[1])) if known else self.xy
        return replace(self, xy=xy, z=z, near=near, nearest=nearest[:shows])
