"""The image under the cursor: raw, upright, decoded, residual, and its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPoint

from tvae_core.words import count, degrees, figure
from tvae_gui.context import Context
from tvae_gui.jobs.decode_job import HOVER, DecodedMany
from tvae_gui.jobs.picture_job import HOVER as HOVER_PICTURES
from tvae_gui.jobs.picture_job import Thumbnails
from tvae_gui.plane.hover_card import HoverCard
from tvae_gui.plane.plane_view import PROBE, PlaneView
from tvae_gui.state.atlas_view import blend_at

Array = NDArray[Any]
REACH_PX = 7


class HoverPresenter:
    """Shows a card for the image nearest to the cursor, if one is near enough."""

    def __init__(self, context: Context, plane: PlaneView, card: HoverCard) -> None:
        self._state, self._plane, self._card = context.state, plane, card
        self._decoder, self._pictures = context.decoder, context.pictures
        self._tones = context.tones
        self._number = -1
        self._at = QPoint()
        self._upright: Array | None = None

    def on_hovered(self, x: float, y: float) -> None:
        """Look for an image under the cursor."""
        state = self._state
        if state.store is None or self._plane.tool != PROBE or not state.store.has_thumbnails:
            return
        window = self._plane.window_in_view
        ratio = self._plane.devicePixelRatioF()
        reach_x = REACH_PX * (window.x1 - window.x0) / window.width_px * ratio
        reach_y = REACH_PX * (window.y1 - window.y0) / window.height_px * ratio
        found, distance = state.index.within(x, y, reach_x, reach_y)
        if state.visible is not None:
            kept = state.visible[found]
            found, distance = found[kept], distance[kept]
        if not len(found) or len(found) > 40:
            self.hide()
            return
        number = int(found[np.argmin(distance)])
        if number != self._number:
            self._number = number
            scene = self._plane.box.mapViewToScene(_point(x, y))
            self._at = self._plane.mapFromScene(scene)
            self._pictures.ask(HOVER_PICTURES, np.array([number]), with_raw=True)

    def hide(self) -> None:
        """Put the card away."""
        self._number = -1
        self._card.hide()

    def on_thumbnails(self, answer: Thumbnails) -> None:
        """Show the card; what the decoder makes of the image follows."""
        number = int(answer.indices[0])
        store = self._state.store
        if number != self._number or store is None or answer.raw is None:
            return
        pictures = {
            "raw": self._tones.thumbnail(answer.raw[0]),
            "upright": self._tones.thumbnail(answer.upright[0]),
        }
        low, high = store.thumbnail_range
        self._upright = answer.upright[0] / 255.0 * (high - low) + low
        self._card.show_card(number, pictures, self._lines(number), self._at)
        z = store.z_mean[number]
        blend = blend_at(self._state, z)
        if blend is not None and blend.shape == self._upright.shape:
            self._put_decoded(blend)
        self._decoder.ask_many(HOVER, z[None], number, answer.upright.shape[1])

    def on_decoded(self, answer: DecodedMany) -> None:
        """Replace the blend by the exact image."""
        if answer.tag == self._number and self._upright is not None:
            self._put_decoded(answer.images[0])

    def _put_decoded(self, decoded: Array) -> None:
        self._card.put_picture("decoded", self._tones.decoded(decoded))
        if self._upright is None or self._upright.shape != decoded.shape:
            return
        store = self._state.store
        assert store is not None
        low, high = store.thumbnail_range
        a, b = (v / 255 * (high - low) for v in self._tones.thumbnails)
        reach = 0.5 * (b - a)
        residual = self._tones.signed(self._upright - decoded, reach)
        self._card.put_picture("residual", residual, f"residual ±{figure(reach)}")

    def _lines(self, number: int) -> tuple[str, ...]:
        store = self._state.store
        assert store is not None
        shift = store.shift_px[number]
        z = "  ".join(figure(float(v)) for v in store.z_mean[number][:4])
        source = store.source_files[int(store.column("source/file_index")[number])]
        name = source.rsplit("/", 1)[-1]
        place = int(store.column("source/index")[number]) + 1
        pose = f"{degrees(float(store.angle_rad[number]))}  shift {figure(float(shift[0]))}, "
        return (
            f"{count(place)} of {name}   z {z}",
            pose
            + f"{figure(float(shift[1]), 'px')}   error "
            + figure(float(self._state.values("error")[number])),
        )


def _point(x: float, y: float) -> Any:
    from PyQt6.QtCore import QPointF

    return QPointF(x, y)
