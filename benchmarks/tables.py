"""How long do tables of a million particles take, and how much memory?

    python benchmarks/tables.py [rows]

Makes a 26-column RELION 3.1 table and a cryoSPARC table in a temporary folder, reads each, finds
its images and writes every second row.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tvae_core.particles import read_table

_OPTICS = "data_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnImagePixelSize #2\n1 1.25\n\n"


def make_star(path: Path, rows: int) -> None:
    """Write a table of `rows` particles in 5,000 stacks."""
    names = ["rlnImageName", "rlnMicrographName", "rlnOpticsGroup"]
    names += [f"rlnValue{i}" for i in range(23)]
    values = " ".join(["   12345.678901"] * 23)
    with open(path, "w", encoding="ascii") as stream:
        stream.write(_OPTICS + "data_particles\n\nloop_\n")
        stream.writelines(f"_{name} #{i + 1}\n" for i, name in enumerate(names))
        for row in range(rows):
            name = (
                f"{row // 5000 + 1:06d}@Extract/job012/Micrographs/FoilHole_{row % 5000:08d}.mrcs"
            )
            stream.write(f"{name} Micrographs/FoilHole_{row % 5000:08d}.mrc 1 {values}\n")


def make_cs(path: Path, rows: int) -> None:
    """Write a cryoSPARC table of `rows` particles in 5,000 stacks."""
    fields: list[Any] = [("uid", "<u8"), ("blob/path", "S90"), ("blob/idx", "<u4")]
    fields += [("blob/psize_A", "<f4"), ("alignments3D/pose", "<f4", (3,)), ("rest", "<f4", (60,))]
    table = np.zeros(rows, dtype=fields)
    table["uid"] = np.arange(rows)
    table["blob/path"] = [b">J12/extract/FoilHole_%08d.mrc" % (r % 5000) for r in range(rows)]
    with open(path, "wb") as stream:
        np.lib.format.write_array(stream, table, allow_pickle=False)


def timed(what: str, work: Callable[[], Any]) -> Any:
    """Run `work`, print what it took, and return its answer."""
    start = time.perf_counter()
    answer = work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what:28s} {seconds:6.2f} s   peak {peak:5.2f} GiB")
    return answer


def main() -> None:
    """Print the figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("table.star", make_star), ("table.cs", make_cs)):
            path = Path(folder) / name
            make(path, rows)
            print(f"{name}: {rows} rows, {path.stat().st_size / 2**20:.0f} MiB")
            measure(path, rows)


def measure(path: Path, rows: int) -> None:
    """Print the figures of one table."""
    table = timed("read", lambda: read_table(path))
    timed("image references", table.image_references)
    timed("pixel sizes", lambda: table.pixel_size_angstrom)
    half = timed("subset", lambda: table.subset(np.arange(0, rows, 2)))
    timed("write subset", lambda: half.write(path.with_name("half" + path.suffix)))
    timed("write all", lambda: table.write(path.with_name("all" + path.suffix)))


if __name__ == "__main__":
    main()
