"""Cryo-EM particles with one or two hinges: projections, CTF, noise (paper, appendix A.8).

`hinge` stands for the simulated integrin of the paper (one motion of the lower part), `two-arm`
for CODH/ACS (upper and lower arm move independently).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tvae_core.ctf import Ctf, apply_ctf
from tvae_core.geometry import TWO_PI
from tvae_core.synthetic.blobs import Arm, Lobe, Particle, ParticleStates, project
from tvae_core.synthetic.junk import PARTICLE, Junk
from tvae_core.synthetic.noise import add_noise, signal_variance
from tvae_core.synthetic.options import About, Count, Seed, ShiftStd, Side, Snr
from tvae_core.synthetic.plan import ImagePlan, Images, IntArray, TrueColumns

FloatArray = NDArray[np.floating[Any]]
Float32Array = NDArray[np.float32]

PixelSize = Annotated[float, About("pixel size", 0.1, 100.0, "A")]
WithCtf = Annotated[bool, About("multiply by a CTF, its defocus drawn for each image")]
Spread = Annotated[Literal["uniform", "bimodal"], About("how hinge angles are spread")]
HingeRange = Annotated[float, About("hinges turn by at most this either way", 0, 90, "degrees")]
ViewJitter = Annotated[float, About("standard deviation of the view direction", 0, 45, "degrees")]
DefocusEnd = Annotated[float, About("end of the range of defocus", -1e5, 1e5, "A")]
JunkShare = Annotated[
    float,
    About("share of junk: noise, edges, carbon and two particles in one box, alike often", 0, 1),
]

HINGED = Particle(
    body=(
        Lobe((-0.20, 0.38, 0.0), (0.36, 0.30, 0.28), 22),
        Lobe((0.26, 0.20, 0.05), (0.24, 0.20, 0.20), 11),
        Lobe((0.50, 0.54, -0.05), (0.07, 0.12, 0.10), 3),
        Lobe((-0.64, 0.08, 0.0), (0.06, 0.08, 0.10), 2),
    ),
    arms=(
        Arm(
            lobes=(
                Lobe((0.0, -0.20, 0.0), (0.10, 0.24, 0.12), 6),
                Lobe((0.02, -0.62, 0.0), (0.21, 0.16, 0.18), 7),
                Lobe((0.33, -0.70, 0.0), (0.08, 0.06, 0.08), 2),
            ),
            hinge=(0.0, 0.0),
        ),
    ),
    blob_std=0.105,
)

TWO_ARMED = Particle(
    body=(
        Lobe((-0.06, 0.04, 0.0), (0.30, 0.26, 0.24), 22),
        Lobe((-0.50, 0.14, 0.0), (0.20, 0.18, 0.18), 9),
    ),
    arms=(
        Arm(
            (
                Lobe((0.14, 0.34, 0.0), (0.12, 0.16, 0.12), 6),
                Lobe((0.30, 0.66, 0.0), (0.26, 0.14, 0.18), 12),
            ),
            hinge=(0.10, 0.16),
        ),
        Arm(
            (
                Lobe((0.02, -0.36, 0.0), (0.10, 0.16, 0.10), 5),
                Lobe((0.04, -0.70, 0.0), (0.12, 0.14, 0.13), 5),
            ),
            hinge=(0.0, -0.14),
        ),
    ),
    blob_std=0.105,
)

# At 64 pixels of 3 A the particle's radius is 62 A, and 4 sigma of a 2.5 pixel shift stay inside.
_RADIUS_OF_SIDE = 0.32
_MEASURED_IMAGES = 256
_MODE_OF_RANGE = 0.6
_MODE_STD_OF_RANGE = 0.12
_ASTIGMATISM_ANGSTROM = 400.0
_B_FACTOR_ANGSTROM2 = 60.0


def hinged(
    particle: Particle,
    count: Count = 20_000,
    seed: Seed = 0,
    side: Side = 64,
    pixel_size_angstrom: PixelSize = 3.0,
    snr: Snr = 0.1,
    ctf: WithCtf = True,
    shift_std_px: ShiftStd = 2.0,
    spread: Spread = "uniform",
    hinge_range_deg: HingeRange = 35.0,
    view_jitter_deg: ViewJitter = 0.0,
    defocus_min_angstrom: DefocusEnd = 10_000.0,
    defocus_max_angstrom: DefocusEnd = 20_000.0,
    junk: JunkShare = 0.0,
) -> ImagePlan:
    """Plan projections of a hinged particle, with CTF and white noise.

    The truth holds `hinge_rad` (and `hinge2_rad` of a second arm), counter-clockwise; `label` of a
    bimodal spread counts in twos: bit a is set where arm a is in its positive mode, -1 for junk. Of
    a set with junk, `junk` is 0 for particles and otherwise the place of its kind in
    `tvae_core.synthetic.junk.KINDS`; the particles are those of the set without. The SNR is the
    variance of the signal, CTF included, over the particle's circle (radius 0.32 sides) by the
    variance of the noise, which is the same in all images.
    """
    imaging = _Imaging(
        side, pixel_size_angstrom, snr, ctf, (defocus_min_angstrom, defocus_max_angstrom), seed
    )
    motion = _Motion(spread, np.deg2rad(hinge_range_deg), np.deg2rad(view_jitter_deg), shift_std_px)
    return _plan(particle, count, motion, imaging, Junk.drawn(count, junk, seed))


hinge = partial(hinged, HINGED)
two_arm = partial(hinged, TWO_ARMED)


@dataclass(frozen=True)
class _Motion:
    spread: str
    hinge_range_rad: float
    view_jitter_rad: float
    shift_std_px: float


@dataclass(frozen=True)
class _Imaging:
    side: int
    pixel_size_angstrom: float
    snr: float
    with_ctf: bool
    defocus_range_angstrom: tuple[float, float]
    seed: int

    @property
    def radius_px(self) -> float:
        return _RADIUS_OF_SIDE * self.side


def _plan(
    particle: Particle, count: int, motion: _Motion, imaging: _Imaging, junk: Junk
) -> ImagePlan:
    rng = np.random.default_rng(imaging.seed)
    hinges, modes = _draw_hinges(rng, (count, len(particle.arms)), motion)
    poses = _draw_poses(rng, hinges, motion, imaging)
    ctf = _draw_ctf(rng, count, imaging.defocus_range_angstrom) if imaging.with_ctf else None

    def shown(posed: ParticleStates) -> Float32Array:
        return project(particle, posed, imaging.side, imaging.radius_px)

    def seen(images: Float32Array, indices: IntArray) -> Float32Array:
        if ctf is None:
            return images
        return apply_ctf(images, ctf.take(indices), imaging.pixel_size_angstrom)

    noise_std = _noise_std(lambda i: seen(shown(poses.take(i)), i), poses.shift_px, imaging)

    def render(indices: IntArray) -> Images:
        images = seen(junk.projections(indices, poses, imaging.radius_px, shown), indices)
        images = add_noise(junk.over_carbon(images, indices), indices, noise_std, imaging.seed)
        return junk.cut_at_edges(images, indices, imaging.radius_px)

    truth = _truth(poses, modes if motion.spread == "bimodal" else None, ctf) | _junk_truth(junk)
    if "label" in truth:
        truth["label"] = np.where(junk.kind == PARTICLE, truth["label"], -1)
    shape = (imaging.side, imaging.side)
    pixel_size = imaging.pixel_size_angstrom
    return ImagePlan(count, shape, truth, render, imaging.radius_px, pixel_size, ctf)


def _junk_truth(junk: Junk) -> TrueColumns:
    return {"junk": junk.kind} if junk.kind.any() else {}


def _draw_hinges(
    rng: np.random.Generator, shape: tuple[int, int], motion: _Motion
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return hinge angles (n, A) and for each image which combination of modes it is in, (n,)."""
    limit = motion.hinge_range_rad
    if motion.spread == "uniform":
        return rng.uniform(-limit, limit, shape), np.zeros(shape[0], dtype=np.int64)
    modes = rng.integers(2, size=shape)
    centres = (2.0 * modes - 1.0) * _MODE_OF_RANGE * limit
    angles = np.clip(rng.normal(centres, _MODE_STD_OF_RANGE * limit), -limit, limit)
    return angles, modes @ (2 ** np.arange(shape[1]))


def _draw_poses(
    rng: np.random.Generator, hinges: FloatArray, motion: _Motion, imaging: _Imaging
) -> ParticleStates:
    count = len(hinges)
    limit = imaging.side / 2.0 - 1.0
    shift = rng.normal(0.0, motion.shift_std_px, (count, 2))
    return ParticleStates(
        hinge_rad=hinges,
        angle_rad=rng.uniform(0.0, TWO_PI, count),
        shift_px=np.clip(shift, -limit, limit),
        view_rad=rng.normal(0.0, motion.view_jitter_rad, (count, 2)),
    )


def _draw_ctf(rng: np.random.Generator, count: int, defocus_range: tuple[float, float]) -> Ctf:
    mean = rng.uniform(*defocus_range, count)
    half = rng.uniform(0.0, _ASTIGMATISM_ANGSTROM / 2.0, count)
    return Ctf(
        defocus_u_angstrom=mean + half,
        defocus_v_angstrom=mean - half,
        astigmatism_angle_deg=rng.uniform(0.0, 180.0, count),
        b_factor_angstrom2=_B_FACTOR_ANGSTROM2,
    )


def _noise_std(
    clean: Callable[[IntArray], Float32Array], shift_px: FloatArray, imaging: _Imaging
) -> float:
    """Return the noise for the SNR asked, the signal measured on the first images of the set."""
    if np.isinf(imaging.snr):
        return 0.0
    first = np.arange(min(_MEASURED_IMAGES, len(shift_px)))
    variance = signal_variance(clean(first), shift_px[first], imaging.radius_px)
    return float(np.sqrt(variance / imaging.snr))


def _truth(poses: ParticleStates, modes: NDArray[np.int64] | None, ctf: Ctf | None) -> TrueColumns:
    truth: TrueColumns = {
        "image": np.arange(len(poses.angle_rad)),
        "angle_rad": poses.angle_rad,
        "shift_x_px": poses.shift_px[:, 0],
        "shift_y_px": poses.shift_px[:, 1],
    }
    if modes is not None:
        truth["label"] = modes
    for name, column in zip(("hinge_rad", "hinge2_rad"), poses.hinge_rad.T, strict=False):
        truth[name] = column
    truth |= {"view_x_rad": poses.view_rad[:, 0], "view_y_rad": poses.view_rad[:, 1]}
    if ctf is not None:
        truth["defocus_u_angstrom"] = np.asarray(ctf.defocus_u_angstrom)
        truth["defocus_v_angstrom"] = np.asarray(ctf.defocus_v_angstrom)
        truth["astigmatism_angle_deg"] = np.asarray(ctf.astigmatism_angle_deg)
    return truth
