"""Files that a stranger made to harm: sizes, depths, bombs, pickles and ways out of a folder."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import h5py
import numpy as np
from PIL import Image

from tests.trust import hostile_hdf5, hostile_pictures, hostile_stacks, hostile_tables
from tests.trust.gadgets import GADGETS

HUGE = 1 << 40
Make = Callable[[Path], None]


def _mrc(path: Path, sides: tuple[int, int, int], mode: int = 2, extra: int = 0) -> None:
    header = bytearray(1024)
    struct.pack_into("<4i", header, 0, *sides, mode)
    struct.pack_into("<i", header, 92, extra)
    header[208:216] = b"MAP DD\0\0"
    path.write_bytes(bytes(header) + bytes(4096))


def _npy(path: Path, shape: tuple[int, ...], dtype: str = "<f4") -> None:
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape})
    text += " " * (63 - (10 + len(text)) % 64) + "\n"
    path.write_bytes(
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(64)
    )


def _npy_long(path: Path) -> None:
    path.write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + b"{" * 4096)


def _npy_deep(path: Path) -> None:
    text = ("(" * 9000 + ")" * 9000 + "\n").encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)


def _zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            head, {"descr": "|u1", "fortran_order": False, "shape": (1 << 16, 64, 64)}
        )
        with file.open("images.npy", "w", force_zip64=True) as stream:
            stream.write(head.getvalue())
            for _ in range(256):
                stream.write(bytes(1 << 20))


def _gz_bomb(path: Path) -> None:
    with gzip.open(path, "wb", 9) as stream:
        header = bytearray(1024)
        struct.pack_into("<4i", header, 0, 1024, 1024, 75, 2)
        stream.write(bytes(header))
        for _ in range(300):
            stream.write(bytes(1 << 20))


def _star(head: str, row: str, rows: int) -> Make:
    def make(path: Path) -> None:
        path.write_text(head + row * rows)

    return make


def _idx(path: Path) -> None:
    path.write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", *[0xFFFFFFFF] * 3) + bytes(64))


def _idx_many(path: Path) -> None:
    path.write_bytes(bytes([0, 0, 8, 255]) + struct.pack(">255I", *[1] * 255) + bytes(64))


def _png(path: Path) -> None:
    Image.new("L", (8, 8)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">2I", 1 << 30, 1 << 30)
    path.write_bytes(bytes(content))


def _h5(fill: Callable[[h5py.File, Path], object]) -> Make:
    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            fill(file, path)

    return make


def _external(file: h5py.File, path: Path) -> None:
    (path.parent / "secret").write_bytes(b"s" * 400)
    outside = [(str(path.parent / "secret"), 0, 400)]
    file.create_dataset("images", (4, 10, 10), "u1", external=outside)


def _linked(file: h5py.File, path: Path) -> None:
    with h5py.File(path.with_name("other.hdf5"), "w") as other:
        other["images"] = np.zeros((4, 8, 8))
    file["images"] = h5py.ExternalLink(str(path.with_name("other.hdf5")), "images")


def _virtual(file: h5py.File, path: Path) -> None:
    with h5py.File(path.with_name("other.hdf5"), "w") as other:
        other["images"] = np.zeros((4, 8, 8))
    layout = h5py.VirtualLayout((4, 8, 8), "f8")
    layout[:] = h5py.VirtualSource(str(path.with_name("other.hdf5")), "images", (4, 8, 8))
    file.create_virtual_dataset("images", layout)


def _deep_h5(file: h5py.File, path: Path) -> None:
    group = file
    for _ in range(3000):
        group = group.create_group("g")


def _wide_h5(file: h5py.File, path: Path) -> None:
    for i in range(20_000):
        file.create_group(f"g{i}")


def _loop_h5(file: h5py.File, path: Path) -> None:
    file.create_group("a")["b"] = file["/"]


SIZES: dict[str, Make] = {
    "wide.mrcs": lambda p: _mrc(p, (1 << 30, 1 << 30, 1 << 30)),
    "negative.mrcs": lambda p: _mrc(p, (-4, 16, 16)),
    "none.mrcs": lambda p: _mrc(p, (0, 0, 0)),
    "mode.mrcs": lambda p: _mrc(p, (8, 8, 2), mode=99),
    "extended.mrcs": lambda p: _mrc(p, (8, 8, 2), extra=2_000_000_000),
    "extended negative.mrcs": lambda p: _mrc(p, (8, 8, 2), extra=-5),
    "short.mrcs": lambda p: _mrc(p, (64, 64, 4000)),
    "complex.mrcs": lambda p: _mrc(p, (8, 8, 2), mode=4),
    "huge.npy": lambda p: _npy(p, (HUGE, 64, 64)),
    "deep.npy": _npy_deep,
    "long.npy": _npy_long,
    "negative.npy": lambda p: _npy(p, (-1, 8, 8)),
    "many axes.npy": lambda p: _npy(p, (1,) * 200),
    "overflow.npy": lambda p: _npy(p, (1 << 62, 1 << 62, 8)),
    "object.npy": lambda p: _npy(p, (4, 8, 8), "|O"),
    "text.npy": lambda p: _npy(p, (4, 8, 8), "<U1000000"),
    "void.npy": lambda p: _npy(p, (4, 8, 8), "|V2147483647"),
    "bomb.npz": _zip_bomb,
    "bomb.mrcs.gz": _gz_bomb,
    "huge-idx3-ubyte": _idx,
    "axes-idx3-ubyte": _idx_many,
    "huge.png": _png,
    "line.star": _star("data_\nloop_\n_rlnImageName\n", "x" * (1 << 20), 64),
    "columns.star": _star(
        "data_\nloop_\n" + "".join(f"_c{i}\n" for i in range(200_000)), "1 " * 200_000 + "\n", 1
    ),
    "blocks.star": _star("", "data_x\nloop_\n_rlnImageName\n1@a.mrcs\n", 200_000),
    "quotes.star": _star("data_\nloop_\n_rlnImageName\n;", "x\n", 300_000),
    "deep.h5": _h5(_deep_h5),
    "wide.h5": _h5(_wide_h5),
    "loop.h5": _h5(_loop_h5),
    "many.h5": _h5(
        lambda f, p: f.create_dataset("images", (1 << 40, 64, 64), "f4", chunks=(1, 64, 64))
    ),
    "wide.tif": lambda p: p.write_bytes(
        struct.pack("<2sHI", b"II", 42, 8)
        + struct.pack("<H", 3)
        + b"".join(struct.pack("<HHII", tag, 4, 1, 1 << 30) for tag in (256, 257, 273))
        + struct.pack("<I", 8)
    ),
    **hostile_stacks.SIZES,
    **hostile_pictures.SIZES,
    **hostile_tables.SIZES,
    **hostile_hdf5.SIZES,
}  # fmt: skip

WAYS_OUT: dict[str, Make] = {
    "external.h5": _h5(_external),
    "linked.h5": _h5(_linked),
    "virtual.h5": _h5(_virtual),
}


def pickles(folder: Path, proof: Path) -> list[Path]:
    """Write files of every name that is read, each of which makes `proof` if it is unpickled."""
    plain = GADGETS["posix"](str(proof))
    buffer = io.BytesIO()
    _object_array(buffer, plain)
    made = []
    for ending in (".npy", ".cs", ".csg"):
        made.append(folder / f"object{ending}")
        made[-1].write_bytes(buffer.getvalue())
    made.append(folder / "object.npz")
    with zipfile.ZipFile(made[-1], "w") as file:
        file.writestr("images.npy", buffer.getvalue())
    endings = ".npy .npz .cs .h5 .safetensors .pkl .pt .json .star .mrcs .tif .png -idx3-ubyte"
    for ending in endings.split():
        made.append(folder / f"pickle{ending}")
        made[-1].write_bytes(plain)
    made.append(_torch_file(folder / "model.pt", plain))
    for number, (name, gadget) in enumerate(GADGETS.items()):
        made.append(folder / (name + (".npy", ".cs", ".pt")[number % 3]))
        content = gadget(str(proof))
        if made[-1].suffix == ".pt":
            _torch_file(made[-1], content)
            continue
        with made[-1].open("wb") as stream:
            _object_array(stream, content)
    return made


def _object_array(stream: IO[bytes], content: bytes) -> None:
    """Write an array of objects whose pickle is `content`."""
    described = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    np.lib.format.write_array_header_1_0(stream, described)
    stream.write(content)


def _torch_file(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", content)
        file.writestr("archive/version", "3")
    return path


def pickled_run(folder: Path, proof: Path) -> None:
    """Write a run's folder in which every file is a pickle, but for its config."""
    (folder / "checkpoints").mkdir(parents=True)
    plain = GADGETS["posix"](str(proof))
    names = "model.safetensors images.npz embeddings.h5 embeddings.analysis.h5 evaluation.json"
    for name in (*names.split(), "checkpoints/best.safetensors", "checkpoints/step-1.safetensors"):
        (folder / name).write_bytes(plain)
    (folder / "checkpoints" / "step-1.json").write_text(json.dumps({"sha256": "0" * 64}))
