"""What RELION's columns mean, proved on images whose poses are given."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft, ndimage

from tests.factories import particle_store
from tvae_core.config import DataConfig
from tvae_core.ctf import apply_ctf
from tvae_core.export.particles import export_particles
from tvae_core.images.opening import open_stack
from tvae_core.images.preprocess import Preprocessor
from tvae_core.particles import OriginalFrame, ParticleTable, read_table, table_ctf
from tvae_core.particles.poses import relion_matrix
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic.projection import house_centres_px, project, project_atoms

Array = NDArray[Any]


class _ArraysOnly(pickle.Unpickler):
    """Reads the pickled NumPy arrays of other programs, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype"):
            module = "numpy._core.multiarray" if name == "_reconstruct" else "numpy"
            return super().find_class(module, name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not an array")


def arrays_of(path: Path) -> Any:
    return _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()


def likeness(a: Array, b: Array) -> Array:
    """Return the correlation coefficient of each pair of images, (n,)."""
    a, b = (x - x.mean(axis=(1, 2), keepdims=True) for x in (a.astype(float), b.astype(float)))
    norm = np.sqrt((a**2).sum((1, 2)) * (b**2).sum((1, 2)))
    return (a * b).sum((1, 2)) / norm


def clearly_above(better: Array, worse: Array) -> bool:
    """Return whether paired values differ by over five standard errors."""
    difference = better - worse
    return bool(difference.mean() > 5 * difference.std() / np.sqrt(len(difference)))


# --- given poses, real tables ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["classD", "classE"])
def test_angles_and_origins_of_a_relion_table(shared_data, name):
    """Simulated ribosomes with noise and CTF (tomoDRGN), even box; the protein is dark."""
    table = read_table(shared_data(f"cryoem/tomodrgn/10076_{name}_32_sim.star"))
    rows = np.arange(0, len(table), 4)
    with open_stack(shared_data(f"cryoem/tomodrgn/10076_{name}_32_sim.mrcs")) as stack:
        images = -stack.read(rows)
    with open_stack(shared_data(f"cryoem/tomodrgn/10076_{name}_32.mrc")) as stack:
        volume = stack.read(np.arange(32))
    rot, tilt, psi = (table.numbers(f"rlnAngle{n}")[rows] for n in ("Rot", "Tilt", "Psi"))
    origin = np.stack([table.numbers("rlnOriginX"), table.numbers("rlnOriginY")], 1)[rows]
    ctf = table_ctf(table)
    assert ctf is not None

    def alike(matrices: Array, centres: Array) -> Array:
        shown = project(volume, matrices, centres)
        return likeness(images, apply_ctf(shown, ctf.take(rows), 13.1))

    matrix = relion_matrix(rot, tilt, psi)
    right = alike(matrix, 16 - origin)
    assert right.mean() > 0.25  # the noise leaves 0.29
    assert clearly_above(right, alike(np.swapaxes(matrix, 1, 2), 16 - origin))
    assert clearly_above(right, alike(relion_matrix(rot, tilt, -psi), 16 - origin))
    assert clearly_above(right, alike(matrix, 16 + origin))
    assert clearly_above(right, alike(matrix, 16 - origin * [-1, 1]))
    assert clearly_above(right, alike(matrix, 16 - origin * [1, -1]))
    assert clearly_above(right, alike(matrix, 15.5 - origin))
    assert clearly_above(right, alike(matrix, 16.5 - origin))


def test_matrices_and_centre_of_noiseless_projections(shared_data):
    """The toy of cryoDRGN, 30 x 30, unshifted: equal to our projections but for interpolation."""
    matrices, _ = arrays_of(shared_data("cryoem/cryodrgn/toy_rot_trans.pkl"))
    rows = np.arange(0, 1000, 20)
    with open_stack(shared_data("cryoem/cryodrgn/toy_projections.mrcs")) as stack:
        images = stack.read(rows)
    with open_stack(shared_data("cryoem/cryodrgn/toymodel_small_nocenter.mrc")) as stack:
        volume = stack.read(np.arange(30))
    matrix = matrices[rows].astype(float)
    assert likeness(images, project(volume, matrix)).min() > 0.999
    for wrong in (np.swapaxes(matrix, 1, 2), matrix * np.array([[-1], [1], [1]])):
        assert likeness(images, project(volume, wrong)).mean() < 0.9
    off = np.full((len(rows), 2), 14.5)
    assert likeness(images, project(volume, matrix, off)).max() < 0.999


def test_matrices_and_shifts_of_the_hand(shared_data):
    """The hand's images agree along their common lines; hand-vol.mrc is not what they show.

    Two projections share the line that both views contain: sums across it are equal. Shifts are
    shares of the box, with the sign of RELION's origin.
    """
    matrices, shares = arrays_of(shared_data("cryoem/cryodrgn/hand_rot_trans.pkl"))
    with open_stack(shared_data("cryoem/cryodrgn/hand.mrcs")) as stack:
        images = stack.read(np.arange(60)).astype(float)
    matrix, origin = matrices.astype(float), shares.astype(float) * 64
    rng = np.random.default_rng(0)
    pairs = [rng.choice(60, 2, replace=False) for _ in range(150)]

    def agreement(matrix: Array, centres: Array) -> Array:
        return np.array([_common_line(images, matrix, centres, i, j) for i, j in pairs])

    right = agreement(matrix, 32 - origin)
    assert right.mean() > 0.95
    assert clearly_above(right, agreement(np.swapaxes(matrix, 1, 2), 32 - origin))
    assert clearly_above(right, agreement(matrix, 32 + origin))
    assert clearly_above(right, agreement(matrix, np.full((60, 2), 32.0)))
    assert clearly_above(right, agreement(matrix, 32 - origin[:, ::-1]))
    with open_stack(shared_data("cryoem/cryodrgn/hand-vol.mrc")) as stack:
        volume = stack.read(np.arange(64))
    shown = project(volume, matrix[:10], 32 - origin[:10])
    assert likeness(images[:10], shown).mean() < 0.6


def _common_line(images: Array, matrix: Array, centres: Array, i: int, j: int) -> float:
    line = np.cross(matrix[i][2], matrix[j][2])
    line /= np.linalg.norm(line)
    profiles = [_across(images[k], centres[k], (matrix[k] @ line)[:2]) for k in (i, j)]
    return float(np.corrcoef(*profiles)[0, 1])


def _across(image: Array, centre: Array, along: Array) -> Array:
    """Return sums of an image across the direction `along` (column, row), through `centre`."""
    steps = np.arange(64) - 32.0
    s, u = np.meshgrid(steps, steps, indexing="ij")
    column = centre[0] + s * along[0] - u * along[1]
    row = centre[1] + s * along[1] + u * along[0]
    sums: Array = ndimage.map_coordinates(image, [row, column], order=1).sum(1)
    return sums


# --- poses through an exported file ------------------------------------------------------------

PIXEL_ANGSTROM = 1.5
COUNT = 60


def particle_atoms() -> Array:
    rng = np.random.default_rng(5)
    return np.concatenate([rng.normal(c, s, (30, 3)) for c, s in (((0, 0, 0), 4), ((11, 5, 0), 2))])


def shown_at(
    side: int, pixel: float, angle_rad: Array, shift_px: Array, std_angstrom: float = 2.5
) -> Array:
    """Return noiseless images of the particle at the house's poses."""
    atoms, n = particle_atoms(), len(angle_rad)
    matrices = relion_matrix(np.zeros(n), np.zeros(n), np.rad2deg(angle_rad))
    centres = house_centres_px(shift_px, side)
    weights = np.ones(len(atoms))
    return project_atoms(atoms, weights, matrices, side, pixel, std_angstrom, centres)


def write_table(folder: Path, kind: str) -> Path:
    names = [f"{i + 1}@particles.mrcs" for i in range(COUNT)]
    path = folder / ("particles.cs" if kind == "cs" else "particles.star")
    if kind == "cs":
        form = [("uid", "u8"), ("blob/path", "S20"), ("blob/idx", "u4"), ("blob/psize_A", "f4")]
        records = np.zeros(COUNT, form)
        records["uid"] = records["blob/idx"] = np.arange(COUNT)
        records["blob/path"], records["blob/psize_A"] = b"particles.mrcs", PIXEL_ANGSTROM
        with open(path, "wb") as stream:
            np.save(stream, records)
    elif kind == "3.1":
        optics = f"data_optics\nloop_\n_rlnOpticsGroup\n_rlnImagePixelSize\n1 {PIXEL_ANGSTROM}\n\n"
        head = "data_particles\nloop_\n_rlnImageName\n_rlnOpticsGroup\n"
        path.write_text(optics + head + "".join(f"{name} 1\n" for name in names))
    else:
        path.write_text("data_\nloop_\n_rlnImageName\n" + "".join(f"{name}\n" for name in names))
    return path


def poses_in(table: ParticleTable, kind: str) -> tuple[Array, Array]:
    """Return psi in degrees and origin in pixels, read as the other program would read them."""
    if kind == "cs":
        scale = table.numbers("alignments2D/psize_A") / table.numbers("blob/psize_A")
        shift = table.numbers("alignments2D/shift") * scale[:, None]
        return np.rad2deg(table.numbers("alignments2D/pose")), shift
    unit = "Angst" if kind == "3.1" else ""
    origin = [table.numbers(f"rlnOrigin{axis}{unit}") for axis in "XY"]
    origin_px = np.stack(origin, 1) / (table.pixel_size_angstrom[:, None] if unit else 1.0)
    return table.numbers("rlnAnglePsi"), origin_px


def relion_average(images: Array, psi_deg: Array, origin_px: Array, sign: float = 1.0) -> Array:
    """Return the mean of the images taken back to the reference, as RELION does it.

    The reference's point r about pixel N // 2 lies at N // 2 + A r - origin.
    """
    side = images.shape[-1]
    rows, columns = np.indices((side, side)) - side // 2
    points = np.stack([columns.ravel(), rows.ravel(), np.zeros(side * side)])
    total = np.zeros(side * side)
    for image, psi, origin in zip(images, psi_deg, origin_px, strict=True):
        there = (relion_matrix(0, 0, sign * psi)[0] @ points)[:2] - origin[:, None] + side // 2
        total += ndimage.map_coordinates(image, there[::-1], order=3)
    return (total / len(images)).reshape(side, side)


@pytest.mark.parametrize("kind", ["3.0", "3.1", "cs"])
@pytest.mark.parametrize(
    ("side", "crop", "downsample"),
    [(48, 0, 0), (49, 0, 0), (48, 0, 24), (49, 0, 24), (48, 43, 0), (49, 44, 21), (48, 44, 33)],
)
def test_exported_poses_average_as_sharply_as_the_true_ones(tmp_path, kind, side, crop, downsample):
    rng = np.random.default_rng(side + crop + downsample)
    data = DataConfig(crop_px=crop, downsample_px=downsample)
    prepared = Preprocessor(data, side, side, 1, np.dtype(np.float32))
    scale, offset = prepared.scale, np.array(prepared.centre_offset_px)
    angle = rng.uniform(-np.pi, np.pi, COUNT)
    shift = rng.normal(0, 1.5, (COUNT, 2)) / scale  # as the model gives it
    images = shown_at(side, PIXEL_ANGSTROM, angle, shift * scale + offset)
    _check_model_sees_the_pose(data, images, prepared, angle, shift)
    frame = OriginalFrame(side, side, scale, tuple(prepared.centre_offset_px))
    table = write_table(tmp_path, kind)
    suffix = table.suffix
    with EmbeddingStore(particle_store(tmp_path / "e.h5", table, angle, shift, frame)) as store:
        export_particles(store, np.arange(COUNT), tmp_path / f"out{suffix}", pose=True)
    psi, origin = poses_in(read_table(tmp_path / f"out{suffix}"), kind)
    centre = (side // 2 - (side - 1) / 2) * np.array([1.0, -1.0])
    true = shown_at(side, PIXEL_ANGSTROM, np.zeros(1), centre[None])[0]
    right = _error(relion_average(images, psi, origin), true)
    assert right < 0.012  # cubic interpolation of Gaussians 1.7 pixels wide
    for wrong in (
        relion_average(images, psi, origin, sign=-1),
        relion_average(images, psi, -origin),
        relion_average(images, psi, origin + 0.5),
        relion_average(images, psi, origin * [1, -1]),
    ):
        assert _error(wrong, true) > 3 * right


def _error(average: Array, true: Array) -> float:
    return float(np.abs(average - true).max() / true.max())


def _check_model_sees_the_pose(
    data: DataConfig, images: Array, prepared: Preprocessor, angle: Array, shift: Array
) -> None:
    """The prepared images show the particle at the model's pose, to a hundredth of a pixel."""
    small = prepared(images)[:, 0]
    pixel = PIXEL_ANGSTROM * prepared.scale
    expected = shown_at(prepared.output_side, pixel, angle, shift)
    assert likeness(small, expected).min() > 0.998  # band limit and normalisation apart
    pairs = zip(small, expected, strict=True)
    offsets = np.array([_offset_px(a, b) for a, b in pairs])
    assert np.abs(offsets.mean(axis=0)).max() < 0.02


def _offset_px(a: Array, b: Array) -> Array:
    """Return (row, column) by which b must move to lie on a, from the phases of low frequencies."""
    side = a.shape[-1]
    cross = fft.fft2(a) * np.conj(fft.fft2(b))
    return -np.angle([cross[1, 0], cross[0, 1]]) * side / (2 * np.pi)
