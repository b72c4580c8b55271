"""Decoding: the image of any content at any pose on any grid, in slices that can be cancelled.

Shapes: n points, D content dimensions, P pixels, C channels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tvae_core.engine.checkpoint import model_from_bytes
from tvae_core.engine.likelihood import expected_pixels
from tvae_core.engine.run_folder import RunFolder
from tvae_core.engine.target_vae import TargetVae
from tvae_core.errors import Cancelled, CheckpointError
from tvae_core.geometry import pixel_grid_px
from tvae_core.store import EmbeddingStore

_SLICE_ELEMENTS = 1 << 19
_GRIDS_KEPT = 6


class Decoder:
    """Draws content at poses. The coordinate branch at pose zero is computed once a grid.

    Parameters
    ----------
    model : TargetVae
        A model in evaluation mode.
    """

    def __init__(self, model: TargetVae) -> None:
        self.model = model.eval()
        self.side, self.channels = model.side, model.channels
        self.z_dim = model.model.z_dim
        self._grids: OrderedDict[int, tuple[Tensor, Tensor]] = OrderedDict()

    @classmethod
    def from_store(cls, store: EmbeddingStore) -> Decoder:
        """Return the decoder of a store.

        Raises
        ------
        CheckpointError, StoreError
            The store holds no usable model.
        """
        return cls(model_from_bytes(store.weights(), store.path))

    @classmethod
    def from_run(cls, path: Path | str) -> Decoder:
        """Return the decoder of a run's best model."""
        file = RunFolder(Path(path)).model
        if not file.exists():
            raise CheckpointError("the run has no model yet", path, "train it to the end first")
        return cls(model_from_bytes(file.read_bytes(), file))

    @torch.inference_mode()
    def decode(
        self,
        z: ArrayLike,
        angle_rad: ArrayLike = 0.0,
        shift_px: ArrayLike = (0.0, 0.0),
        side: int | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> NDArray[np.float32]:
        """Return the expected images (n, side, side[, 3]) of z at a pose.

        Parameters
        ----------
        z : (n, D) or (D,)
        angle_rad : scalar or (n,), counter-clockwise
        shift_px : (2,) or (n, 2), pixels of the training images, x right, y up
        side : int
            Output pixels along each side of the same field of view; the training side by default.
        cancelled : callable
            Asked between slices of a few milliseconds.

        Raises
        ------
        Cancelled
            `cancelled()` turned true.
        """
        points = np.atleast_2d(np.asarray(z, dtype=np.float32))
        count, size = len(points), side or self.side
        content = torch.from_numpy(points)
        angle = _tensor(np.broadcast_to(np.asarray(angle_rad, np.float32), (count,)))
        shift = _tensor(np.broadcast_to(np.asarray(shift_px, np.float32), (count, 2)))
        upright = not bool(angle.any() or shift.any())
        grid, branch = self._grid(size) if upright else (self._points(size), None)
        pixels = torch.empty(count, size * size, self.channels)
        for index in range(count):
            for part in self._slices(size):
                if cancelled is not None and cancelled():
                    raise Cancelled("a newer request came")
                pixels[index, part] = self._values(
                    content[index], angle[index], shift[index], grid[part], branch, part
                )
        images = pixels.view(count, size, size, self.channels).numpy()
        return images[..., 0] if self.channels == 1 else images

    def _values(
        self,
        z: Tensor,
        angle: Tensor,
        shift: Tensor,
        points: Tensor,
        branch: Tensor | None,
        part: slice,
    ) -> Tensor:
        generator = self.model.generator
        if branch is None:
            coordinates = generator.coordinate_branch(points, angle[None], shift[None])
        else:
            coordinates = branch[:, part]
        raw = generator.content_branch(coordinates, z[None])
        return expected_pixels(raw, self.model.model)[0]

    def _slices(self, size: int) -> list[slice]:
        config = self.model.model
        wide = max(config.generator_hidden * config.generator_layers, config.fourier_features)
        rows = max(256, _SLICE_ELEMENTS // wide)
        return [slice(start, start + rows) for start in range(0, size * size, rows)]

    def _points(self, size: int) -> Tensor:
        spacing = self.side / size
        return _tensor((pixel_grid_px(size, size) * spacing).astype(np.float32))

    def _grid(self, size: int) -> tuple[Tensor, Tensor]:
        if size not in self._grids:
            points = self._points(size)
            zero = torch.zeros(1)
            parts = [
                self.model.generator.coordinate_branch(points[part], zero, torch.zeros(1, 2))
                for part in self._slices(size)
            ]
            self._grids[size] = (points, torch.cat(parts, 1))
            if len(self._grids) > _GRIDS_KEPT:
                self._grids.popitem(last=False)
        self._grids.move_to_end(size)
        return self._grids[size]


def _tensor(values: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.array(values))
