"""Why is this image here: which image, what is to be seen of it, and how it compares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtGui import QImage

from tvae_core.words import count, figure
from tvae_core.work.why import Attention, Explained, why
from tvae_gui.cards.why.why_drawer import WhyDrawer
from tvae_gui.context import Context
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.widgets.image_panel import picture_of
from tvae_gui.words import NO_RUN

Array = NDArray[Any]
_NEAREST = 5
_GLOW = np.array([255, 158, 44], dtype=np.float32)


class WhyPresenter:
    """Fills the card."""

    def __init__(self, context: Context, drawer: WhyDrawer) -> None:
        self._state, self._decoder, self._tones = context.state, context.decoder, context.tones
        self._session, self._drawer = context.session, drawer
        self._job = context.card_job(drawer)
        self.number = -1

    def why_not(self) -> str:
        """Return why there is nothing to explain; empty when there is."""
        state = self._state
        if state.store is None or state.probe is None:
            return NO_RUN
        return "" if len(state.probe.nearest) else "This run has no images"

    def open(self) -> None:
        """Explain the image that is selected alone, else the one nearest to the probe."""
        if self.why_not():
            return
        assert self._state.probe is not None
        chosen = self._state.selection
        alone = chosen.count == 1
        self.explain(int(chosen.indices[0] if alone else self._state.probe.nearest[0]))

    def explain(self, number: int) -> None:
        """Explain an image."""
        state, store = self._state, self._state.store
        if store is None:
            return
        self.number = number
        self._job.drop()
        self._drawer.show_image(
            _called(state, number), standing(state, number),
            store.column("posterior/rotation")[number],
        )  # fmt: skip
        self._show_nearest(number)
        self._drawer.open_drawer()
        path = Path(store.path)
        decode = self._decoder.decode_all(1) if self._decoder.is_ready else None
        self._job.run(
            "explaining an image", lambda _, cancelled: why(path, number, decode, "", cancelled),
            self._on_explained, still=lambda: self.number == number,
        )  # fmt: skip

    def _show_nearest(self, number: int) -> None:
        store, nearness = self._state.store, self._state.nearness
        assert store is not None
        assert nearness is not None
        _, found, _ = nearness.around(store.z_mean[number], _NEAREST + 1)
        others = found[found != number][:_NEAREST]
        images: list[QImage] = []
        if store.has_thumbnails:
            order = np.sort(others)
            by_number = dict(zip(order.tolist(), store.thumbnails("upright", order), strict=True))
            images = [self._tones.thumbnail(by_number[int(n)]) for n in others]
        self._drawer.nearest.set_pictures(
            others if images else [], images, "no thumbnails in this run"
        )

    def _on_explained(self, found: Explained) -> None:
        pictures = self._drawer.pictures
        seen = _bounds(found.raw)
        pictures["raw"].put(self._grey(found.raw, seen))
        pictures["upright"].put(self._grey(found.upright, seen))
        if found.decoded is not None:
            pictures["decoded"].put(self._tones.decoded(found.decoded))
        residual = found.residual
        if residual is not None:
            reach = 0.5 * (seen[1] - seen[0])
            pictures["residual"].put(
                self._tones.signed(residual, reach), f"residual ±{figure(reach)}"
            )
        if found.attention is not None:
            pictures["where: q(t)"].put(glow(self._grey_levels(found.raw, seen), found.attention))
        elif found.missing:
            self._drawer.show_missing(f"Where the model looks cannot be shown: {found.missing}")

    def _grey(self, values: Array, seen: tuple[float, float]) -> QImage:
        return picture_of(values, *seen, self._state.options.image_map)

    @staticmethod
    def _grey_levels(values: Array, seen: tuple[float, float]) -> Array:
        flat = values.mean(axis=-1) if values.ndim == 3 else values
        return np.clip((flat - seen[0]) / max(seen[1] - seen[0], 1e-12), 0, 1)


def standing(state: ExplorerState, number: int) -> str:
    """Return at which percentile of all images the residual and the entropy of one are."""
    said = []
    for key, words in (("error", "Residual"), ("entropy", "Entropy of q(t, r)")):
        values = np.asarray(state.values(key), dtype=float)
        own, known = values[number], values[np.isfinite(values)]
        if not np.isfinite(own):
            said.append(f"{words} is not known")
            continue
        below = 100 * float((known < own).mean())
        said.append(f"{words} {figure(float(own))}, larger than that of {below:.0f} % of images")
    return "\n".join(said)


def glow(grey: Array, attention: Attention) -> QImage:
    """Return an image (h, w) 0..1 with q(t) glowing over it where the object is looked for."""
    height, width = grey.shape
    cells = len(attention.shift)
    rows, columns = np.mgrid[0:height, 0:width]
    # pixel centre -> offset from the middle -> cell; row 0 of both is on top
    at = [
        (axis - (size - 1) / 2) / attention.pitch_px + (cells - 1) / 2
        for axis, size in ((rows, height), (columns, width))
    ]
    nearest = [np.rint(a).astype(int) for a in at]
    inside = np.all([(n >= 0) & (n < cells) for n in nearest], axis=0)
    share = np.zeros(grey.shape)
    share[inside] = attention.shift[nearest[0][inside], nearest[1][inside]]
    share = np.sqrt(share / max(float(attention.shift.max()), 1e-12))[..., None] * 0.85
    rgb = 255 * grey[..., None] * (1 - share) + _GLOW * share
    return picture_of(np.rint(rgb).astype(np.uint8), 0, 255)


def _bounds(values: Array) -> tuple[float, float]:
    low, high = (float(v) for v in np.percentile(values, [0.5, 99.5]))
    return low, max(high, low + 1e-6)


def _called(state: ExplorerState, number: int) -> str:
    store = state.store
    assert store is not None
    source = store.source_files[int(store.column("source/file_index")[number])]
    place = int(store.column("source/index")[number]) + 1
    named = source.rsplit("/", 1)[-1]
    if place == number + 1:
        return f"Image {count(place)} of {named}"
    return f"Image {count(number + 1)}: {count(place)} of {named}"
