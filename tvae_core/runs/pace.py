"""How long training will still take, from the steps that were taken, and what would shorten it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from tvae_core.config import RunConfig
from tvae_core.runs.costs import activations, work_per_image

TOLD_AFTER = 20  # steps; then the time that is left is known within a third
_WARMING = 3  # first steps of a process: libraries load, memory is asked for
_REMEMBERED = 200  # steps: what the machine does now, not what it did an hour ago
_BESIDES = 0.12  # of an epoch's steps: validation and previews, until one was seen
_TO_EMBED, _TO_END = 0.5, 300.0  # in images trained on: for each embedded, and for the rest
_ELEMENT_S, _WORK_S = 7.0e-9, 6.0e-11  # on one core, as `tvae_core.runs.preflight` has them
_WORTH = 1.3  # times shorter
_SIDE, _FEW_EPOCHS = 32, 20


class Pace:
    """Times of the steps and epochs of one process.

    Parameters
    ----------
    now : callable
        The clock, seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._steps: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED)
        self._seen = 0
        self._last = now()
        self._besides: float | None = None

    @property
    def steps(self) -> int:
        """Steps that the estimate can rest on: those after the first few."""
        return max(0, self._seen - _WARMING)

    def begin(self) -> None:
        """Take the time from here on: the steps of an epoch begin."""
        self._last = self._now()

    def step(self, images: int) -> None:
        """Take in a step on so many images that is done."""
        now = self._now()
        self._seen += 1
        if self._seen == _WARMING + 1:
            self._steps.clear()  # until now they were all there was
        self._steps.append((images, now - self._last))
        self._last = now

    def end(self) -> None:
        """Take in that an epoch ended now: the time since its last step is that of its end."""
        self._besides = self._now() - self._last

    @property
    def images_per_second(self) -> float:
        """Of the steps remembered; 0 before any."""
        seconds = sum(s for _, s in self._steps)
        return sum(n for n, _ in self._steps) / seconds if seconds > 0 else 0.0

    def left_s(self, images: int, epochs: int, embedded: int = 0) -> float:
        """Return the seconds that are left; 0 when unknown.

        Parameters
        ----------
        images, epochs : int
            Images that are still to be trained on, and ends of epochs still to come.
        embedded : int
            Images that are judged and embedded at the end.
        """
        if not self._steps:
            return 0.0
        rate = max(self.images_per_second, 1e-9)
        besides = _BESIDES * images / rate if self._besides is None else epochs * self._besides
        return images / rate + besides + (_TO_EMBED * embedded + _TO_END) / rate


def shorter(config: RunConfig, side: int, channels: int = 1) -> list[str]:
    """Return what would make a run at least a third shorter, each as options with its gain."""
    now = _image_seconds(config, side, channels)
    found = []
    if side > 1.1 * _SIDE:
        data = config.data.model_copy(update={"downsample_px": _SIDE})
        model = config.model.model_copy(update={"kernel_px": _scaled_kernel(config, side)})
        smaller = config.model_copy(update={"data": data, "model": model})
        times = now / _image_seconds(smaller, _SIDE, channels)
        if times > _WORTH:
            found.append(f"images of {_SIDE} px (--downsample-px {_SIDE}: {times:.0f} times)")
    if config.model.encoder_kernels > 48:
        model = config.model.model_copy(update={"encoder_kernels": 48})
        times = now / _image_seconds(config.model_copy(update={"model": model}), side, channels)
        if times > _WORTH:
            found.append(f"fewer kernels (--encoder-kernels 48: {times:.1f} times)")
    if config.train.pixel_share > 0.25 and config.model.ctf == "none":
        train = config.train.model_copy(update={"pixel_share": 0.25})
        times = now / _image_seconds(config.model_copy(update={"train": train}), side, channels)
        if times > _WORTH:
            found.append(f"a quarter of the pixels (--pixel-share 0.25: {times:.1f} times)")
    if config.train.epochs >= 2 * _FEW_EPOCHS:
        fewer = config.train.epochs // 2
        found.append(f"half the epochs (--epochs {fewer})")
    return found


def _scaled_kernel(config: RunConfig, side: int) -> int:
    kernel = config.model.kernel_px
    return 0 if not kernel else max(3, round(kernel * _SIDE / side)) | 1


def _image_seconds(config: RunConfig, side: int, channels: int) -> float:
    work = _WORK_S * work_per_image(config, side, channels)
    return work + _ELEMENT_S * activations(config, side)
