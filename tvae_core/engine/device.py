"""Which processor does the work, and how much it may hold at once."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from tvae_core.errors import DeviceError
from tvae_core.runs.costs import CPU_WORKING_SET
from tvae_core.words import count

_CUDA_SHARE = 0.25
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_KEPT_BYTES = 1 << 30


def choose_device(name: str, local: int = 0, of: int = 1) -> torch.device:
    """Return the device called `auto`, `cpu`, `cuda` or `cuda:N`.

    Parameters
    ----------
    local, of : int
        Which of how many processes of one run on this machine: each takes a GPU of its own.

    Raises
    ------
    DeviceError
        A GPU was asked for and there is none, or the name is unknown.
    """
    device = _device(name)
    if of == 1 or device.type != "cuda":
        return device
    if ":" in name:
        raise DeviceError(f"{name} is one device, but {of} are to work", todo="--device cuda")
    if of > (there := torch.cuda.device_count()):
        raise DeviceError(
            f"{of} devices are asked for, but this machine has {count(there, 'GPU')}",
            todo=f"--devices {there}, or --device cpu",
        )
    return torch.device("cuda", local)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"no device {name!r}", todo="auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("no CUDA GPU was found", todo="--device cpu")
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"device {name!r} is not supported", todo="auto, cpu, cuda or cuda:N")
    return device


def device_of_run(asked: str, own: str) -> torch.device:
    """Return the device called `asked`, or where none is the run's `own` if it is here.

    A run that was trained on a GPU is used on a machine without one, and the other way round.

    Raises
    ------
    DeviceError
        The device that was asked for is not here.
    """
    if asked:
        return choose_device(asked)
    try:
        return choose_device(own)
    except DeviceError:
        return choose_device("auto")


@contextmanager
def random_numbers_apart(seed: int | None = None) -> Iterator[None]:
    """Let the block draw on the CPU, from `seed` on, and leave the global numbers as they were.

    No GPU is touched: `fork_rng` by itself asks every one of them, and `manual_seed` seeds all.
    """
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        yield


def set_threads(threads: int) -> int:
    """Use this many CPU threads, 0: one per core; return it. Freed memory is kept for reuse."""
    number = threads or cores()
    torch.set_num_threads(number)
    keep_freed_memory()
    return number


def tune_convolutions(device: torch.device) -> None:
    """Let cuDNN try its ways for each shape and keep the fastest; nothing where there is no GPU.

    A step of `paper-mnist` on an H200 took 52 ms instead of 68 (benchmarks/gpu_speed.py).
    """
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True


def keep_freed_memory() -> None:
    """Let the C library keep freed memory of any size, where it is glibc.

    By default a block over 32 MB is mapped afresh each time and given back at once: 3 ns an element
    in page faults, more than an activation costs. Work is cut so that the peak stays the same.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def working_set_bytes(device: torch.device) -> int:
    """Return how many bytes of activations a piece of work may hold on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free * _CUDA_SHARE)
    return CPU_WORKING_SET


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return a block without autocast, within one that has it."""
    return torch.autocast(device.type, enabled=False)


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return bf16 autocast on CUDA, nothing elsewhere."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
