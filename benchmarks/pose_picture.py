"""One image of one particle with its pose in the house's terms and in RELION's.

    python benchmarks/pose_picture.py docs/pose-conventions.png

The picture of docs/conventions-of-pose.md: an even box, so that the two centres differ.
"""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np

from tvae_core.particles.poses import OriginalFrame, relion_matrix, to_relion
from tvae_core.synthetic.projection import house_centres_px, project_atoms

SIDE, ANGLE_RAD, SHIFT_PX = 16, np.deg2rad(35.0), np.array([2.4, 1.7])
BLUE, ORANGE = "#2166ac", "#d95f02"


def letter() -> np.ndarray:
    """Return points of an L whose long arm lies along x, (n, 3), rows down."""
    long = [(x, 0.0, 0.0) for x in np.arange(-1.0, 4.1, 0.5)]
    return np.array([*long, *((-1.0, -y, 0.0) for y in np.arange(0.5, 2.1, 0.5))])


def main() -> None:
    """Draw it."""
    centre = house_centres_px(SHIFT_PX[None], SIDE)
    points = letter()
    matrix = relion_matrix(0, 0, np.rad2deg(ANGLE_RAD))
    image = project_atoms(points, np.ones(len(points)), matrix, SIDE, 1.0, 0.6, centre)[0]
    poses = to_relion([ANGLE_RAD], SHIFT_PX[None], OriginalFrame(SIDE, SIDE))
    house, relion = (SIDE - 1) / 2, SIDE // 2
    psi, (x, y) = poses.psi_deg[0], poses.origin_px[0]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 5.4), layout="constrained")
    for axes in (left, right):
        axes.imshow(image, cmap="gray_r", vmax=2.2 * image.max())
        axes.set(xlabel="column", ylabel="row")
        tip = centre[0] + 4.5 * np.array([np.cos(ANGLE_RAD), -np.sin(ANGLE_RAD)])
        axes.plot(*zip(centre[0], tip, strict=True), color="black", lw=1)
        axes.plot(*zip(centre[0], centre[0] + [4.5, 0], strict=True), color="black", lw=1, ls=":")
        turn = np.linspace(0, ANGLE_RAD, 30)
        axes.plot(centre[0, 0] + 3 * np.cos(turn), centre[0, 1] - 3 * np.sin(turn), color="black")
    arrow(left, (house, house), tuple(centre[0]), BLUE)
    left.plot(house, house, "o", color=BLUE)
    left.set_title(
        f"house: centre (N - 1) / 2 = {house:g}, y up\nangle {np.rad2deg(ANGLE_RAD):.0f}°, "
        f"shift ({SHIFT_PX[0]:g}, {SHIFT_PX[1]:g}) px",
        color=BLUE,
    )
    arrow(right, tuple(centre[0]), (relion, relion), ORANGE)
    right.plot(relion, relion, "s", color=ORANGE)
    right.set_title(
        f"RELION: centre N // 2 = {relion}, rows down\npsi {psi:.0f}°, "
        f"origin ({x:.1f}, {y:.1f}) px",
        color=ORANGE,
    )
    figure.savefig(sys.argv[1], dpi=90)


def arrow(axes: plt.Axes, start: tuple[float, ...], end: tuple[float, ...], colour: str) -> None:
    """Draw an arrow between two pixels."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": colour, "lw": 2})


if __name__ == "__main__":
    main()
