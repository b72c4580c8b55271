"""How long do tables of a million particles take, and how much memory?

    python benchmarks/tables.py [rows]

Makes a 26-column RELION 3.1 table and a cryoSPARC table in a temporary folder, reads each, finds
its images and writes every second row; then exports every second particle of a store made from
it, and the rest, as `tvae export` does: digest, read, write, read back, compare.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.factories import particle_store
from tvae_core.export.particles import export_particles
from tvae_core.files import sha256_of_file
from tvae_core.particles import read_table
from tvae_core.store import EmbeddingStore

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
    table["uid"], table["blob/psize_A"] = np.arange(rows), 1.25
    table["blob/path"] = [b">J12/extract/FoilHole_%08d.mrc" % (r % 5000) for r in range(rows)]
    with open(path, "wb") as stream:
        np.lib.format.write_array(stream, table, allow_pickle=False)


def timed(what: str, work: Callable[[], Any]) -> Any:
    """Run `work`, print what it took, and return its answer."""
    start = time.perf_counter()
    answer = work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what:28s} {seconds:6.2f} s   peak {peak:5.2f} GiB", flush=True)
    return answer


def make_store(path: Path, _: int) -> None:
    """Write the store of a run on the table."""
    particle_store(path.with_suffix(".h5"), path)


def export_halves(path: Path, rows: int) -> None:
    """Print what the export of both halves takes."""
    with EmbeddingStore(path.with_suffix(".h5")) as store:
        half = np.arange(0, rows, 2)
        for words, pose in (("export both halves", False), ("export, with poses", True)):
            kept, rest = (path.with_name(f"{name}{pose}{path.suffix}") for name in ("a", "b"))
            timed(words, lambda k=kept, r=rest, p=pose: export_particles(
                store, half, k, rest=r, pose=p))  # fmt: skip


def main() -> None:
    """Print the figures, each kind of table in a process of its own for its own peak."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for name, make in (("table.star", make_star), ("table.cs", make_cs)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            make(path, rows)
            print(f"{name}: {rows} rows, {path.stat().st_size / 2**20:.0f} MiB", flush=True)
            for work in (measure, make_store, export_halves):
                process = multiprocessing.Process(target=work, args=(path, rows))
                process.start()
                process.join()


def measure(path: Path, rows: int) -> None:
    """Print the figures of one table."""
    timed("SHA-256 of the file", lambda: sha256_of_file(path))
    table = timed("read", lambda: read_table(path))
    timed("image references", table.image_references)
    timed("pixel sizes", lambda: table.pixel_size_angstrom)
    half = timed("subset", lambda: table.subset(np.arange(0, rows, 2)))
    timed("write subset", lambda: half.write(path.with_name("half" + path.suffix)))
    timed("write all", lambda: table.write(path.with_name("all" + path.suffix)))


if __name__ == "__main__":
    main()
