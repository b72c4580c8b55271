"""The values of a stack, measured before anything is trained on them, and what speaks against them.

One look serves `tvae info`, `tvae train` and the window: it measures `ValueFacts` from raw images,
and `findings` says what these mean under given settings, without reading anything again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tvae_core import words
from tvae_core.config import RunConfig
from tvae_core.errors import Cancelled
from tvae_core.images.preprocess import hot_pixel_bounds
from tvae_core.images.ranges import makes_no_difference, range_of
from tvae_core.images.stack import ImageStack

FloatImages = NDArray[np.float32]

_BYTES_A_READ = 32 << 20
_ALL_BELOW = 256 << 20  # bytes: such a set is read whole, the engine keeps it in memory anyway
_SAMPLE = 1000
_DARK_BYTES = 26  # of 255: brighter images use a tenth of the range or more
_EXACT = 2.0**24  # whole numbers below it are exact in float32
_OUTSIDE = 0.05  # beyond 0 to 1, what resampling may add to values of a Bernoulli likelihood


@dataclass
class ValueFacts:
    """What the raw values of the images looked at are like.

    Attributes
    ----------
    images : int
        Of the whole stack.
    eight_bit : bool
        Pixels are unsigned bytes.
    looked_at, bad_images, constant_images, hot_images : int
        Images looked at; with NaN or infinite pixels; of one value in all pixels that are finite,
        or of no such pixel; with a few pixels that lie far outside the range of all others.
    low, high, total, pixels
        Range, sum and number of the finite pixels.
    whole : bool
        Pixels are whole numbers.
    step : int
        Their greatest common divisor, 0 where none was seen.
    spans : list of (n, 2) float64
        Range of each image without bad pixels, hot ones left out.
    """

    images: int
    eight_bit: bool = False
    looked_at: int = 0
    bad_pixels: int = 0
    bad_images: int = 0
    constant_images: int = 0
    hot_images: int = 0
    low: float = field(default=np.inf)
    high: float = field(default=-np.inf)
    total: float = 0.0
    pixels: int = 0
    whole: bool = False
    step: int = 0
    spans: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, images: FloatImages) -> None:
        """Take in raw images (n, H, W[, 3])."""
        flat = images.reshape(len(images), -1)
        good = np.isfinite(flat)
        whole = good.all(axis=1)
        self.looked_at += len(flat)
        self.bad_pixels += int(flat.size - good.sum())
        self.bad_images += int((~whole).sum())
        sound = flat[whole]
        lowest = np.where(good, flat, np.inf).min(axis=1)
        highest = np.where(good, flat, -np.inf).max(axis=1)
        self.constant_images += int((~(highest > lowest)).sum())
        low, high = hot_pixel_bounds(sound)
        self.hot_images += int((np.isfinite(low) | np.isfinite(high)).sum())
        if len(sound):
            inner = np.maximum(sound.min(axis=1), low), np.minimum(sound.max(axis=1), high)
            self.spans.append(np.stack(inner, axis=1).astype(np.float64))
        if self.whole and sound.size and np.abs(sound).max() < _EXACT:
            self.step = int(np.gcd(self.step, np.gcd.reduce(np.unique(sound).astype(np.int64))))
        values = flat[good]
        if values.size:
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))
            self.total += float(values.sum(dtype=np.float64))
            self.pixels += values.size

    @property
    def covers_all(self) -> bool:
        """Whether every image of the stack was looked at."""
        return self.looked_at >= self.images

    @property
    def is_constant(self) -> bool:
        """Whether every image looked at is of one value."""
        return self.looked_at > 0 and self.constant_images == self.looked_at

    def of(self, count: int) -> str:
        """Return "all 60 images", "12 of 60 images" or "12 of the 1,000 images looked at"."""
        if not self.covers_all and count == self.looked_at:
            return f"all {count:,} images looked at"
        if not self.covers_all:
            return f"{count:,} of the {self.looked_at:,} images looked at"
        if count == self.images:
            return f"all {count:,} images" if count > 1 else "the only image"
        return f"{count:,} of {words.count(self.images, 'image')}"


@dataclass(frozen=True)
class Finding:
    """Something that the values of a stack say about training on it.

    Parameters
    ----------
    what, todo : str
        As for a `TvaeError`.
    remedy : str
        The same advice as a button says it.
    key, value
        The setting that mends it, "" when none does.
    blocks : bool
        Nothing can be learned so.
    certain : bool
        The setting is right beyond doubt: a new run takes it by itself, and says so.
    also : tuple of (key, value)
        Settings that go with it.
    """

    what: str
    todo: str = ""
    remedy: str = ""
    key: str = ""
    value: object = None
    blocks: bool = False
    certain: bool = False
    also: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        return f"{self.what} ({self.todo})" if self.todo else self.what


class Keeper(Protocol):
    """Keeps how far a look has come; `tvae_core.images.deep_look.KeptLook` is one."""

    def load(self) -> ValueFacts | None:
        """Return what was found before, None where nothing is kept."""

    def save_when_due(self, facts: ValueFacts) -> None:
        """Keep what was found, now and then."""

    def save(self, facts: ValueFacts) -> None:
        """Keep what was found."""

    def forget(self) -> None:
        """Keep nothing any more."""


def look_at_values(
    stack: ImageStack,
    every_image: bool = False,
    progress: Callable[[float, str], None] = lambda share, words: None,
    cancelled: Callable[[], bool] = lambda: False,
    keeper: Keeper | None = None,
) -> ValueFacts:
    """Return the facts of a stack: of all images, or of a thousand when there are very many.

    Parameters
    ----------
    stack : ImageStack
    every_image : bool
        Read all, in the order in which they lie in their files.
    progress : callable
        Told the share done, 0 to 1, and of what.
    cancelled : callable
        Asked between two reads.
    keeper : Keeper, optional
        Of a look at every image: what it keeps is not read again.

    Raises
    ------
    ImageFileError
        As `ImageStack.read`.
    Cancelled
        With what was found so far.
    """
    image_bytes = 4 * stack.height * stack.width * stack.channels
    count = len(stack)
    if not every_image and count * image_bytes > _ALL_BELOW:
        count = min(count, max(16, min(_SAMPLE, _ALL_BELOW // image_bytes)))
    chosen = np.unique(np.linspace(0, len(stack) - 1, count).astype(np.int64))
    if every_image:
        chosen = _as_they_lie(stack)
    facts = (keeper and keeper.load()) or facts_of(len(stack), stack.dtype)
    together = max(1, _BYTES_A_READ // image_bytes)
    for first in range(facts.looked_at, len(chosen), together):
        if cancelled():
            if keeper is not None:
                keeper.save(facts)
            todo = "the same command goes on from there" if keeper is not None else ""
            raise Cancelled(f"stopped; {_so_far(facts)}", stack.path, todo)
        facts.add(stack.read(chosen[first : first + together]))
        progress(facts.looked_at / len(chosen), "reading images")
        if keeper is not None:
            keeper.save_when_due(facts)
    if keeper is not None:
        keeper.forget()
    return facts


def _as_they_lie(stack: ImageStack) -> NDArray[np.int64]:
    """Return all images, file by file: a table may name them in any order."""
    sources = stack.sources()
    return np.lexsort((sources.image_index, sources.file_index)).astype(np.int64)


def _so_far(facts: ValueFacts) -> str:
    found = f"{facts.bad_images:,} with NaN or infinite pixels, {facts.constant_images:,} constant"
    return f"{facts.looked_at:,} of {words.count(facts.images, 'image')} were read: {found}"


def facts_of(images: int, dtype: np.dtype[Any]) -> ValueFacts:
    """Return the facts of a stack of which nothing was read yet."""
    eight_bit = dtype.kind == "u" and dtype.itemsize == 1
    return ValueFacts(images, eight_bit, whole=dtype.kind in "iu")


def findings(facts: ValueFacts, config: RunConfig) -> list[Finding]:
    """Return what speaks against training on such values with these settings."""
    found = [*_bad_pixels(facts, config), *_emptiness(facts), *_scaling(facts, config)]
    found += _one_range(facts, config)
    return [*found, *_outside_likelihood(facts, config)]


def settled(facts: ValueFacts, config: RunConfig) -> tuple[RunConfig, list[Finding]]:
    """Return the config with every certain setting taken, and what was found before."""
    found = findings(facts, config)
    certain = [finding for finding in found if finding.certain]
    settings = [pair for each in certain for pair in ((each.key, each.value), *each.also)]
    taken = [f"{key}={value}" for key, value in settings]
    return (config.changed(taken) if taken else config), found


def _emptiness(facts: ValueFacts) -> list[Finding]:
    if facts.is_constant:
        verb = "is" if facts.looked_at == 1 else "are"
        what = f"{facts.of(facts.looked_at)} {verb} constant: one value in every pixel"
        todo = "there is nothing to learn; choose other images"
        return [Finding(what, todo, "Choose other images.", blocks=True)]
    if facts.constant_images:
        verb = "is" if facts.constant_images == 1 else "are"
        return [Finding(f"{facts.of(facts.constant_images)} {verb} constant")]
    return []


def _bad_pixels(facts: ValueFacts, config: RunConfig) -> list[Finding]:
    if not facts.bad_pixels or config.data.bad_pixels != "refuse":
        return []
    what = (
        f"{words.count(facts.bad_pixels, 'pixel')} in {facts.of(facts.bad_images)} "
        "are NaN or infinite"
    )
    todo = "set data.bad_pixels to zero or mean"
    remedy = "Set them to each image's mean"
    return [Finding(what, todo, remedy, "data.bad_pixels", "mean", blocks=True)]


def _scaling(facts: ValueFacts, config: RunConfig) -> list[Finding]:
    data = config.data
    if facts.is_constant or not facts.pixels or data.normalise == "none":
        return []
    if facts.eight_bit and data.normalise == "unit":
        return [] if data.full_scale else _dark_bytes(facts)
    if facts.hot_images and data.hot_pixels == "auto":
        verb = "holds" if facts.hot_images == 1 else "hold"
        what = f"{facts.of(facts.hot_images)} {verb} a few pixels far outside the range of the rest"
        todo = "they are set to the end of that range: data.hot_pixels=clip"
        return [Finding(what, todo, "Clip them", "data.hot_pixels", "clip", certain=True)]
    return []


def _one_range(facts: ValueFacts, config: RunConfig) -> list[Finding]:
    """Say which values become 0 and 1, where nobody has chosen and the choice is one."""
    data = config.data
    chosen = data.normalise != "unit" or data.range != "auto" or facts.eight_bit
    if chosen or facts.is_constant or not facts.spans:
        return []
    spans = np.concatenate(facts.spans)
    low, high = spans[spans[:, 1] > spans[:, 0]].T  # an image of one value says nothing
    if not len(low):
        return []
    found = range_of(low, high, facts.whole, facts.step)
    if found is None:
        what = "the ranges of the images differ widely, so each is scaled by its own"
        todo = "data.range=each; to keep how bright each is, set data.range=set and data.full_scale"
        return [Finding(what, todo, "Scale each", "data.range", "each", certain=True)]
    if makes_no_difference(found, low, high):
        return []
    what = f"one range for all images: {found.low:g} to {found.high:g} becomes 0 to 1"
    if (found.low, found.high) == (0.0, 1.0):
        what = "one range for all images: their values, 0 to 1, stay as they are"
    todo = "data.range=set, so bright images stay bright; each takes each image's own"
    also = (("data.black", found.low), ("data.full_scale", found.high))
    return [Finding(what, todo, "Use one range", "data.range", "set", certain=True, also=also)]


def _dark_bytes(facts: ValueFacts) -> list[Finding]:
    high = int(facts.high)
    if high == 1:
        what = "the images are bytes of 0 and 1"
        todo = "1 is taken as full scale, not 255: data.full_scale=1"
        remedy = "Take 1 as full scale"
        return [Finding(what, todo, remedy, "data.full_scale", 1, certain=True)]
    if 1 < high < _DARK_BYTES:
        what = f"the images are bytes that reach only {high} of 255"
        todo, remedy = f"set data.full_scale={high}", f"Take {high} as full scale"
        return [Finding(what, todo, remedy, "data.full_scale", high)]
    return []


def _outside_likelihood(facts: ValueFacts, config: RunConfig) -> list[Finding]:
    data = config.data
    if config.model.likelihood != "bernoulli" or data.normalise == "unit" or not facts.pixels:
        return []
    gives = f"data.normalise={data.normalise} gives values beyond"
    if data.normalise == "none":
        if facts.low >= -_OUTSIDE and facts.high <= 1 + _OUTSIDE:
            return []
        gives = f"these go from {facts.low:.6g} to {facts.high:.6g}"
    what = f"the Bernoulli likelihood needs values from 0 to 1; {gives}"
    todo = "set data.normalise=unit, or model.likelihood=gaussian"
    return [Finding(what, todo, "Normalise to 0..1", "data.normalise", "unit", blocks=True)]
