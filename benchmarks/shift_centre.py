"""How much of the error of the shift is only which point of the object is meant?

    python benchmarks/shift_centre.py RUN IMAGES [--count 600] [--known 512]

RUN is a trained run of images with a truth beside them (`tvae synth`, `evidence.py`), IMAGES their
file. Of its test images: the correlation of the true shift with the shift that the model gives;
with that of the point about which the shifts of `known` training images are smallest; with an
origin of each content found of the same images (`origins.py`), beside the spread of places of
images held out; and with the centroid of what is drawn of each image.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from origins import Features, Poses, best_ridge, families, origins, places

from tvae_core.engine.data import split_images
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.centring import least_moved_px
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.inference import Inferred, infer
from tvae_core.images.opening import open_stack
from tvae_core.runs.folder import RunFolder
from tvae_core.synthetic.write import read_truth

Values = NDArray[np.float64]


def main() -> None:
    """Print the correlations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--known", type=int, default=512, help="training images")
    given = parser.parse_args()
    run = RunFolder(given.run)
    config, model = run.config(), model_from_bytes(run.model.read_bytes())
    with open_stack(given.images) as stack:
        parts = split_images(len(stack), config.data, config.train.seed)
        known, test = parts.train[: given.known], parts.test[: given.count]
        trained, images = (
            torch.from_numpy(np.asarray(stack.read(some), np.float32))[:, None]
            for some in (known, test)
        )
    truth = read_truth(given.images.with_name("truth.csv"))
    wanted = np.stack([truth["shift_x_px"], truth["shift_y_px"]], 1)[test]
    seen, found = infer(model, trained, 0.0), infer(model, images, 0.0)
    origin = least_moved_px(*poses(seen))
    angle, shift = poses(found)
    print(f"shifts are smallest about {origin.round(2)} px")
    print("as the model gives it:", correlations(shift, wanted))
    print("of the least moved point:", correlations(shift + turned(origin, angle), wanted))
    was_drawn, is_drawn = (centroids(model, of.z_mean.numpy()) for of in (seen, found))
    known, test = with_content(seen), with_content(found)
    one_point = None
    for name, features in families(known.z).items():
        spread = of_each_content(name, features, known, test, wanted, one_point)
        one_point = spread if one_point is None else one_point
    known, test = (replace(of, z=at) for of, at in ((known, was_drawn), (test, is_drawn)))
    of_each_content("linear in the centroid", np.asarray, known, test, wanted, one_point)
    mean, std = is_drawn.mean(0).round(2), is_drawn.std(0).round(2)
    print(f"what is drawn has its centroid at {mean} +- {std} px")
    print("of each drawn image's centroid:", correlations(shift + turned(is_drawn, angle), wanted))


def of_each_content(
    name: str,
    features: Features,
    seen: Poses,
    test: Poses,
    wanted: Values,
    one_point: Values | None,
) -> Values:
    """Print what an origin of each content gives; return the held-out spread of each image (n,)."""
    ridge, spread = best_ridge(seen, features)
    gain = (spread if one_point is None else one_point) - spread
    sigmas = gain.mean() / max(gain.std() / np.sqrt(len(gain)), 1e-9)
    there = places(test, origins(seen, features, ridge)[1](test.z))
    print(
        f"an origin of each content, {name}, ridge {ridge:g}: {correlations(there, wanted)};",
        f"held-out spread {spread.mean():.2f} px^2, {sigmas:.1f} sigma less than of one point",
    )
    return spread


def centroids(model: TargetVae, contents: NDArray[np.float32]) -> Values:
    """Return the centroids (n, 2) of what is drawn of contents (n, D)."""
    decoder = Decoder(model)
    return np.stack([centroid(decoder.decode(one)[0]) for one in contents])


def with_content(found: Inferred) -> Poses:
    """Return the poses and contents inferred."""
    return Poses(*poses(found), found.z_mean.double().numpy())


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
