"""One small file of every format that is read."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

FROM_WORKS = (
    "set/particles.mrcs", "set/particles.star", "out.h5", "out.npy", "out.tif", "out.csv",
    "out.png", "run/embeddings.h5", "run/embeddings.analysis.h5",
)  # fmt: skip
PICTURES = ("jpg", "gif", "bmp", "webp")


def write_samples(done: Path, folder: Path) -> list[Path]:
    """Copy what the works left in `done`, and make the formats that none of them writes."""
    for name in FROM_WORKS:
        shutil.copy(done / name, folder)
    images = np.random.default_rng(0).integers(0, 255, (20, 12, 12)).astype(np.uint8)
    np.savez_compressed(folder / "images.npz", images=images, labels=np.arange(20))
    sizes = b"".join(int(length).to_bytes(4, "big") for length in images.shape)
    (folder / "images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3]) + sizes + images.tobytes())
    packed = gzip.compress((folder / "particles.mrcs").read_bytes())
    (folder / "packed.mrcs.gz").write_bytes(packed)
    for ending in PICTURES:
        Image.fromarray(np.kron(images[0], np.ones((3, 3), np.uint8))).save(
            folder / f"picture.{ending}"
        )
    fields = [("uid", "u8"), ("blob/path", "S20"), ("blob/idx", "u4"), ("blob/shape", "2u4")]
    rows = np.zeros(20, fields)
    rows["uid"], rows["blob/path"], rows["blob/idx"] = np.arange(20), "particles.mrcs", range(20)
    rows["blob/shape"] = 16
    with open(folder / "table.cs", "wb") as stream:
        np.save(stream, rows)
    return sorted(path for path in folder.iterdir() if path.is_file())
