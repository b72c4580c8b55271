"""Did it learn? What the figures of the last epoch say of content and pose, in words."""

from __future__ import annotations

from tvae_core.progress import Epoch

# nats per image below which a part of the posterior says nothing of an image: runs that learned
# have a content of 2 to 17 nats and poses of 3 to 7 (docs/results), collapsed ones 0.00 to 0.2
_LEAST_CONTENT = 0.25
_LEAST_POSE = 0.5

_NOTHING = (
    "nothing was learned: neither content nor pose tells one image from another ({figures}); train "
    "for more epochs (--resume --epochs N), and look at the images as the model sees them in the "
    "previews"
)
_POSE_ONLY = (
    "the pose was learned, but not the content: z is the same for every image ({figures}), so its "
    "planes and clusters mean nothing; train for more epochs, or begin a new run with a larger "
    "train.content_warmup"
)
_CONTENT_ONLY = (
    "the content was learned, but not the pose: every shift and rotation is equally likely "
    "({figures}); train for more epochs, or check the prior on shift and the size of the kernel"
)


def content_note(nats: float) -> str:
    """Return what is to be said beside a plane of z that is the same for every image, or nothing.

    Parameters
    ----------
    nats : float
        KL of the content, mean over the images.
    """
    if nats >= _LEAST_CONTENT:
        return ""
    return (
        f"The content was not learned: z is the same for every image ({nats:.2f} nats), so this "
        "cloud is noise and its distances and clusters mean nothing."
    )


def verdict(last: Epoch, infers_pose: bool = True) -> str:
    """Return what an epoch's figures say against what was learned, or nothing.

    Parameters
    ----------
    last : Epoch
        The last epoch; its KL terms are nats per image, over the prior.
    infers_pose : bool
        Whether the system has a posterior over shift and rotation.
    """
    no_content = last.kl_content < _LEAST_CONTENT
    no_pose = infers_pose and last.kl_pose + last.kl_angle + last.kl_shift < _LEAST_POSE
    figures = f"{last.kl_content:.2f} nats of content"
    if infers_pose:
        figures += f", {last.kl_pose + last.kl_angle + last.kl_shift:.2f} of pose"
    if no_content and (no_pose or not infers_pose):
        return _NOTHING.format(figures=figures)
    if no_content:
        return _POSE_ONLY.format(figures=figures)
    return _CONTENT_ONLY.format(figures=figures) if no_pose else ""
