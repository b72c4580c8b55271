"""Detection: the objects of larger images, found with a run's model (paper, appendix A.4).

Shapes: n images, C channels, W model side, D content dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvae_core.analysis.picks import (
    Calibration,
    Confidence,
    FieldPicks,
    Picks,
    agreement,
)
from tvae_core.config import BadPixels, DataConfig
from tvae_core.engine.detection.explain_away import Explainer, Objects, Scale, levelled
from tvae_core.engine.detection.field_encoder import field_model
from tvae_core.engine.model.likelihood import expected_pixels
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.inference import Inferred, infer
from tvae_core.errors import ImageFileError
from tvae_core.geometry import axis_px
from tvae_core.images.field import Field, prepare_field, without_bad_pixels
from tvae_core.images.opening import open_stack
from tvae_core.images.stack import ImageStack
from tvae_core.images_of import images_are_there, open_prepared_of
from tvae_core.store import EmbeddingStore

Array = NDArray[np.floating]
_EMPTY_SHARE = 1 / 3  # of the windows of a calibration field hold no object
_WEAK = 0.05  # quantile of the own attention that, mirrored at the median, bounds the candidates
_LEAST = 1e-3  # nats above the empty image, whose every place would else be a peak
_ENERGY = 0.9  # of a drawn object's squares lie within its radius
_TOLERANCE = 0.5  # of the radius: a pick this near to a true place is that object


@dataclass(frozen=True)
class DetectSettings:
    """How to look.

    Parameters
    ----------
    explain : bool
        Subtract what was found and look again; otherwise the peaks of the attention, as in A.4.
    scale : float
        The model's pixel over the field's; 0 takes it from the pixel sizes, else the run's.
    tile_px : int
        Places along each side of a tile, 0 chooses. The picks do not depend on it.
    images, seed : int
        How many of the run's images the threshold is found on, and which.
    bad_pixels : str, optional
        What becomes of NaN and infinite pixels of a field, instead of what the run did with them.
    device : str
        auto, cpu, cuda or cuda:N; by default that of the run where it is here if none is named.
    """

    explain: bool = True
    scale: float = 0.0
    tile_px: int = 0
    images: int = 96
    seed: int = 0
    bad_pixels: BadPixels | None = None
    device: str = ""


class Detector:
    """Finds objects in fields with a run's model; made once, used for many fields.

    Parameters
    ----------
    store : EmbeddingStore
    settings : DetectSettings
    images_at : str
        Where the run's images are now, when they have moved.
    cancelled : callable
        Asked often, here and in every search.

    Raises
    ------
    Cancelled
        `cancelled()` turned true.
    ConfigError
        The model sees through a CTF, which is not known of a field.
    CheckpointError, StoreError, ImageFileError
        No usable model, or the images named are not those of the run.
    DeviceError
        The device that was asked for is not here.
    """

    def __init__(
        self,
        store: EmbeddingStore,
        settings: DetectSettings | None = None,
        images_at: str = "",
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.settings = settings or DetectSettings()
        self.header = store.header
        self.model = field_model(store, self.settings.device)
        own = own_images(store, self.model, self.settings, images_at)
        self._own_dtype = own.dtype
        self.explainer, found = calibrated(self.model, own, self.settings, cancelled)
        self.calibration = replace(found, remarks=_remarks(self.header.config.data, own))

    @property
    def data(self) -> DataConfig:
        """How fields are prepared."""
        own, bad_pixels = self.header.config.data, self.settings.bad_pixels
        return own.model_copy(update={"bad_pixels": bad_pixels} if bad_pixels else {})

    def check_pixels(self, stack: ImageStack, image: int) -> None:
        """Raise an ImageFileError where an image of a stack has bad pixels that are refused."""
        raw = stack.read([image])[0]
        without_bad_pixels(raw, self.data.bad_pixels, _name(stack, image))

    def prepared(self, stack: ImageStack, image: int) -> Field:
        """Return an image of a stack as the model sees it."""
        scale = self.settings.scale
        own, theirs = self.header.pixel_size_angstrom, stack.pixel_size_angstrom
        if not scale:
            scale = own / theirs if own and theirs else self.header.scale
        return prepare_field(
            stack.read([image])[0], self.data, self.model.side, scale, self._dtype_of(stack),
            _name(stack, image),
        )  # fmt: skip

    def _dtype_of(self, stack: ImageStack) -> np.dtype[Any]:
        """Return as what type pixels count: 8-bit where those of the run were as well."""
        return stack.dtype if self._own_dtype in (None, stack.dtype) else np.dtype(np.float32)

    @torch.no_grad()
    def detect(self, field: Field, image: int = 0) -> FieldPicks:
        """Return the objects of a field."""
        values = torch.from_numpy(field.values).to(self.model.points_px.device)
        found, drawn = find(self.explainer, values, self.settings.explain)
        places = field.raw_places(found.places_px(*field.values.shape[1:]))
        confidence = self.calibration.confidence.of(evidence(found, self.settings.explain))
        order = np.argsort(-confidence, kind="stable")
        picks = Picks(
            np.full(len(found), image), places, found.angle_rad, found.z, found.score,
            confidence, found.attention,
        )  # fmt: skip
        radius = self.calibration.radius_px * float(np.mean(field.scale))
        return FieldPicks(
            image, picks.chosen(order), field.values, drawn.cpu().numpy(), field.raw_shape, radius
        )


def detect(
    detector: Detector,
    path: Path | str,
    progress: Callable[[float], None] = lambda _: None,
) -> Iterator[FieldPicks]:
    """Yield what is found in each image of a stack of fields.

    The pixels of all are checked before any is searched, which takes far longer.

    Raises
    ------
    ImageFileError, ConfigError
        The fields cannot be read or do not fit the model.
    Cancelled
        The detector's `cancelled()` turned true.
    """
    with open_stack(path) as stack:
        channels = detector.model.channels
        if stack.channels != channels:
            raise ImageFileError(
                f"{stack.channels} channels, but the run's images have {channels}", path
            )
        for image in range(len(stack)):
            detector.explainer.encoder.check()
            detector.check_pixels(stack, image)
        for image in range(len(stack)):
            yield detector.detect(detector.prepared(stack, image), image)
            progress((image + 1) / len(stack))


def _name(stack: ImageStack, image: int) -> str:
    return f"{stack.path}, image {image} (from 0)"


def find(explainer: Explainer, values: Tensor, explain: bool) -> tuple[Objects, Tensor]:
    """Return the objects of a field and their sum as drawn, either way."""
    if explain:
        return explainer.explain(values)
    found = explainer.peaks_of(values)
    return found, explainer.drawn_sum(found, values)


def evidence(found: Objects, explain: bool) -> NDArray[np.float64]:
    """Return what the confidence is a function of: log(1 + gain), or the attention."""
    return np.log1p(np.maximum(found.score, 0.0)) if explain else found.score


@dataclass(frozen=True)
class OwnImages:
    """A sample of a run's images.

    Parameters
    ----------
    images : (n, C, W, W)
    dtype : np.dtype or None
        Pixel type in the run's file; None where they are gone and the images were drawn.
    """

    images: Tensor
    dtype: np.dtype[Any] | None


def _remarks(data: DataConfig, own: OwnImages) -> tuple[str, ...]:
    """Return what sets fields apart from the run's images, for the user."""
    remarks = []
    if data.phase_flip:
        remarks.append("the run's images were phase-flipped, fields are not")
    if data.normalise == "unit" and own.dtype is None:
        remarks.append(
            "the run's images are gone, so a field's own pixel type says whether 255 is white: "
            "give --images-at where the run's was another"
        )
    return tuple(remarks)


def own_images(
    store: EmbeddingStore, model: TargetVae, settings: DetectSettings, images_at: str
) -> OwnImages:
    """Return a sample of the run's images.

    Where they are gone and no other place is named, they are drawn: contents and poses of the
    store, with noise of its reconstruction error.
    """
    rng = np.random.default_rng([settings.seed, len(store)])
    chosen = np.sort(rng.permutation(len(store))[: settings.images])
    if not images_at and not images_are_there(store):
        return OwnImages(_drawn_images(store, model, chosen, rng), None)
    with open_prepared_of(store, images_at) as images:
        return OwnImages(torch.from_numpy(images.read(chosen)), images.stack.dtype)


def _drawn_images(
    store: EmbeddingStore, model: TargetVae, chosen: NDArray[np.integer], rng: np.random.Generator
) -> Tensor:
    device = model.points_px.device
    columns = (store.z_mean, store.angle_rad, store.shift_px)
    z, angle, shift = (torch.as_tensor(np.array(c[chosen]), device=device) for c in columns)
    with torch.no_grad():
        seen = expected_pixels(model.draw(z.float(), angle.float(), shift.float()), model.model)
    images = seen.transpose(1, 2).reshape(len(chosen), -1, model.side, model.side).cpu()
    deviation = float(np.sqrt(np.nanmedian(store.column("quality/reconstruction_error"))))
    noise = rng.normal(0.0, deviation, images.shape).astype(np.float32)
    return (images + torch.from_numpy(noise)) * model.inside.cpu()


def calibrated(
    model: TargetVae,
    sample: OwnImages,
    settings: DetectSettings,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[Explainer, Calibration]:
    """Return an explainer with its scale and what a pick's score means, from a run's images.

    The images are put side by side in random order into one field; between them stand windows
    whose object has been taken away. What is found there is compared with where they are.
    """
    own = infer(model, sample.images)
    values, truth = mosaic(sample.images, own, model.inside.cpu(), settings.seed)
    variance = float(np.median(own.reconstruction_error.numpy()))
    radius = object_radius_px(model, own.z_mean)
    values = values.to(model.points_px.device)
    free = Explainer(
        model, Scale(max(variance, 1e-9), radius, -np.inf), settings.tile_px, cancelled
    )
    height, width = values.shape[1:]
    row, column = (height - 1) / 2 - truth[:, 1], truth[:, 0] + (width - 1) / 2
    at = np.rint(np.stack([row, column], 1)).astype(np.int64)
    seen = free.encoder.attention_at(values, np.clip(at, 0, [height - 1, width - 1]))
    weak, middle = np.quantile(seen, [_WEAK, 0.5])
    lowest = float(2 * weak - middle)
    if middle > 0:  # objects stand out of an empty image: its places are then no candidates
        lowest = max(lowest, _LEAST)
    explainer = Explainer(
        model, Scale(max(variance, 1e-9), radius, lowest), settings.tile_px, cancelled
    )
    found, _ = find(explainer, values, settings.explain)
    picks = _as_picks(found, found.places_px(height, width))
    tolerance = max(2.0, _TOLERANCE * radius)
    _, true = agreement(picks, np.zeros(len(truth), np.int64), truth, tolerance)
    nothing = 0.0 if settings.explain else lowest
    confidence = Confidence.fitted(evidence(found, settings.explain), true, len(truth), nothing)
    return explainer, Calibration(confidence, radius, sample.dtype is not None)


def _as_picks(found: Objects, places: NDArray[np.float64]) -> Picks:
    nowhere = np.zeros(len(found), dtype=np.int64)
    return Picks(nowhere, places, found.angle_rad, found.z, found.score,
                 np.zeros(len(found)), found.attention)  # fmt: skip


def mosaic(
    images: Tensor, own: Inferred, inside: Tensor, seed: int
) -> tuple[Tensor, NDArray[np.float64]]:
    """Return a field (C, h, w) of images and empty windows, and where its objects are (n, 2).

    Of each window only the pixels that are compared, `inside` (W, W), are there.
    """
    assert own.reconstruction is not None
    count, channels, side, _ = images.shape
    rest = levelled(images - own.reconstruction, inside)
    empty = round(count * _EMPTY_SHARE / (1 - _EMPTY_SHARE))
    grid = int(np.ceil(np.sqrt(count + empty)))
    rng = np.random.default_rng([seed, 2])
    order = rng.permutation(grid * grid)
    windows = torch.zeros(grid * grid, channels, side, side)
    windows[order[:count]] = levelled(images, inside)
    others = order[count:]
    windows[others] = rest[rng.integers(count, size=len(others))].flip(-1)
    field = windows.view(grid, grid, channels, side, side).permute(2, 0, 3, 1, 4)
    centre = axis_px(grid) * side
    row, column = np.divmod(order[:count], grid)
    shift = own.shift_px.double().numpy()
    truth = np.stack([centre[column], -centre[row]], 1) + shift
    return field.reshape(channels, grid * side, grid * side).contiguous(), truth


@torch.no_grad()
def object_radius_px(model: TargetVae, z: Tensor) -> float:
    """Return the radius that holds most of a drawn object's squares, the median over z (n, D)."""
    device, count = model.points_px.device, len(z)
    nowhere = torch.zeros(count, 2, device=device)
    raw = model.draw(z.to(device), torch.zeros(count, device=device), nowhere)
    seen = expected_pixels(raw, model.model).transpose(1, 2)
    drawn = levelled(seen.reshape(count, -1, model.side, model.side), model.inside)
    energy = drawn.square().sum(1).cpu().double().numpy()
    axis = axis_px(model.side)
    total = np.maximum(energy.sum((1, 2)), 1e-30)
    x, y = energy.sum(1) @ axis / total, -(energy.sum(2) @ axis) / total
    distance = np.hypot(
        axis[None, None] - x[:, None, None], -axis[None, :, None] - y[:, None, None]
    )
    radii = []
    for one, away in zip(energy.reshape(count, -1), distance.reshape(count, -1), strict=True):
        order = np.argsort(away)
        inside = np.cumsum(one[order])
        radii.append(away[order][np.searchsorted(inside, _ENERGY * inside[-1])])
    return float(max(2.0, np.median(radii)))
