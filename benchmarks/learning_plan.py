"""What `learning.py` runs: image sets, and ways to train the preset that each has."""

from __future__ import annotations

from dataclasses import dataclass

from evidence_plan import GREY, Make, cells, galaxies, made, particles

_HELD_OUT = ("data.validation_share=0.1", "data.test_share=0.2")


@dataclass(frozen=True)
class LearningSet:
    """Images to learn and what holds for every row: preset, settings, passes over the images.

    factor: name of the true value that z should follow, or none.
    """

    name: str
    about: str
    images: int
    epochs: int
    make: Make
    preset: str
    settings: tuple[str, ...]
    factor: str = ""


SETS = {
    found.name: found
    for found in (
        LearningSet(
            "digits-u", "1,797 digits of scikit-learn in 24 px, turned by U(0, 2 pi), moved by "
            "N(0, 2^2) px",
            1797, 45, made("digits-u"), "fast-cpu",
            ("data.normalise=none", "data.validation_share=0.07", "data.test_share=0.165",
             "model.kernel_px=17", "model.shift_prior_std_px=2"),
        ),
        LearningSet(
            "cells", "2,667 red blood cells of eight classes, 64 reduced to 32 px", 2667, 16, cells,
            "fast-cpu",
            (*_HELD_OUT, *GREY, "model.encoder_kernels=32", "model.noise_std=0.4",
             "model.shift_prior_std_px=1", "data.mask=true", "data.normalise=image"),
        ),
        LearningSet(
            "hinge", "2,000 particles with a leg on a hinge, CTF, SNR 0.1 at 128 px, phases "
            "flipped, reduced to 40 px", 2000, 20, particles("hinge"), "fast-particles",
            (*_HELD_OUT, "data.phase_flip=true", "data.downsample_px=40", "model.kernel_px=31",
             "model.z_dim=1", "model.shift_prior_std_px=1.25"), "hinge_rad",
        ),
        LearningSet(
            "galaxies", "1,400 RGB galaxies, spiral or not, 64 reduced to 32 px", 1400, 20,
            galaxies,
            "fast-cpu",
            (*_HELD_OUT, *GREY, "model.encoder_kernels=32", "model.noise_std=0.1",
             "model.shift_prior_std_px=2"),
        ),
        *(
            LearningSet(
                f"noisy-{snr}", f"5,000 hinges at SNR {snr} at 48 px, no CTF", 5000, 10,
                made("hinge", side=48, snr=float(snr), ctf=False), "fast-particles", (),
                "hinge_rad",
            )
            for snr in ("0.02", "0.05", "0.1", "0.2")
        ),
    )
}  # fmt: skip

# the presets before 0006-muon.md, so that a row stays what it was when presets change
WAS = {
    "fast-cpu": ("train.learning_rate=6e-3", "train.warmup_steps=100"),
    "fast-particles": ("train.learning_rate=3e-3", "train.warmup_steps=50"),
}
_AS_IT_WAS = (
    "train.optimizer=adam", "train.start=as-drawn", "train.batch_size=10", "train.samples=4",
    "train.pixel_share=0.0625", "model.shift_pitch_px=1",
)  # fmt: skip
_MUON = (
    *_AS_IT_WAS, "train.optimizer=muon", "train.learning_rate=6e-3", "train.matrix_rate=0.02",
    "train.pixel_share=0.25", "train.warmup_steps=20",
)  # fmt: skip
# noisy hinges at half the pixels, which their smallest detail allows, and the prior of their shifts
_COARSE = (
    "data.downsample_px=24", "model.shift_prior_std_px=1.2", "model.fourier_scale_px=1.25",
    "train.optimizer=adam", "train.pixel_share=0.0625", "train.warmup_steps=50",
)  # fmt: skip
_COARSE_MUON = (
    *_COARSE, "train.optimizer=muon", "train.matrix_rate=0.01", "train.batch_size=20",
)  # fmt: skip
_BATCH_40 = (*_MUON, "train.batch_size=40", "train.start=unit-variance")

CONFIGS: dict[str, tuple[str, ...]] = {
    "preset": (),
    "as-it-was": _AS_IT_WAS,
    "adam-quarter": (*_AS_IT_WAS, "train.pixel_share=0.25"),
    "muon": _MUON,
    "muon-half-rate": (*_MUON, "train.matrix_rate=0.01", "train.learning_rate=3e-3"),
    "muon-40": (*_MUON, "train.batch_size=40"),
    "muon-40-unit": _BATCH_40,
    "muon-100-unit": (*_BATCH_40, "train.batch_size=100"),
    "muon-40-unit-pitch-2": (*_BATCH_40, "model.shift_pitch_px=2"),
    "muon-100-unit-pitch-2": (*_BATCH_40, "train.batch_size=100", "model.shift_pitch_px=2"),
    "coarse": _COARSE,
    "coarse-muon": _COARSE_MUON,
    "linear-start": (
        *_COARSE_MUON,
        "train.content_start=linear",
        "train.taught_share=0.8",
    ),
    "linear-start-quarter": (
        *_COARSE_MUON,
        "train.content_start=linear",
        "train.taught_share=0.8",
        "train.pixel_share=0.25",
    ),
    "auto-start": ("train.content_start=auto",),
    "muon-40-unit-pitch-3": (*_BATCH_40, "model.shift_pitch_px=3"),
}
