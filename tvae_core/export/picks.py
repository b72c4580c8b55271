"""Picks as files: RELION coordinates (.star), EMAN boxes (.box), and a table (.csv).

RELION: rlnCoordinateX and Y are the column and the row, counted from the centre of the file's first
pixel, rows as they lie in the file; rlnAnglePsi is the house's angle (`particles/poses.py`).
EMAN: a line a box, `x y width height`, whole pixels; x and y are the first column and row of the
box, so its pixel `width // 2` lies on the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.picks import Picks
from tvae_core.errors import TableError
from tvae_core.export.registry import endings_of
from tvae_core.export.tables import export_table
from tvae_core.export.target import Exported, new_file, refuse_existing, verify
from tvae_core.particles.star import read_star

_STAR = (
    "rlnMicrographName",
    "rlnCoordinateX",
    "rlnCoordinateY",
    "rlnAnglePsi",
    "rlnAutopickFigureOfMerit",
)
_DECIMALS = 6


def export_picks(
    picks: Picks,
    path: Path | str,
    *,
    source: str,
    shape: tuple[int, int],
    images: int,
    box_px: int,
    overwrite: bool = False,
) -> list[Exported]:
    """Write picks as `.star`, `.box` or `.csv`, and read them back.

    Parameters
    ----------
    source : str
        The file of the fields, as the table names it; of several images `number@file`, from 1.
    shape : (H, W)
        Of a field in the file.
    images : int
        Fields in the file; of several, each has a `.box` of its own, `_000001.box` and on.
    box_px : int
        Side of a box, for `.box`.

    Returns
    -------
    list of Exported
        The files, with the picks read back from each.

    Raises
    ------
    TableError
        Another kind of file.
    ImageFileError
        A path is there already, or what was read back differs.
    """
    files = pick_files(path, images)
    for file in files:
        refuse_existing(file, overwrite)
    kind = files[0].suffix.lower()
    if kind == ".star":
        return [_star(picks, files[0], _names(picks, source, images), shape, overwrite)]
    if kind == ".csv":
        return [export_table(pick_columns(picks, shape), files[0], overwrite=overwrite)]
    return [
        _box(picks.chosen(picks.image == n), file, shape, box_px, overwrite)
        for n, file in enumerate(files)
    ]


def pick_files(path: Path | str, images: int) -> list[Path]:
    """Return the files that `export_picks` writes for fields of so many images.

    Raises
    ------
    TableError
        Another kind of file.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in endings_of("picks"):
        *known, last = endings_of("picks")
        raise TableError(
            f"picks cannot be written as {path.suffix!r}", path, f"use {', '.join(known)} or {last}"
        )
    if kind != ".box" or images == 1:
        return [path]
    return [path.with_stem(f"{path.stem}_{n + 1:06d}") for n in range(images)]


def pick_columns(picks: Picks, shape: tuple[int, int]) -> dict[str, NDArray[np.generic]]:
    """Return what is known of each pick as columns (n,), named with their units.

    x and y are from the field's centre, y up; column and row as RELION counts them.
    """
    column, row = picks.pixels(*shape)
    columns: dict[str, NDArray[np.generic]] = {
        "image": picks.image, "x_px": picks.place_px[:, 0], "y_px": picks.place_px[:, 1],
        "column_px": column, "row_px": row, "angle_rad": picks.angle_rad,
        "confidence": picks.confidence, "score": picks.score, "attention": picks.attention,
    }  # fmt: skip
    return columns | {f"z{d + 1}": picks.z[:, d] for d in range(picks.z.shape[1])}


def _names(picks: Picks, source: str, images: int) -> list[str]:
    if images == 1:
        return [source] * len(picks)
    return [f"{number + 1:06d}@{source}" for number in picks.image]


def _star(
    picks: Picks, path: Path, names: Sequence[str], shape: tuple[int, int], overwrite: bool
) -> Exported:
    column, row = picks.pixels(*shape)
    values = (column, row, np.rad2deg(picks.angle_rad), picks.confidence)
    numbers = np.stack(values, 1) if len(picks) else np.zeros((0, 4))
    lines = ["", "data_", "", "loop_"]
    lines += [f"_{name} #{place}" for place, name in enumerate(_STAR, 1)]
    for name, four in zip(names, numbers, strict=True):
        quoted = f'"{name}"' if any(c.isspace() for c in name) else name
        lines.append(" ".join([quoted, *(f"{value:.{_DECIMALS}f}" for value in four)]))
    with new_file(path, overwrite) as part:
        part.write_text("\n".join([*lines, ""]) + "\n", encoding="utf-8")
        table = read_star(part)
        verify(list(names), table.column(_STAR[0]).tolist(), path, "picks")
        for name, wrote in zip(_STAR[1:], numbers.T, strict=True):
            again = table.numbers(name) if len(picks) else np.zeros(0)
            verify(True, np.allclose(again, wrote, rtol=0, atol=10.0**-_DECIMALS), path, "picks")
    return Exported(path, len(table))


def _box(
    picks: Picks, path: Path, shape: tuple[int, int], box_px: int, overwrite: bool
) -> Exported:
    column, row = picks.pixels(*shape)
    corners = np.rint(np.stack([column, row], 1)).astype(np.int64) - box_px // 2
    rows = [f"{x}\t{y}\t{box_px}\t{box_px}" for x, y in corners.tolist()]
    with new_file(path, overwrite) as part:
        part.write_text("".join(f"{line}\n" for line in rows), encoding="utf-8")
        verify(rows, part.read_text(encoding="utf-8").splitlines(), path, "picks")
    return Exported(path, len(rows))
