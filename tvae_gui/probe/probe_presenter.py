"""From the probe to the picture: the atlas blend at once, then what the decoder makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QMimeData
from PyQt6.QtWidgets import QApplication, QFileDialog

from tvae_core.analysis.averages import upright
from tvae_core.files import atomic_write
from tvae_core.geometry import rotation_matrix
from tvae_core.words import count, degrees, figure
from tvae_gui.context import Context
from tvae_gui.jobs.decode_job import Decoded
from tvae_gui.jobs.picture_job import NEAREST, Thumbnails
from tvae_gui.probe.probe_panel import ProbePanel, scale_bar
from tvae_gui.state.atlas_view import blend_at
from tvae_gui.state.difference import Reference, difference, range_words
from tvae_gui.words import SEE_DECODED

Array = NDArray[Any]
_STRONG = 0.25  # of the contrast: a change that large has the full colour


class ProbePresenter:
    """Shows the decoded image of the probe on the probe panel."""

    def __init__(self, context: Context, panel: ProbePanel) -> None:
        self._state, self._panel = context.state, panel
        self._decoder, self._pictures = context.decoder, context.pictures
        self._window, self._tones, self._messages = context.window, context.tones, context.messages
        self._request = 0
        self._values: Array | None = None
        self._exact = False
        self._reference: Reference | None = None
        self._compares = False

    # --- a store -------------------------------------------------------------------------------
    def show_store(self) -> None:
        """Prepare sliders, contrast and scale bar for another store."""
        store = self._state.store
        self._values = None
        self._reference, self._compares = None, False
        self._tones.choose(None)
        if store is None:
            self._panel.image.show_words(SEE_DECODED)
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
        self._tones.fit(values)
        self._panel.show_contrast(values.ravel()[:200_000], self._tones.contrast)

    def set_contrast(self, bounds: tuple[float, float] | None) -> None:
        """Show other values black and white; None for the run's own."""
        self._tones.choose(bounds)
        self._panel.contrast.set_range(self._tones.contrast)
        self._paint()

    # --- the probe -----------------------------------------------------------------------------
    def on_z_moved(self, dimension: int, value: float) -> None:
        """Set one dimension of z."""
        if self._state.probe is not None:
            z = self._state.probe.z.copy()
            z[dimension] = value
            self._state.set_probe_z(z)

    def on_probe_moved(self) -> None:
        """Follow the probe: numbers, a preview, and a request for the exact image."""
        state, probe = self._state, self._state.probe
        if probe is None or state.shown is None:
            return
        self._panel.show_numbers(probe.z, probe.angle_rad, probe.shift_px)
        self._show_neighbours()
        preview = self._preview()
        if preview is not None:
            self._values, self._exact = preview, False
            self._paint()
        follow = preview is None
        self._request = self._decoder.ask(
            probe.z, probe.angle_rad, probe.shift_px, state.options.grid, follow
        )

    def on_neighbours(self) -> None:
        """Show what is near the probe, now that all images were searched."""
        self._show_neighbours()
        self._paint()

    def _show_neighbours(self) -> None:
        probe, shown = self._state.probe, self._state.shown
        if probe is not None and shown is not None:
            self._panel.show_support(probe.near, shown.how, probe.estimated)
            self._pictures.ask(NEAREST, probe.nearest)

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
                "Colours, selections and exports still work."
            )

    def on_nearest(self, answer: Thumbnails) -> None:
        """Show the nearest real images, and one of them over the decoded image when asked."""
        state = self._state
        images = [self._tones.thumbnail(t) for t in answer.upright]
        self._panel.show_nearest(answer.indices, images, state.support_share)
        overlay = None
        if state.options.overlay and len(answer.upright):
            overlay = self._tones.thumbnail(self._posed(answer.upright[0]))
        self._panel.image.show_overlay(overlay)

    def repaint(self) -> None:
        """Paint again: colour map, contrast or smoothing changed."""
        o = self._state.options
        self._panel.show_options(o.grid, o.image_map, o.overlay, o.smooth)
        self._panel.image.set_smooth(o.smooth)
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
        if self._compares and self._reference is not None:
            low, high = self._tones.contrast
            reach = _STRONG * (high - low)
            image = self._tones.signed(self.difference(), reach)
            state = f"{range_words(reach)} · {state}"
        else:
            image = self._tones.decoded(self._values)
        self._panel.image.show_image(image, state, self._state.support_share)

    # --- compared with a reference -------------------------------------------------------------
    def keep_reference(self) -> None:
        """Keep the image on show, to compare others with."""
        probe = self._state.probe
        if probe is not None and self._values is not None:
            self._reference = Reference(probe.z.copy(), self._values)
            self._messages.notice(
                "Kept as the reference. Hold D while you drag to see what changes from it."
            )

    def compare(self, on: bool) -> None:
        """Show what changes from the reference, or the image itself.

        Without a reference it is the image on show now.
        """
        if on and self._reference is None and self._values is not None:
            assert self._state.probe is not None
            self._reference = Reference(self._state.probe.z.copy(), self._values)
        if on != self._compares:
            self._compares = on
            self._paint()

    def difference(self) -> Array:
        """Return the image on show less the reference; like with like where previews are shown."""
        assert self._values is not None
        assert self._reference is not None
        reference = self._reference.image
        if not self._exact:
            blended = blend_at(self._state, self._reference.z)
            if blended is not None and blended.shape == self._values.shape:
                reference = self._posed(blended)
        return difference(self._values, reference)

    def _preview(self) -> Array | None:
        if self._state.probe is None:
            return None
        image = blend_at(self._state, self._state.probe.z, strict=self._decoder.is_ready)
        return None if image is None else self._posed(image)

    def _posed(self, image: Array) -> Array:
        """Return an upright image turned and shifted as the probe is."""
        probe, store = self._state.probe, self._state.store
        if probe is None or store is None or (probe.angle_rad == 0 and probe.shift_px == (0, 0)):
            return image
        shift = np.array(probe.shift_px) * image.shape[0] / store.header.side
        return with_pose(image, probe.angle_rad, shift)

    # --- its picture, taken away -----------------------------------------------------------------
    def copy_image(self) -> None:
        """Put the decoded image and its numbers on the clipboard."""
        clipboard = QApplication.clipboard()
        values = self._values
        if clipboard is None or values is None:
            return
        data = QMimeData()
        data.setImageData(self._tones.decoded(values))
        data.setText(self.numbers())
        clipboard.setMimeData(data)
        self._messages.notice("Copied the image and its numbers to the clipboard.")

    def ask_save_image(self) -> None:
        """Ask where to save the decoded image."""
        name, _ = QFileDialog.getSaveFileName(
            self._window, "Save the image", "decoded.png", "PNG (*.png)"
        )
        if name:
            self.save_image(Path(name).with_suffix(".png"))

    def save_image(self, path: Path) -> None:
        """Save the decoded image as PNG; its numbers go into the file's text."""
        values = self._values
        if values is None:
            return
        image = self._tones.decoded(values)
        image.setText("Description", self.numbers())
        try:
            with atomic_write(path) as part:
                if not image.save(str(part), "PNG"):
                    raise OSError("the picture could not be written")
        except OSError as error:
            self._messages.error(error)
        else:
            self._messages.notice(f"{values.shape[1]} × {values.shape[0]} pixels → {path}")

    def numbers(self) -> str:
        """Return the numbers of the probe in words."""
        probe = self._state.probe
        if probe is None:
            return ""
        z = ", ".join(figure(float(v)) for v in probe.z)
        shift = ", ".join(figure(v) for v in probe.shift_px)
        exact = "exact" if self._exact else "preview"
        return (
            f"z = ({z}); angle {degrees(probe.angle_rad)}; shift ({shift}) px; "
            f"{count(probe.near)} images nearby; {exact}"
        )


def with_pose(image: Array, angle_rad: float, shift_px: Array) -> Array:
    """Return an upright image turned by `angle_rad`, then shifted (x, y) by `shift_px` pixels."""
    back = -(rotation_matrix(-angle_rad) @ np.asarray(shift_px))
    turned = upright(image[None], np.array([-angle_rad]), back[None])
    return np.asarray(turned[0])
