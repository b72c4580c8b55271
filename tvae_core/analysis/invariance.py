"""Does an encoder keep its promise? Images are turned and shifted by known amounts and asked again.

Content must stay, the angle must turn by the turn, the shift must move along. The corners, which a
turn would lose, are masked first: what is left is turned whole. Turning moves an image's noise
with it, so this measures the encoder, not what noise does; `fit_share` looks at that side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.averages import upright_fine
from tvae_core.errors import Cancelled
from tvae_core.geometry import TWO_PI, axis_px, group_angles, rotation_matrix, wrap_angle
from tvae_core.progress import Cancel, Share

Array = NDArray[np.floating]

TURNED, ON_GRID, SHIFTED = "turned", "turned on the grid", "shifted"
THERE_AND_BACK, WITH_CORNERS = "there and back", "corners left on"
FULL_TURNS = 160  # appendix A.3
GROSS_DEG = 30.0  # of an object without symmetry; a share 1 / n of it for C_n

_GRID_TURNS = 8
_BACK_TURNS = 4
_EDGE_PX = 2.0
_FIT_TURNS = 4
_BLOCK = 64


@dataclass(frozen=True)
class Inferred:
    """What an encoder found: z (..., D), angle_rad (...,), shift_px (..., 2), x right, y up."""

    z: Array
    angle_rad: Array
    shift_px: Array


Encode = Callable[[Array], Inferred]


@dataclass(frozen=True)
class Trials:
    """How each of n images is moved, K times: angle_rad (n, K), shift_px (n, K, 2), kind (K,)."""

    angle_rad: Array
    shift_px: Array
    kind: NDArray[np.str_]


@dataclass(frozen=True)
class Measure:
    """What one kind of trial found.

    drift, drift_median : root mean square and median of |z - z unmoved|, over the root mean square
    distance of z from its mean. angle_rmse_deg : appendix A.3. angle_folded_rmse_deg,
    angle_median_deg : modulo 360 / n for objects of symmetry C_n, round ones left out.
    gross_share : of angles off by more than 30 / n degrees. NaN where there is nothing to measure.
    """

    kind: str
    trials: int
    drift: float
    drift_median: float
    angle_rmse_deg: float
    angle_folded_rmse_deg: float
    angle_median_deg: float
    gross_share: float
    shift_rmse_px: float
    shift_median_px: float


def turns_within(most_rad: float, share: Array) -> Array:
    """Return turns of at most `most_rad` either way, for shares 0 to 1; a whole circle from 0."""
    return 2 * most_rad * share - (most_rad if most_rad < np.pi else 0.0)


def make_trials(
    images: int,
    rotations: int,
    reach_px: float,
    turns: int = 24,
    shifts: int = 8,
    seed: int = 0,
    most_rad: float = np.pi,
) -> Trials:
    """Return trials for `images` images: turns between and on C_R, shifts, and two checks.

    Parameters
    ----------
    rotations : int
        R of the encoder's group.
    reach_px : float
        The largest shift; shifts are uniform over the disc, so nearly none is whole pixels.
    turns : int
        Angles an image, one at random in each of as many equal parts of the circle.
    most_rad : float
        The largest turn, either way: no object of these images is expected to lie farther.
    """
    rng = np.random.default_rng([seed, images])
    angles = [turns_within(most_rad, (np.arange(turns) + rng.random((images, turns))) / turns)]
    grid = group_angles(rotations)[1:]
    grid = grid[np.abs(wrap_angle(grid)) <= most_rad]
    grid = (
        grid[np.unique(np.linspace(0, len(grid) - 1, _GRID_TURNS).astype(int))]
        if len(grid)
        else grid
    )
    angles.append(np.broadcast_to(grid, (images, len(grid))))
    angles.append(np.zeros((images, shifts)))
    angles.append(turns_within(most_rad, rng.random((images, _BACK_TURNS))))
    angles.append(np.zeros((images, 1)))
    kinds = (TURNED, ON_GRID, SHIFTED, THERE_AND_BACK, WITH_CORNERS)
    kind = np.repeat(kinds, [a.shape[1] for a in angles])
    shift = np.zeros((images, len(kind), 2))
    radius = reach_px * np.sqrt(rng.random((images, shifts)))
    towards = rng.uniform(0, TWO_PI, (images, shifts))
    shift[:, kind == SHIFTED] = np.stack([np.cos(towards), np.sin(towards)], -1) * radius[..., None]
    return Trials(np.concatenate(angles, axis=1), shift, kind)


def masked(images: Array) -> tuple[Array, Array]:
    """Return images (n, C, H, W) as deviations inside a soft circle, and their backgrounds.

    The background (n, C, 1, 1) is the mean outside the circle, whose edge falls over two pixels.
    """
    side = min(images.shape[-2:])
    y, x = axis_px(images.shape[-2]), axis_px(images.shape[-1])
    distance = np.hypot(y[:, None], x[None])
    depth = np.clip((side / 2.0 - distance) / _EDGE_PX, 0.0, 1.0)
    window = 0.5 - 0.5 * np.cos(np.pi * depth)
    outside = distance > side / 2.0 - _EDGE_PX / 2.0
    ground = np.asarray(images, dtype=np.float64)[..., outside].mean(-1)[..., None, None]
    return (images - ground) * window, ground


def moved(deviations: Array, angle_rad: Array, shift_px: Array) -> Array:
    """Return images (n, C, H, W) turned by angle (n,), then shifted (n, 2), by cubic splines.

    What comes from outside is zero: the images are deviations from their background.
    """
    n, channels = deviations.shape[:2]
    back = -(rotation_matrix(-angle_rad) @ shift_px[..., None])[..., 0]
    flat = deviations.reshape(n * channels, *deviations.shape[2:])
    turned = upright_fine(
        flat, np.repeat(-angle_rad, channels), np.repeat(back, channels, axis=0), 0.0
    )
    return turned.reshape(deviations.shape)


def run_trials(
    images: Array,
    encode: Encode,
    trials: Trials,
    progress: Share = lambda _: None,
    cancelled: Cancel = lambda: False,
) -> tuple[Inferred, Inferred]:
    """Return what `encode` finds of the unmoved images (n,) and of each trial (n, K).

    Raises
    ------
    Cancelled
        `cancelled()` turned true.
    """
    still, found = [], []
    for start in range(0, len(images), _BLOCK):
        block = slice(start, start + _BLOCK)
        inside, ground = masked(images[block])
        still.append(encode(_float32(inside + ground)))
        row = []
        for k, kind in enumerate(trials.kind):
            if cancelled():
                raise Cancelled("the self-test was stopped")
            angle, shift = trials.angle_rad[block, k], trials.shift_px[block, k]
            row.append(encode(_float32(_trial(images[block], inside, ground, kind, angle, shift))))
            share = (start + len(inside) * (k + 1) / len(trials.kind)) / len(images)
            progress(share)
        found.append(_stacked(row))
    return _joined(still), _joined(found)


def _trial(
    images: Array, inside: Array, ground: Array, kind: str, angle: Array, shift: Array
) -> Array:
    if kind == WITH_CORNERS:
        return images
    there = moved(inside, angle, shift)
    if kind == THERE_AND_BACK:
        there = moved(there, -angle, -shift)
    return np.asarray(there + ground)


def measure(
    still: Inferred, found: Inferred, trials: Trials, spread: float, orders: NDArray[np.integer]
) -> list[Measure]:
    """Return one measure a kind of trial, in the order of the trials.

    Parameters
    ----------
    still, found : Inferred
        Of the unmoved images (n,) and of the trials (n, K).
    spread : float
        Root mean square distance of z from its mean, over the data.
    orders : (n,) integers
        Symmetry C_n of each object; 0 is round.
    """
    kinds = dict.fromkeys(trials.kind.tolist())
    return [_measure(kind, still, found, trials, spread, orders) for kind in kinds]


def _measure(
    kind: str,
    still: Inferred,
    found: Inferred,
    trials: Trials,
    spread: float,
    orders: NDArray[np.integer],
) -> Measure:
    chosen = trials.kind == kind
    turn, step = trials.angle_rad[:, chosen], trials.shift_px[:, chosen]
    if kind == THERE_AND_BACK:
        turn, step = 0.0 * turn, 0.0 * step
    change = np.linalg.norm(found.z[:, chosen] - still.z[:, None], axis=-1)
    change = change / spread if spread > 0 else np.full(change.shape, np.nan)
    error = wrap_angle(found.angle_rad[:, chosen] - still.angle_rad[:, None] - turn)
    order = orders[orders > 0][:, None]
    folded = wrap_angle(error[orders > 0] * order) / order
    gross = np.degrees(np.abs(folded)) * order > GROSS_DEG
    expected = (rotation_matrix(turn) @ still.shift_px[:, None, :, None])[..., 0] + step
    off = np.linalg.norm(found.shift_px[:, chosen] - expected, axis=-1)
    return Measure(
        kind=kind,
        trials=change.size,
        drift=_rms(change),
        drift_median=_median(change),
        angle_rmse_deg=float(np.degrees(_rms(error))),
        angle_folded_rmse_deg=float(np.degrees(_rms(folded))),
        angle_median_deg=float(np.degrees(_median(np.abs(folded)))),
        gross_share=float(gross.mean()) if gross.size else float("nan"),
        shift_rmse_px=_rms(off),
        shift_median_px=_median(off),
    )


def fit_share(images: Array, drawn: Array, shift_px: Array, orders: NDArray[np.integer]) -> float:
    """Return how often the drawn image fits its image better as inferred than turned elsewhere.

    Each drawn image (n, C, H, W) is turned about its object's place by 1, 2, ... fifths of its
    symmetry's angle and correlated with the image inside the circle. 1 is always, 0.5 is chance.
    Round objects are left out; NaN when all are.
    """
    chosen = orders > 0
    if not chosen.any():
        return float("nan")
    image, drawing = masked(images[chosen])[0], masked(drawn[chosen])[0]
    shift, order = np.asarray(shift_px, dtype=np.float64)[chosen], orders[chosen]
    here = _correlation(image, drawing)
    won = []
    for step in range(1, _FIT_TURNS + 1):
        angle = TWO_PI * step / (_FIT_TURNS + 1) / order
        place = shift - (rotation_matrix(-angle) @ shift[..., None])[..., 0]
        turned = np.stack(
            [upright_fine(drawing[:, c], -angle, place, 0.0) for c in range(drawing.shape[1])], 1
        )
        elsewhere = _correlation(image, turned)
        won.append((here > elsewhere) + 0.5 * (here == elsewhere))
    return float(np.mean(won))


def spread_of(z: Array) -> float:
    """Return the root mean square distance of z (N, D) from its mean."""
    return float(np.sqrt(np.var(np.asarray(z, dtype=np.float64), axis=0).sum()))


def _correlation(a: Array, b: Array) -> Array:
    a, b = (v.reshape(len(v), -1) - v.reshape(len(v), -1).mean(1, keepdims=True) for v in (a, b))
    scale = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(1) / np.maximum(scale, np.finfo(float).tiny))


def _stacked(row: list[Inferred]) -> Inferred:
    return Inferred(
        np.stack([p.z for p in row], 1),
        np.stack([p.angle_rad for p in row], 1),
        np.stack([p.shift_px for p in row], 1),
    )


def _joined(blocks: list[Inferred]) -> Inferred:
    return Inferred(
        np.concatenate([p.z for p in blocks]),
        np.concatenate([p.angle_rad for p in blocks]),
        np.concatenate([p.shift_px for p in blocks]),
    )


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if np.size(values) else float("nan")


def _median(values: Array) -> float:
    return float(np.median(values)) if np.size(values) else float("nan")


def _float32(values: Array) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
