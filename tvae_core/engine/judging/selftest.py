"""The invariance self-test of a run, on its own images, with its own encoder.

Shapes: n images, K trials, C channels, H W image, D content dimensions.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tvae_core.analysis import invariance
from tvae_core.analysis.invariance import Inferred
from tvae_core.analysis.symmetry import Symmetry, symmetries_of_contents
from tvae_core.analysis.trust import ACTIVE_VARIANCE, InvarianceReport
from tvae_core.engine.device import device_of_run
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.inference import infer
from tvae_core.images_of import open_prepared_of
from tvae_core.store import EmbeddingStore

FULL_IMAGES = 256
_BATCH = 16
_REACH_PX = 2.0
Array = NDArray[np.floating]


@dataclass(frozen=True)
class SelfTestSize:
    """How much is tried: images, turns an image, shifts an image; which images, by seed."""

    images: int = 48
    turns: int = 16
    shifts: int = 8
    seed: int = 0

    @classmethod
    def full(cls, images: int = FULL_IMAGES, seed: int = 0) -> SelfTestSize:
        """Return the size of appendix A.3: 160 turns an image."""
        return cls(images, invariance.FULL_TURNS, 16, seed)


def selftest(
    store: EmbeddingStore,
    size: SelfTestSize | None = None,
    images_at: str = "",
    progress: Callable[[float], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
    device: str = "",
) -> InvarianceReport:
    """Turn and shift a sample of the run's images by known amounts and report what is found.

    Parameters
    ----------
    images_at : str
        Where the images are now, when they have moved.
    device : str
        auto, cpu, cuda or cuda:N; by default that of the run where it is here if none is named.

    Raises
    ------
    ImageFileError, CheckpointError
        The images cannot be read or are not those of the run; there is no usable model.
    DeviceError
        The device that was asked for is not here.
    Cancelled
        `cancelled()` turned true.
    """
    size, began = size or SelfTestSize(), time.monotonic()
    model = model_from_bytes(store.weights(), store.path).eval()
    model = model.to(device_of_run(device, store.header.config.train.device))
    with open_prepared_of(store, images_at, model.model.ctf == "likelihood") as images:
        chosen = _sample(store.images, size)
        sample = images.read(chosen)
        ctf = None if images.ctf_rows is None else images.ctf_rows[chosen]
    reach = min(_REACH_PX, model.model.shift_prior_std_px)
    most = model.model.turned_at_most_rad
    trials = invariance.make_trials(
        len(sample), model.model.rotations, reach, size.turns, size.shifts, size.seed, most
    )
    still, found = invariance.run_trials(sample, encoder_of(model), trials, progress, cancelled)
    symmetries = symmetries_of_contents(Decoder(model).decode(still.z))
    orders = np.array([s.order for s in symmetries])
    spread = invariance.spread_of(store.z_mean)
    drawn = _drawn(model, sample, ctf)
    return InvarianceReport(
        run=store.header.run,
        images=len(sample),
        side_px=model.side,
        pixel_size_angstrom=store.header.pixel_size_angstrom,
        z_spread=spread,
        z_dimensions=store.z_dim,
        active_dimensions=int((np.var(store.z_mean, axis=0) > ACTIVE_VARIANCE).sum()),
        symmetries=_counted(symmetries),
        fit_share=invariance.fit_share(sample, drawn, still.shift_px, orders),
        measures=tuple(invariance.measure(still, found, trials, spread, orders)),
        seconds=time.monotonic() - began,
        turned_at_most_deg=math.degrees(most),
    )


def encoder_of(model: TargetVae) -> invariance.Encode:
    """Return the model's inference as a function of images (n, C, H, W) float32."""

    def encode(images: Array) -> Inferred:
        found = infer(model, torch.from_numpy(images), 0.0)
        return Inferred(found.z_mean.numpy(), found.angle_rad.numpy(), found.shift_px.numpy())

    return encode


def _drawn(model: TargetVae, images: Array, ctf: Array | None) -> Array:
    """Return what the generator makes of images (n, C, H, W), at their poses, through their CTF."""
    made = []
    for start in range(0, len(images), _BATCH):
        part = slice(start, start + _BATCH)
        optics = None if ctf is None else torch.from_numpy(ctf[part])
        found = infer(model, torch.from_numpy(images[part]), 1.0, optics).reconstruction
        assert found is not None
        made.append(found.numpy())
    return np.concatenate(made)


def _sample(count: int, size: SelfTestSize) -> NDArray[np.int64]:
    order = np.random.default_rng([size.seed, count]).permutation(count)
    return np.sort(order[: size.images])


def _counted(symmetries: list[Symmetry]) -> dict[str, int]:
    return dict(Counter(s.name for s in symmetries).most_common())
