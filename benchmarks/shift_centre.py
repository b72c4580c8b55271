"""How much of the error of the shift is only which point of the object is meant?

    python benchmarks/shift_centre.py RUN IMAGES [--count 600]

RUN is a trained run of images with a truth beside them (`tvae synth`, `evidence.py`), IMAGES their
file. Of its test images: the correlation of the true shift with the shift as inferred, with one
offset taken off (the mean centroid of what is drawn, in the object's frame), and with the centroid
of each drawn image taken off.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tvae_core.engine.data import split_images
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.training.centring import middle_px
from tvae_core.engine.using.inference import infer
from tvae_core.images.opening import open_stack
from tvae_core.runs.folder import RunFolder
from tvae_core.synthetic.write import read_truth

Values = NDArray[np.float64]


def main() -> None:
    """Print the three correlations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--count", type=int, default=600)
    given = parser.parse_args()
    run = RunFolder(given.run)
    config, model = run.config(), model_from_bytes(run.model.read_bytes())
    with open_stack(given.images) as stack:
        test = split_images(len(stack), config.data, config.train.seed).test[: given.count]
        images = torch.from_numpy(np.asarray(stack.read(test), np.float32))[:, None]
    truth = read_truth(given.images.with_name("truth.csv"))
    wanted = np.stack([truth["shift_x_px"], truth["shift_y_px"]], 1)[test]
    found = infer(model, images, 0.0)
    z, angle = found.z_mean, found.angle_rad.numpy().astype(float)
    shift = found.shift_px.numpy().astype(float)
    off = np.stack([middle_px(model, one[None]).numpy() for one in z])
    print(f"the centroid lies {off.mean(0).round(2)} px off, +- {off.std(0).round(2)}")
    print("as inferred:", correlations(shift, wanted))
    print("one offset taken off:", correlations(shift + turned(off.mean(0), angle), wanted))
    print("of each drawn image's centroid:", correlations(shift + turned(off, angle), wanted))


def turned(vectors: Values, angle: Values) -> Values:
    """Return vectors (2,) or (n, 2) turned counter-clockwise by angles (n,)."""
    x, y = vectors[..., 0], vectors[..., 1]
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * x - sin * y, sin * x + cos * y], 1)


def correlations(found: Values, true: Values) -> str:
    """Return the correlation along x and y."""
    return ", ".join(f"{np.corrcoef(found[:, i], true[:, i])[0, 1]:.3f}" for i in (0, 1))


if __name__ == "__main__":
    main()
