"""How much of the error of the shift is only which point of the object is meant?

    python benchmarks/shift_centre.py RUN IMAGES [--count 600]

RUN is a trained run of images with a truth beside them (`tvae synth`, `evidence.py`), IMAGES their
file. Of its test images: the correlation of the true shift with the shift that the model gives;
with that of the point about which the shifts of 512 training images are smallest; and with the
centroid of what is drawn of each image.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tvae_core.engine.data import split_images
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.training.centring import least_moved_px
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.inference import Inferred, infer
from tvae_core.images.opening import open_stack
from tvae_core.runs.folder import RunFolder
from tvae_core.synthetic.write import read_truth

Values = NDArray[np.float64]
_KNOWN = 512  # training images


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
        parts = split_images(len(stack), config.data, config.train.seed)
        known, test = parts.train[:_KNOWN], parts.test[: given.count]
        trained, images = (
            torch.from_numpy(np.asarray(stack.read(some), np.float32))[:, None]
            for some in (known, test)
        )
    truth = read_truth(given.images.with_name("truth.csv"))
    wanted = np.stack([truth["shift_x_px"], truth["shift_y_px"]], 1)[test]
    origin = least_moved_px(*poses(infer(model, trained, 0.0)))
    found = infer(model, images, 0.0)
    angle, shift = poses(found)
    off = np.stack([centroid(Decoder(model).decode(one)[0]) for one in found.z_mean.numpy()])
    print(f"shifts are smallest about {origin.round(2)} px")
    print(f"what is drawn has its centroid at {off.mean(0).round(2)} +- {off.std(0).round(2)} px")
    print("as the model gives it:", correlations(shift, wanted))
    print("of the least moved point:", correlations(shift + turned(origin, angle), wanted))
    print("of each drawn image's centroid:", correlations(shift + turned(off, angle), wanted))


def poses(found: Inferred) -> tuple[Values, Values]:
    """Return the angles (n,) and shifts (n, 2) inferred."""
    return found.angle_rad.double().numpy(), found.shift_px.double().numpy()


def centroid(picture: NDArray[np.float32]) -> Values:
    """Return the centroid (2,) of a picture (side, side), bright on dark, in pixels, y up."""
    weight = np.clip(picture.astype(float), 0, None)
    axis = np.arange(len(picture)) - (len(picture) - 1) / 2
    return np.array([(weight * axis).sum(), -(weight * axis[:, None]).sum()]) / weight.sum()


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
