"""From the probe to the picture: the atlas blend at once, then what the decoder makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtGui import QImage

from tvae_core.analysis.averages import upright
from tvae_core.geometry import rotation_matrix
from tvae_gui.jobs.decode_job import Decoded, DecodeJob
from tvae_gui.jobs.picture_job import NEAREST, PictureJob, Thumbnails
from tvae_gui.probe.probe_panel import ProbePanel, scale_bar
from tvae_gui.state.atlas_view import blend, covers
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.planes import to_plane
from tvae_gui.widgets.image_panel import picture_of

Array = NDArray[Any]


class ProbePresenter:
    """Shows the decoded image of the probe on the probe panel."""

    def __init__(
        self, state: ExplorerState, panel: ProbePanel, decoder: DecodeJob, pictures: PictureJob
    ) -> None:
        self._state, self._panel = state, panel
        self._decoder, self._pictures = decoder, pictures
        self._request = 0
        self._values: Array | None = None
        self._exact = False
        self.base = (0.0, 1.0)
        self._own_contrast: tuple[float, float] | None = None
        self.raw_contrast = (0.0, 255.0)

    # --- a store -------------------------------------------------------------------------------
    def show_store(self) -> None:
        """Prepare sliders, contrast and scale bar for another store."""
        store = self._state.store
        self._values, self._own_contrast = None, None
        if store is None:
            self._panel.image.show_words("Open a run to see what the plane holds")
            return
        z = store.z_mean[:: max(1, len(store) // 100_000)]
        low, high = np.quantile(z, [0.001, 0.999], axis=0) if len(z) else (z, z)
        room = 0.15 * (high - low)
        ranges = [(float(a), float(b)) for a, b in zip(low - room, high + room, strict=True)]
        self._panel.show_store(ranges, store.header.side, store.has_thumbnails)
        bar = scale_bar(store.header.side, store.header.pixel_size_angstrom)
        self._panel.image.set_scale_bar(*bar)
        if store.atlas is not None:
            a = store.atlas
            some = a.images[:: max(1, len(a.images) // 8)].astype(np.float32)
            self._set_base(some / 255 * (a.high - a.low) + a.low)

    def _set_base(self, values: Array) -> None:
        low, high = (float(v) for v in np.percentile(values, [0.3, 99.9]))
        self.base = (low, max(high, low + 1e-6))
        self._panel.show_contrast(values.ravel()[:200_000], self.contrast)

    @property
    def contrast(self) -> tuple[float, float]:
        """The values shown black and white."""
        return self._own_contrast or self.base

    def set_contrast(self, bounds: tuple[float, float] | None) -> None:
        """Show other values black and white; None for the run's own."""
        self._own_contrast = bounds
        self._panel.contrast.set_range(self.contrast)
        self._paint()

    # --- the probe -----------------------------------------------------------------------------
    def on_probe_moved(self) -> None:
        """Follow the probe: numbers, a preview, and a request for the exact image."""
        state, probe = self._state, self._state.probe
        if probe is None or state.shown is None:
            return
        self._panel.show_numbers(probe.z, probe.angle_rad, probe.shift_px)
        self._panel.show_support(probe.near, state.shown.how)
        self._pictures.ask(NEAREST, probe.nearest, with_raw=state.options.overlay)
        preview = self._preview()
        if preview is not None:
            self._values, self._exact = preview, False
            self._paint()
        follow = preview is None
        self._request = self._decoder.ask(
            probe.z, probe.angle_rad, probe.shift_px, state.options.grid, follow
        )

    def on_decoded(self, answer: Decoded) -> None:
        """Show an exact image unless a newer preview is on show."""
        if answer.request != self._request and self._preview() is not None:
            return
        store = self._state.store
        if self._values is None and store is not None and store.atlas is None:
            self._set_base(answer.image)
        self._values = answer.image
        self._exact = answer.full and answer.request == self._request
        self._paint()

    def on_no_decoder(self) -> None:
        """Say why there is only a preview."""
        if self._values is None:
            self._panel.image.show_words(
                "The model of this run could not be loaded, so nothing new can be decoded. "
                "Colours, selections and export work."
            )

    def on_nearest(self, answer: Thumbnails) -> None:
        """Show the nearest real images, and one of them over the decoded image when asked."""
        state = self._state
        images = [self.thumbnail(t) for t in answer.upright]
        self._panel.show_nearest(answer.indices, images, state.support_share)
        overlay = None
        if state.options.overlay and answer.raw is not None and len(answer.raw):
            overlay = self.thumbnail(answer.raw[0])
        self._panel.image.show_overlay(overlay)

    def thumbnail(self, values: Array) -> QImage:
        """Return a thumbnail of a real image in the run's contrast."""
        return picture_of(values, *self.raw_contrast, self._state.options.image_map)

    def decoded_picture(self, values: Array) -> QImage:
        """Return a decoded image in the contrast of the probe's."""
        return picture_of(values, *self.contrast, self._state.options.image_map)

    def repaint(self) -> None:
        """Paint again: colour map, contrast or smoothing changed."""
        self._panel.image.set_smooth(self._state.options.smooth)
        self._paint()

    @property
    def values(self) -> Array | None:
        """The image on show, its values."""
        return self._values

    @property
    def is_exact(self) -> bool:
        """Whether the image on show is the exact one."""
        return self._exact

    def _paint(self) -> None:
        if self._values is None:
            return
        state = "exact" if self._exact else "preview"
        image = self.decoded_picture(self._values)
        self._panel.image.show_image(image, state, self._state.support_share)

    def blend_at(self, z: Array) -> Array | None:
        """Return the atlas's blend at z, pose zero; None where the atlas has none."""
        store = self._state.store
        if store is None or store.atlas is None:
            return None
        atlas = store.atlas
        if atlas.plane == "z" and store.z_dim <= 2:
            x, y = float(z[0]), float(z[1]) if store.z_dim == 2 else float(atlas.y[0])
        elif self._state.shown is not None and self._state.shown.choice.kind == atlas.plane:
            x, y = (float(v) for v in to_plane(self._state.shown, z))
        else:
            return None
        if not covers(atlas, x, y):
            return None
        return np.asarray(blend(atlas, np.array([x]), np.array([y]))[0])

    def _preview(self) -> Array | None:
        probe, store = self._state.probe, self._state.store
        if probe is None or store is None:
            return None
        image = self.blend_at(probe.z)
        if image is None or (probe.angle_rad == 0 and probe.shift_px == (0, 0)):
            return image
        shift = np.array(probe.shift_px) * image.shape[0] / store.header.side
        return with_pose(image, probe.angle_rad, shift)


def with_pose(image: Array, angle_rad: float, shift_px: Array) -> Array:
    """Return an upright image turned by `angle_rad`, then shifted (x, y) by `shift_px` pixels."""
    back = -(rotation_matrix(-angle_rad) @ np.asarray(shift_px))
    turned = upright(image[None], np.array([-angle_rad]), back[None])
    return np.asarray(turned[0])
