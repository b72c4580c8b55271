"""What `evidence.py --tier defaults` runs: one change at a time to the presets as they were.

What won is in the presets now (docs/decisions/0003-defaults.md), so the start is written out here.
Trainings are short and of equal length: a row tells what leaves the plateau soonest and stands
highest when the budget of a laptop ends.
"""

from __future__ import annotations

from evidence_plan import (
    AS_INFERRED,
    CLUSTERS,
    ELBO,
    GREY,
    SHIFT,
    TURNS,
    UNTURNED,
    ImageSet,
    System,
    cells,
    made,
    particles,
)

PLATEAU = ("plateau", "steps to leave the plateau", 0)
_POSE = (*SHIFT, UNTURNED[0], UNTURNED[2])
_HELD_OUT = ("data.validation_share=0.1", "data.test_share=0.2")


def _one(name: str, words: str, *settings: str, start: str = "") -> System:
    return System(name, words, settings, start=start)


_GUMBEL = "train.sampler=gumbel-softmax"
_AS_IT_WAS = ("model.rotation_mixing=0", "train.learning_rate=3e-3", "train.samples=8")
DEFAULT = _one("default", "the preset as it was")
PATHS = (
    _one("gumbel-1", "soft samples (Gumbel), temperature 1", _GUMBEL),
    _one(
        "gumbel-half", "soft samples, temperature 0.5", _GUMBEL, "train.temperature=0.5",
        "train.temperature_end=0.5",
    ),
    _one(
        "gumbel-cooled", "soft samples, temperature 1 to 0.3", _GUMBEL, "train.temperature_end=0.3"
    ),
    _one("warm-content", "KL_z warmed up over a quarter", "train.content_warmup=0.25"),
    _one("mixing", "1x1 layers mix neighbours over r", "model.rotation_mixing=1"),
)  # fmt: skip
STEPS = (
    _one("rate-low", "learning rate 1.5e-3", "train.learning_rate=1.5e-3"),
    _one("rate-high", "learning rate 6e-3", "train.learning_rate=6e-3"),
    _one("batch-20", "batch 20 (half the steps)", "train.batch_size=20"),
    _one("samples-4", "4 cells an image", "train.samples=4"),
    _one("samples-16", "16 cells an image", "train.samples=16"),
)
MODELS = (
    _one("fourier-2", "Fourier scale 2 px", "model.fourier_scale_px=2"),
    _one("fourier-5", "Fourier scale 5 px", "model.fourier_scale_px=5"),
    _one("decoder-64", "generator of 64 units", "model.generator_hidden=64"),
    _one("decoder-256", "generator of 256 units", "model.generator_hidden=256"),
)
STARTS = (
    _one("start-he", "He initialisation of the encoder's 1x1 layers", start="he"),
    _one("start-small-head", "heads a tenth: q starts as the prior", start="small-head"),
)


def _priors(narrow: str, wide: str) -> tuple[System, ...]:
    name = "model.shift_prior_std_px="
    return (
        _one("prior-narrow", f"prior on t {narrow} px", name + narrow),
        _one("prior-wide", f"prior on t {wide} px", name + wide),
    )


_PARTICLES = (
    "data.phase_flip=true", "data.downsample_px=40", "model.kernel_px=31", "model.z_dim=1",
    "model.shift_prior_std_px=1.25",
)  # fmt: skip
_CELLS = (
    *GREY, "model.noise_std=0.4", "model.shift_prior_std_px=1", "data.mask=true",
    "data.normalise=image",
)  # fmt: skip
_MIXED = ("model.rotation_mixing=1", "train.content_warmup=0.25")
_FASTER = "train.learning_rate=6e-3"
TOGETHER = (
    _one("mixing-warm", "mixing, KL_z warmed up over a quarter", *_MIXED),
    _one("mixing-warm-fast", "mixing, KL_z warmed up over a quarter, rate 6e-3", *_MIXED, _FASTER),
    _one(
        "mixing-warm-fast-4", "mixing, KL_z warmed up over a quarter, rate 6e-3, 4 cells", *_MIXED,
        _FASTER, "train.samples=4",
    ),
)  # fmt: skip
MIXING_4 = _one("mixing-4", "mixing, 4 cells", "model.rotation_mixing=1", "train.samples=4")
COLD = _one("cold-content", "no warm-up of KL_z", "train.content_warmup=0")
DEFAULTS = (
    ImageSet(
        "digits-u", "Defaults on digits-u", "1,797 small digits, rotation U(0, 2 pi), shift "
        "N(0, 2^2) px, 24 px. Plateau: left at the end of the first epoch whose mean training ELBO "
        "is above -125.", 1797, 16, made("digits-u"),
        (*_AS_IT_WAS, "train.content_warmup=0", "data.validation_share=0.07",
         "data.test_share=0.165"),
        (DEFAULT, *PATHS, *STEPS, *MODELS, *_priors("1.6", "3.2"), *STARTS, *TOGETHER),
        (PLATEAU, ELBO, *_POSE, *CLUSTERS[:1]), {}, plateau=-125.0,
    ),
    ImageSet(
        "cells", "Defaults on red blood cells", "2,667 cells of eight classes, 64 reduced to "
        "32 px.", 2667, 10, cells,
        (*_AS_IT_WAS, "train.content_warmup=0", *_HELD_OUT, *_CELLS),
        (DEFAULT, *PATHS[3:], STEPS[1], *TOGETHER), (ELBO, TURNS, *CLUSTERS), {},
    ),
    ImageSet(
        "hinge", "Defaults on the hinge", "Simulated particles with a leg on a hinge, CTF, SNR "
        "0.1, 128 px; phases flipped, reduced to 40 px.", 2000, 14, particles("hinge"),
        (*_AS_IT_WAS, "train.content_warmup=0.5", *_HELD_OUT, *_PARTICLES),
        (DEFAULT, COLD, PATHS[4], STEPS[1], MIXING_4, TOGETHER[2]),
        (ELBO, *SHIFT, *AS_INFERRED, ("factor/hinge_rad/axis", "hinge, Spearman", 3)), {},
        "fast-particles",
    ),
)  # fmt: skip
