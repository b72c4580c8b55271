"""The encoder over a field of any size: the attention at every place, the latents at some.

Features at a place depend on the pixels under the kernel alone, so a field is cut into tiles that
overlap by the kernel less one pixel, and no tile has an edge. a(y) is taken before any softmax: it
is a function of those pixels, hence comparable between places, tiles and fields.

Shapes: C channels, h w field, n places, R rotations, K kernels, D content dimensions, k kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tvae_core.engine.device import device_of_run
from tvae_core.engine.lifting.group_conv import LiftingConv
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.model.encoder import wrap
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.errors import Cancelled, ConfigError
from tvae_core.store import EmbeddingStore

Places = NDArray[np.int64]
_SMALLEST_TILE, _LARGEST_TILE = 32, 128
_TILES_AT_ONCE = 4
_LOOKS_AT_ONCE = 512


def field_model(store: EmbeddingStore, device: str) -> TargetVae:
    """Return the model of a store, on a device as `DetectSettings` names it, to look at fields.

    Raises
    ------
    ConfigError
        It cannot be applied to a field.
    CheckpointError, DeviceError
        No usable model, or the device is not here.
    """
    model = model_from_bytes(store.weights(), store.path).eval()
    if not isinstance(model.encoder.lifting, LiftingConv):
        raise ConfigError(
            "only a TARGET-VAE encoder can be applied to a larger image",
            store.path,
            "use a run of the target-vae system",
        )
    if model.model.ctf == "likelihood":
        raise ConfigError(
            "the model needs the CTF of each image, and that of a field is not known",
            store.path,
            "train on phase-flipped images to detect with the run",
        )
    return model.to(device_of_run(device, store.header.config.train.device))


class Looks(NamedTuple):
    """What the heads say at n places, m rotations each, the most likely first.

    attention (n,) over all rotations, above the empty image; z (n, m, D); angle_rad (n, m);
    shift_px (n, m, 2) within the pixel, x right, y up.
    """

    attention: Tensor
    z: Tensor
    angle_rad: Tensor
    shift_px: Tensor


class FieldEncoder:
    """A model's encoder for fields whose background is zero.

    Parameters
    ----------
    model : TargetVae
        In evaluation mode.
    tile_px : int
        Places along each side of a tile; 0 takes twice the model's side within bounds.
    cancelled : callable
        Asked before every few tiles or places; when it turns true, Cancelled is raised.
    """

    def __init__(
        self,
        model: TargetVae,
        tile_px: int = 0,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.model, self.encoder = model, model.encoder
        self._cancelled = cancelled
        self.half, self.pitch = model.grid.kernel // 2, model.grid.pitch
        # of an even kernel the middle is a corner of the pixel
        self._off_px = (model.grid.kernel - 1) / 2 - self.half
        twice = min(max(2 * model.side, _SMALLEST_TILE), _LARGEST_TILE)
        self.tile = -(-(tile_px or twice) // self.pitch) * self.pitch
        with torch.no_grad():
            self._filters = self.encoder.lifting.filters().flatten(1)  # (R K, C k k)
            kernel = model.grid.kernel
            nothing = torch.zeros(1, model.channels, kernel, kernel)
            features = self._features(nothing.to(self._filters.device))
            self.empty = float(self.encoder.attention(features)[:, 0].logsumexp(-1))

    def check(self) -> None:
        """Raise Cancelled when the user asked to stop."""
        if self._cancelled():
            raise Cancelled("the search was stopped")

    @torch.no_grad()
    def attention(
        self, values: Tensor, before: NDArray[np.float32] | None = None, near: Places | None = None
    ) -> NDArray[np.float32]:
        """Return log sum_r exp a(t, r), (h, w), above that of an empty image.

        Places between cells of the model's pitch are not computed: -inf.

        Parameters
        ----------
        values : (C, h, w)
        before : (h, w), optional
            The attention before the field changed within the model's side of the places `near`
            (m, 2): only the tiles that see the change are looked at again.
        """
        _, height, width = values.shape
        tile = self.tile
        rows, columns = -(-height // tile), -(-width // tile)
        below, right = rows * tile - height, columns * tile - width
        padded = F.pad(values, (self.half, self.half + right, self.half, self.half + below))
        found = np.full((rows * tile, columns * tile), -np.inf, np.float32)
        wanted = np.ones((rows, columns), bool)
        if before is not None and near is not None:
            found[:height, :width] = before
            wanted = self._seen(near, rows, columns)
        corners = np.argwhere(wanted) * tile
        for start in range(0, len(corners), _TILES_AT_ONCE):
            self.check()
            some = corners[start : start + _TILES_AT_ONCE].tolist()
            for (row, column), part in zip(some, self._tiles(padded, some), strict=True):
                found[row : row + tile : self.pitch, column : column + tile : self.pitch] = part
        return found[:height, :width]

    def _tiles(self, padded: Tensor, corners: list[list[int]]) -> NDArray[np.float32]:
        side = self.tile + self.model.grid.kernel - 1
        windows = torch.stack([padded[:, r : r + side, c : c + side] for r, c in corners])
        features = self.encoder.features_of(self.encoder.lifting(windows, 0, self.pitch))
        logits = self.encoder.attention(features).logsumexp(-1) - self.empty
        cells = self.tile // self.pitch
        return np.asarray(logits.view(-1, cells, cells).cpu())

    def _seen(self, near: Places, rows: int, columns: int) -> NDArray[np.bool_]:
        """Return which tiles see pixels within the model's side of the places."""
        reach = self.model.side + self.half
        seen = np.zeros((rows, columns), bool)
        for row, column in near.tolist():
            top, left = max(0, row - reach) // self.tile, max(0, column - reach) // self.tile
            bottom, right = (row + reach) // self.tile, (column + reach) // self.tile
            seen[top : bottom + 1, left : right + 1] = True
        return seen

    @torch.no_grad()
    def attention_at(self, values: Tensor, places: Places) -> NDArray[np.float32]:
        """Return the attention at places (n, 2) = (row, column), (n,)."""
        parts = [
            self.encoder.attention(self._features(windows))[:, 0].logsumexp(-1) - self.empty
            for windows in self._windows(values, places)
        ]
        return np.asarray(torch.cat(parts).cpu()) if parts else np.zeros(0, np.float32)

    @torch.no_grad()
    def look(self, values: Tensor, places: Places, rotations: int = 1) -> Looks:
        """Return what is inferred at places (n, 2) = (row, column), n at least 1."""
        parts = [self._look(w, rotations) for w in self._windows(values, places)]
        return Looks(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def _look(self, windows: Tensor, rotations: int) -> Looks:
        features = self._features(windows)[:, 0]  # (n, R, K)
        logits = self.encoder.attention(features)  # (n, R)
        best = logits.topk(min(rotations, logits.shape[1]), 1).indices  # (n, m)
        there = features.gather(1, best[..., None].expand(-1, -1, features.shape[-1]))
        turn = self.encoder.angles[best]
        at = self.encoder.cells(there, turn, self.model.prior)
        shift = torch.zeros(*best.shape, 2, device=best.device)
        if at.shift_mean is not None:
            shift = at.shift_mean
        shift = shift + shift.new_tensor([self._off_px, -self._off_px])
        attention = logits.logsumexp(-1) - self.empty
        angle, z = wrap(at.angle_mean + turn), at.z_mean
        place = self.model.placed(angle, shift, z)
        return Looks(attention, z, self.model.turned(angle, z), place)

    def _features(self, windows: Tensor) -> Tensor:
        """Return features (n, 1, R, K) of windows (n, C, k, k)."""
        lifting = self.encoder.lifting
        lifted = windows.flatten(1) @ self._filters.T
        shape = (len(windows), 1, 1, lifting.rotations, lifting.kernels)
        features: Tensor = self.encoder.features_of(lifted.view(shape))
        return features

    def _windows(self, values: Tensor, places: Places) -> Any:
        kernel = self.model.grid.kernel
        padded = F.pad(values, (self.half,) * 4)
        every = padded.unfold(1, kernel, 1).unfold(2, kernel, 1)  # (C, h, w, k, k)
        for start in range(0, len(places), _LOOKS_AT_ONCE):
            self.check()
            row, column = torch.as_tensor(places[start : start + _LOOKS_AT_ONCE]).T
            yield every[:, row, column].transpose(0, 1)
