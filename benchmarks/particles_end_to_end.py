"""Are the particles a run exports as well placed as their true poses?

    tvae synth hinge SET --count 10000 --side 128 ...
    tvae train RUN --data SET/particles.star ...
    python benchmarks/particles_end_to_end.py RUN SET

Exports all particles with poses, reads the written table as RELION would, and compares with the
set's truth.csv: angles and shifts in degrees and Angstrom, the hinge against z, and the half-set
resolution of averages of particles of alike hinge, placed by the exported and by the true poses.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tvae_core.analysis.alignment import half_set_correlation
from tvae_core.analysis.metrics import rank_correlation, rotation_error
from tvae_core.export.particles import export_particles
from tvae_core.geometry import rotation_matrix, wrap_angle
from tvae_core.images.opening import open_stack
from tvae_core.particles import OriginalFrame, read_table
from tvae_core.particles.poses import InPlanePoses, from_relion, relion_matrix, to_relion
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic.write import read_truth

Array = NDArray[Any]
HINGE_BINS = 5
IMAGES_A_BIN = 400


def evaluate(store_path: Path, set_folder: Path) -> dict[str, Any]:
    """Return the figures of one run on one synthetic set; see the module.

    Parameters
    ----------
    store_path : Path
        embeddings.h5 of a run on `particles.star` of the set.
    set_folder : Path
        A folder that `tvae synth` wrote.
    """
    truth = read_truth(set_folder / "truth.csv")
    with EmbeddingStore(store_path) as store, tempfile.TemporaryDirectory() as folder:
        star = Path(folder) / "posed.star"
        export_particles(store, np.arange(store.images), star, pose=True)
        table, z = read_table(star), store.z_mean
    pixel = table.pixel_size_angstrom
    assert pixel is not None
    origin = np.stack([table.numbers(f"rlnOrigin{axis}Angst") for axis in "XY"], 1)
    exported = InPlanePoses(table.numbers("rlnAnglePsi"), origin / pixel[:, None])
    with open_stack(set_folder / "particles.star") as stack:
        frame = OriginalFrame(stack.height, stack.width)
        shift = np.stack([truth["shift_x_px"], truth["shift_y_px"]], 1)
        true = to_relion(truth["angle_rad"], shift, frame)
        angle, found_shift = from_relion(exported, frame)
        figures = pose_errors(truth["angle_rad"], shift, angle, found_shift, float(pixel[0]))
        if "hinge_rad" in truth:
            ranks = [rank_correlation(truth["hinge_rad"], column) for column in z.T]
            figures["hinge_rank_correlation"] = float(np.max(np.abs(ranks)))
            figures["averages"] = sharpness(stack, truth["hinge_rad"], exported, true)
    return figures


def pose_errors(
    true_rad: Array, true_px: Array, found_rad: Array, found_px: Array, pixel_angstrom: float
) -> dict[str, float]:
    """Return root mean square errors of angle and shift, the model's own frame taken off.

    The zero of the angle and the origin of the object are the model's choice: a constant is taken
    off the angles, and a constant vector in the object's frame off the shifts.
    """
    error = rotation_error(true_rad, found_rad)
    off = np.rad2deg(np.abs(wrap_angle(found_rad - true_rad - error.offset_rad)))
    turns = rotation_matrix(true_rad)
    difference = found_px - true_px  # = R(angle) d + error
    own = np.einsum("nji,nj->ni", turns, difference)
    rest = own - np.median(own, axis=0)
    length = np.hypot(rest[:, 0], rest[:, 1]) * pixel_angstrom
    return {
        "angle_rmse_deg": error.rmse_deg,
        "angle_median_deg": float(np.median(off)),
        "shift_rmse_angstrom": float(np.sqrt(np.mean(length**2))),
        "shift_median_angstrom": float(np.median(length)),
    }


def sharpness(
    stack: Any, hinge_rad: Array, exported: InPlanePoses, true: InPlanePoses
) -> list[dict[str, float]]:
    """Return, for particles of alike hinge, the mean half-set correlation by either poses."""
    order = np.argsort(hinge_rad)
    figures = []
    for members in np.array_split(order, HINGE_BINS):
        middle = len(members) // 2
        some = np.sort(members[max(0, middle - IMAGES_A_BIN // 2) : middle + IMAGES_A_BIN // 2])
        images = stack.read(some)
        row = {"hinge_deg": float(np.rad2deg(hinge_rad[some].mean())), "images": float(len(some))}
        for name, poses in (("exported", exported), ("true", true)):
            placed = as_relion(images, poses.psi_deg[some], poses.origin_px[some])
            row[name] = float(np.mean(half_set_correlation(placed).correlation[1:]))
        figures.append(row)
    return figures


def as_relion(images: Array, psi_deg: Array, origin_px: Array) -> Array:
    """Return images taken back to the reference: r lies at N // 2 + A r - origin (RELION's use)."""
    side = images.shape[-1]
    rows, columns = np.indices((side, side)) - side // 2
    points = np.stack([columns.ravel(), rows.ravel(), np.zeros(side * side)])
    matrices = relion_matrix(np.zeros(len(images)), np.zeros(len(images)), psi_deg)
    placed = np.empty_like(images)
    for number, image in enumerate(images):
        there = (matrices[number] @ points)[:2] - origin_px[number][:, None] + side // 2
        values = ndimage.map_coordinates(image, there[::-1], order=1, mode="nearest")
        placed[number] = values.reshape(side, side)
    return placed


def main() -> None:
    """Print the figures as JSON."""
    run, set_folder = Path(sys.argv[1]), Path(sys.argv[2])
    print(json.dumps(evaluate(run, set_folder), indent=2))


if __name__ == "__main__":
    main()
