"""What `first_hour_search.py` changes in the recommendation of each set."""

from __future__ import annotations

_Z = {f"z {n}": (f"model.z_dim={n}",) for n in (1, 2, 4, 8, 16)}
_GAUSSIAN = {"Gaussian": ("model.likelihood=gaussian",)}
_TINY = {"16 px": ("data.downsample_px=16",), "24 px": ("data.downsample_px=24",)}
_LARGE = {"40 px": ("data.downsample_px=40",), "full size": ("data.downsample_px=0",)}


def _of(changes: dict[str, tuple[str, ...]], *names: str) -> dict[str, tuple[str, ...]]:
    return {name: changes[name] for name in names}


def _noise(*deviations: float) -> dict[str, tuple[str, ...]]:
    return {f"noise {value}": (f"model.noise_std={value}",) for value in deviations}


def _kernel(*sides: int) -> dict[str, tuple[str, ...]]:
    return {f"kernel {side}": (f"model.kernel_px={side}",) for side in sides}


def _norm(*ways: str) -> dict[str, tuple[str, ...]]:
    return {f"normalise {way}": (f"data.normalise={way}",) for way in ways}


_UNMASKED = {"no mask": ("data.mask=false",)}
TRIES: dict[str, dict[str, tuple[str, ...]]] = {
    "hinge": {**_of(_Z, "z 1"), **_of(_LARGE, "40 px")},
    "hinge-noisy": {**_of(_Z, "z 1", "z 4"), **_of(_TINY, "24 px")},
    "cells": {
        **_noise(0.4, 0.8), **_of(_Z, "z 2", "z 4", "z 16"), **_kernel(25), **_UNMASKED,
        **_of(_LARGE, "40 px"),
    },
    "galaxies": {
        **_noise(0.1, 0.02), **_of(_Z, "z 2", "z 16"), **_norm("image"), **_of(_TINY, "24 px"),
    },
    "digits": {
        **_of(_Z, "z 16", "z 4", "z 2"), **_GAUSSIAN,
        "prior 0.3 rad": ("model.rotation_prior_std_rad=0.3",),
        "shift 1 px": ("model.shift_prior_std_px=1",),
    },
    "fashion": {
        **_of(_Z, "z 16", "z 4", "z 2"),
        "Gaussian 0.2": ("model.likelihood=gaussian", "model.noise_std=0.2"), **_kernel(31),
    },
    "sprites": {**_of(_Z, "z 2", "z 4", "z 16"), **_kernel(25)},
    "cut-outs": {
        **_noise(0.1, 0.2), **_of(_Z, "z 2", "z 4", "z 16"), **_norm("image"), **_kernel(25),
    },
}  # fmt: skip
