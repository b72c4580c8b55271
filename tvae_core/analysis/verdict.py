"""Did it learn? What a run's figures say of content and pose, in words.

The measure is a description length: how many nats per image a part of the posterior saves in
describing held-out images, after its own cost (KL) is paid, against a description without it. The
spectrum of what is left is fitted to each description, so one measure holds for every likelihood,
range and colour of noise: with n components of power e in a ring of spatial frequencies, the sum
over rings of n / 2 log(e_without / e), less the KL. On noise alone it is negative whatever a model
makes of it.

Thresholds are calibrated on runs that learned and runs that collapsed on purpose: docs/results/
verdicts.md, by `benchmarks/verdicts.py`.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tvae_core.files import parsed_json

Array = NDArray[np.floating[Any]]
Learned = Literal["all", "pose", "content", "nothing"]

LEAST_GAIN = 3.0  # nats per image that all of the posterior must save
LEAST_CONTENT = 0.25  # nats of content below which z is the same for every image
LEAST_SAVED = 0.5  # nats per image that z must save, its own cost apart
LEAST_POSE = 0.5  # nats of pose below which no pose is told from another
LARGEST_DRIFT = 0.5  # of its spread, by which z may move when an image is turned
FEWEST_IMAGES = 30  # below which learning is not told from memory


@dataclass(frozen=True)
class LearningFigures:
    """What a model makes of held-out images; nats are per image.

    Attributes
    ----------
    images : int
        Images trained on.
    looked_at : int
        Images that the figures are means of.
    content_nats, pose_nats : float
        KL of q(z) and of q(t, r) with its offsets over their priors.
    shift_nats, rotation_nats : float
        Information of q(t) and of q(r | t) on an image: how much narrower they are than the mean
        over all images.
    gain : float
        Nats saved against the mean image, all of the posterior paid.
    content_saved : float
        Nats saved against the same poses with the mean content, the KL of z not paid: content that
        is only just learned costs more than it saves, and is of use all the same.
    explained : float
        Share of the squared deviations from the mean image that the model explains.
    drift : float
        Root mean square by which z moves when an image is turned, over its spread; NaN untested.
    infers_pose : bool
        Whether the model has a posterior over shift and rotation.
    """

    images: int
    looked_at: int
    content_nats: float
    pose_nats: float
    shift_nats: float
    rotation_nats: float
    gain: float
    content_saved: float
    explained: float
    drift: float = math.nan
    infers_pose: bool = True


@dataclass(frozen=True)
class Verdict:
    """What was learned, in words.

    `learned` says which parts are of use, `headline` is its sentence, `why` the figures, and
    `change` what to change in words, empty where nothing needs it. `turns` tells that z follows
    how an object is turned.
    """

    learned: Learned
    headline: str
    why: str
    change: str = ""
    turns: bool = False

    @property
    def words(self) -> str:
        """All of it in a line."""
        return " ".join(part for part in (self.headline, self.why, self.change) if part)

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Verdict | None:
        """Return the verdict of `to_json`, None where the text is none."""
        try:
            values: Any = parsed_json(text)
            known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
            return cls(**known)
        except (ValueError, TypeError):
            return None


def description_gain(numbers: Array, without: Array, remaining: Array, cost: float) -> float:
    """Return the nats per image that a description saves: sum n / 2 log(without / with) - cost.

    The deviation of what is not described is fitted to each group of numbers, such as a ring of
    spatial frequencies, so that noise of any colour is paid for once.

    Parameters
    ----------
    numbers : (K,)
        How many numbers of an image in each group.
    without, remaining : (K,)
        Mean square of a number, before and after what is paid for.
    cost : float
        Nats per image.
    """
    least = 1e-6 * max(float(np.max(without, initial=0.0)), 1e-300)
    ratio = np.log((without + least) / (remaining + least))
    return float(0.5 * (numbers * ratio).sum() - cost)


def content_note(nats: float) -> str:
    """Return what is to be said beside a plane of z that is the same for every image, or nothing.

    Parameters
    ----------
    nats : float
        KL of the content, mean over the images.
    """
    if nats >= LEAST_CONTENT:
        return ""
    return (
        f"The content was not learned: z is the same for every image ({nats:.2f} nats), so this "
        "cloud is noise and its distances and clusters mean nothing."
    )


def verdict(figures: LearningFigures) -> Verdict:
    """Return what was learned, by the figures of held-out images."""
    why = _why(figures)
    if figures.images < FEWEST_IMAGES:
        return Verdict(
            "nothing",
            "Nothing was learned that holds for other images.",
            f"{figures.images} images are too few to tell learning from memory.",
            "Use a few hundred images at least.",
        )
    content = figures.content_nats >= LEAST_CONTENT and figures.content_saved >= LEAST_SAVED
    pose = figures.infers_pose and figures.pose_nats >= LEAST_POSE
    if not figures.gain >= LEAST_GAIN or not (content or pose):
        change = "Train so that it learns at all: other settings for these images, or more epochs."
        return Verdict("nothing", "Nothing was learned.", why, change)
    if not content:
        z = "z is the same for every image"
        if figures.content_nats >= LEAST_CONTENT:
            z = "what z says of an image helps to draw no other"
        return Verdict(
            "pose",
            f"Learned the pose, not the content: {z}, so its planes and clusters mean nothing.",
            why,
            "Let z start with less weight on its KL, or train for more epochs.",
        )
    if figures.drift > LARGEST_DRIFT:
        return Verdict(
            "all",
            "Learned, but z follows how an object is turned as well as what it is.",
            why,
            "Use more rotations of the kernels.",
            turns=True,
        )
    if figures.infers_pose and not pose:
        headline = "Learned the content; all images have one pose."
        return Verdict("content", headline, why)
    return Verdict("all", "Learned.", why)


def _why(figures: LearningFigures) -> str:
    said = [f"{figures.content_nats:.1f} nats of content"]
    if figures.infers_pose:
        said.append(
            f"{figures.pose_nats:.1f} of pose (between images: shift {figures.shift_nats:.1f}, "
            f"rotation {figures.rotation_nats:.1f})"
        )
    drawn = f"{100 * figures.explained:.0f} %" if figures.explained > 0 else "nothing"
    said.append(f"{drawn} of what differs from the mean image is drawn")
    said.append(f"{figures.gain:.0f} nats saved per image")
    if not math.isnan(figures.drift):
        said.append(f"a turn moves z by {100 * figures.drift:.0f} % of its spread")
    return f"({', '.join(said)}; {figures.looked_at} images looked at.)"
