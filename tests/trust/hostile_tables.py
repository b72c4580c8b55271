"""Tables of particles with numbers, names and columns that no honest table has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

Make = Callable[[Path], None]
_HEAD = "data_particles\nloop_\n_rlnImageName #1\n"


def _star(text: str) -> Make:
    return lambda path: path.write_text(text) and None


def _cs(fields: list[tuple[str, str]], **values: object) -> Make:
    def make(path: Path) -> None:
        rows = np.zeros(4, dtype=fields)
        for name, value in values.items():
            rows[f"blob/{name}"] = value
        with path.open("wb") as stream:
            np.save(stream, rows)

    return make


_BLOB = [("blob/path", "S64"), ("blob/idx", "<i8"), ("blob/shape", "<u4")]

SIZES: dict[str, Make] = {
    "digits.star": _star(_HEAD + "9" * 100_000 + "@a.mrcs\n"),
    "number.star": _star(_HEAD + "99999999999999999999@a.mrcs\n"),
    "negative.star": _star(_HEAD + "-1@a.mrcs\n"),
    "name.star": _star(_HEAD + "1@" + "n" * 100_000 + ".mrcs\n"),
    "nul.star": _star(_HEAD + "1@a\0b.mrcs\n"),
    "twice.star": _star("data_\nloop_\n_rlnImageName\n_rlnImageName\n1@a.mrcs 2@a.mrcs\n"),
    "ragged.star": _star(_HEAD + "1@a.mrcs\n" * 1000 + "1@a.mrcs 2 3 4\n"),
    "loops.star": _star("data_x\n" + "loop_\n_rlnImageName\n" * 30_000),
    "far.cs": _cs(_BLOB, path=b"a.mrc", idx=1 << 62),
    "negative.cs": _cs(_BLOB, path=b"a.mrc", idx=-1),
    "nothing.cs": _cs([("blob/path", "S64")]),
    "columns.cs": _cs([(f"blob/c{i}", "<f4") for i in range(1500)]),
}
