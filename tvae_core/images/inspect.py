"""What there is to say about a stack, for the user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tvae_core.config import DataConfig, RunConfig
from tvae_core.images.deep_look import KeptLook
from tvae_core.images.opening import open_data
from tvae_core.images.stack import ImageStack
from tvae_core.images.values import findings, look_at_values

# Bad pixels are told by themselves, and a range is chosen by a run.
_ASKS_NOTHING = RunConfig(data=DataConfig(bad_pixels="zero", range="each"))


def describe(
    path: Path | str,
    data: DataConfig = DataConfig(),  # noqa: B008
    deep: bool = False,
    progress: Callable[[float, str], None] = lambda share, words: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Return what there is to say about a stack, from its headers and a sample of its images.

    The sample is that of `look_at_values`: all images of a small set, a thousand of a large one.

    Parameters
    ----------
    path : path
    data : DataConfig
        How it is to be read; its own path is not looked at.
    deep : bool
        Read every image instead of a sample; stopped or killed, the next such look at the same
        images goes on where it was.
    progress, cancelled : callable
        As for `look_at_values`.

    Returns
    -------
    dict
        `path`, `kind`, `count`, `height`, `width` (pixels), `channels`, `dtype`,
        `pixel_size_angstrom` (or None), `files` (number), `label_counts` (or None), `looked_at`
        (images read), of these `min`, `max` and `mean` (None when no pixel is finite),
        `bad_pixels`, `bad_images`, `constant_images`; `remarks`: oddities of the file, and what a
        run would say of its values.

    Raises
    ------
    ImageFileError
        As `open_stack`.
    Cancelled
        As `look_at_values`.
    """
    as_is = {"path": str(path), "pick": "no"}  # a large image is one image
    with open_data(data.model_copy(update=as_is)) as stack:
        facts = look_at_values(stack, deep, progress, cancelled, KeptLook(stack) if deep else None)
        found = [str(finding) for finding in findings(facts, _ASKS_NOTHING)]
        return _form(stack) | {
            "looked_at": facts.looked_at,
            "min": facts.low if facts.pixels else None,
            "max": facts.high if facts.pixels else None,
            "mean": facts.total / facts.pixels if facts.pixels else None,
            "bad_pixels": facts.bad_pixels,
            "bad_images": facts.bad_images,
            "constant_images": facts.constant_images,
            "remarks": [*stack.remarks, *found],
        }


def _form(stack: ImageStack) -> dict[str, Any]:
    return {
        "path": str(stack.path),
        "kind": stack.kind,
        "count": len(stack),
        "height": stack.height,
        "width": stack.width,
        "channels": stack.channels,
        "dtype": stack.dtype.newbyteorder("=").name,
        "pixel_size_angstrom": stack.pixel_size_angstrom,
        "files": len(stack.sources().files),
        "label_counts": _label_counts(stack),
    }


def _label_counts(stack: ImageStack) -> dict[str, int] | None:
    if stack.labels is None:
        return None
    values, counts = np.unique(stack.labels, return_counts=True)
    names = stack.label_names
    return {
        names[value] if 0 <= value < len(names) else str(value): count
        for value, count in zip(values.tolist(), counts.tolist(), strict=True)
    }
