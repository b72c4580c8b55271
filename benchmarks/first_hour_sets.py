"""The ten sets of `first_hour.py`, as a stranger would have them, each with its truth beside it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from evidence_plan import cells, galaxies, labelled
from PIL import Image

from tvae_core.images.opening import open_stack
from tvae_core.synthetic import plan_set, write_set
from tvae_core.synthetic.write import read_truth, write_truth

Make = Callable[[Path, Path, int], Path]


@dataclass(frozen=True)
class FirstSet:
    """A set: what it is, how many images, how it is made, and the factor that z should follow.

    `factor` is empty where classes are the truth. `best` are the best settings found by hand.
    """

    name: str
    about: str
    images: int
    make: Make
    factor: str = ""
    preset: str = "fast-cpu"
    best: tuple[str, ...] = ()


def hinge(**options: Any) -> Make:
    """Return the maker of particles with a leg on a hinge, as a table or a bare stack."""

    def make(data: Path, folder: Path, images: int) -> Path:
        written = write_set(plan_set("hinge", count=images, **options), folder)
        return written.star or written.stack

    return make


def dark_hinge(data: Path, folder: Path, images: int) -> Path:
    """Write the particles of `hinge` with dark density, as they come from the microscope."""
    import mrcfile

    table = hinge(side=128, pixel_size_angstrom=1.5, shift_std_px=4.0)(data, folder, images)
    for stack in folder.glob("*.mrcs"):
        with mrcfile.mmap(stack, mode="r+") as opened:
            opened.data[:] = -opened.data
    return table


def digits_png(data: Path, folder: Path, images: int) -> Path:
    """Write MNIST digits as they stand, each a PNG of its own."""
    pixels, labels = _idx(data / "mnist", "train", images)
    pictures = folder / "digits"
    pictures.mkdir(parents=True)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(pictures / f"{number:05d}.png")
    write_truth({"label": labels}, folder / "truth.csv")
    return pictures


def turned_fashion(data: Path, folder: Path, images: int) -> Path:
    """Write Fashion-MNIST in 40 px, turned by any angle and moved."""
    from scipy import ndimage

    pixels, labels = _idx(data / "fashion-mnist", "t10k", images)
    g = np.random.default_rng(0)
    out = np.zeros((len(pixels), 40, 40), np.uint8)
    angles, shifts = g.uniform(0, 2 * np.pi, len(pixels)), g.normal(0, 1.5, (len(pixels), 2))
    for number, picture in enumerate(pixels):
        wide = np.pad(picture.astype(np.float32), 6)
        cos, sin = np.cos(angles[number]), np.sin(angles[number])
        matrix = np.array([[cos, -sin], [sin, cos]])
        offset = np.array([19.5, 19.5]) - matrix @ (np.array([19.5, 19.5]) + shifts[number])
        turned = ndimage.affine_transform(wide, matrix, offset, order=1)
        out[number] = np.clip(np.rint(turned), 0, 255)
    return labelled(folder, out, labels)


def sprites(data: Path, folder: Path, images: int) -> Path:
    """Write sprites of three shapes as bytes of 0 and 1, as dSprites has them."""
    path = write_set(plan_set("sprites", count=images, binary=True), folder / "made").stack
    truth = read_truth(folder / "made" / "truth.csv")
    with open_stack(path) as stack:
        pixels = stack.read(np.arange(len(stack)))
    bytes_ = (pixels > 0.5 * pixels.max()).astype(np.uint8)
    np.savez_compressed(folder / "sprites.npz", imgs=bytes_)
    write_truth(truth, folder / "truth.csv")
    return folder / "sprites.npz"


def cut_outs(data: Path, folder: Path, images: int) -> Path:
    """Write cells as cut-outs of all sizes, dark on white, in a folder for each class."""
    with np.load(data / "rbc" / "rbc_chula_64x64_gray.npz", allow_pickle=False) as arrays:
        pixels, labels = arrays["images"][:images], arrays["label"][:images].astype(int)
        names = [str(name) for name in arrays["class_names"]]
    g = np.random.default_rng(0)
    root, kept = folder / "cells", []
    for number, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        cut = _on_white(picture, g)
        if cut is None:
            continue
        place = root / names[label].replace(" ", "-")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(cut).save(place / f"{number:05d}.png")
        kept.append(label)
    return root


def _on_white(picture: np.ndarray, g: np.random.Generator) -> np.ndarray | None:
    """Return the middle object of a picture on white, in a frame of its own; None without one."""
    from scipy import ndimage

    light = np.median(picture)
    mask = ndimage.binary_fill_holes(picture < light - 18)
    parts, _ = ndimage.label(ndimage.binary_opening(mask))
    middle = parts[24:40, 24:40]
    if not middle.any():
        return None
    chosen = parts == np.bincount(middle[middle > 0]).argmax()
    rows, columns = np.flatnonzero(chosen.any(1)), np.flatnonzero(chosen.any(0))
    if len(rows) < 8 or len(columns) < 8:
        return None
    room = g.integers(1, 6, 4)
    shown = np.where(chosen, np.clip(picture * (235 / light), 0, 255), 255)
    shown = np.pad(shown, 8, constant_values=255)
    top, bottom = rows[0] + 8 - room[0], rows[-1] + 9 + room[1]
    left, right = columns[0] + 8 - room[2], columns[-1] + 9 + room[3]
    return np.asarray(shown[top:bottom, left:right], np.uint8)


def _idx(folder: Path, part: str, images: int) -> tuple[np.ndarray, np.ndarray]:
    with open_stack(folder / f"{part}-images-idx3-ubyte.gz") as stack:
        pixels = stack.read(np.arange(images)).astype(np.uint8)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)[:images].astype(np.int64)
    return pixels, labels


def field(data: Path, folder: Path, images: int) -> Path:
    """Write one large image of many digits at random places."""
    return write_set(plan_set("field", count=images, side=512, objects=60.0), folder).stack


SMALL = ("model.likelihood=gaussian", "data.downsample_px=32", "model.kernel_px=21")
HINGE = (
    "data.phase_flip=true", "data.downsample_px=40", "model.kernel_px=31", "model.z_dim=1",
    "model.shift_prior_std_px=1.25",
)  # fmt: skip
SETS = {
    found.name: found
    for found in (
        FirstSet(
            "hinge", "particles with a leg on a hinge, RELION table with CTF, 128 px, SNR 0.1",
            2000, hinge(side=128, pixel_size_angstrom=1.5, shift_std_px=4.0), "hinge_rad",
            "fast-particles", HINGE,
        ),
        FirstSet(
            "hinge-dark", "the same with dark density", 2000, dark_hinge, "hinge_rad",
            "fast-particles", (*HINGE, "data.invert=true"),
        ),
        FirstSet(
            "hinge-noisy", "hinges at SNR 0.05 at 48 px, no CTF", 5000,
            hinge(side=48, snr=0.05, ctf=False), "hinge_rad", "fast-particles",
            ("train.content_start=linear", "model.z_dim=1"),
        ),
        FirstSet("cells", "red blood cells of 13 classes, dark on bright, 64 px", 2667, cells,
                 best=(*SMALL, "data.normalise=image", "data.mask=true", "model.noise_std=0.4",
                       "model.shift_prior_std_px=1", "model.z_dim=8")),
        FirstSet("galaxies", "galaxies in colour, spiral or not, 64 px", 1400, galaxies,
                 best=(*SMALL, "model.noise_std=0.1", "model.shift_prior_std_px=2",
                       "model.z_dim=8")),
        FirstSet("digits", "MNIST digits as they stand, a folder of PNG", 3000, digits_png,
                 best=("model.kernel_px=21", "model.shift_prior_std_px=1", "model.z_dim=16",
                       "model.rotation_prior=normal", "model.rotation_prior_std_rad=0.3")),
        FirstSet("fashion", "Fashion-MNIST turned and moved, 40 px", 3000, turned_fashion,
                 best=("data.downsample_px=32", "model.kernel_px=25",
                       "model.shift_prior_std_px=1.5", "model.z_dim=16")),
        FirstSet("sprites", "three shapes of dSprites as bytes of 0 and 1, 64 px", 3000, sprites,
                 best=("data.full_scale=1", "data.downsample_px=32", "model.kernel_px=21",
                       "model.shift_prior_std_px=5", "model.z_dim=2")),
        FirstSet("field", "one micrograph of many digits, not cut out", 1, field),
        FirstSet("cut-outs", "cells as cut-outs of all sizes on white, in class folders", 2667,
                 cut_outs,
                 best=(*SMALL, "data.invert=true", "model.noise_std=0.05",
                       "model.shift_prior_std_px=1", "model.z_dim=8")),
    )
}  # fmt: skip
