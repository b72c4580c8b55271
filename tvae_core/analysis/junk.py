"""The junk score: how far an image lies from the bulk of its set towards what is no single object.

It needs no labels and no settings. Four terms are read off each image when it is embedded
(`tvae_core.engine.using.junk_terms`); each is measured in the spread of the bulk of the set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Float = NDArray[np.float64]

FIT, PATCHY, UNEVEN, SECOND = range(4)
TERMS = ("fit", "patchy", "uneven", "second object")
FEWEST = 50  # images: below, there is no bulk to speak of
EMPTY = 5.0  # score of an image that fits no better than noise does, where noise is far away
_POSES = 3.5  # deviations that the best of all poses of a second object reaches in noise alone
_NOISE_SPREAD = 0.4  # of that over images of noise
_NOISE_FIT = 2.33  # of the standard normal: 1 % of images of noise fit better
_NARROW = 2.0  # a spread of the fit counts so much: it varies with defocus, and has short tails
_LOWEST = 1e-6


def junk_score(terms: Array) -> NDArray[np.float32]:
    """Return the junk score (N,) of images, 0 for what is like the bulk.

    score = sqrt(sum over terms of max(s, 0)^2). For patchy and uneven, s = (log t - centre) /
    spread, where centre and spread are those of the shortest interval that holds half of the
    images: junk up to a third of the set hardly moves it. For the second object,
    s = (t - max(centre, 3.5)) / max(spread, 0.4), as it is in deviations of noise. For the fit,
    s = (centre - t) / max(spread / 2, (centre - 2.33) / 5): 5 where an image fits no better than
    the best 1 % of noise, less where the bulk is not far from that.

    Parameters
    ----------
    terms : (N, 4)
        In the order of `TERMS`. Fit: correlation of image and reconstruction, in standard
        deviations of the same for noise, from its mean. Patchy: standard deviation over blocks of
        the log residual variance. Uneven: mean square of the residual's block means. Second object:
        sqrt(2 log likelihood ratio) of another object away from the one that was found.
    """
    if len(terms) < FEWEST:
        return np.zeros(len(terms), np.float32)
    of_term = {FIT: _emptiness, PATCHY: _above_log, UNEVEN: _above_log, SECOND: _beyond_chance}
    squares = np.zeros(len(terms))
    for term, score in of_term.items():  # one after another: there may be millions of images
        squares += np.square(np.maximum(score(np.asarray(terms[:, term], np.float64)), 0.0))
    return np.asarray(np.sqrt(squares), np.float32)


def _emptiness(fit: Float) -> Float:
    centre, spread = _bulk(fit)
    return (centre - fit) / max(spread / _NARROW, (centre - _NOISE_FIT) / EMPTY)


def _above_log(values: Float) -> Float:
    logs = np.log(np.maximum(values, _LOWEST))
    centre, spread = _bulk(logs)
    return (logs - centre) / spread


def _beyond_chance(second: Float) -> Float:
    centre, spread = _bulk(second)
    return (second - max(centre, _POSES)) / max(spread, _NOISE_SPREAD)


def _bulk(values: Float) -> tuple[float, float]:
    """Return centre and standard deviation of the shortest interval that holds half of values."""
    ordered = np.sort(values)
    half = len(ordered) // 2
    widths = ordered[half:] - ordered[: len(ordered) - half]
    first = int(np.argmin(widths))
    width = max(float(widths[first]), 1e-9 * max(1.0, float(np.abs(ordered).max())))
    return float(ordered[first] + ordered[first + half]) / 2, width / 1.349
