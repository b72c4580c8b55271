"""What a run's encoder says of places of a field that a person pointed at."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tvae_core.analysis.picks import FieldPicks, Picks
from tvae_core.engine.detection.field_encoder import FieldEncoder, field_model
from tvae_core.store import EmbeddingStore

SURE = 1.0  # confidence of a pick that a person placed


def looked_at(
    store: EmbeddingStore, field: FieldPicks, places_px: NDArray[Any], device: str = ""
) -> Picks:
    """Return picks at places of a field, with the content and the angle that are seen there.

    The places stay as they are given; the score is the attention, and the confidence is 1.

    Parameters
    ----------
    field : FieldPicks
        With its values.
    places_px : (n, 2)
        (x, y) from the centre of the image as it lies in the file, its pixels, y up; n at least 1.
    device : str
        As for `DetectSettings`.

    Raises
    ------
    ConfigError
        The run's encoder cannot be applied to a field.
    CheckpointError, DeviceError
        No usable model, or the device is not here.
    """
    model = field_model(store, device)
    values = torch.from_numpy(field.values).to(model.points_px.device)
    looks = FieldEncoder(model).look(values, _pixels(field, places_px))
    attention = looks.attention.double().cpu().numpy()
    return Picks(
        np.full(len(places_px), field.image),
        np.asarray(places_px, np.float64),
        looks.angle_rad[:, 0].double().cpu().numpy(),
        looks.z[:, 0].double().cpu().numpy(),
        attention, np.full(len(places_px), SURE), attention,
    )  # fmt: skip


def _pixels(field: FieldPicks, places_px: NDArray[Any]) -> NDArray[np.int64]:
    """Return (row, column) of the model's pixels that lie under places of the file, (n, 2)."""
    height, width = field.values.shape[1:]
    x = places_px[:, 0] * (width / field.raw_shape[1]) + (width - 1) / 2
    y = (height - 1) / 2 - places_px[:, 1] * (height / field.raw_shape[0])
    at = np.rint(np.stack([y, x], 1)).astype(np.int64)
    return np.asarray(np.clip(at, 0, [height - 1, width - 1]))
