"""Which of the things that are written by hand here could a well-kept library do?

    python -m venv libraries
    libraries/bin/pip install -e . starfile shapely fast-histogram pandas pyarrow
    libraries/bin/python benchmarks/libraries.py

Prints the tables of docs/decisions/0004-by-hand-or-by-a-library.md. Every row is a process of its
own, so that peak memory is its own; the time is that of the processor.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

ROWS, COLUMNS, POINTS = 200_000, 26, 1_000_000
EXTENT = ((-4.0, 4.0), (-4.0, 4.0))
Work = Callable[[Path], str]


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_star(folder / "particles.star")
        write_arrays(folder)
        table("A .star of 200,000 rows: read, keep every other row, write", folder, STAR)
        table("The same .star, hostile", folder, HOSTILE_STAR)
        table("NumPy headers", folder, HEADERS)
        table("16 images of a stored .npz of 400 MB", folder, ARCHIVES)
        table("MRC headers", folder, MRC)
        table("Which of 1,000,000 points lie in a lasso of 200 corners", folder, POLYGONS)
        table("512 x 512 density image of 1,000,000 points", folder, RASTERS)
        table("200,000 rows of ten columns as CSV", folder, TABLES)


def table(title: str, folder: Path, rows: dict[str, Work]) -> None:
    """Print one table; a library that is not installed is left out."""
    print(f"\n### {title}\n\n| by | CPU s | peak, MB more | what came out |\n|---|---|---|---|")
    for words, work in rows.items():
        seconds, megabytes, answer = measured(work, folder)
        print(f"| {words} | {seconds:.2f} | {megabytes:.0f} | {answer} |", flush=True)


def measured(work: Work, folder: Path) -> tuple[float, float, str]:
    """Return CPU seconds, megabytes above the start, and the answer of a child process."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(work.__name__, folder, theirs))
    child.start()
    theirs.close()
    try:
        found = json.loads(mine.recv())
    except EOFError:
        child.join()
        return float("nan"), float("nan"), f"the process dies (exit {child.exitcode})"
    child.join()
    return found["seconds"], found["megabytes"], found["answer"]


def _child(name: str, folder: Path, answers: Any) -> None:
    work: Work = globals()[name]
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    with suppress(Exception):
        work(Path("/nonexistent"))  # imports are not measured
    before, began = _peak(), time.process_time()
    try:
        answer = work(folder)
    except Exception as error:  # noqa: BLE001 - what a library does with damage is the question
        answer = f"{type(error).__name__}: {str(error).splitlines()[0][:90]}" if str(error) else ""
        answer = (answer or type(error).__name__).replace(str(folder) + "/", "")
    seconds = time.process_time() - began
    answers.send(json.dumps({"seconds": seconds, "megabytes": _peak() - before, "answer": answer}))


def _peak() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


# STAR


def write_star(path: Path) -> None:
    """Write a RELION 3.1 table with an optics block, comments, and numbers as RELION pads them."""
    rng = np.random.default_rng(0)
    names = ["rlnImageName", "rlnOpticsGroup", *(f"rlnValue{n}" for n in range(COLUMNS - 2))]
    head = ["# version 30001", "", "data_optics", "", "loop_", "_rlnOpticsGroup #1"]
    head += ["_rlnVoltage #2", "           1   300.000000 ", "", "", "# version 30001", ""]
    head += ["data_particles", "", "loop_"] + [f"_{n} #{k}" for k, n in enumerate(names, 1)]
    values = rng.normal(0, 1000, (ROWS, COLUMNS - 2))
    with open(path, "w", encoding="ascii") as stream:
        stream.write("\n".join(head) + "\n")
        for row, numbers in enumerate(values.tolist()):
            text = " ".join(f"{number:12.6f}" for number in numbers)
            stream.write(f"{row + 1:06d}@stack.mrcs            1 {text} \n")
    for name, (old, new) in _HOSTILE.items():
        lines = path.read_bytes().split(b"\n")[:60]
        lines[50] = lines[50].replace(old, new) if old else lines[50][:90]
        (path.parent / name).write_bytes(b"\n".join(lines) + b"\n")


_HOSTILE = {"short.star": (b"", b""), "nul.star": (b"@", b"\0"), "text.star": (b"@", b"@ @ @")}


def star_ours(folder: Path) -> str:
    """Use `StarTable`."""
    from tvae_core.particles import read_table

    found = read_table(folder / "particles.star")
    found.subset(np.arange(0, len(found), 2)).write(folder / "ours.star")
    return fidelity(folder, "ours.star")


def star_gemmi(folder: Path) -> str:
    """Use gemmi."""
    from gemmi import cif

    document = cif.read(str(folder / "particles.star"))
    block = document.find_block("particles")
    old = block.find_loop("_rlnImageName").get_loop()
    width, values = old.width(), old.values
    rows = [values[n * width : (n + 1) * width] for n in range(0, old.length(), 2)]
    old.set_all_values([list(column) for column in zip(*rows, strict=True)])
    document.write_file(str(folder / "gemmi.star"))
    return fidelity(folder, "gemmi.star")


def star_starfile(folder: Path) -> str:
    """Use starfile."""
    import starfile

    blocks = starfile.read(folder / "particles.star")
    blocks["particles"] = blocks["particles"].iloc[::2]
    starfile.write(blocks, folder / "starfile.star")
    return fidelity(folder, "starfile.star")


def fidelity(folder: Path, name: str) -> str:
    """Return how much of the source's text is in the file written."""
    source = (folder / "particles.star").read_bytes().split(b"\n")
    wanted = [line for line in source if b"@" in line][::2]
    written = (folder / name).read_bytes().split(b"\n")
    same = len(set(wanted) & set(written)) / len(wanted)
    values = {b" ".join(line.split()) for line in written}
    equal = sum(b" ".join(line.split()) in values for line in wanted) / len(wanted)
    comments = written.count(b"# version 30001")
    return f"rows byte for byte {same:.0%}, value for value {equal:.0%}, comments {comments} of 2"


def hostile_ours(folder: Path) -> str:
    """Use `read_table`."""
    from tvae_core.errors import TvaeError
    from tvae_core.particles import read_table

    def read(path: Path) -> None:
        try:
            read_table(path)
        except TvaeError as error:
            raise ValueError(str(error).replace(f"{path}: ", "")) from None

    return _verdicts(folder, read)


def hostile_gemmi(folder: Path) -> str:
    """Use gemmi."""
    from gemmi import cif

    return _verdicts(folder, lambda path: cif.read(str(path)))


def hostile_starfile(folder: Path) -> str:
    """Use starfile."""
    import starfile

    return _verdicts(folder, starfile.read)


def _verdicts(folder: Path, read: Callable[[Path], Any]) -> str:
    found = []
    for name in _HOSTILE:
        try:
            read(folder / name)
            found.append(f"{name}: taken")
        except Exception as error:  # noqa: BLE001 - what a library does with damage is the question
            said = str(error).splitlines()[0].replace(f"{folder}/", "") if str(error) else "-"
            found.append(f"{name}: {type(error).__name__} ({said[:70]})")
    return "; ".join(found)


STAR = {"ours": star_ours, "gemmi": star_gemmi, "starfile": star_starfile}
HOSTILE_STAR = {"ours": hostile_ours, "gemmi": hostile_gemmi, "starfile": hostile_starfile}


# NumPy


def write_arrays(folder: Path) -> None:
    """Write a large archive and files whose headers lie."""
    images = np.arange(100_000_000, dtype=np.float32).reshape(1000, 250, 400)
    np.savez(folder / "images.npz", images=images)
    with open(folder / "header.npy", "wb") as stream:  # sparse: 2 GB that take no room
        stream.write(b"\x93NUMPY\x02\x00" + struct.pack("<I", (2 << 30) - 1))
        stream.truncate(2 << 30)
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 4096, 4096)}\n"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text))
    (folder / "shape.npy").write_bytes(start + text + b"\0" * 64)
    (folder / "utf8.npy").write_bytes(b"\x93NUMPY\x03\x00" + struct.pack("<I", len(text)) + text)
    header = np.zeros(256, "<i4")
    header[[0, 1, 2, 3, 23]] = 64, 64, 10, 2, 2_000_000_000
    header[52], header[53] = int.from_bytes(b"MAP ", "little"), 0x4444
    (folder / "extended.mrc").write_bytes(header.tobytes() + b"\0" * 163_840)


def headers_ours(folder: Path) -> str:
    """Use `read_npy_header`."""
    from tvae_core.npy_header import read_npy_header

    def read(path: Path) -> str:
        with open(path, "rb") as stream:
            return f"{read_npy_header(stream).nbytes:,} bytes"

    return _said(folder, read)


def headers_numpy(folder: Path) -> str:
    """Use `numpy.lib.format`."""
    from numpy.lib import format as npy

    def read(path: Path) -> str:
        with open(path, "rb") as stream:
            version = npy.read_magic(stream)
            reader = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
            if version not in reader:
                return "no public reader for version 3"
            return str(reader[version](stream)[0])

    return _said(folder, read)


def _said(folder: Path, read: Callable[[Path], str]) -> str:
    found = []
    for name in ("header.npy", "shape.npy", "utf8.npy"):
        try:
            found.append(f"{name}: {read(folder / name)}")
        except Exception as error:  # noqa: BLE001 - what a library does with damage is the question
            said = str(error).splitlines()[0][:60] if str(error) else ""
            found.append(f"{name}: {type(error).__name__} ({said})")
    return "; ".join(found)


def archive_ours(folder: Path) -> str:
    """Use `open_stack`."""
    from tvae_core.images.opening import open_stack

    return f"sum {open_stack(folder / 'images.npz').read(np.arange(16)).sum():.4g}"


def archive_numpy(folder: Path) -> str:
    """Use `numpy.load`."""
    with np.load(folder / "images.npz") as archive:
        return f"sum {archive['images'][:16].sum():.4g}"


HEADERS = {"ours": headers_ours, "numpy.lib.format": headers_numpy}
ARCHIVES = {"ours": archive_ours, "numpy.load": archive_numpy}


# MRC


def mrc_ours(folder: Path) -> str:
    """Use `open_stack`."""
    from tvae_core.images.opening import open_stack

    return str(len(open_stack(folder / "extended.mrc")))


def mrc_mrcfile(folder: Path) -> str:
    """Use mrcfile."""
    import mrcfile

    with mrcfile.open(folder / "extended.mrc", permissive=True) as file:
        return f"data {None if file.data is None else file.data.shape}"


MRC = {"ours": mrc_ours, "mrcfile, permissive": mrc_mrcfile}


# The plane


def _points() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    radius = 1 + 0.2 * np.sin(7 * angle) + rng.normal(0, 0.02, 200)
    lasso = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return rng.normal(size=(POINTS, 2)), lasso


def lasso_ours(_folder: Path) -> str:
    """Use `points_in_polygon`."""
    from tvae_core.polygon import points_in_polygon

    return _timed(lambda xy, lasso: points_in_polygon(xy, lasso).sum())


def lasso_matplotlib(_folder: Path) -> str:
    """Use matplotlib."""
    from matplotlib.path import Path as Outline

    return _timed(lambda xy, lasso: Outline(lasso).contains_points(xy).sum())


def lasso_shapely(_folder: Path) -> str:
    """Use shapely."""
    import shapely

    def inside(xy: Any, lasso: Any) -> Any:
        polygon = shapely.Polygon(lasso)
        shapely.prepare(polygon)
        return shapely.contains_xy(polygon, xy).sum()

    return _timed(inside)


def raster_ours(_folder: Path) -> str:
    """Use `density_image`."""
    from tvae_core.analysis.support import density_image

    return _timed(lambda xy, _: density_image(xy, EXTENT, (512, 512)).sum())


def raster_numpy(_folder: Path) -> str:
    """Use `numpy.histogram2d`."""
    return _timed(
        lambda xy, _: np.histogram2d(xy[:, 1], xy[:, 0], 512, [EXTENT[1], EXTENT[0]])[0].sum()
    )


def raster_fast_histogram(_folder: Path) -> str:
    """Use fast-histogram."""
    from fast_histogram import histogram2d

    return _timed(lambda xy, _: histogram2d(xy[:, 1], xy[:, 0], 512, [EXTENT[1], EXTENT[0]]).sum())


def _timed(work: Callable[[Any, Any], Any]) -> str:
    xy, lasso = _points()
    times = []
    for _ in range(5):
        began = time.process_time()
        answer = work(xy, lasso)
        times.append(time.process_time() - began)
    return f"{int(answer):,} points; {1000 * min(times):.0f} ms of CPU, the best of five"


POLYGONS = {"ours": lasso_ours, "matplotlib": lasso_matplotlib, "shapely": lasso_shapely}
RASTERS = {"ours": raster_ours, "numpy": raster_numpy, "fast-histogram": raster_fast_histogram}


# Tables


def _columns() -> dict[str, Any]:
    rng = np.random.default_rng(2)
    return {f"z{n}": rng.normal(size=ROWS).astype("f4") for n in range(10)}


def csv_ours(folder: Path) -> str:
    """Use `csv`."""
    from tvae_core.export.tables import export_table

    export_table(_columns(), folder / "ours.csv", overwrite=True)
    return _digits(folder / "ours.csv")


def csv_pandas(folder: Path) -> str:
    """Use pandas."""
    import pandas as pd

    pd.DataFrame(_columns()).to_csv(folder / "pandas.csv", index=False)
    return _digits(folder / "pandas.csv")


def csv_pyarrow(folder: Path) -> str:
    """Use pyarrow."""
    from pyarrow import csv, table

    csv.write_csv(table(_columns()), folder / "pyarrow.csv")
    return _digits(folder / "pyarrow.csv")


def _digits(path: Path) -> str:
    read = np.loadtxt(path, dtype="f4", delimiter=",", skiprows=1, max_rows=1000, quotechar='"')
    exact = np.array_equal(read, np.stack(list(_columns().values()), 1)[:1000])
    return f"read back to the bit: {exact}, {path.stat().st_size >> 20} MB"


TABLES = {"ours": csv_ours, "pandas": csv_pandas, "pyarrow": csv_pyarrow}


if __name__ == "__main__":
    main()
