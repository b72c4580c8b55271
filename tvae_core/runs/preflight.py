"""What a run will need and what speaks against it, before it starts."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tvae_core import words
from tvae_core.config import RunConfig
from tvae_core.errors import ConfigError, DeviceError, TvaeError
from tvae_core.images.look import ImageLook
from tvae_core.images.values import findings
from tvae_core.runs.costs import (
    activations,
    disk_estimate,
    memory_estimate,
    model_side,
    training_images,
    work_per_image,
)

# Fitted to measurements on one core (torch 2.13 CPU, 2 shared cores, 25 Nov 2026): the published
# model's sizes on 50 x 50 images take about 0.27 s an image (0.149 on two cores, performance.md),
# fast-cpu with 32 kernels on 34 x 34 images 4.6 ms, fast-particles on 40 x 40 images 4.5 ms.
_MULTIPLY_ADDS_PER_S = 5.0e10
_ELEMENT_S = 7.0e-9
_OVERHEAD_S = 0.8e-3
_FORWARD_AND_BACK = 3.0
_CORE_EFFICIENCY = 0.8

_SPARE = 0.8
_SMALL_RUN = 2e9  # bytes: what others hold now may be free when so little is needed
_FEW_IMAGES = 200
_IMAGES_A_DIMENSION = 25
_SMALLEST_SIDE = 24


@dataclass(frozen=True)
class Machine:
    """What the machine has: free memory and disk in bytes, cores, a GPU or none."""

    memory_bytes: float
    disk_bytes: float
    cores: int
    has_gpu: bool


@dataclass(frozen=True)
class MeasuredSpeed:
    """How fast an earlier run on the same images was."""

    run: str
    images_per_second: float
    config: RunConfig


@dataclass(frozen=True)
class Problem:
    """Something that speaks against a run.

    `key` and `value` are the setting that mends it; empty when there is none. `blocks` tells a
    run that cannot work from one that may disappoint; `error` is what such a run is refused with.
    `also` are settings that go with the one.
    """

    what: str
    remedy: str
    key: str = ""
    value: object = None
    blocks: bool = False
    error: type[TvaeError] = ConfigError
    also: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        what = f"{self.what[0].lower()}{self.what[1:].rstrip('.')}"
        return f"{what} ({self.advice})"

    @property
    def advice(self) -> str:
        """What to do, with the setting that does it as the command line takes it."""
        setting = f": --set {self.key}={str(self.value).lower()}" if self.key else ""
        return f"{self.remedy[0].lower()}{self.remedy[1:].rstrip('.')}{setting}"


@dataclass(frozen=True)
class Preflight:
    """Estimates and problems of one configuration.

    `seconds` is None when nothing measured allows an estimate; `basis` says where it comes from.
    """

    memory_bytes: float
    disk_bytes: float
    seconds: float | None
    seconds_per_epoch: float | None
    basis: str
    problems: tuple[Problem, ...]
    machine: Machine

    @property
    def blocking(self) -> Problem | None:
        """The first problem that the run cannot start with."""
        return next((problem for problem in self.problems if problem.blocks), None)


def this_machine(folder: Path) -> Machine:
    """Return what this machine has free for a run in `folder`."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), Path.home())
    return Machine(
        memory_bytes=_free_memory(),
        disk_bytes=float(shutil.disk_usage(existing).free),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        has_gpu=has_gpu(),
    )


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Return whether the machine shows an NVIDIA GPU, any of several or that of Windows."""
    return any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists()


def preflight(
    config: RunConfig, look: ImageLook, machine: Machine, measured: MeasuredSpeed | None = None
) -> Preflight:
    """Return the estimates and problems of a run of `config` on the images of `look`."""
    per_epoch, basis = _epoch_seconds(config, look, machine, measured)
    problems = [*_value_problems(config, look), *other_problems(config, look, machine)]
    return Preflight(
        memory_bytes=memory_estimate(config, look),
        disk_bytes=disk_estimate(config, look),
        seconds=None if per_epoch is None else per_epoch * config.train.epochs,
        seconds_per_epoch=per_epoch,
        basis=basis,
        problems=tuple(sorted(problems, key=lambda problem: not problem.blocks)),
        machine=machine,
    )


def other_problems(config: RunConfig, look: ImageLook, machine: Machine) -> list[Problem]:
    """Return what speaks against a run besides the values of its images, the refusals first."""
    found = [
        *_image_problems(config, look),
        *_model_problems(config, look, model_side(config, look)),
        *_machine_problems(config, look, machine),
    ]
    return sorted(found, key=lambda problem: not problem.blocks)


def seconds_of(config: RunConfig, look: ImageLook, machine: Machine) -> float | None:
    """Return what the training of `config` will take on a machine, None where nobody knows."""
    per_epoch, _ = _epoch_seconds(config, look, machine, None)
    return None if per_epoch is None else config.train.epochs * per_epoch


def _epoch_seconds(
    config: RunConfig, look: ImageLook, machine: Machine, measured: MeasuredSpeed | None
) -> tuple[float | None, str]:
    side, images = model_side(config, look), training_images(config, look)
    work = work_per_image(config, side, look.channels)
    if measured is not None and measured.images_per_second > 0:
        earlier = model_side(measured.config, look)
        ratio = work / work_per_image(measured.config, earlier, look.channels)
        return images * ratio / measured.images_per_second, f"from the speed of {measured.run}"
    if config.train.device != "cpu" and machine.has_gpu:
        return None, "no earlier run on this GPU to compare with: the first epoch will tell"
    cores = min(config.train.threads or machine.cores, machine.cores)
    speed = _MULTIPLY_ADDS_PER_S * (1 + (cores - 1) * _CORE_EFFICIENCY)
    passes = _FORWARD_AND_BACK * work / speed
    seconds = images * (passes + _ELEMENT_S * activations(config, side) + _OVERHEAD_S)
    return seconds, f"for {words.count(cores, 'core')}, from three measured models"


def _value_problems(config: RunConfig, look: ImageLook) -> Iterator[Problem]:
    for found in findings(look.values, config):
        what = found.what[0].upper() + found.what[1:]
        yield Problem(
            f"{what}.", found.remedy, found.key, found.value, found.blocks, also=found.also
        )


def _image_problems(config: RunConfig, look: ImageLook) -> Iterator[Problem]:
    data = config.data
    asks_ctf = data.phase_flip or config.model.ctf != "none"
    if asks_ctf and not look.has_table:
        yield Problem(
            "CTF correction is on, but these images come without a table that gives the CTF.",
            "Choose their .star or .cs table.",
            blocks=True,
        )
    if look.height != look.width and not data.crop_px:
        yield Problem(
            f"The images are not square ({look.width} × {look.height} px).",
            f"Crop to {min(look.height, look.width)} px",
            "data.crop_px",
            min(look.height, look.width),
        )
    before = data.crop_px or look.side
    if data.downsample_px > before:
        what = f"Images of {before} px are not enlarged to {data.downsample_px} px."
        yield Problem(what, "Say that they keep their size", "data.downsample_px", 0)
    if look.images < 2:
        what = "There is one image: nothing can be compared with it."
        remedy = "Choose a set of images; of a micrograph, the particles cut out of it."
        yield Problem(what, remedy, blocks=True)
    elif look.images < _FEW_IMAGES:
        yield Problem(
            f"{words.count(look.images, 'image')} are few: the model will memorise them.",
            "Use a few thousand if there are more.",
        )


def _model_problems(config: RunConfig, look: ImageLook, side: int) -> Iterator[Problem]:
    model, kernel = config.model, config.model.kernel_side(side)
    if kernel > side:
        yield Problem(
            f"The kernel ({kernel} px) is larger than the images ({side} px).",
            "Let the image size choose",
            "model.kernel_px",
            0,
        )
    width = _object_side(config, look, side)
    if width and width > kernel:
        wanted = min(width | 1, side - 1 + side % 2)
        yield Problem(
            f"What varies between images is about {width} px wide, the kernel only {kernel} px: "
            "it would not see whole objects.",
            f"Use a kernel of {wanted} px",
            "model.kernel_px",
            wanted,
        )
    if not model.pitch_fits(side):
        yield Problem(
            f"Shift cells {model.shift_pitch_px} px apart are too coarse for a prior on shift of "
            f"{model.prior_std_px(side):g} px.",
            "Compute every cell",
            "model.shift_pitch_px",
            1,
            blocks=True,
        )
    for wrong in config.contradictions():
        yield Problem(wrong.what, wrong.remedy, wrong.key, wrong.value, blocks=True)
    images, batch = training_images(config, look), config.train.batch_size
    fills = max(2, images // _IMAGES_A_DIMENSION)
    if model.z_dim > fills:
        yield Problem(
            f"{words.count(images, 'training image')} cannot fill a content of {model.z_dim} "
            "dimensions: distances in it mean little.",
            f"Use {fills} dimensions",
            "model.z_dim",
            fills,
        )
    if images < batch:
        yield Problem(
            f"{words.count(images, 'training image')} {'does' if images == 1 else 'do'} not fill "
            f"a batch of {batch}.",
            f"Use batches of {max(1, images // 8)}",
            "train.batch_size",
            max(1, images // 8),
        )


def _machine_problems(config: RunConfig, look: ImageLook, machine: Machine) -> Iterator[Problem]:
    on_cpu = config.train.device == "cpu" or not machine.has_gpu
    memory, disk = memory_estimate(config, look), disk_estimate(config, look)
    if on_cpu and memory > _SPARE * machine.memory_bytes:
        what = (
            f"Training needs about {words.size(memory)} of memory; "
            f"{words.size(machine.memory_bytes)} are free."
        )
        side = _fitting_side(config, look, machine)
        remedy, key = "Close other programs.", ""
        if side:
            remedy, key = f"Shrink the images to {side} px", "data.downsample_px"
        blocks = memory > max(machine.memory_bytes, _SMALL_RUN)
        yield Problem(what, remedy, key, side or None, blocks=blocks, error=DeviceError)
    if disk > _SPARE * machine.disk_bytes:
        yield Problem(
            f"The run writes about {words.size(disk)}; {words.size(machine.disk_bytes)} are free.",
            "Choose a folder on another disk.",
            blocks=disk > machine.disk_bytes,
            error=DeviceError,
        )
    if config.train.device.startswith("cuda") and not machine.has_gpu:
        yield Problem(
            "This machine has no NVIDIA GPU.",
            "Use the CPU",
            "train.device",
            "auto",
            blocks=True,
            error=DeviceError,
        )


def _fitting_side(config: RunConfig, look: ImageLook, machine: Machine) -> int:
    """Return to which side images must shrink for the memory there is; 0 when none helps."""
    side = model_side(config, look)
    while (side := 2 * (side // 4)) >= _SMALLEST_SIDE:
        data = config.data.model_copy(update={"downsample_px": side})
        smaller = config.model_copy(update={"data": data})
        if memory_estimate(smaller, look) <= _SPARE * machine.memory_bytes:
            return side
    return 0


def _object_side(config: RunConfig, look: ImageLook, side: int) -> int | None:
    if look.object_px is None:
        return None
    before = config.data.crop_px or look.side
    # what varies is the object wherever it lies: a deviation of its shift on either side
    moved = 2 * config.model.shift_prior_std_px
    return min(side, round(look.object_px * side / before - moved))


def _free_memory() -> float:
    try:
        text = Path("/proc/meminfo").read_text()
        free = next(line for line in text.splitlines() if line.startswith("MemAvailable"))
        return min(float(free.split()[1]) * 1024, _group_limit(), _own_limit())
    except (OSError, StopIteration, ValueError):
        return float(psutil.virtual_memory().available)


def _group_limit() -> float:
    """Return what a container may still use; infinite outside of one."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = float((folder / "memory.max").read_text())
        return limit - float((folder / "memory.current").read_text())
    except (OSError, ValueError):
        return math.inf


def _own_limit() -> float:
    """Return what `ulimit -v` leaves to this process; infinite without a limit."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return math.inf
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return math.inf
    return max(0.0, float(limit - psutil.Process().memory_info().vms))


def _cores() -> int:
    return os.cpu_count() or 1
