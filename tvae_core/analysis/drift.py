"""How the zero pose of a model drifts over its latent, found from decoded images and taken back.

A model is free to call any angle and place of an object zero, and need not choose the same for
other contents (paper, A.3). Decoded images show by how much: they hold no noise, so that nothing
of a reference gets into an average, as it does when noisy images are aligned to one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from tvae_core.analysis.alignment import angles_to_reference
from tvae_core.analysis.averages import upright
from tvae_core.geometry import composed_pose

Array = NDArray[np.floating]
Decode = Callable[[Array], Array]
PATCHES = 48
_ROUNDS = 3
_TURNS = 36


def pose_against(images: Array, reference: Array) -> tuple[Array, Array]:
    """Return at which pose each image shows the reference.

    Parameters
    ----------
    images : (n, h, w)
        Without noise.
    reference : (h, w)

    Returns
    -------
    angle_rad : (n,), counter-clockwise
    shift_px : (n, 2), x right, y up
        To a few hundredths of a pixel where both show one shape.
    """
    images = np.asarray(images, dtype=np.float32)
    angle, shift = _coarse_pose(images, reference)
    for _ in range(_ROUNDS):
        turn = angles_to_reference(upright(images, angle, shift), reference)
        angle, shift = composed_pose(angle, shift, turn, np.zeros_like(shift))
        move = _moved(upright(images, angle, shift), reference[None])[0][:, 0]
        angle, shift = composed_pose(angle, shift, np.zeros(len(images)), move)
    return angle, shift


def without_drift(
    z: Array, angle_rad: Array, shift_px: Array, decode: Decode, patches: int = PATCHES
) -> tuple[Array, Array]:
    """Return the poses of a class against one object, the decoded image of its middle.

    The class is cut into patches of like content (k-means of z), the centre of each is decoded
    and compared with the patch nearest to the class's mean; its images share its drift.

    Parameters
    ----------
    z : (n, D)
    angle_rad : (n,)
    shift_px : (n, 2)
        In pixels of the decoded images.
    decode : callable
        (k, D) contents -> (k, h, w) or (k, h, w, 3) images at pose zero.
    patches : int

    Returns
    -------
    angle_rad (n,), shift_px (n, 2)
    """
    centres, patch = _patches(np.asarray(z, dtype=np.float64), patches)
    decoded = np.asarray(decode(centres.astype(np.float32)))
    decoded = decoded.mean(-1) if decoded.ndim == 4 else decoded
    middle = int(np.square(centres - np.mean(z, axis=0)).sum(1).argmin())
    turn, move = pose_against(decoded, decoded[middle])
    return composed_pose(angle_rad, shift_px, turn[patch], move[patch])


def _patches(z: Array, most: int) -> tuple[Array, NDArray[np.integer]]:
    """Return centres (k, D) and which of them each image belongs to, (n,)."""
    from sklearn.cluster import MiniBatchKMeans

    distinct, place = np.unique(z, axis=0, return_inverse=True)
    if len(distinct) <= most:
        return distinct, place.ravel()
    found = MiniBatchKMeans(most, random_state=0, n_init=1, batch_size=4096).fit(z)
    return np.asarray(found.cluster_centers_), np.asarray(found.labels_)


def _coarse_pose(images: Array, reference: Array) -> tuple[Array, Array]:
    """Return the best of all turns by 10 degrees, each with the shift that suits it."""
    turns = np.arange(_TURNS) * 2 * np.pi / _TURNS
    copies = np.broadcast_to(reference, (_TURNS, *reference.shape))
    turned = upright(copies, -turns, np.zeros((_TURNS, 2)))
    moves, scores = _moved(images, turned)
    best = scores.argmax(1)
    return turns[best], moves[np.arange(len(images)), best]


def _moved(images: Array, references: Array) -> tuple[Array, Array]:
    """How images are moved against references: shifts (n, k, 2) and their scores (n, k)."""
    height, width = images.shape[1:]
    size = (2 * height, 2 * width)
    wanted = scipy.fft.rfft2(references - references.mean((1, 2), keepdims=True), s=size).conj()
    moves = np.empty((len(images), len(references), 2))
    scores = np.empty((len(images), len(references)))
    for number, image in enumerate(images):
        spectrum = scipy.fft.rfft2(image - image.mean(), s=size)
        for which, other in enumerate(wanted):
            score = scipy.fft.irfft2(spectrum * other, s=size)
            row, column = np.unravel_index(score.argmax(), size)
            scores[number, which] = score[row, column]
            down, right = _refined(score[:, column], int(row)), _refined(score[row], int(column))
            moves[number, which] = right, -down
    return moves, scores


def _refined(line: Array, top: int) -> float:
    """Place of the peak of a cyclic line below one sample, counted from -n/2."""
    size = len(line)
    before, at, after = (line[(top + step) % size] for step in (-1, 0, 1))
    curve = before - 2 * at + after
    place = top + (0.5 * (before - after) / curve if curve < 0 else 0.0)
    return float((place + size / 2) % size - size / 2)
