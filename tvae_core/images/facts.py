"""What a set of images is like, measured on up to a thousand of them drawn from the whole set.

Contrast, grain, noise, borders, the size of an object and how far it lies from the centre, colour
and how the objects stand: what settings for a run are chosen by (`tvae_core.runs.recommend`).
Lengths are pixels of the square that the images are cut or padded to, unless another is named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tvae_core.config import DataConfig
from tvae_core.errors import ConfigError
from tvae_core.geometry import axis_px
from tvae_core.images.optics import PhaseFlip, optics_of
from tvae_core.images.preprocess import Preprocessor, inscribed_circle
from tvae_core.images.stack import ImageStack
from tvae_core.images.values import ValueFacts, facts_of

Array = NDArray[np.float64]
FloatImages = NDArray[np.float32]

LOOKED_AT = 1000
_BYTES = 256 << 20  # read at most
_BYTES_AT_ONCE = 32 << 20
_WORKING_SIDE = 64
_FLAT = 0.02  # of an image's range: corners that vary less hold no noise
_MUCH_NOISE = 0.05  # of an image's range
_WEIGHTS_ABOVE = 3.0  # deviations of the corners that a pixel of an object stands out by
_HELD = 0.95  # share of an object that its diameter holds
_NEARLY_LARGEST = 98  # percentile of the objects' diameters
_NINE_TENTHS = 0.9
_HARMONICS = 9  # of a ring: finer ones hold noise
_MOST_TURNED = 400
_ALIKE = 0.02  # of the objects' power: what differs less is pixels, not shape
_FINE = 32  # px: what differs is looked at no finer than most models see it
_CENTRE = 0.3  # of the side: radius of the disc where objects are looked for


@dataclass(frozen=True)
class ImageFacts:
    """What the images looked at are like.

    Attributes
    ----------
    values : ValueFacts
        Of the raw values.
    side, channels : int
        The square that the images are cut or padded to; 1 or 3.
    pixels : str
        Pixel type in the file.
    contrast : float
        How far the centre stands out from the corners, in standard errors over the images;
        negative where objects are dark.
    dark_share : float
        Share of images whose centre is darker than their corners.
    snr : float
        What varies between images at the centre beyond the corners, as a share of the corners'.
    grain : float
        Share of the corners' variance that is noise from pixel to pixel, 0 to 1.
    noise : float
        Deviation of that noise, as a share of the range of an image.
    flat_share : float
        Share of images whose corners hold no noise.
    corner_level : float
        Middle level of the corners in the range of each image, 0 to 1.
    extent_px : float
        Diameter about the image centre that holds the objects wherever they lie.
    object_px : float
        Diameter of one object, larger than all but a few; NaN where noise hides them.
    off_centre_px : float
        Deviation of the objects' centres, along one axis; NaN where noise hides them.
    level_spread : float
        How much the corners' level differs between images, in deviations within an image.
    upright : float
        How far all objects stand the same way: 0 for any rotation, 1 when all are alike.
    half_turn, round_share : float
        Share of images that look the same turned by half a turn, and turned by any angle.
    components : int
        How many components hold nine tenths of what differs between objects however they are
        turned and wherever they lie; 0 where noise hides them.
    colour : float
        Share of the variance that is between colours.
    ctf : str
        "known", or why the CTF is not corrected; empty without a table.
    """

    values: ValueFacts
    images: int
    side: int
    channels: int
    pixels: str
    contrast: float
    dark_share: float
    snr: float
    grain: float
    noise: float
    flat_share: float
    corner_level: float
    extent_px: float
    object_px: float
    off_centre_px: float
    level_spread: float
    upright: float
    half_turn: float
    round_share: float
    components: int
    colour: float
    ctf: str

    @property
    def is_noisy(self) -> bool:
        """Whether the images are full of noise, as particles of a cryo-microscope are."""
        return self.noise > _MUCH_NOISE and self.grain > 0.4 and self.flat_share < 0.5

    @property
    def shows_shapes(self) -> bool:
        """Whether grey shapes stand on an empty ground, all dark or all bright."""
        level = 1 - self.corner_level if self.is_dark else self.corner_level
        return self.flat_share > 0.8 and level < 0.1 and self.channels == 1

    @property
    def is_busy(self) -> bool:
        """Whether other things than noise stand in the corners, such as neighbours."""
        return self.flat_share < 0.2 and not self.is_noisy and self.snr < 2.0

    @property
    def is_dark(self) -> bool:
        """Whether the objects are darker than what surrounds them."""
        return self.contrast < -3.0 and (self.is_noisy or self.dark_share > 0.6)


def drawn(total: int, count: int, seed: int = 0) -> NDArray[np.int64]:
    """Return `count` of `total` places, drawn from all and in order; all where there are fewer."""
    order = np.random.default_rng([seed, total]).permutation(total)
    return np.sort(order[:count]).astype(np.int64)


def measure(stack: ImageStack, data: DataConfig | None = None) -> ImageFacts:
    """Look at up to a thousand images of a stack, drawn from all of it.

    Parameters
    ----------
    stack : ImageStack
    data : DataConfig, optional
        How they are cut, where that is settled already.

    Raises
    ------
    ImageFileError
        They cannot be read.
    """
    ctf = _ctf_words(stack)
    crop = 0 if data is None else data.crop_px
    wanted = DataConfig(
        crop_px=crop, normalise="none", bad_pixels="zero", phase_flip=ctf == "known"
    )
    flip = PhaseFlip(optics_of(stack, "data.phase_flip")) if ctf == "known" else None
    form = (stack.height, stack.width, stack.channels, stack.dtype)
    cut = Preprocessor(wanted, *form, str(stack.path), flip)
    image_bytes = 4 * stack.height * stack.width * stack.channels
    chosen = drawn(len(stack), min(LOOKED_AT, max(16, _BYTES // image_bytes)))
    together = max(1, _BYTES_AT_ONCE // image_bytes)
    values, small, grain = facts_of(len(stack), stack.dtype), [], []
    shrunk = Preprocessor(
        wanted.model_copy(
            update={"downsample_px": min(cut.cut_side, _WORKING_SIDE), "hot_pixels": "clip"}
        ),
        *form,
        str(stack.path),
        flip,
    )
    for first in range(0, len(chosen), together):
        some = chosen[first : first + together]
        raw = stack.read(some)
        values.add(raw)
        small.append(shrunk(raw, some))
        grain.append(_grain(cut(raw, some)))
    images = np.concatenate(small)
    share, noise = np.median(np.concatenate(grain), axis=0)
    found = _facts_of(images, values, cut.cut_side, (float(share), float(noise)))
    return replace(found, pixels=stack.dtype.newbyteorder("=").name, ctf=ctf)


def _ctf_words(stack: ImageStack) -> str:
    """Return "known", or why the CTF of these images is not corrected."""
    if stack.table is None:
        return ""
    try:
        optics_of(stack, "data.phase_flip")
    except ConfigError as error:
        return error.what.partition(": ")[2] or error.what
    return "known"


def _grain(images: FloatImages) -> Array:
    """Return how much of each image changes from pixel to pixel, (n, 2).

    As a share of the variance of its corners, and as a deviation over its range. Second
    differences along the rows leave a sixth of the variance of white noise per unit of
    theirs and nothing of a slope.
    """
    grey = images.mean(1, dtype=np.float64)
    corner = ~inscribed_circle(grey.shape[1])
    within = corner[:, :-2] & corner[:, 1:-1] & corner[:, 2:]
    if not within.any():
        return np.zeros((len(grey), 2))
    second = (grey[:, :, :-2] - 2 * grey[:, :, 1:-1] + grey[:, :, 2:])[:, within]
    variance = grey[:, corner].var(1)
    noise = np.square(second).mean(1) / 6
    span = np.ptp(grey, axis=(1, 2))
    share = noise / np.where(variance > 0, variance, np.inf)
    return np.stack([share, np.sqrt(noise) / np.where(span > 0, span, np.inf)], 1)


def _facts_of(
    images: FloatImages, values: ValueFacts, side: int, grain: tuple[float, float]
) -> ImageFacts:
    """Return the facts of small images (n, C, w, w) of a set whose images have `side` pixels."""
    grey = images.mean(1, dtype=np.float64)
    width = grey.shape[1]
    scale = side / width
    corner = ~inscribed_circle(width)
    corners = grey[:, corner] if corner.any() else grey.reshape(len(grey), -1)
    low, high = grey.min((1, 2)), grey.max((1, 2))
    spread = np.where(high > low, high - low, 1.0)
    level = np.median(corners, axis=1)
    deviation = corners.std(1)
    signal = grey - level[:, None, None]  # (n, w, w)
    radius = np.hypot(axis_px(width)[:, None], axis_px(width)[None])
    centre = radius <= max(_CENTRE * width, radius.min())
    middle = signal[:, centre].mean(1)
    error = middle.std() / np.sqrt(max(1, len(middle)))
    between = signal.var(0)
    floor = between[corner].mean() if corner.any() else 0.0
    snr = max(0.0, between[centre].mean() - floor) / max(floor, 1e-12 * between.mean(), 1e-300)
    flat = deviation < _FLAT * spread
    single = _objects(signal, deviation, radius)
    inner = grey.std((1, 2))
    return ImageFacts(
        values=values,
        images=values.images,
        side=side,
        channels=images.shape[1],
        pixels="",
        contrast=float(middle.mean() / max(error, 1e-12 * abs(middle).max(), 1e-300)),
        dark_share=float((middle < 0).mean()),
        snr=float(snr),
        grain=grain[0],
        noise=grain[1],
        flat_share=float(flat.mean()),
        corner_level=float(np.median((level - low) / spread)),
        extent_px=scale * _extent(signal, radius, corner),
        object_px=scale * single[0],
        off_centre_px=scale * single[1],
        level_spread=float(level.std() / max(np.median(inner), 1e-300)),
        upright=_upright(signal, radius),
        half_turn=single[2],
        round_share=single[3],
        components=single[4],
        colour=_colour(images),
        ctf="",
    )


def _extent(signal: Array, radius: Array, corner: NDArray[np.bool_]) -> float:
    """Return the diameter about the centre that holds what differs from the corners."""
    width = len(radius)
    power = np.square(signal).mean(0)
    # what the noise of so many images leaves in their mean is no object
    floor = power[corner].mean() + 2 * power[corner].std() if corner.any() else 0.0
    excess = np.where(corner, 0, np.clip(power - floor, 0, None))
    if excess.sum() <= 0.01 * power.sum():
        return float(width)
    shells = np.bincount(radius.astype(int).ravel(), weights=excess.ravel())
    share = np.cumsum(shells) / shells.sum()
    reach = 2 * (int(np.searchsorted(share, _HELD)) + 1)
    return float(min(width, reach))


def _objects(
    signal: Array, deviation: Array, radius: Array
) -> tuple[float, float, float, float, int]:
    """Return diameter, spread of the centres, shares of half-turn and round objects, components.

    Each image's object is what stands out from its corners; NaN where that is nothing.
    """
    width = signal.shape[1]
    room = np.maximum(_WEIGHTS_ABOVE * deviation, 0.1 * np.abs(signal).max((1, 2)))
    weight = np.clip(np.abs(signal) - room[:, None, None], 0, None)
    weight = np.where(radius <= width / 2, weight, 0)
    total = weight.sum((1, 2))
    there = total > 0
    if there.mean() < 0.5:
        return float("nan"), float("nan"), 0.0, 0.0, 0
    weight, total, signal = weight[there], total[there], signal[there]
    axis = axis_px(width)
    x = (weight.sum(1) * axis).sum(1) / total
    y = (weight.sum(2) * axis).sum(1) / total
    away = np.hypot(axis[None, None, :] - x[:, None, None], axis[None, :, None] - y[:, None, None])
    bins = away.astype(int)
    reach = int(bins.max()) + 1
    flat = (np.arange(len(weight))[:, None, None] * reach + bins).ravel()
    shells = np.bincount(flat, weights=weight.ravel(), minlength=len(weight) * reach)
    share = np.cumsum(shells.reshape(len(weight), reach), 1) / total[:, None]
    diameter = 2.0 * ((share < _HELD).sum(1) + 1)
    spread = float(np.sqrt((x.var() + y.var()) / 2))
    half, around = _symmetries(signal, x, y)
    found = _components(signal, x, y)
    return float(np.percentile(diameter, _NEARLY_LARGEST)), spread, half, around, found


def _components(signal: Array, x: Array, y: Array) -> int:
    """Return how many components hold nine tenths of what differs besides place and turn.

    About each object's centre (x, y) the values on a ring are a function of the angle, and the
    sizes of its Fourier coefficients stay the same however the object is turned.
    """
    from scipy import ndimage

    some = np.linspace(0, len(signal) - 1, min(len(signal), _MOST_TURNED)).astype(int)
    signal, x, y = signal[some], x[some], y[some]
    if signal.shape[1] >= 2 * _FINE and signal.shape[1] % 2 == 0:  # edges as fine are no shape
        signal = signal[:, ::2] + signal[:, 1::2]
        signal = signal[:, :, ::2] + signal[:, :, 1::2]
        x, y = x / 2, y / 2
    width = signal.shape[1]
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radii = np.arange(0.5, width / 2)[:, None]
    middle = (width - 1) / 2
    columns, rows = radii * np.cos(angles) + middle, radii * np.sin(angles) + middle
    features = np.stack(
        [
            np.abs(np.fft.rfft(ndimage.map_coordinates(image, [rows + dy, columns + dx], order=1)))
            for image, dx, dy in zip(signal, x, y, strict=True)
        ]
    )[..., :_HARMONICS]
    features *= np.sqrt(radii)  # a ring has as many pixels as it is long
    values = features.reshape(len(signal), -1)
    power = np.square(np.linalg.svd(values - values.mean(0), compute_uv=False))
    if power.sum() <= _ALIKE * np.square(values).sum():
        return 1
    share = np.cumsum(power) / max(power.sum(), 1e-300)
    return int(np.searchsorted(share, _NINE_TENTHS)) + 1


def _symmetries(signal: Array, x: Array, y: Array) -> tuple[float, float]:
    """Return the share of objects that look alike turned by half a turn, and by an eighth."""
    from scipy import ndimage

    some = np.linspace(0, len(signal) - 1, min(len(signal), 100)).astype(int)
    width = signal.shape[1]
    middle = (width - 1) / 2
    disc = np.hypot(axis_px(width)[:, None], axis_px(width)[None]) < 0.45 * width
    alike = []
    for image, dx, dy in zip(signal[some], x[some], y[some], strict=True):
        centred = ndimage.shift(image, (-dy, -dx), order=1, mode="nearest")
        turned = []
        for angle in (np.pi, np.pi / 4):
            cos, sin = np.cos(angle), np.sin(angle)
            matrix = np.array([[cos, -sin], [sin, cos]])
            offset = np.array([middle, middle]) - matrix @ np.array([middle, middle])
            turned.append(ndimage.affine_transform(centred, matrix, offset, order=1))
        alike.append([_correlation(centred[disc], other[disc]) for other in turned])
    share = np.mean(np.array(alike) > 0.95, axis=0)
    return float(share[0]), float(share[1])


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / size) if size > 0 else 0.0


def _upright(signal: Array, radius: Array) -> float:
    """Return how much of what is not round in the images is left in their mean, 0 to 1.

    Of images turned by any angle nothing is left but what chance leaves, one part in n.
    """
    ring = radius.astype(int)
    inside = radius <= radius.shape[0] / 2
    counts = np.maximum(np.bincount(ring[inside]), 1)

    def unround(image: Array) -> float:
        means = np.bincount(ring[inside], weights=image[inside]) / counts
        return float(np.square(image[inside] - means[ring[inside]]).sum())

    some = signal[:: max(1, len(signal) // 300)]
    each = float(np.mean([unround(image) for image in some]))
    if each <= 0 or len(signal) < 8:
        return 0.0
    left = unround(signal.mean(0)) / each - 1 / len(signal)
    return float(np.clip(left, 0, 1))


def _colour(images: FloatImages) -> float:
    """Return the share of the variance that is between the colours of a pixel."""
    if images.shape[1] == 1:
        return 0.0
    total = float(images.var(dtype=np.float64))
    return float(images.var(axis=1, dtype=np.float64).mean() / total) if total > 0 else 0.0
