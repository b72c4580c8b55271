"""Writing a synthetic set to a folder: stack, truth, and for particles a RELION table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from tvae_core.files import atomic_write, write_text
from tvae_core.synthetic.plan import ImagePlan, Images, SyntheticSet, TrueColumns, plan_of
from tvae_core.synthetic.stacks import write_mrcs, write_npy
from tvae_core.synthetic.star import star_text

TRUTH_NAME = "truth.csv"
_ROWS_AT_ONCE = 10_000
_STACKS = ("images.npy", "particles.mrcs", "fields.mrcs")


@dataclass(frozen=True)
class WrittenSet:
    """Paths of the files of a set; `star` is None unless they show single particles."""

    stack: Path
    truth: Path
    star: Path | None


def write_set(
    source: ImagePlan | SyntheticSet, folder: Path | str, chunk: int | None = None
) -> WrittenSet:
    """Write the images, `truth.csv` and, for single particles, `particles.star`.

    Images with a pixel size go to `particles.mrcs` (`fields.mrcs` when they hold many objects),
    others to `images.npy`. Each file is complete
    or absent, the stack comes last. No more than `chunk` images are held at once, and the bytes do
    not depend on it.

    Parameters
    ----------
    source : ImagePlan or SyntheticSet
    folder : path
        Made when absent; files of an earlier set there are replaced.
    chunk : int
        Images made and written at a time; by default 64 MB of them.

    Raises
    ------
    ConfigError
        When the chunk is below one.
    OSError
        When the folder cannot be written.
    """
    plan = plan_of(source) if isinstance(source, SyntheticSet) else source
    folder = Path(folder)
    write_truth(plan.truth, folder / TRUTH_NAME)
    shape = (plan.count, *plan.image_shape)
    images = (part.images for part in plan.chunks(chunk))
    if plan.pixel_size_angstrom is None:
        stack = _write_npy(folder / _STACKS[0], shape, images)
        return WrittenSet(stack, folder / TRUTH_NAME, None)
    is_field = "x_px" in plan.truth
    stack = folder / _STACKS[2 if is_field else 1]
    star = None if is_field else folder / "particles.star"
    if star is not None:
        pixel_size = plan.pixel_size_angstrom
        write_text(star, star_text(stack.name, plan.count, shape[1], pixel_size, plan.ctf))
    with atomic_write(stack) as part:
        write_mrcs(part, shape, images, plan.pixel_size_angstrom)
    return WrittenSet(stack, folder / TRUTH_NAME, star)


def is_written(folder: Path | str) -> bool:
    """Return whether a folder holds a whole set; one that was stopped halfway has no stack."""
    return any((Path(folder) / name).exists() for name in _STACKS)


def write_truth(truth: TrueColumns, path: Path | str) -> None:
    """Write the truth as CSV: one column a name, numbers to their full precision, True as 1."""
    with atomic_write(path) as part, open(part, "w", newline="", encoding="utf-8") as stream:
        _write_rows(truth, stream)


def read_truth(path: Path | str) -> TrueColumns:
    """Read back what `write_truth` wrote: whole numbers as int64, others as float64 or text."""
    with open(path, newline="", encoding="utf-8") as stream:
        names, *rows = csv.reader(stream)
    columns = zip(*rows, strict=True) if rows else iter([()] * len(names))
    return {name: _parsed(column) for name, column in zip(names, columns, strict=True)}


def _write_npy(path: Path, shape: tuple[int, ...], images: Iterator[Images]) -> Path:
    with atomic_write(path) as part:
        write_npy(part, shape, images)
    return path


def _write_rows(truth: TrueColumns, stream: TextIO) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(truth)
    total = len(next(iter(truth.values())))
    for start in range(0, total, _ROWS_AT_ONCE):
        columns = [column[start : start + _ROWS_AT_ONCE] for column in truth.values()]
        plain = [(c.astype(np.int8) if c.dtype == bool else c).tolist() for c in columns]
        writer.writerows(zip(*plain, strict=True))


def _parsed(column: tuple[str, ...]) -> np.ndarray:
    for kind, dtype in ((int, np.int64), (float, np.float64)):
        try:
            return np.array([kind(text) for text in column], dtype=dtype)
        except ValueError:
            continue
    return np.array(column)
