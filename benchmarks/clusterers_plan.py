"""The image sets of `clusterers.py`, and how each is learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import learning_plan
from evidence_plan import Make, made, ribosomes, small_mnist

from tvae_core.synthetic import plan_set, write_set

_FAST = (
    "train.optimizer=muon", "train.matrix_rate=0.02", "train.learning_rate=6e-3",
    "train.warmup_steps=20", "train.batch_size=40", "train.start=unit-variance",
    "train.pixel_share=0.25", "model.encoder_kernels=24", "data.validation_share=0.02",
    "model.shift_pitch_px=2",
)  # fmt: skip
_DIGITS = ("model.kernel_px=21", "model.shift_prior_std_px=2.5")


@dataclass(frozen=True)
class LabelledSet:
    """Images with a class each, the passes over them and the settings that learn them."""

    name: str
    about: str
    images: int
    epochs: int
    make: Make
    settings: tuple[str, ...]
    preset: str = "fast-cpu"
    seed: int = 0

    @property
    def words(self) -> list[str]:
        """Return the words that set up the training, after folder and images."""
        settings = (*self.settings, f"train.epochs={self.epochs}", f"train.seed={self.seed}")
        settings += ("embed.atlas_nodes=0", "train.preview_images=16", "train.threads=1")
        return ["--preset", self.preset, *(word for s in settings for word in ("--set", s))]


def clothes(data: Path, folder: Path, images: int) -> Path:
    """Write Fashion-MNIST, turned and moved as MNIST(U) is, in 34 px."""
    where = data / "fashion-mnist"
    names = {"images": "t10k-images-idx3-ubyte.gz", "labels": "t10k-labels-idx1-ubyte.gz"}
    files = {key: where / name for key, name in names.items()}
    return write_set(plan_set("mnist-u", count=images, side=34, shift_std=1, **files), folder).stack


def states(data: Path, folder: Path, images: int) -> Path:
    """Write hinges of two states, a fifth of the images junk."""
    plan = plan_set("hinge", count=images, spread="bimodal", junk=0.2)
    star = write_set(plan, folder).star
    assert star is not None
    return star


def _learned(name: str, about: str, epochs: int) -> LabelledSet:
    """Return a set of `learning.py`, learned as its row `preset` of seed 1 is."""
    known = learning_plan.SETS[name]
    return LabelledSet(
        name, about, known.images, epochs, known.make, known.settings, known.preset, seed=1
    )


SETS = {
    found.name: found
    for found in (
        LabelledSet(
            "mnist-u-z32", "MNIST(U) in 34 px, z 32: ten digits", 6000, 6, small_mnist("mnist-u"),
            (*_FAST, *_DIGITS, "model.z_dim=32", "model.encoder_kernels=32"),
        ),
        _learned("digits-u", "1,797 digits of scikit-learn turned, 24 px, z 2: ten digits", 11),
        _learned("cells", "red blood cells in 32 px, z 2: eight classes", 4),
        _learned("galaxies", "galaxies in colour, 32 px, z 2: spiral or not", 10),
        LabelledSet(
            "sprites", "squares, ellipses and hearts of six scales, 32 px, z 8: three shapes",
            2000, 4, made("sprites", side=32),
            (*_FAST, "model.kernel_px=21", "model.shift_prior_std_px=4", "model.z_dim=8"),
        ),
        LabelledSet(
            "states", "hinges of two states and a fifth junk, SNR 0.1, 64 reduced to 40 px, z 4: "
            "the states, judged on the particles", 2000, 4, states,
            (*_FAST, "data.phase_flip=true", "data.downsample_px=40", "model.kernel_px=31",
             "model.shift_prior_std_px=1.25", "model.z_dim=4"),
            "fast-particles",
        ),
        LabelledSet(
            "clothes", "Fashion-MNIST turned, in 34 px, z 16: ten kinds", 3000, 3, clothes,
            (*_FAST, "model.kernel_px=25", "model.shift_prior_std_px=1", "model.z_dim=16"),
        ),
        LabelledSet(
            "ribosome", "ribosomes of classes D and E, 32 px, z 8", 1296, 6, ribosomes,
            (*_FAST, "model.kernel_px=25", "model.shift_prior_std_px=1", "data.invert=true",
             "model.z_dim=8"), "fast-particles",
        ),
    )
}  # fmt: skip
