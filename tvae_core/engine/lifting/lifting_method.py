"""Which way the lifting convolution is faster here: measured once a size, then remembered.

The answer is kept in the user's cache folder, so that runs of one machine agree: a resumed run
takes the method of its checkpoint, and one begun anew the same as before, to the same bits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from tvae_core.caches import cache_folder
from tvae_core.engine.device import mixed_precision, working_set_bytes
from tvae_core.engine.lifting.fourier_conv import FourierPlan
from tvae_core.engine.lifting.patch_conv import correlate_patches
from tvae_core.files import write_text

Method = Literal["direct", "patches", "fourier"]
METHODS: tuple[Method, ...] = ("direct", "patches", "fourier")
_ON_CPU: tuple[Method, ...] = ("direct", "fourier")  # its direct convolution makes patches itself
Shape = tuple[int, int, int, int]
_REPEATS = 3
_HOPELESS = 8.0
_FEW, _MANY = 4, 16  # images


def fastest(
    shape: Shape, rotations: int, plan: FourierPlan, device: torch.device, trained: bool
) -> Method:
    """Return the faster method for a bank of filters, from the cache or by measuring.

    Parameters
    ----------
    shape : (R K, C, k, k)
    plan : FourierPlan
        The geometry of images and places.
    trained : bool
        Whether the backward pass counts.
    """
    turns = 2 if rotations % 2 == 0 else 1
    direct = plan.places**2 * shape[0] * shape[1] * shape[2] * shape[3]
    ratio = direct / plan.multiply_adds(shape[0] // turns, shape[1])
    if device.type == "cpu" and not 1 / _HOPELESS < ratio < _HOPELESS:  # nothing to measure
        return "fourier" if ratio > 1 else "direct"
    key = _key(shape, turns, plan, device, trained)
    known = _read().get(key)
    for method in METHODS:
        if known == method:
            return method
    seconds = measure(shape, turns, plan, device, trained)
    found = min(seconds, key=lambda method: seconds[method])
    _write(key, found)
    return found


def measure(
    shape: Shape, turns: int, plan: FourierPlan, device: torch.device, trained: bool
) -> dict[Method, float]:
    """Return the seconds an image takes each way, forward and, when trained, backward."""
    count = _measured_on(shape, plan, device)
    images = torch.ones(count, shape[1], plan.side, plan.side, device=device)  # values do not count
    filters = torch.ones(shape, device=device)
    spectrum = plan.spectrum(filters[: shape[0] // turns]).requires_grad_(trained)
    filters.requires_grad_(trained)

    def direct() -> Tensor:
        return F.conv2d(F.pad(images, (plan.padding,) * 4), filters, stride=plan.pitch)

    def patches() -> Tensor:
        padded = F.pad(images, (plan.padding,) * 4)
        return correlate_patches(padded, filters, plan.pitch, shape[:1])

    def fourier() -> Tensor:
        return plan.correlate(images, spectrum, (turns, shape[0] // turns))

    ways: dict[Method, tuple[Callable[[], Tensor], Tensor]] = {
        "direct": (direct, filters), "patches": (patches, filters), "fourier": (fourier, spectrum),
    }  # fmt: skip
    tried = _ON_CPU if device.type == "cpu" else METHODS
    return {m: _seconds(*ways[m], device, trained) / len(images) for m in tried}


def _measured_on(shape: Shape, plan: FourierPlan, device: torch.device) -> int:
    """Return how many images are tried: enough to keep a GPU busy, few where memory is short."""
    if device.type == "cpu":
        return _FEW
    each = 4 * shape[0] * (plan.side + 2 * plan.padding) ** 2
    return max(_FEW, min(_MANY, working_set_bytes(device) // (8 * each)))


def _seconds(
    work: Callable[[], Tensor], bank: Tensor, device: torch.device, trained: bool
) -> float:
    times = []
    with torch.set_grad_enabled(trained), mixed_precision(device):
        for _ in range(_REPEATS):
            began = time.perf_counter()
            out = work()
            if trained:
                torch.autograd.grad(out.sum(), bank)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - began)
    return min(times)


def _key(shape: Shape, turns: int, plan: FourierPlan, device: torch.device, trained: bool) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    threads = torch.get_num_threads() if device.type == "cpu" else 0
    sizes = "x".join(map(str, (*shape, turns, plan.side, plan.padding)))
    sizes += "" if device.type == "cpu" else " of three"
    sizes += f"/{plan.pitch}" if plan.pitch > 1 else ""
    return f"{name} {threads} threads {sizes} {'trained' if trained else 'used'}"


def _file() -> Path:
    return cache_folder() / "lifting.json"


def _read() -> dict[str, str]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(key: str, method: Method) -> None:
    """Remember a choice; a cache that cannot be written costs a measurement the next time."""
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_text(_file(), json.dumps(_read() | {key: method}, indent=1) + "\n")
    except OSError:
        return
