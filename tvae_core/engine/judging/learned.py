"""What a model makes of held-out images: the figures that the verdict on a run rests on.

Shapes: B batch, S shift cells, R rotations, D content dimensions, P pixels, C channels.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvae_core.analysis import invariance
from tvae_core.analysis.verdict import LearningFigures, description_gain
from tvae_core.engine.data import Batch, CachedImages, Indices, batch_of, blocks_of
from tvae_core.engine.device import mixed_precision
from tvae_core.engine.judging.selftest import encoder_of
from tvae_core.engine.model.likelihood import expected_pixels
from tvae_core.engine.model.posterior import entropy, kl_terms
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.inference import infer

LOOKED_AT = 192
_BATCH = 32
_TURNED = 32
_TURNS = 6
Array = NDArray[np.floating]


@torch.no_grad()
def learning_figures(
    model: TargetVae, images: CachedImages, held_out: Indices, trained: int, turned: bool = False
) -> LearningFigures:
    """Return the figures of a model on images that it was not trained on.

    Parameters
    ----------
    model : TargetVae
        In evaluation mode.
    images : CachedImages
    held_out : (n,) integers
        Of which up to 192 are looked at.
    trained : int
        Number of images that the model was trained on.
    turned : bool
        Also turn some images and ask again, which costs as much as all the rest.
    """
    chosen = np.asarray(held_out)[:LOOKED_AT]
    sums = _Sums(model)
    contents = [infer(model, batch_of(images, part).images, 0.0).z_mean for part in _parts(chosen)]
    mean_z = torch.cat(contents).mean(0).to(model.points_px.device)
    for part in _parts(chosen):
        sums.add(batch_of(images, part).to(model.points_px.device), mean_z)
    return sums.figures(trained, _drift(model, images, chosen) if turned else math.nan)


def _parts(chosen: Indices) -> list[Indices]:
    return [chosen[block] for block in blocks_of(len(chosen), _BATCH)]


class _Sums:
    """Sums over images, and what they come to."""

    def __init__(self, model: TargetVae) -> None:
        self.model = model
        self.count = 0
        self.pixels = 0
        self.content = self.pose = self.cell_entropy = self.shift_entropy = 0.0
        self.error = self.same_content = 0.0
        self.cells: Tensor | None = None  # (S, R) sum of q
        self.seen: Tensor | None = None  # (P, C) sums, of the mean image
        self.squares = 0.0

    def add(self, batch: Batch, mean_z: Tensor) -> None:
        """Take in a batch on the model's device."""
        model = self.model
        with mixed_precision(model.points_px.device):
            posterior = model.infer(batch.images)
            kl = kl_terms(posterior, model.prior)
        self.count += len(batch)
        self.content += float(kl.content.sum())
        self.pose += float((kl.pose + kl.angle + kl.shift).sum())
        log_q = posterior.log_q.float()
        self.cell_entropy += float(entropy(log_q).sum())
        self.shift_entropy += float(entropy(log_q.logsumexp(2, keepdim=True)).sum())
        cells = log_q.exp().sum(0)
        self.cells = cells if self.cells is None else self.cells + cells
        found = infer(model, batch.images.cpu(), 0.0)
        compared = model.compared
        seen = batch.images.flatten(2).transpose(1, 2)[:, compared].double()  # (B, P, C)
        self.pixels = seen.shape[1] * seen.shape[2]
        self.seen = seen.sum(0) if self.seen is None else self.seen + seen.sum(0)
        self.squares += float(seen.square().sum())
        pose = [t.to(seen.device) for t in (found.angle_rad, found.shift_px)]
        own = found.z_mean.to(seen.device)
        for z, name in ((own, "error"), (mean_z.expand_as(own), "same_content")):
            drawn = self._drawn(batch, z, *pose)[:, compared].double()
            setattr(self, name, getattr(self, name) + float((seen - drawn).square().sum()))

    def _drawn(self, batch: Batch, z: Tensor, angle: Tensor, shift: Tensor) -> Tensor:
        model = self.model
        with mixed_precision(model.points_px.device):
            raw = model.draw(z, angle, shift)
        return expected_pixels(model.through_ctf(raw.float(), batch.ctf), model.model)

    def figures(self, trained: int, drift: float) -> LearningFigures:
        """Return the means."""
        assert self.cells is not None
        assert self.seen is not None
        n = self.count
        numbers = n * self.pixels
        without = (self.squares - float(self.seen.square().sum()) / n) / numbers
        error, same = self.error / numbers, self.same_content / numbers
        content, pose = self.content / n, self.pose / n
        mean = self.cells / n
        information = _entropy(mean) - self.cell_entropy / n
        shift = _entropy(mean.sum(1)) - self.shift_entropy / n
        return LearningFigures(
            images=trained,
            looked_at=n,
            content_nats=content,
            pose_nats=pose,
            shift_nats=max(0.0, shift),
            rotation_nats=max(0.0, information - shift),
            gain=description_gain(self.pixels, without, error, content + pose),
            content_saved=description_gain(self.pixels, same, error, 0.0),
            explained=1 - error / without if without > 0 else 0.0,
            drift=drift,
            infers_pose=self.model.model.system in ("target-vae", "spatial-vae"),
        )


def _entropy(q: Tensor) -> float:
    return float(-(q * q.clamp_min(1e-30).log()).sum())


def _drift(model: TargetVae, images: CachedImages, chosen: Indices) -> float:
    """Return the root mean square by which z moves as images are turned, over its spread."""
    sample = images.read(chosen[:_TURNED])
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, (len(sample), _TURNS))
    still_at = np.zeros((*angles.shape, 2))
    kinds = np.full(_TURNS, invariance.TURNED)
    trials = invariance.Trials(angles, still_at, kinds)
    still, found = invariance.run_trials(sample, encoder_of(model), trials)
    spread = invariance.spread_of(still.z)
    if spread <= 0:
        return math.nan
    change = np.linalg.norm(found.z - still.z[:, None], axis=-1) / spread
    return float(np.sqrt(np.mean(np.square(change))))
