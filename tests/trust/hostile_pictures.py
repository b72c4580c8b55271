"""Pictures and TIFF files that ask for far more than they hold."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

Make = Callable[[Path], None]
_SIDE = 12_000


def _chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def _png(sides: tuple[int, int], pixels: bytes, *before: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">2I5B", *sides, 8, 0, 0, 0, 0))
    head = b"\x89PNG\r\n\x1a\n" + header + b"".join(before)
    return head + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _png_bomb(path: Path) -> None:
    """Write 144 million black pixels in 140 kB."""
    squeeze = zlib.compressobj(9)
    rows = bytes((_SIDE + 1) * 100)
    parts = [squeeze.compress(rows) for _ in range(_SIDE // 100)]
    path.write_bytes(_png((_SIDE, _SIDE), b"".join([*parts, squeeze.flush()])))


def _png_words(path: Path) -> None:
    """Write a note that unpacks to 200 MB beside 8 x 8 pixels."""
    squeeze = zlib.compressobj(9)
    parts = [squeeze.compress(bytes(1 << 20)) for _ in range(200)]
    words = _chunk(b"zTXt", b"Comment\0\0" + b"".join([*parts, squeeze.flush()]))
    path.write_bytes(_png((8, 8), zlib.compress(bytes(72)), words))


def _bmp(path: Path) -> None:
    head = struct.pack("<2sIHHI", b"BM", 200, 0, 0, 54)
    path.write_bytes(head + struct.pack("<IiiHHIIiiII", 40, 65535, 65535, 1, 8, 0, 0, 0, 0, 0, 0))


def _jpeg(path: Path) -> None:
    Image.new("L", (16, 16)).save(path, "JPEG")
    content = bytearray(path.read_bytes())
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">2H", 65500, 65500)
    path.write_bytes(bytes(content))


def _gif(path: Path) -> None:
    """Write 65,535 pixels a side that are one byte."""
    head = b"GIF89a" + struct.pack("<2H", 65535, 65535) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<4H", 0, 0, 65535, 65535) + b"\0\x02\x02D\x01\0"
    path.write_bytes(head + frame + b";")


def _pgm(path: Path) -> None:
    path.write_bytes(b"P5\n60000 60000\n255\n" + bytes(100))


def _tiff(entries: Sequence[tuple[int, int, int, int]], after: int = 0, rest: bytes = b"") -> bytes:
    listed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(entries))
    return head + listed + struct.pack("<I", after) + rest


def _page(side: int, squeezed: int, bytes_each: int, at: int) -> list[tuple[int, int, int, int]]:
    return [
        (256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, squeezed),
        (262, 3, 1, 1), (273, 4, 1, at), (277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, bytes_each),
    ]  # fmt: skip


def _tiff_bomb(path: Path) -> None:
    squeeze = zlib.compressobj(9)
    parts = [squeeze.compress(bytes(1 << 20)) for _ in range(138)]
    pixels = b"".join([*parts, squeeze.flush()])
    at = 8 + 2 + 9 * 12 + 4
    path.write_bytes(_tiff(_page(_SIDE, 8, len(pixels), at), 0, pixels))


def _tiff_loop(path: Path) -> None:
    """Write a page that is followed by itself."""
    path.write_bytes(_tiff(_page(8, 1, 64, 122), 8, bytes(64)))


def _tiff_counts(path: Path) -> None:
    """Write a page of 2 billion strips."""
    path.write_bytes(_tiff([*_page(8, 1, 64, 122)[:5], (273, 4, 1 << 31, 122)]))


def _tiff_tiles(path: Path) -> None:
    """Write a page of 64 pixels a side whose tiles have a billion."""
    tiled = [(322, 4, 1, 1 << 30), (323, 4, 1, 1 << 30), (324, 4, 1, 122), (325, 4, 1, 64)]
    path.write_bytes(_tiff([*_page(64, 1, 64, 122)[:5], *tiled], 0, bytes(64)))


def _big_tiff(path: Path) -> None:
    path.write_bytes(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 1 << 62) + bytes(64))


SIZES: dict[str, Make] = {
    "bomb.png": _png_bomb,
    "words.png": _png_words,
    "huge.bmp": _bmp,
    "huge.jpg": _jpeg,
    "huge.gif": _gif,
    "huge.pgm": _pgm,
    "bomb.tif": _tiff_bomb,
    "loop.tif": _tiff_loop,
    "counts.tif": _tiff_counts,
    "tiles.tif": _tiff_tiles,
    "far.tif": _big_tiff,
}
