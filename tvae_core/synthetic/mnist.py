"""MNIST(N) and MNIST(U): digits turned and moved in a larger image (paper, appendix A.2)."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.geometry import TWO_PI
from tvae_core.synthetic.options import About, Seed, ShiftStd, Side
from tvae_core.synthetic.plan import ImagePlan, Images, IntArray
from tvae_core.synthetic.transform import place

FloatArray = NDArray[np.floating[Any]]

ImageFile = Annotated[Path, About("idx file of the digits' images, plain or .gz")]
LabelFile = Annotated[Path, About("idx file of the digits' labels, plain or .gz")]
MaybeCount = Annotated[int | None, About("images to make; all digits once if not given", 1, 10**8)]

# The digits fill 20 x 20 of their 28 x 28 pixels, about their centre of mass.
_DIGIT_RADIUS_PX = 14.0


def mnist_n(
    images: ImageFile,
    labels: LabelFile,
    count: MaybeCount = None,
    seed: Seed = 0,
    side: Side = 50,
    shift_std: ShiftStd = 5.0,
) -> ImagePlan:
    """Plan MNIST(N): angles from N(0, pi^2 / 16), shifts from N(0, shift_std^2) pixels."""
    digits = _Digits(images, labels)
    rng = np.random.default_rng(seed)
    total = count or len(digits.labels)
    return _plan(digits, rng, rng.normal(0.0, np.pi / 4.0, total), side, shift_std)


def mnist_u(
    images: ImageFile,
    labels: LabelFile,
    count: MaybeCount = None,
    seed: Seed = 0,
    side: Side = 50,
    shift_std: ShiftStd = 5.0,
) -> ImagePlan:
    """Plan MNIST(U): angles from U(0, 2 pi), shifts from N(0, shift_std^2) pixels."""
    digits = _Digits(images, labels)
    rng = np.random.default_rng(seed)
    total = count or len(digits.labels)
    return _plan(digits, rng, rng.uniform(0.0, TWO_PI, total), side, shift_std)


class _Digits:
    """The images (n, 28, 28) uint8 and labels (n,) of a pair of idx files."""

    def __init__(self, images: Path, labels: Path) -> None:
        self.images = _read_idx(images, 3)
        self.labels = _read_idx(labels, 1)
        if len(self.images) != len(self.labels):
            what = f"{len(self.images)} images but {len(self.labels)} labels"
            raise ImageFileError(what, labels, "give the label file of the same set")


def _plan(
    digits: _Digits, rng: np.random.Generator, angle_rad: FloatArray, side: int, shift_std: float
) -> ImagePlan:
    count, available = len(angle_rad), len(digits.labels)
    limit = side / 2.0 - 1.0
    shift = np.clip(rng.normal(0.0, shift_std, (count, 2)), -limit, limit)
    source = _draw_source(rng, count, available)

    def render(indices: IntArray) -> Images:
        return np.stack(
            [place(digits.images[source[i]] / 255.0, angle_rad[i], shift[i], side) for i in indices]
        )

    truth = {
        "image": np.arange(count),
        "angle_rad": angle_rad,
        "shift_x_px": shift[:, 0],
        "shift_y_px": shift[:, 1],
        "label": digits.labels[source].astype(np.int64),
        "source_index": source,
    }
    return ImagePlan(count, (side, side), truth, render, _DIGIT_RADIUS_PX)


def _draw_source(rng: np.random.Generator, count: int, available: int) -> NDArray[np.int64]:
    """Return a digit for each image: all in their order, a random subset, or repeats."""
    if count < available:
        return np.sort(rng.permutation(available)[:count])
    return np.arange(count) % available


def _read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read an idx file of bytes; to be replaced by `images.open_stack` once that floor stands."""
    path = Path(path)
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise ImageFileError(f"cannot be read: {error}", path) from error
    if content[:4] != bytes([0, 0, 8, dimensions]):
        raise ImageFileError(f"is not an idx file of bytes in {dimensions} dimensions", path)
    start = 4 + 4 * dimensions
    shape = tuple(np.frombuffer(content[4:start], dtype=">u4").astype(int).tolist())
    if len(content) - start != int(np.prod(shape)):
        raise ImageFileError(f"holds {len(content) - start} bytes, not {shape}", path)
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
