"""Why an image is where it is in the latent space: what the model sees, draws and attends to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.averages import upright
from tvae_core.errors import TvaeError
from tvae_core.images_of import open_prepared_of
from tvae_core.progress import Cancel
from tvae_core.store import EmbeddingStore
from tvae_core.work.request import never

Array = NDArray[Any]
Decode = Callable[[Array, Cancel], Array]  # z (n, D) -> images (n, side, side[, 3])


@dataclass(frozen=True)
class Attention:
    """q(t | y) as (cells, cells), row 0 on top, its cells `pitch_px` apart; and q(r | y) (R,)."""

    shift: Array
    rotation: Array
    pitch_px: float


@dataclass(frozen=True)
class Explained:
    """What there is to see of one image; pictures are (h, w[, 3]) float32 in image values.

    decoded : upright, of the image's z; None where the model is not loaded.
    attention : None where it is not known, and `missing` says why.
    """

    number: int
    raw: Array
    upright: Array
    decoded: Array | None
    attention: Attention | None
    missing: str = ""

    @property
    def residual(self) -> Array | None:
        """The upright image less the decoded one; None where their pixels differ."""
        if self.decoded is None or self.decoded.shape != self.upright.shape:
            return None
        return np.asarray(self.upright - self.decoded)


def why(
    store_path: Path,
    number: int,
    decode: Decode | None = None,
    images_at: str = "",
    cancelled: Cancel = never,
) -> Explained:
    """Return what there is to see of image `number` (from 0) of a store.

    The image itself where it is found, else its thumbnail. Opens the store anew: it runs on a
    thread of its own.

    Raises
    ------
    StoreError
        The store cannot be read, or there is neither image nor thumbnail.
    Cancelled
        `cancelled()` turned true.
    """
    with EmbeddingStore(store_path) as store:
        drawn = None if decode is None else decode(store.z_mean[number : number + 1], cancelled)[0]
        try:
            with open_prepared_of(store, images_at) as images:
                raw = np.moveaxis(images.read(np.array([number]))[0], 0, -1)  # (C, H, W)
        except (TvaeError, OSError) as error:
            return _from_thumbnails(store, number, drawn, str(error))
        attention, missing = _attention(store, raw)
        raw = raw[..., 0] if raw.shape[-1] == 1 else raw
        pose = store.angle_rad[[number]], store.shift_px[[number]]
        return Explained(number, raw, upright(raw[None], *pose)[0], drawn, attention, missing)


def _attention(store: EmbeddingStore, raw: Array) -> tuple[Attention | None, str]:
    try:
        from tvae_core.engine.model.checkpoint import model_from_bytes
        from tvae_core.engine.using.inference import attention_of

        model = model_from_bytes(store.weights(), store.path).eval()
        return Attention(*attention_of(model, np.moveaxis(raw, -1, 0))), ""
    except (TvaeError, ImportError) as error:
        return None, str(error)


def _from_thumbnails(
    store: EmbeddingStore, number: int, drawn: Array | None, missing: str
) -> Explained:
    low, high = store.thumbnail_range
    raw, turned = (
        store.thumbnails(kind, np.array([number]))[0].astype(np.float32) / 255 * (high - low) + low
        for kind in ("raw", "upright")
    )
    return Explained(number, raw, turned, drawn, None, missing)
