"""What is known of a set, from `truth.csv`, an .npz of the same columns, or the labels alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.evaluation import Truth
from tvae_core.errors import ConfigError
from tvae_core.synthetic.write import TRUTH_NAME, read_truth

Columns = dict[str, NDArray[Any]]

_NO_FACTORS = ("image", "label", "labels", "angle_rad", "shift_x_px", "shift_y_px", "shift_px",
               "source_index", "test", "defocus_u_angstrom", "defocus_v_angstrom",
               "astigmatism_angle_deg")  # fmt: skip


def truth_beside(images: Path | str) -> Path | None:
    """Return the `truth.csv` that `tvae synth` wrote beside a set, None when there is none."""
    path = Path(images).parent / TRUTH_NAME
    return path if path.exists() else None


def open_truth(path: Path | str, count: int, scale: float = 1.0) -> Truth:
    """Return the truth of `count` images.

    Parameters
    ----------
    path : Path or str
        CSV or .npz with any of `label` (or `labels`), `angle_rad`, `shift_x_px` and `shift_y_px`
        (or `shift_px` (N, 2)); other numbers are factors of content.
    scale : float
        Original pixels in one of the model's, by which shifts are divided (the store's `scale`).

    Raises
    ------
    ConfigError
        It cannot be read, or has not one row an image.
    """
    columns = _columns(Path(path))
    wrong = {name: len(values) for name, values in columns.items() if len(values) != count}
    if wrong or not columns:
        name, rows = next(iter(wrong.items()), ("none", 0))
        what = f"{count:,} images but {rows:,} rows of {name}"
        raise ConfigError(what, path, "give one row per image, in the order of the images")
    labels = columns.get("label", columns.get("labels"))
    names: tuple[str, ...] = ()
    if labels is not None and labels.dtype.kind not in "iu":
        found, labels = np.unique(labels, return_inverse=True)
        names = tuple(str(name) for name in found)
    shift = columns.get("shift_px")
    if "shift_x_px" in columns and "shift_y_px" in columns:
        shift = np.stack([columns["shift_x_px"], columns["shift_y_px"]], 1)
    factors = {
        name: values
        for name, values in columns.items()
        if name not in _NO_FACTORS and values.ndim == 1 and values.dtype.kind in "iuf"
    }
    return Truth(
        labels=labels,
        label_names=names,
        angle_rad=columns.get("angle_rad"),
        shift_px=None if shift is None else shift / scale,
        factors=factors,
    )


def _columns(path: Path) -> Columns:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        return read_truth(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read as truth ({error})", path) from None
