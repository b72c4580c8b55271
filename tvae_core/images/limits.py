"""Sizes no honest file has, refused before anything is allocated; and how libraries fail."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from tvae_core.errors import DeviceError, ImageFileError

LARGEST_SIDE = 65_536
LARGEST_IMAGE = 1 << 28  # pixels: 16,384 x 16,384
LARGEST_COUNT = (1 << 31) - 1
LARGEST_IN_MEMORY = 8 << 30  # bytes a compressed file may grow to
# What Pillow and tifffile were seen to raise on damaged files (see the fuzzing in the tests).
DECODING_ERRORS: tuple[type[Exception], ...] = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, RuntimeError),
    *(LookupError, ArithmeticError, struct.error, zlib.error),
)
_BEST_COMPRESSION = 1100  # deflate reaches 1,032 to 1
_HONEST_COMPRESSION = 300  # dSprites, black and white, has 116
_SMALL = 64 << 20  # bytes that may be unpacked whatever they were packed into


def needs_imagecodecs(what: str, where: object) -> DeviceError:
    """Return the error of a file that only imagecodecs reads, where it is not installed."""
    todo = "pip install 'target-vae[images]'"
    return DeviceError(f"{what}: imagecodecs reads them, which is not installed", where, todo)


def check_size(where: object, count: int, height: int, width: int) -> None:
    """Refuse a stack without images or of absurd size.

    Raises
    ------
    ImageFileError
    """
    if count < 1:
        raise ImageFileError("holds no images", where)
    sides_fit = 1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE
    if not sides_fit or count > LARGEST_COUNT or height * width > LARGEST_IMAGE:
        raise ImageFileError(
            f"absurd size: {count} images of {height} x {width} pixels", where, "is it damaged?"
        )


def check_in_memory(where: object, wanted: int, packed: int) -> None:
    """Refuse to unpack `packed` bytes into `wanted` when that is impossible or too much.

    Raises
    ------
    ImageFileError
    """
    if wanted > LARGEST_IN_MEMORY:
        raise ImageFileError(
            f"{wanted / 2**30:.1f} GiB unpacked, at most {LARGEST_IN_MEMORY >> 30} are read",
            where,
            "unpack the file first",
        )
    if wanted / (packed + 64) <= _BEST_COMPRESSION:
        check_expansion(where, wanted, packed)
    if wanted > (packed + 64) * _BEST_COMPRESSION:
        raise ImageFileError(
            f"truncated: {packed} compressed bytes cannot hold the {wanted} of its header", where
        )


def check_expansion(where: object, wanted: int, packed: int) -> None:
    """Refuse to unpack `packed` bytes into many times as many, whatever packed them.

    Raises
    ------
    ImageFileError
    """
    if wanted > _SMALL and wanted / (packed + 64) > _HONEST_COMPRESSION:
        raise ImageFileError(
            f"would grow from {packed:,} bytes to {wanted:,}, as no images do", where,
            "unpack it yourself if you trust it",
        )  # fmt: skip


def check_pixels(where: object, dtype: np.dtype[np.generic]) -> None:
    """Refuse pixels that are not real numbers.

    Raises
    ------
    ImageFileError
    """
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise ImageFileError(f"pixels of type {dtype} are not read", where, "save real numbers")
