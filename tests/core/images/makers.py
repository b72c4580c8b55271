"""Makes one file of each kind that holds given images."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

MODES = {"i1": 0, "i2": 1, "f4": 2, "u2": 6, "f2": 12}


def mrc_bytes(
    images: NDArray[Any],
    order: str = "<",
    extended: bytes = b"",
    pixel_size: float = 0.0,
    ispg: int = 0,
) -> bytes:
    """Return an MRC file; no word MAP and no machine stamp, as real stacks lack them."""
    count, height, width = images.shape
    head = bytearray(1024)
    mode = MODES[images.dtype.str[1:]]
    struct.pack_into(order + "4i", head, 0, width, height, count, mode)
    struct.pack_into(order + "3i", head, 28, width, height, count)
    cell = [side * pixel_size for side in (width, height, count)]
    struct.pack_into(order + "3f", head, 40, *cell)
    struct.pack_into(order + "2i", head, 88, ispg, len(extended))
    return bytes(head) + extended + images.astype(images.dtype.newbyteorder(order)).tobytes()


def idx_bytes(array: NDArray[Any]) -> bytes:
    """Return an idx file of unsigned bytes."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def star_text(names: list[str]) -> str:
    """Return a RELION 3.1 table of images with a pixel size of 1.5."""
    optics = "data_optics\n\nloop_\n_rlnOpticsGroup\n_rlnImagePixelSize\n1 1.5\n\n"
    rows = "\n".join(f"{name} 1" for name in names)
    return f"{optics}data_particles\n\nloop_\n_rlnImageName\n_rlnOpticsGroup\n{rows}\n"


def save_pictures(folder: Path, images: NDArray[Any], suffix: str = ".png") -> Path:
    """Write uint8 or uint16 images as numbered pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:03d}{suffix}")
    return folder


def save(kind: str, folder: Path, images: NDArray[np.uint8]) -> Path:
    """Write uint8 images (N, H, W), all below 128, as a file of the given kind."""
    path = folder / f"stack{kind}"
    small = images.astype(np.int8)
    if kind in (".mrc", ".mrcs", ".map"):
        path.write_bytes(mrc_bytes(small))
    elif kind == ".mrcs.gz":
        path.write_bytes(gzip.compress(mrc_bytes(small)))
    elif kind in (".star", ".cs"):
        _save_table(kind, path, small)
    elif kind in (".tif", ".tiff"):
        tifffile.imwrite(path, images, compression="zlib" if kind == ".tif" else None)
    elif kind == ".npy":
        np.save(path, images)
    elif kind == ".npz":
        np.savez(path, images=images)
    elif kind == ".h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("images", data=images, chunks=(2, *images.shape[1:]))
    elif kind == "-idx3-ubyte":
        path.write_bytes(idx_bytes(images))
    elif kind == "-idx3-ubyte.gz":
        path.write_bytes(gzip.compress(idx_bytes(images)))
    else:
        save_pictures(path, images)
    return path


def _save_table(kind: str, path: Path, images: NDArray[np.int8]) -> None:
    half = len(images) // 2
    path.with_name("first.mrcs").write_bytes(mrc_bytes(images[:half]))
    path.with_name("second.mrcs").write_bytes(mrc_bytes(images[half:], order=">"))
    places = [("first.mrcs", index) for index in range(half)]
    places += [("second.mrcs", index) for index in range(len(images) - half)]
    if kind == ".star":
        path.write_text(star_text([f"{index + 1:06d}@{name}" for name, index in places]))
        return
    table = np.zeros(len(places), [("uid", "u8"), ("blob/path", "S20"), ("blob/idx", "u4")])
    table["blob/path"] = [f">{name}".encode() for name, _ in places]
    table["blob/idx"] = [index for _, index in places]
    with open(path, "wb") as stream:
        np.save(stream, table)


KINDS = [".mrc", ".mrcs", ".map", ".mrcs.gz", ".star", ".cs", ".tif", ".tiff", ".npy", ".npz"]
KINDS += [".h5", "-idx3-ubyte", "-idx3-ubyte.gz", "-folder"]


def png16(image: NDArray[np.uint16], kind: int) -> bytes:
    """Return (H, W, samples) as a 16-bit PNG of colour kind 2 (RGB), 4 (grey, alpha) or 6 (RGBA).

    Pillow cannot write these.
    """
    height, width, _ = image.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(body)) + name + body
        content += struct.pack(">I", zlib.crc32(name + body))
    return content
