"""Makes the tables and stacks that programs write, each as odd as a test asks."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
OPTICS = (
    "rlnOpticsGroup",
    "rlnOpticsGroupName",
    "rlnImagePixelSize",
    "rlnImageSize",
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
)


def numbered(count: int, side: int = 8, first: int = 0) -> Array:
    """Return images of noise whose pixel [0, 0] is their number, float32."""
    images = np.random.default_rng(first).normal(size=(count, side, side)).astype(np.float32)
    images[:, 0, 0] = np.arange(first, first + count)
    return images


def write_mrc(path: Path, images: Array, pixel: float = 2.0, **header: Any) -> Path:
    """Write an MRC stack; `header` patches it: name_offset=(format, values...)."""
    count, height, width = images.shape
    head = bytearray(1024)
    struct.pack_into("<4i", head, 0, width, height, count, 2)
    struct.pack_into("<3i3f", head, 28, width, height, count, width * pixel, height * pixel, count)
    struct.pack_into("<3i", head, 64, 1, 2, 3)
    for name, (form, *values) in header.items():
        struct.pack_into(form, head, int(name.rpartition("_")[2]), *values)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(head) + images.astype("<f4").tobytes())
    return path


def in_stack(count: int, stack: str = "s.mrcs") -> list[str]:
    """Return the names of the first images of a stack, as RELION writes them."""
    return [f"{i + 1:06d}@{stack}" for i in range(count)]


def optics(group: object = 1, pixel: object = 2.0, side: int = 8, kv: int = 300) -> tuple[Any, ...]:
    """Return one row of an optics table."""
    return (group, f"og{group}", pixel, side, kv, 2.7, 0.1)


def write_star(
    path: Path,
    names: Sequence[str],
    groups: Sequence[object] | None = None,
    rows: Iterable[tuple[Any, ...]] | None = (optics(),),
    optics_columns: Sequence[str] = OPTICS,
    **columns: Sequence[object],
) -> Path:
    """Write a RELION table; without `rows` one of RELION 3.0; `columns` lack their rln."""
    table: dict[str, Sequence[object]] = {"rlnImageName": names}
    if rows is not None:
        table["rlnOpticsGroup"] = groups or [1] * len(names)
    table |= {f"rln{name}": values for name, values in columns.items()}
    blocks = [] if rows is None else [("optics", optics_columns, rows)]
    text = ""
    for name, heads, body in [
        *blocks,
        ("particles", list(table), zip(*table.values(), strict=True)),
    ]:
        lines = [f"\ndata_{name}\n", "loop_", *(f"_{h} #{i}" for i, h in enumerate(heads, 1))]
        text += "\n".join([*lines, *(" ".join(map(str, row)) for row in body), ""])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def blob(
    count: int, path: str = ">J1/a.mrc", pixel: float = 2.0, side: int = 8
) -> dict[str, Array]:
    """Return the fields that say where particles are."""
    return {
        "uid": np.arange(count, dtype="<u8") + 1000,
        "blob/path": np.array([path.encode()] * count, dtype="S40"),
        "blob/idx": np.arange(count, dtype="<u4"),
        "blob/shape": np.full((count, 2), side, dtype="<u4"),
        "blob/psize_A": np.full(count, pixel, dtype="<f4"),
    }


def write_cs(path: Path, fields: Mapping[str, Array]) -> Path:
    """Write a cryoSPARC table: one field an array, all of one length."""
    form = [(name, values.dtype.str, values.shape[1:]) for name, values in fields.items()]
    table = np.zeros(len(next(iter(fields.values()))), dtype=form)
    for name, values in fields.items():
        table[name] = values
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        np.save(stream, table)
    return path
