"""How well do shift and angle tell how an object lies, and what do origins and zeros add to it?

    python benchmarks/shift_centre.py RUN [IMAGES] [--count 1500] [--known 1000] [--picture PNG]

RUN is a trained run of images with a truth beside them (`tvae synth`, `evidence.py`), IMAGES their
file where it is not where the run has it. Of images that the run was not trained on, or that are
not looked at for the origins: the correlation of the true shift with the shift that the model
gives; with that of the point about which the shifts of `known` training images are smallest; with
that of the origins which a run finds now at its end; and with the centroid of what is drawn. And
how far the angle is from the true one, a constant taken off, as given and with the zero of each
content that a run finds now. The picture shows contents along the first principal component of z,
drawn without zeros and with them, and on the right where they differ.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import NDArray

from tvae_core.engine.data import Batch, batch_of, split_images
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.model.encoder import turn
from tvae_core.engine.model.origin import drawn_centroids_px
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.centring import centre, least_moved_px
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.inference import Inferred, infer
from tvae_core.geometry import wrap_angle
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.images import open_images_of_run, place_of_images
from tvae_core.synthetic.write import read_truth

Values = NDArray[np.float64]
_FEW_HELD_OUT = 300


def main() -> None:
    """Print the correlations."""
    given = _options()
    torch.set_num_threads(1)
    model = model_from_bytes(RunFolder(given.run).model.read_bytes())
    sample, test, wanted, angle = _read(given)
    before = infer(model, test.images, 0.0)
    print("as the model gives it:", correlations(before.shift_px, wanted))
    print("angle as the model gives it:", errors(before.angle_rad, angle))
    model.origin_weights = model.zero_weights = None  # of a run that has found them already
    plain = infer(model, test.images, 0.0)
    seen = infer(model, sample.images, 0.0)
    point = least_moved_px(seen.angle_rad.double().numpy(), seen.shift_px.double().numpy())
    print("of the least moved point:", correlations(moved(plain, point), wanted))
    drawn = drawn_centroids_px(model.generator, model.model, model.inside, plain.z_mean)
    print("of the centroid of what is drawn:", correlations(moved(plain, drawn), wanted))
    began = time.process_time()
    centre(model, sample)
    seconds = time.process_time() - began
    after = infer(model, test.images, 0.0)
    family = "one point" if model.origin_weights is None else f"of each {model.origin_kind}"
    print(f"of origins, {family}:", correlations(after.shift_px, wanted), f"{seconds:.0f} CPU s")
    zero = "none is set" if model.zero_weights is None else "of what stays still"
    print(f"angle, {zero}:", errors(after.angle_rad, angle))
    if given.picture:
        save_picture(model, after.z_mean.double().numpy(), given.picture)


def _read(given: argparse.Namespace) -> tuple[Batch, Batch, Values, Values]:
    """Return images that are looked at, images that are asked, and their shifts and angles."""
    run = RunFolder(given.run)
    config = run.config()
    data = place_of_images(run, config.data, str(given.images or ""))
    with open_images_of_run(run, data, config.model.ctf == "likelihood") as images:
        parts = split_images(len(images), config.data, config.train.seed)
        known = parts.train[:: -(-len(parts.train) // given.known)]
        asked = parts.test
        if len(asked) < _FEW_HELD_OUT:
            asked = np.setdiff1d(np.arange(len(images)), known)
        asked = asked[: given.count]
        sample, test = batch_of(images, known), batch_of(images, asked)
    truth = read_truth(Path(data.path).with_name("truth.csv"))
    wanted = np.stack([truth["shift_x_px"], truth["shift_y_px"]], 1)[asked]
    return sample, test, wanted, truth["angle_rad"][asked]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path, nargs="?")
    parser.add_argument("--count", type=int, default=1500, help="images asked")
    parser.add_argument("--known", type=int, default=1000, help="training images looked at")
    parser.add_argument("--picture", type=Path)
    return parser.parse_args()


def save_picture(model: TargetVae, z: Values, path: Path) -> None:
    """Draw contents along the first principal component, without the zeros and with them."""
    along = np.linalg.svd(z - z.mean(0), full_matrices=False)[2][0]
    steps = np.linspace(-1.8, 1.8, 7)[:, None] * (z @ along).std()
    contents = (z.mean(0) + steps * along).astype(np.float32)
    drawn, weights = [], model.zero_weights
    for zero in (None, weights):
        model.zero_weights = zero
        drawn.append(Decoder(model).decode(contents, side=96))
    figure, axes = plt.subplots(2, 8, figsize=(12, 3.1), layout="constrained")
    for row, pictures in zip(axes, drawn, strict=True):
        for axis, picture in zip(row, pictures, strict=False):
            axis.imshow(picture, cmap="gray")
        row[-1].imshow(pictures.std(0), cmap="magma", vmin=0, vmax=drawn[1].std(0).max())
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(path, dpi=80)


def moved(found: Inferred, origin_px: Values | torch.Tensor) -> torch.Tensor:
    """Return the places (n, 2) of origins (2,) or (n, 2)."""
    origin = torch.as_tensor(origin_px, dtype=torch.float32).expand_as(found.shift_px)
    return found.shift_px + turn(origin, found.angle_rad)


def correlations(found: torch.Tensor, true: Values) -> str:
    """Return the correlation along x and y."""
    values = found.double().numpy()
    return ", ".join(f"{np.corrcoef(values[:, i], true[:, i])[0, 1]:.3f}" for i in (0, 1))


def errors(found: torch.Tensor, true: Values) -> str:
    """Return the median error and the RMSE of angles, less the mean error."""
    off = found.double().numpy() - true
    off = np.degrees(np.abs(wrap_angle(off - np.angle(np.exp(1j * off).mean()))))
    return f"median {np.median(off):.1f}, RMSE {np.sqrt((off**2).mean()):.1f} degrees"


if __name__ == "__main__":
    main()
