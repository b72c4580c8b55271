"""Class averages as files: the averages, their deviations, and a RELION table of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.class_averages import AveragedClass
from tvae_core.errors import ImageFileError
from tvae_core.export.sources import InMemory
from tvae_core.export.stacks import export_images
from tvae_core.export.target import new_file, refuse_existing, verify

Array = NDArray[np.floating]
_NONE = 999.0  # what RELION writes where a resolution could not be told
_COLUMNS = (
    "rlnImageName",
    "rlnReferenceImage",
    "rlnOpticsGroup",
    "rlnClassNumber",
    "rlnClassDistribution",
    "rlnGroupNrParticles",
    "rlnEstimatedResolution",
    "tvaeClassName",
    "tvaeDeviationImage",
)
_CURVE = (
    "rlnSpectralIndex",
    "rlnResolution",
    "rlnAngstromResolution",
    "rlnFourierShellCorrelation",
    "rlnFourierShellCorrelationCorrected",
)


@dataclass(frozen=True)
class WrittenAverages:
    """The files written and read back: averages, deviations, table; and how many classes."""

    stack: Path
    deviations: Path
    table: Path
    count: int


def average_paths(path: Path) -> tuple[Path, Path, Path]:
    """Return the three files of averages called `path` (.mrcs): stack, deviations, table."""
    return path, path.with_name(f"{path.stem}_std{path.suffix}"), path.with_suffix(".star")


def write_class_averages(
    averages: Sequence[AveragedClass],
    names: Sequence[str],
    path: Path | str,
    pixel_size_angstrom: float | None,
    overwrite: bool = False,
) -> WrittenAverages:
    """Write averages to `NAME.mrcs`, deviations to `NAME_std.mrcs` and a table to `NAME.star`.

    The table has a row a class (RELION 3.1: image, share, count, resolution at a corrected FRC of
    0.143 in Angstrom, 999 where nothing is resolved), an optics block with the pixel size, and the
    ring correlation of each class in a block of its own, as found and without what noise gained by
    alignment. Where the pixel size is not known, lengths are in pixels and the size is written
    as 0. All three are read back before they are renamed.

    Raises
    ------
    ImageFileError
        A file is there already, the name does not end in .mrcs, or what is read back differs.
    """
    path = Path(path)
    if path.suffix.lower() != ".mrcs":
        raise ImageFileError(
            "averages are written as .mrcs", path, "choose a name that ends in .mrcs"
        )
    if not averages:
        raise ImageFileError("no classes to write", path, "choose some images first")
    stack, deviations, table = average_paths(path)
    for target in (stack, deviations, table):
        refuse_existing(target, overwrite)
    pixel = pixel_size_angstrom or 0.0
    text = star_text(averages, names, stack.name, deviations.name, pixel)
    with ExitStack() as files:
        parts = [files.enter_context(new_file(t, overwrite)) for t in (stack, deviations, table)]
        for part, images in zip(parts, (_means(averages), _deviations(averages)), strict=False):
            every = np.arange(len(images))
            export_images(
                InMemory(images), every, part, pixel_size_angstrom=pixel or None, overwrite=True
            )
        parts[2].write_text(text, encoding="utf-8")
        _verify(parts[2], averages, pixel, table)
    return WrittenAverages(stack, deviations, table, len(averages))


def star_text(
    averages: Sequence[AveragedClass],
    names: Sequence[str],
    stack: str,
    deviations: str,
    pixel_size_angstrom: float,
) -> str:
    """Return the table of averages; `stack` and `deviations` are the names RELION shall find.

    A pixel size of 0 is unknown: lengths are then in pixels.
    """
    unit = pixel_size_angstrom or 1.0
    total = sum(average.count for average in averages)
    rows = []
    for number, (average, name) in enumerate(zip(averages, names, strict=True), 1):
        resolution = min(average.resolution_px() * unit, _NONE)
        image, deviation = (_word(f"{number:06d}@{file}") for file in (stack, deviations))
        rows.append(
            f"{image} {image} 1 {number} {average.count / total:.6f} "
            f"{average.count} {resolution:.6f} {_quoted(name)} {deviation}"
        )
    side = averages[0].mean.shape[0]
    optics = "rlnOpticsGroup rlnOpticsGroupName rlnImagePixelSize rlnImageSize"
    group = f"1 opticsGroup1 {pixel_size_angstrom:.6f} {side} 2"
    # the classes come first: programs that ask for no block by name read the first one
    blocks = [_block("particles", _COLUMNS, rows)]
    blocks.append(_block("optics", (*optics.split(), "rlnImageDimensionality"), [group]))
    for number, average in enumerate(averages, 1):
        name = f"frc_class_{number:06d}"
        blocks.append(_block(name, _CURVE, _curve_rows(average, unit)))
    return "".join(blocks)


def _curve_rows(average: AveragedClass, pixel: float) -> Iterator[str]:
    curve, honest = average.correlation, average.honest.curve
    rows = zip(curve.frequency, curve.correlation, honest.correlation, strict=True)
    for index, (frequency, found, corrected) in enumerate(rows):
        length = min(pixel / frequency, _NONE) if frequency else _NONE
        yield f"{index} {frequency / pixel:.6f} {length:.6f} {found:.6f} {corrected:.6f}"


def _block(name: str, columns: Sequence[str], rows: Sequence[str] | Iterator[str]) -> str:
    heads = "\n".join(f"_{column} #{number}" for number, column in enumerate(columns, 1))
    body = "\n".join(rows)
    return f"\n# version 30001\n\ndata_{name}\n\nloop_\n{heads}\n{body}\n\n"


def _word(text: str) -> str:
    return text if len(text.split()) == 1 else f'"{text}"'


def _quoted(name: str) -> str:
    plain = " ".join(name.replace('"', "'").split()) or "class"
    return f'"{plain}"'


def _means(averages: Sequence[AveragedClass]) -> Array:
    return np.stack([average.mean for average in averages])


def _deviations(averages: Sequence[AveragedClass]) -> Array:
    return np.stack([average.std for average in averages])


def _verify(part: Path, averages: Sequence[AveragedClass], pixel: float, table: Path) -> None:
    """Compare counts and references of the table on disk with what was to be written."""
    from tvae_core.particles import read_table

    found = read_table(part)
    references = found.image_references()
    sizes = found.pixel_size_angstrom
    read = (
        found.numbers("rlnGroupNrParticles").astype(int).tolist(),
        references.image_index.tolist(),
        None if sizes is None else np.round(sizes, 6).tolist(),
    )
    count = len(averages)
    written = (
        [average.count for average in averages],
        list(range(count)),
        [round(pixel, 6)] * count,
    )
    verify(written, read, table, "rows")
