"""Class averages of a store's images: where the images come from, and the sums over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.averages import upright_fine
from tvae_core.analysis.class_averages import (
    AveragedClass,
    ClassAccumulator,
    random_halves,
    turned_ctf,
)
from tvae_core.analysis.drift import Decode, without_drift
from tvae_core.analysis.honest_resolution import PoseFreedom, random_phases
from tvae_core.analysis.sampling import border_mean
from tvae_core.ctf import apply_ctf, phase_flip
from tvae_core.errors import ImageFileError
from tvae_core.export.classes import WIENER, Chosen, Correction, Size
from tvae_core.export.sources import ImageSource, ModelImages
from tvae_core.export.stacks import Poses
from tvae_core.export.target import report
from tvae_core.images.optics import ImageOptics, optics_of
from tvae_core.images.prepared import PreparedStack
from tvae_core.images_of import images_are_there, open_images_of
from tvae_core.progress import Cancel, Share
from tvae_core.store import EmbeddingStore

Array = NDArray[np.floating]
Infer = Callable[[Array], tuple[Array, Array, Array]]  # images to content, angle and shift
_BLOCK_BYTES = 1 << 24
_CONTROL = 2000  # images that are substituted: what noise gains is the same for any number
_INFERRED = 256
_COLOUR = "these are colour"


@dataclass(frozen=True)
class AveragingImages:
    """Images that averages are made of, and all that is known of each.

    Parameters
    ----------
    source : ImageSource
        Grey square images of `side` pixels.
    side : int
    poses : Poses
        Of all N images, brought to these pixels by its scale and centre offset.
    pixel_size_angstrom : float or None
    correction : str
        What is done to each image before it is turned: nothing, the sign of its CTF, or its CTF.
    optics : ImageOptics or None
        Of all N images at this size; needed unless the correction is none or made already.
    size : str
        original, model or thumbnails.
    substitute : Substitute or None
        The same images with random phases, None of thumbnails.
    """

    source: ImageSource
    side: int
    poses: Poses
    pixel_size_angstrom: float | None
    correction: Correction
    optics: ImageOptics | None
    size: Size
    substitute: Substitute | None = None


class Substitute:
    """Images whose phases are random beyond a cut-off, for averaging and as the model sees them.

    Parameters
    ----------
    prepared : PreparedStack
        As they are averaged.
    seen : PreparedStack
        As the run prepares them.
    of_whole : callable
        From images (n, H, W) at their own size, and their numbers, to those that are averaged.
    pixel : float
        Pixel of the averages over that of the files.
    """

    def __init__(
        self,
        prepared: PreparedStack,
        seen: PreparedStack,
        of_whole: Callable[[Array, NDArray[np.int64]], Array],
        pixel: float,
    ) -> None:
        self._prepared, self._seen, self._of_whole, self._pixel = prepared, seen, of_whole, pixel

    def read(self, indices: NDArray[np.int64], cutoff: float) -> Array:
        """Return images (n, side, side), random from `cutoff` (cycles a pixel of theirs) on."""
        return self._of_whole(self._random(indices, cutoff), indices)

    def seen(self, indices: NDArray[np.int64], cutoff: float) -> Array:
        """Return the same images as the model sees them, (n, C, h, w)."""
        return self._seen.preprocessor(self._random(indices, cutoff), indices)

    def _random(self, indices: NDArray[np.int64], cutoff: float) -> NDArray[np.float32]:
        raw = self._prepared.stack.read(indices)
        whole = self._prepared.preprocessor.whole(raw, indices)[:, 0]
        return random_phases(whole, cutoff / self._pixel, indices)


@contextmanager
def open_averaging(
    store: EmbeddingStore,
    size: Size | None = None,
    correction: Correction = "none",
    images_at: str = "",
) -> Iterator[AveragingImages]:
    """Open the images of a store for averaging.

    Parameters
    ----------
    store : EmbeddingStore
    size : str, optional
        `original`: as in their files; `model`: as the model sees them; `thumbnails`: as the store
        keeps them, which needs no other file. When not given: original where the files are,
        thumbnails elsewhere.
    correction : str
    images_at : str
        Where the images are, when they have moved.

    Raises
    ------
    ImageFileError
        The images cannot be opened, are colour, or the store keeps no thumbnails.
    ConfigError
        A correction is asked for and the CTF is not known.
    """
    data = store.header.config.data
    if size is None:
        there = bool(images_at) or images_are_there(store)
        size = "original" if there or not store.has_thumbnails else "thumbnails"
    if size == "thumbnails":
        yield _thumbnails(store, correction)
        return
    with open_images_of(store, images_at) as stack:
        if stack.channels != 1:
            raise ImageFileError("only grey images can be averaged", stack.path, _COLOUR)
        flip = size == "model" and correction == "flip"
        prepared = PreparedStack(stack, data.model_copy(update={"phase_flip": flip}))
        optics = None if correction == "none" or flip else optics_of(stack, "the correction")
        seen = PreparedStack(stack, data)
        if size == "model":
            yield _as_the_model_sees(store, prepared, seen, correction, optics)
        else:
            yield _as_filed(store, prepared, seen, correction, optics)


def class_poses(
    images: AveragingImages, store: EmbeddingStore, chosen: Chosen, decode: Decode | None
) -> tuple[Array, Array]:
    """Return angles (n,) and shifts (n, 2), in pixels of `images`, of the images of a class.

    With `decode` the drift of the model's zero pose over the class is taken out of them.
    """
    some = chosen.indices
    poses = store.z_mean[some], store.angle_rad[some], store.shift_px[some]
    return _placed(images, poses, decode)


def _placed(
    images: AveragingImages, poses: tuple[Array, Array, Array], decode: Decode | None
) -> tuple[Array, Array]:
    """Return angles and shifts in pixels of `images`, of content, angle and shift of the model."""
    z, angle, shift = poses
    if decode is not None:
        angle, shift = without_drift(z, angle, shift, decode)
    offset = np.asarray(images.poses.centre_offset_px)
    return angle, shift * images.poses.scale + offset


def average_class(
    images: AveragingImages,
    chosen: Chosen,
    angle_rad: Array,
    shift_px: Array,
    *,
    infer: Infer | None = None,
    decode: Decode | None = None,
    wiener: float = WIENER,
    progress: Share | None = None,
    cancelled: Cancel | None = None,
) -> AveragedClass:
    """Return the average of the images of one class, turned upright, read block by block.

    Parameters
    ----------
    images : AveragingImages
    chosen : Chosen
    angle_rad : (n,)
    shift_px : (n, 2)
        Poses of the chosen, in pixels of `images`.
    infer : callable, optional
        What found the poses: with it, what noise gained from them is measured on the images with
        their phases made random beyond where the average is sure (Chen et al. 2013).
    decode : callable, optional
        As for `class_poses`, from which the poses came.
    wiener : float
        eps of sum(CTF y) / (sum(CTF^2) + eps n), for that correction only.
    progress, cancelled : callable, optional

    Raises
    ------
    ImageFileError
        The class is empty, or its images cannot be read.
    Cancelled
        `cancelled` said so.
    """
    if not len(chosen.indices):
        raise ImageFileError(f"no images in {chosen.name!r}", "", "choose others")
    poses = angle_rad, shift_px
    total = _summed(images, chosen.indices, poses, images.source.read, wiener, progress, cancelled)
    freedom = PoseFreedom.of(angle_rad, shift_px)
    share = len(chosen.indices) / len(images.poses.angle_rad)
    found = total.result(freedom, share)
    cutoff = found.honest.cutoff
    if infer is None or images.substitute is None or not cutoff:
        return found
    some = np.random.default_rng(0).permutation(chosen.indices)[:_CONTROL]
    read = partial(images.substitute.read, cutoff=cutoff)
    poses = _placed(images, _inferred(images.substitute, np.sort(some), cutoff, infer), decode)
    control = _summed(images, np.sort(some), poses, read, wiener, None, cancelled)
    return total.result(freedom, share, control)


def _inferred(
    substitute: Substitute, indices: NDArray[np.int64], cutoff: float, infer: Infer
) -> tuple[Array, Array, Array]:
    """Return what the model infers of the substituted images: content, angle and shift."""
    starts = range(0, len(indices), _INFERRED)
    parts = [infer(substitute.seen(indices[at : at + _INFERRED], cutoff)) for at in starts]
    z, angle, shift = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return z, angle, shift


def _summed(
    images: AveragingImages,
    indices: NDArray[np.int64],
    poses: tuple[Array, Array],
    read: Callable[[NDArray[np.int64]], Array],
    wiener: float,
    progress: Share | None,
    cancelled: Cancel | None,
) -> ClassAccumulator:
    """Return the sums of images, read block by block and turned upright by `poses`."""
    angle_rad, shift_px = poses
    weighted = images.correction == "wiener"
    total = ClassAccumulator(images.side, wiener if weighted else None)
    halves = random_halves(len(indices))
    rows = max(1, _BLOCK_BYTES // (4 * images.side**2))
    for start in range(0, len(indices), rows):
        report(start, len(indices), progress, cancelled)
        some = slice(start, start + rows)
        block = indices[some]
        optics = None if images.optics is None else images.optics.take(block)
        corrected = _corrected(read(block), images.correction, optics)
        fill = 0.0 if weighted else None
        turned = upright_fine(corrected, angle_rad[some], shift_px[some], fill)
        if weighted and optics is not None:
            ctf = turned_ctf(optics.ctf, angle_rad[some])
            total.add(turned, halves[some], ctf, optics.pixel_size_angstrom)
        else:
            total.add(turned, halves[some])
    report(1, 1, progress, cancelled)
    return total


def average_classes(
    store: EmbeddingStore,
    classes: Sequence[Chosen],
    images: AveragingImages,
    decode: Decode | None = None,
    *,
    infer: Infer | None = None,
    wiener: float = WIENER,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Cancel | None = None,
) -> list[AveragedClass]:
    """Return the average of each class; arguments as for `class_poses` and `average_class`."""
    work = max(1, sum(len(chosen.indices) for chosen in classes))
    found, done = [], 0
    for chosen in classes:
        before = done

        def told(share: float, chosen: Chosen = chosen, before: int = before) -> None:
            if progress is not None:
                progress((before + share * len(chosen.indices)) / work, chosen.name)

        told(0.0)
        angle, shift = class_poses(images, store, chosen, decode)
        found.append(
            average_class(
                images,
                chosen,
                angle,
                shift,
                infer=infer,
                decode=decode,
                wiener=wiener,
                progress=told,
                cancelled=cancelled,
            )
        )
        done += len(chosen.indices)
    return found


def _corrected(images: Array, correction: Correction, optics: ImageOptics | None) -> Array:
    if optics is None:
        return images
    if correction == "flip":
        return phase_flip(images, optics.ctf, optics.pixel_size_angstrom)
    level = border_mean(np.asarray(images, dtype=np.float32))[:, None, None]
    return apply_ctf(images - level, optics.ctf, optics.pixel_size_angstrom)


class _Filed:
    """Raw images with bad pixels replaced, cut to a square about their centre."""

    def __init__(self, prepared: PreparedStack, side: int) -> None:
        self._prepared, self._side = prepared, side

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        raw = self._prepared.stack.read(indices)
        return self.cut(self._prepared.preprocessor.whole(raw, indices)[:, 0], indices)

    def cut(self, whole: Array, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the middle square of images (n, H, W)."""
        top, left = ((size - self._side) // 2 for size in whole.shape[1:])
        return np.asarray(whole[:, top : top + self._side, left : left + self._side], np.float32)


def _as_filed(
    store: EmbeddingStore,
    prepared: PreparedStack,
    seen: PreparedStack,
    correction: Correction,
    optics: ImageOptics | None,
) -> AveragingImages:
    stack, preprocessor = prepared.stack, prepared.preprocessor
    side = min(stack.height, stack.width)
    x, y = preprocessor.centre_offset_px
    # an odd number of columns or rows cut off moves the centre by half a pixel, left or up
    x += (stack.width - side) % 2 / 2
    y -= (stack.height - side) % 2 / 2
    poses = Poses(store.angle_rad, store.shift_px, preprocessor.scale, (x, y))
    pixel = stack.pixel_size_angstrom
    source = _Filed(prepared, side)
    substitute = Substitute(prepared, seen, source.cut, 1.0)
    return AveragingImages(source, side, poses, pixel, correction, optics, "original", substitute)


def _as_the_model_sees(
    store: EmbeddingStore,
    prepared: PreparedStack,
    seen: PreparedStack,
    correction: Correction,
    optics: ImageOptics | None,
) -> AveragingImages:
    if optics is not None:
        size = optics.pixel_size_angstrom * prepared.preprocessor.scale
        optics = ImageOptics(optics.ctf, size)
    preprocessor = prepared.preprocessor
    substitute = Substitute(
        prepared, seen, lambda whole, at: preprocessor(whole, at)[:, 0], preprocessor.scale
    )
    return AveragingImages(
        ModelImages(prepared),
        prepared.side,
        Poses(store.angle_rad, store.shift_px),
        prepared.pixel_size_angstrom,
        correction,
        optics,
        "model",
        substitute,
    )


class _Thumbnails:
    """Raw thumbnails of a store as values."""

    def __init__(self, store: EmbeddingStore) -> None:
        self._store = store

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        low, high = self._store.thumbnail_range
        levels = self._store.thumbnails("raw", indices).astype(np.float32)
        return np.asarray(levels * np.float32((high - low) / 255) + np.float32(low))


def _thumbnails(store: EmbeddingStore, correction: Correction) -> AveragingImages:
    header = store.header
    if not store.has_thumbnails:
        raise ImageFileError("this store has no thumbnails", store.path, "name the images")
    if header.channels != 1:
        raise ImageFileError("only grey images can be averaged", store.path, _COLOUR)
    if correction != "none":
        raise ImageFileError(
            "the images have moved, and thumbnails have no CTF",
            header.config.data.path or store.path,
            "name the images with --images-at, or do not correct the CTF",
        )
    side = int(store.thumbnails("raw", np.array([0])).shape[1])
    pixel = header.pixel_size_angstrom
    shrunk = header.side / side
    return AveragingImages(
        _Thumbnails(store),
        side,
        Poses(store.angle_rad, store.shift_px, 1 / shrunk),
        None if pixel is None else pixel * shrunk,
        "none",
        None,
        "thumbnails",
    )
