"""What does `tvae info` take on a large particle table, beside the bare reading of that table?

    python benchmarks/info.py [rows ...]

Makes a RELION 3.1 table of 13 columns over 300 stacks of 128 px, sparse on the disk but for their
first images, and runs in turn, each in a process of its own: `read_table` alone, and `tvae info`.
Figures are processor seconds, so that other work on the machine counts little; peak memory is that
of the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.core.images.makers import mrc_bytes

_SIDE, _STACKS, _ROWS_AT_ONCE = 128, 300, 100_000
_COLUMNS = [
    "ImageName",
    "MicrographName",
    "OpticsGroup",
    "CoordinateX",
    "CoordinateY",
    "AngleRot",
    "AngleTilt",
    "AnglePsi",
    "OriginXAngst",
    "OriginYAngst",
    "DefocusU",
    "DefocusV",
    "DefocusAngle",
]
_OPTICS = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnVoltage #2
_rlnSphericalAberration #3
_rlnAmplitudeContrast #4
_rlnImagePixelSize #5
_rlnImageSize #6
1 300.0 2.7 0.1 1.5 128

data_particles

loop_
"""
_READS = "import sys; from pathlib import Path; from tvae_core.particles import read_table; "
_READS += "read_table(Path(sys.argv[1]))"


class Cost(NamedTuple):
    """What a process took: processor seconds, seconds by the clock, peak memory in MB."""

    processor_s: float
    clock_s: float
    peak_mb: float


def make(folder: Path, rows: int) -> Path:
    """Write a table of `rows` particles and its stacks, sparse; return the table's path."""
    rng = np.random.default_rng(0)
    each = rows // _STACKS
    for stack in range(_STACKS):
        few = rng.normal(size=(min(4, each), _SIDE, _SIDE)).astype(np.float32)
        content = bytearray(mrc_bytes(few))
        content[8:12] = content[36:40] = each.to_bytes(4, "little")  # nz, mz
        with open(folder / f"stack{stack:04d}.mrcs", "wb") as stream:
            stream.write(content)
            stream.truncate(1024 + each * _SIDE * _SIDE * 4)
    table = folder / "particles.star"
    with open(table, "w", encoding="ascii") as stream:
        stream.write(_OPTICS)
        stream.writelines(f"_rln{name} #{place}\n" for place, name in enumerate(_COLUMNS, 1))
        for first in range(0, each * _STACKS, _ROWS_AT_ONCE):
            values = rng.uniform(0, 1000, (min(_ROWS_AT_ONCE, each * _STACKS - first), 10))
            for row, numbers in enumerate(values, first):
                stack, image = divmod(row, each)
                written = " ".join(f"{number:.3f}" for number in numbers)
                name = f"{image + 1:06d}@stack{stack:04d}.mrcs"
                stream.write(f"{name} stack{stack:04d}.mrc 1 {written}\n")
    return table


def cost_of(command: list[str]) -> Cost:
    """Return what a command took; its output is dropped."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    seconds = time.perf_counter() - began
    return Cost(used.ru_utime + used.ru_stime, seconds, used.ru_maxrss / 1024)


def main() -> None:
    """Print a line for each number of rows."""
    print("| rows | `read_table`: CPU s | `tvae info`: CPU s | ratio | by the clock | peak MB |")
    print("|---|---|---|---|---|---|")
    for rows in [int(word) for word in sys.argv[1:]] or [300_000, 2_000_000]:
        with tempfile.TemporaryDirectory() as folder:
            table = str(make(Path(folder), rows))
            turns = [
                (
                    cost_of([sys.executable, "-c", _READS, table]),
                    cost_of([sys.executable, "-m", "tvae_core.cli.main", "info", table]),
                )
                for _ in range(3)
            ]
        bare, info = (min(turn[place] for turn in turns) for place in (0, 1))
        print(
            f"| {rows:,} | {bare.processor_s:.2f} | {info.processor_s:.2f} | "
            f"{info.processor_s / bare.processor_s:.1f} | {info.clock_s:.1f} s | "
            f"{info.peak_mb:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
