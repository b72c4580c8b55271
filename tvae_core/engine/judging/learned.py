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
        side, device = model.side, model.points_px.device
        self.count = 0
        self.content = self.pose = self.cell_entropy = self.shift_entropy = 0.0
        self.cells: Tensor | None = None  # (S, R) sum of q
        # power of each component of the spectrum, (C, H, W): of the images, of what two drawings
        # leave; and the sum of the spectra, for the mean image
        zeros = torch.zeros(model.channels, side, side, dtype=torch.float64, device=device)
        self.power = {name: zeros.clone() for name in ("images", "own", "same")}
        self.spectrum = torch.zeros_like(zeros, dtype=torch.complex128)

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
        self._compare(batch, mean_z)

    def _compare(self, batch: Batch, mean_z: Tensor) -> None:
        """Add what is left of the images when they are drawn with their own and the mean content.

        A pixel that is not compared is zero in both.
        """
        found = infer(self.model, batch.images.cpu(), 0.0)
        device = batch.images.device
        own, angle, shift = (t.to(device) for t in (found.z_mean, found.angle_rad, found.shift_px))
        seen = self._spectra(batch.images)
        self.power["images"] += seen.abs().square().sum(0)
        self.spectrum += seen.sum(0)
        for name, z in (("own", own), ("same", mean_z.expand_as(own))):
            left = seen - self._spectra(self._drawn(batch, z, angle, shift))
            self.power[name] += left.abs().square().sum(0)

    def _spectra(self, images: Tensor) -> Tensor:
        """Return the spectra of images (B, C, H, W), the compared pixels alone."""
        inside = torch.where(self.model.inside, images.double(), 0.0)
        spectra: Tensor = torch.fft.fft2(inside, norm="ortho")
        return spectra

    def _drawn(self, batch: Batch, z: Tensor, angle: Tensor, shift: Tensor) -> Tensor:
        model = self.model
        with mixed_precision(model.points_px.device):
            raw = model.draw(z, angle, shift)
        pixels = expected_pixels(model.through_ctf(raw.float(), batch.ctf), model.model)
        return pixels.transpose(1, 2).reshape(batch.images.shape)

    def figures(self, trained: int, drift: float) -> LearningFigures:
        """Return the means."""
        assert self.cells is not None
        n = self.count
        content, pose = self.content / n, self.pose / n
        mean = self.cells / n
        information = _entropy(mean) - self.cell_entropy / n
        shift = _entropy(mean.sum(1)) - self.shift_entropy / n
        variance = self.power["images"] - self.spectrum.abs().square() / n
        variance = variance.clamp_min(0) / max(1, n - 1)
        numbers, without = self._rings(variance)
        _, own = self._rings(self.power["own"] / n)
        _, same = self._rings(self.power["same"] / n)
        left = float((numbers * without).sum())
        return LearningFigures(
            images=trained,
            looked_at=n,
            content_nats=content,
            pose_nats=pose,
            shift_nats=max(0.0, shift),
            rotation_nats=max(0.0, information - shift),
            gain=description_gain(numbers, without, own, content + pose),
            content_saved=description_gain(numbers, same, own, 0.0),
            explained=1 - float((numbers * own).sum()) / left if left > 0 else 0.0,
            drift=drift,
            infers_pose=self.model.model.system in ("target-vae", "spatial-vae"),
        )

    def _rings(self, power: Tensor) -> tuple[Array, Array]:
        """Return the size and mean of each ring of frequencies of (C, H, W), by channel."""
        side = self.model.side
        k = np.fft.fftfreq(side) * side
        ring = np.rint(np.hypot(k[:, None], k[None])).astype(np.int64).ravel()
        sizes = np.bincount(ring)
        values = power.cpu().numpy().reshape(len(power), -1)
        means = [np.bincount(ring, weights=value) / sizes for value in values]
        share = len(self.model.compared) / side**2  # what is not compared has no numbers
        return np.tile(sizes, len(values)) * share, np.concatenate(means)


def _entropy(q: Tensor) -> float:
    return float(-(q * q.clamp_min(1e-30).log()).sum())


def _drift(model: TargetVae, images: CachedImages, chosen: Indices) -> float:
    """Return the root mean square by which z moves as images are turned, over its spread."""
    sample = images.read(chosen[:_TURNED])
    share = np.random.default_rng(0).random((len(sample), _TURNS))
    angles = invariance.turns_within(model.model.turned_at_most_rad, share)
    still_at = np.zeros((*angles.shape, 2))
    kinds = np.full(_TURNS, invariance.TURNED)
    trials = invariance.Trials(angles, still_at, kinds)
    still, found = invariance.run_trials(sample, encoder_of(model), trials)
    spread = invariance.spread_of(still.z)
    if spread <= 0:
        return math.nan
    change = np.linalg.norm(found.z - still.z[:, None], axis=-1) / spread
    return float(np.sqrt(np.mean(np.square(change))))
