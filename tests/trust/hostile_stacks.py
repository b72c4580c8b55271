"""Stacks that no honest program wrote: NumPy, zip, gzip and MRC files of impossible shape."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

Make = Callable[[Path], None]


def _npy_header(text: str, version: tuple[int, int] = (1, 0), rest: bytes = bytes(64)) -> Make:
    def make(path: Path) -> None:
        size = struct.pack("<H" if version == (1, 0) else "<I", len(text) + 1)
        path.write_bytes(b"\x93NUMPY" + bytes(version) + size + text.encode() + b"\n" + rest)

    return make


def _header(descr: str, shape: str = "(4, 8, 8)") -> Make:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    return _npy_header(text, (2, 0))


def _npy_bytes(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(shape, "u1"))
    return stream.getvalue()


def _members(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for number in range(10_000):
            file.writestr(f"images{number}.npy", b"")


def _locked(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", _npy_bytes((4, 8, 8)))
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    path.write_bytes(bytes(content))


def _method(number: int) -> Make:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("images.npy", _npy_bytes((4, 8, 8)))
        content = bytearray(path.read_bytes())
        for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
            where = content.index(mark) + at
            content[where : where + 2] = struct.pack("<H", number)
        path.write_bytes(bytes(content))

    return make


def _two_bombs(path: Path) -> None:
    """Write two members, each 100 MB of zeros."""
    zeros = bytes(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("one.npy", "two.npy"):
            with file.open(name, "w", force_zip64=True) as stream:
                stream.write(_npy_bytes((100, 1024, 1024))[:128])
                for _ in range(100):
                    stream.write(zeros)


def _mrc_header(sides: tuple[int, int, int], mode: int = 2) -> bytes:
    header = bytearray(1024)
    struct.pack_into("<4i", header, 0, *sides, mode)
    header[208:216] = b"MAP DD\0\0"
    return bytes(header)


def _gz_many(path: Path) -> None:
    """Write 100,000 empty members, which a reader goes through one by one."""
    path.write_bytes(gzip.compress(b"") * 100_000)


def _gz_name(path: Path) -> None:
    """Write a name of 8 MB before anything else."""
    path.write_bytes(b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (8 << 20))


def _gz_sum(path: Path) -> None:
    content = bytearray(gzip.compress(_mrc_header((8, 8, 2)) + bytes(512)))
    content[-6] ^= 1
    path.write_bytes(bytes(content))


def _gz_within(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.compress(zlib.compress(bytes(1 << 24), 9))))


def _mrc_turned(path: Path) -> None:
    """Write a header whose bytes are the other way round: sides of a billion."""
    header = bytearray(1024)
    struct.pack_into(">4i", header, 0, 1 << 30, 1 << 30, 1 << 30, 2)
    header[208:216] = b"MAP \x11\x11\0\0"
    path.write_bytes(bytes(header) + bytes(4096))


SIZES: dict[str, Make] = {
    "version.npy": _npy_header("{}", (9, 9)),
    "endless zeros.npy": lambda p: p.write_bytes(b"\x93NUMPY\x01\x00\xff\xff" + bytes(1 << 20)),
    "code.npy": _npy_header("__import__('os').system('touch executed')"),
    "keys.npy": _npy_header("{" + ", ".join(f"'k{i}': 1" for i in range(9000)) + "}", (2, 0)),
    "fields.npy": _header(str([(f"f{i}", "<f4") for i in range(12_000)])),
    "within.npy": _header("[('a', [('b', [('c', '<f4', (1073741824,))])])]"),
    "wide item.npy": _header("('<f4', (65536, 65536))"),
    "no item.npy": _header("'|S0'", "(1099511627776, 64, 64)"),
    "digits.npy": _header("'<f4'", f"({'9' * 6000}, 8, 8)"),
    "fraction.npy": _header("'<f4'", "(4.5, 8, 8)"),
    "time.npy": _header("'<M8[ns]'"),
    "members.npz": _members,
    "locked.npz": _locked,
    "method.npz": _method(97),
    "two bombs.npz": _two_bombs,
    "members.mrcs.gz": _gz_many,
    "name.mrcs.gz": _gz_name,
    "sum.mrcs.gz": _gz_sum,
    "within.mrcs.gz": _gz_within,
    "turned.mrcs": _mrc_turned,
    "most.mrcs": lambda p: p.write_bytes(_mrc_header((0x7FFFFFFF,) * 3) + bytes(512)),
    "one row.mrcs": lambda p: p.write_bytes(_mrc_header((0x7FFFFFFF, 1, 1)) + bytes(512)),
}  # fmt: skip
