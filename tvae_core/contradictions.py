"""Settings that exclude each other, or with which nothing is trained."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class Contradiction(NamedTuple):
    """Two settings that exclude each other, and the setting `key` whose `value` mends it."""

    what: str
    remedy: str
    key: str
    value: object


class Settings(Protocol):
    """The sections of `tvae_core.config.RunConfig` that are compared."""

    data: Any
    model: Any
    train: Any


def contradictions(config: Settings) -> list[Contradiction]:
    """Return which settings of different kinds exclude each other, or train nothing."""
    return [*_without_gradient(config), *_against_the_ctf(config)]


def _without_gradient(config: Settings) -> list[Contradiction]:
    found = []
    train, data, several_cells = config.train, config.data, config.model.system == "target-vae"
    if several_cells and config.model.group_conv and config.model.kernel_px == 1:
        what = "A kernel of one pixel looks the same however it is turned."
        remedy = "Let the image size choose it"
        found.append(Contradiction(what, remedy, "model.kernel_px", 0))
    if several_cells and train.sampler == "cells" and train.samples == 1:
        what = (
            "With one cell per image rotation and shift have nothing to learn from: cells are"
            " compared with each other."
        )
        found.append(Contradiction(what, "Draw 4 cells per image", "train.samples", 4))
    if train.content_start == "linear" and (
        config.model.likelihood == "bernoulli" or not several_cells
    ):
        what = (
            "The linear start draws images with Gaussian noise for a TARGET-VAE: other systems "
            "and the Bernoulli likelihood learn nothing from them."
        )
        remedy = "Start without it"
        found.append(Contradiction(what, remedy, "train.content_start", "none"))
    if data.validation_share + data.test_share >= 1:
        what = "All images are held out: none is left for training."
        found.append(Contradiction(what, "Hold out fewer", "data.test_share", 0.1))
    return found


def _against_the_ctf(config: Settings) -> list[Contradiction]:
    if config.model.ctf == "none":
        return []
    found = []
    if config.data.phase_flip:
        what = "The CTF is corrected in the images and applied in the likelihood as well."
        found.append(Contradiction(what, "Do not flip phases", "data.phase_flip", False))
    if config.model.likelihood == "bernoulli":
        what = (
            "A CTF can take the mean of a pixel outside 0 to 1, which the Bernoulli "
            "likelihood does not allow."
        )
        remedy = "Use the Gaussian likelihood"
        found.append(Contradiction(what, remedy, "model.likelihood", "gaussian"))
    if config.train.pixel_share < 1:
        what = "A CTF mixes pixels, so a share of them cannot be compared."
        found.append(Contradiction(what, "Compare all pixels", "train.pixel_share", 1.0))
    return found
