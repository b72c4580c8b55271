"""Decoding: the image of any content at any pose on any grid, in slices that can be cancelled.

Shapes: n points, D content dimensions, P pixels, C channels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tvae_core.engine.device import choose_device
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.model.generator import GridPart, grid_parts
from tvae_core.engine.model.likelihood import expected_pixels
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.errors import Cancelled
from tvae_core.geometry import axis_px
from tvae_core.store import EmbeddingStore

_GRIDS_KEPT = 6
_PART_PIXELS = 2048  # of a kept branch, to which the content is added part by part


class Decoder:
    """Draws content at poses. The coordinate branch at pose zero is computed once a grid.

    Parameters
    ----------
    model : TargetVae
        It is put into evaluation mode and draws on the device it lies on.
    """

    def __init__(self, model: TargetVae) -> None:
        self.model = model.eval()
        self.side, self.channels = model.side, model.channels
        self.z_dim = model.model.z_dim
        self._grids: OrderedDict[int, Tensor] = OrderedDict()

    @classmethod
    def from_store(cls, store: EmbeddingStore, device: str = "cpu") -> Decoder:
        """Return the decoder of a store on a device: auto, cpu, cuda or cuda:N.

        Raises
        ------
        CheckpointError, StoreError
            The store holds no usable model.
        DeviceError
            The device is not here.
        """
        model = model_from_bytes(store.weights(), store.path)
        return cls(model.to(choose_device(device)))

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
        angles = np.broadcast_to(np.asarray(angle_rad, np.float32), (count,))
        shifts = np.broadcast_to(np.asarray(shift_px, np.float32), (count, 2))
        at_rest = self.model.stands_alike and not (angles.any() or shifts.any())
        branch = self._branch(size) if at_rest else None
        z = self._tensor(points)
        angle, shift = self.model.of_frame(z, self._tensor(angles), self._tensor(shifts))
        generator = self.model.generator
        axis = self._axis(size)
        contents = generator.content_layer(z)
        pixels = axis.new_empty(count, size, size, self.channels)
        for index in range(count):
            tables = None
            if branch is None:
                tables = generator.grid_tables(axis, -axis, angle[index], shift[index])
            for part in self._parts(size, branch is not None):
                if cancelled is not None and cancelled():
                    raise Cancelled("replaced by a newer request")
                if tables is not None:
                    drawn = generator.grid_branch(tables, part)
                else:
                    assert branch is not None
                    drawn = branch[part].reshape(-1, branch.shape[-1])
                raw = generator.draw_part(drawn, contents[index], keep=tables is None)
                expected = expected_pixels(raw, self.model.model)
                pixels[index][part] = expected.view(pixels[index][part].shape)
        images = pixels.cpu().numpy()
        return images[..., 0] if self.channels == 1 else images

    def _parts(self, size: int, branch_kept: bool = False) -> list[GridPart]:
        pixels = self.model.generator.part_pixels(branch_kept)
        return grid_parts(size, size, min(pixels, _PART_PIXELS))

    def _axis(self, size: int) -> Tensor:
        return self._tensor((axis_px(size) * (self.side / size)).astype(np.float32))

    def _branch(self, size: int) -> Tensor:
        """Return the coordinate branch (size, size, H) at pose zero, made once a grid."""
        if size not in self._grids:
            generator, axis = self.model.generator, self._axis(size)
            tables = generator.grid_tables(axis, -axis, axis.new_zeros(()), axis.new_zeros(2))
            branch = axis.new_empty(size, size, generator.branch_units)
            for part in self._parts(size):
                branch[part] = generator.grid_branch(tables, part).view(branch[part].shape)
            self._grids[size] = branch
            if len(self._grids) > _GRIDS_KEPT:
                self._grids.popitem(last=False)
        self._grids.move_to_end(size)
        return self._grids[size]

    def _tensor(self, values: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.array(values)).to(self.model.points_px.device)
