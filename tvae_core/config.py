"""The one declaration of every parameter: type, bounds, unit and help.

The command line, the run's `config.json` and the form of the window are all made from these models.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tvae_core.contradictions import Contradiction, contradictions
from tvae_core.errors import ConfigError, did_you_mean
from tvae_core.files import parsed_json, read_text, write_text

Normalisation = Literal["none", "unit", "image", "ring"]
Fit = Literal["auto", "crop", "pad", "scale"]
Range = Literal["auto", "set", "each"]
Pick = Literal["auto", "yes", "no"]
BadPixels = Literal["refuse", "zero", "mean"]
HotPixels = Literal["auto", "keep", "clip"]
KeptAs = Literal["auto", "uint8", "float16", "float32", "none"]
Likelihood = Literal["bernoulli", "gaussian", "gaussian-learned"]
System = Literal["target-vae", "vae", "beta-vae", "spatial-vae"]


def _field(default: Any, help: str, unit: str = "", **bounds: Any) -> Any:
    extra: Any = {"unit": unit} if unit else None
    return Field(default, description=help, json_schema_extra=extra, **bounds)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class DataConfig(_Section):
    """Which images, and what is done to each before the model sees it."""

    path: str = _field("", "Stack, table or folder of images")
    dataset: str = _field("", "Name of the data set inside an .h5 or .npz file")
    axes: str = _field(
        "",
        "Axes of an array or TIFF stack as letters, images first: NYX, NCYX (channels first), "
        "NYXC, NP (flattened); empty: by its shape",
        pattern=r"^[A-Za-z]{0,8}$",
    )
    channel: str = _field(
        "",
        "Which of several channels, counted from 1; or three as red, green and blue, such as 1,2,3",
        pattern=r"^([1-9]\d*(,[1-9]\d*,[1-9]\d*)?)?$",
    )
    image_root: str = _field("", "Folder that replaces the one written in a .star or .cs table")
    allow_outside: bool = _field(
        False,
        "The stacks of a table may lie outside its project folder, by ../, absolute paths or links",
    )
    fit: Fit = _field(
        "auto",
        "How pictures of several sizes come to one. crop, pad: cut or padded about the centre with "
        "the border's own value, to the smallest or the largest; scale: each shrunk or enlarged; "
        "auto: pad where sizes differ less than twofold or only margins differ, else scale; "
        "decided when the run starts",
    )
    side_px: int = _field(
        0, "Side that pictures of several sizes are fitted into; 0: chosen", "px", ge=0, le=16384
    )
    pick: Pick = _field(
        "auto",
        "Large images of many objects: find these and take a box about each. yes, no, or auto: of "
        "a single image, and where several large ones hold many each; decided when the run starts",
    )
    box_px: int = _field(
        0, "Side of the box about each object found in large images; 0: chosen", "px", ge=0,
        le=16384,
    )  # fmt: skip
    bad_pixels: BadPixels = _field(
        "refuse", "NaN and infinite pixels: refuse the image, set to zero or to the image's mean"
    )
    hot_pixels: HotPixels = _field(
        "auto",
        "A few pixels far outside the range of the rest of an image: keep them, clip them to "
        "that range, or auto: decide when the run starts",
    )
    phase_flip: bool = _field(
        False,
        "Correct the sign of each image's CTF, at the original size, with the values of its "
        ".star or .cs table",
    )
    crop_px: int = _field(
        0, "Crop or pad to this square about the centre; 0 keeps all", "px", ge=0, le=16384
    )
    downsample_px: int = _field(
        0, "Downsample larger images to this side by Fourier cropping; 0 keeps the size", "px",
        ge=0, le=16384,
    )  # fmt: skip
    invert: bool = _field(False, "Swap dark and bright")
    normalise: Normalisation = _field(
        "unit",
        "unit: to 0..1 by one range for all images or each by its own (range); image: zero mean "
        "and unit deviation over the image; ring: over the corners outside the inscribed circle",
    )
    range: Range = _field(
        "auto",
        "What normalise unit takes as 0 and 1. set: black and full_scale, one range for all "
        "images, so that bright ones stay bright; each: each image's own; auto: set, unless the "
        "images' ranges differ widely; decided when the run starts",
    )
    black: float = _field(0.0, "Value that becomes 0 with one range for all images")
    full_scale: float = _field(
        0.0,
        "Value that becomes 1 with one range for all images; 0: the largest of the pixel type",
        ge=0,
    )
    mask: bool = _field(False, "Keep only the inscribed circle; pixels outside are not compared")
    kept_as: KeptAs = _field(
        "auto",
        "Pixel type in which prepared images that are too many for memory are kept on disk from "
        "one epoch to the next (`tvae cache`). auto: the smallest whose rounding costs less than "
        "0.1 nat an image, measured when the run starts; none: they are prepared in each epoch",
    )
    validation_share: float = _field(
        0.1, "Share of images held out to choose the best model", ge=0, le=0.5
    )
    test_share: float = _field(
        0.0, "Share of images never used for training or selection", ge=0, le=0.5
    )


OPENED_BY = (
    *("path", "dataset", "axes", "channel", "image_root", "allow_outside", "fit", "side_px"),
    *("pick", "box_px"),
)
"""The settings of `DataConfig` that say which images there are, before anything is done to them."""
OBJECTS = "objects"
"""Folder of a run that holds what was cut out of large images."""


class ModelConfig(_Section):
    """The TARGET-VAE: encoder, posterior, priors and generator (paper section 3)."""

    system: System = _field(
        "target-vae",
        "The model, or one it is compared with: plain VAE, beta-VAE (give beta) or spatial-VAE, "
        "which take as many free parameters as the TARGET-VAE with the same settings",
    )
    rotations: int = _field(8, "Discrete rotations R of the group P_R", ge=1, le=64)
    z_dim: int = _field(2, "Dimensions of the content latent z", ge=1, le=512)
    kernel_px: int = _field(
        0,
        "Side of the lifting kernel, at least the object's size; 0: chosen from the image size",
        "px",
        ge=0,
        le=1023,
    )
    encoder_kernels: int = _field(128, "Kernels of the lifting layer", ge=1, le=2048)
    encoder_layers: int = _field(2, "Hidden 1x1 group convolutions after lifting", ge=0, le=8)
    rotation_mixing: int = _field(
        0,
        "Neighbours over r, on either side, that a 1x1 group convolution mixes; 0: none, as in "
        "the paper",
        ge=0,
        le=8,
    )
    generator_hidden: int = _field(512, "Units of each generator layer", ge=4, le=4096)
    generator_layers: int = _field(2, "Shared layers of the generator", ge=1, le=16)
    content_layers: int = _field(
        1, "Layers of the generator's content branch, which cost next to nothing", ge=1, le=8
    )
    fourier_features: int = _field(
        1024, "Random Fourier features of the coordinates", ge=4, le=8192
    )
    fourier_scale_px: float = _field(
        1.0, "Length scale of the Fourier features: frequencies ~ N(0, 1/scale^2)", "px", gt=0
    )
    activation: Literal["leaky-relu", "silu"] = _field("leaky-relu", "Non-linearity")
    likelihood: Likelihood = _field(
        "bernoulli", "p(pixel | z, x): Bernoulli, or Gaussian with a fixed or a learned deviation"
    )
    ctf: Literal["none", "likelihood"] = _field(
        "none",
        "likelihood: the generator draws the object, and each image is compared with it as seen "
        "through the image's own CTF, of its .star or .cs table",
    )
    noise_std: float = _field(
        1.0, "Standard deviation of the fixed Gaussian likelihood", gt=0, le=1e4
    )
    subpixel_shift: bool = _field(True, "Infer a Gaussian shift offset within each cell")
    shift_pitch_px: int = _field(
        1,
        "Distance between shift cells; 2 or 3 computes a quarter or a ninth of them and infers "
        "an offset in each",
        "px",
        ge=1,
        le=3,
    )
    group_conv: bool = _field(
        True, "Rotated kernels; off: plain ones and no rotation axis (ablation 1 of table 4)"
    )
    rotation_inference: bool = _field(
        True, "q over the rotation axis; off: the axis is mixed down to one (ablation 2)"
    )
    rotation_offset: bool = _field(
        True, "Add the rotated kernel's angle to q(theta); off: ablation 3, the prior keeps it"
    )
    beta: float = _field(1.0, "Weight of KL_z in the loss; 4 makes a beta-VAE", gt=0, le=1000)
    mlp_hidden: int = _field(
        0,
        "Units of the fully-connected layers of vae, beta-vae and spatial-vae; 0: as many free "
        "parameters as the TARGET-VAE with the same settings",
        ge=0,
        le=8192,
    )
    rotation_prior: Literal["uniform", "normal"] = _field("uniform", "Prior on r")
    rotation_prior_std_rad: float = _field(
        0.785398, "Deviation of the normal prior on rotation", "rad", gt=0, le=100
    )
    shift_prior_std_px: float = _field(
        0.0, "Deviation of the prior on shift; 0: a tenth of the image side", "px", ge=0, le=1e4
    )
    shift_limit_sigmas: float = _field(
        4.0, "Skip shift cells beyond this many deviations of the prior; 0 computes all", ge=0
    )

    @property
    def turned_at_most_rad(self) -> float:
        """How far an object may lie turned: two deviations of a normal prior, else half a turn."""
        normal = self.rotation_prior == "normal"
        return min(math.pi, 2 * self.rotation_prior_std_rad) if normal else math.pi

    @property
    def rotation_cells(self) -> int:
        """Number of rotations that q(t, r | y) tells apart: R, or 1 where there is no such axis."""
        whole = self.group_conv and self.rotation_inference and self.system == "target-vae"
        return self.rotations if whole else 1

    def prior_std_px(self, side: int) -> float:
        """Return the deviation of the shift prior in pixels for images of `side` pixels."""
        return self.shift_prior_std_px or side / 10.0

    def pitch_fits(self, side: int) -> bool:
        """Return whether the prior on shift is wide enough for the pitch of its cells.

        The offset within a cell has (p / 2)^2 of the variance sigma^2 + 1/4 of the whole shift.
        """
        return self.prior_std_px(side) ** 2 > (self.shift_pitch_px**2 - 1) / 4

    def kernel_side(self, side: int) -> int:
        """Return the side of the lifting kernel for images of `side` pixels.

        It is odd, but one more for cells 2 px apart in an even image: these are corners of pixels.
        """
        odd = self.kernel_px or (int(0.65 * side) | 1)
        return odd + (self.shift_pitch_px == 2 and side % 2 == 0)

    @model_validator(mode="after")
    def _offset_in_wide_cells(self) -> Self:
        if self.shift_pitch_px > 1 and not self.subpixel_shift:
            raise ValueError(
                "shift_pitch_px above 1 leaves shifts between the cells: set subpixel_shift as "
                "well, or use pitch 1"
            )
        return self

    @model_validator(mode="after")
    def _odd_kernel(self) -> Self:
        if self.kernel_px and self.kernel_px % 2 == 0:
            raise ValueError(
                f"kernel_px must be odd, {self.kernel_px} moves the output half a pixel: "
                f"take {self.kernel_px + 1}"
            )
        return self


class TrainConfig(_Section):
    """How the model is fitted (paper section 4.1)."""

    seed: int = _field(0, "Seed of every random choice", ge=0, le=2**31 - 1)
    epochs: int = _field(500, "Largest number of epochs", ge=1, le=100000)
    batch_size: int = _field(100, "Images per step", ge=1, le=65536)
    optimizer: Literal["adam", "muon"] = _field(
        "adam",
        "adam: for all weights; muon: orthogonal steps for the matrices between hidden layers, "
        "Adam for the rest",
    )
    learning_rate: float = _field(2e-4, "Adam's step size", gt=0, le=1)
    matrix_rate: float = _field(
        0.02, "Muon's step size; it follows the schedule of the learning rate", gt=0, le=1
    )
    start: Literal["as-drawn", "unit-variance"] = _field(
        "as-drawn",
        "unit-variance: each hidden layer is scaled on a first batch so that its output has unit"
        " variance",
    )
    schedule: Literal["plateau", "cosine"] = _field(
        "plateau", "plateau: halved when the loss stalls; cosine: to zero over all epochs"
    )
    warmup_steps: int = _field(0, "Steps over which the learning rate rises from zero", ge=0)
    plateau_epochs: int = _field(10, "Epochs without improvement before halving", ge=1)
    stop_epochs: int = _field(20, "Epochs without improvement before stopping; 0: never", ge=0)
    sampler: Literal["gumbel-softmax", "cells"] = _field(
        "gumbel-softmax",
        "How q(t, r | y) is sampled: gumbel-softmax: one soft sample; cells: several cells drawn "
        "without replacement, each decoded, weighted by its probability",
    )
    samples: int = _field(1, "Posterior samples decoded per image and step", ge=1, le=64)
    temperature: float = _field(1.0, "Gumbel-softmax temperature at the start", gt=0, le=10)
    temperature_end: float = _field(1.0, "Gumbel-softmax temperature at the end", gt=0, le=10)
    pixel_share: float = _field(
        1.0, "Share of pixels compared in each step; the likelihood stays unbiased", gt=0, le=1
    )
    weight_average: float = _field(
        0.0,
        "Decay of the running average of the weights, which is kept as the best model; 0: none",
        ge=0,
        lt=1,
    )
    content_warmup: float = _field(
        0.0,
        "Share of all steps over which the weight of KL_z rises from 0.1 to 1, so that no "
        "dimension of z is given up early",
        ge=0,
        le=1,
    )
    rotation_start: float = _field(
        1.0,
        "Share of its deviation with which a normal prior on rotation begins, so that objects are "
        "first seen as they lie. A deviation of 18 degrees or less is used as it is from the start",
        gt=0,
        le=1,
    )
    rotation_warmup: float = _field(
        0.5,
        "Share of all steps over which a normal prior on rotation widens from rotation_start to "
        "its whole deviation",
        ge=0,
        le=1,
    )
    content_start: Literal["none", "linear", "auto"] = _field(
        "none",
        "linear: a linear model of pose and content is found by EM and draws the images of the "
        "first steps; auto: where the images are noisy, fewer of them the clearer they are",
    )
    taught_share: float = _field(
        0.5, "Largest share of all steps that learn from images of the linear model", gt=0, lt=1
    )
    clip_gradient: float = _field(0.0, "Largest norm of the gradient; 0: no limit", ge=0)
    device: str = _field("auto", "auto, cpu, cuda or cuda:N")
    compile: bool = _field(
        False,
        "Compile the generator with torch.compile on a GPU; takes a minute at the start",
    )
    threads: int = _field(0, "CPU threads; 0: one per core", ge=0, le=1024)
    checkpoint_minutes: float = _field(5.0, "Time between checkpoints", "min", gt=0)
    preview_images: int = _field(2000, "Images whose latents are plotted after each epoch", ge=16)


class EmbedConfig(_Section):
    """What the embedding file holds besides the embeddings."""

    thumbnail_px: int = _field(48, "Largest side of the thumbnails; 0: none", "px", ge=0, le=256)
    quality_share: float = _field(
        1.0,
        "Share of pixels drawn for reconstruction error and ELBO; less is faster and noisier, "
        "content and pose are the same",
        gt=0,
        le=1,
    )
    atlas_nodes: int = _field(24, "Atlas nodes along each axis of the plane; 0: none", ge=0, le=64)


class RunConfig(_Section):
    """Everything that defines a run."""

    data: DataConfig = Field(default_factory=DataConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    embed: EmbedConfig = Field(default_factory=EmbedConfig)

    def save(self, path: Path | str) -> None:
        """Write the config as JSON, atomically."""
        write_text(path, self.model_dump_json(indent=2) + "\n")

    def contradictions(self) -> list[Contradiction]:
        """Return which settings of different kinds exclude each other, or train nothing."""
        return contradictions(self)

    def changed(self, settings: list[str], settled: bool = True) -> RunConfig:
        """Return a copy with `section.name=value` settings applied.

        Not `settled`, what excludes each other is let pass: other settings are still to be chosen.

        Raises
        ------
        ConfigError
            A setting is unknown or out of bounds, or excludes another.
        """
        values = self.model_dump()
        for setting in settings:
            _apply(values, setting)
        config = parse_config(values, "setting", kept=True)
        if settled:
            _refuse(config, "setting", self.contradictions())
        return config


SECTIONS: dict[str, type[_Section]] = {
    "data": DataConfig,
    "model": ModelConfig,
    "train": TrainConfig,
    "embed": EmbedConfig,
}


def parse_config(values: Any, where: object, kept: bool = False) -> RunConfig:
    """Return the config of a dictionary.

    Parameters
    ----------
    kept : bool
        It is that of a run or store which is there: settings that exclude each other may have been
        allowed when it was made, and it stays readable.

    Raises
    ------
    ConfigError
        Naming the first wrong setting.
    """
    if kept and isinstance(values, dict) and isinstance(values.get("data"), dict):
        # runs of older programs were begun on what their table leads to
        values = values | {"data": {"allow_outside": True} | values["data"]}
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "config"
        message, todo = first["msg"].removeprefix("Value error, "), "see `tvae train --help`"
        if first["type"] == "extra_forbidden":
            message, todo = "there is no such setting", _meant(name) or todo
        raise ConfigError(f"{name}: {message}", where, todo) from None
    if not kept:
        _refuse(config, where)
    return config


def _refuse(config: RunConfig, where: object, known: Sequence[Contradiction] = ()) -> None:
    """Raise a ConfigError for the first contradiction that is not `known`."""
    for wrong in config.contradictions():
        if wrong not in known:
            todo = f"set {wrong.key}={str(wrong.value).lower()}"
            raise ConfigError(f"{wrong.key}: {wrong.what}", where, todo)


def load_config(path: Path | str, kept: bool = False, piped: bool = False) -> RunConfig:
    """Read a config written by `RunConfig.save`; `kept` as for `parse_config`.

    With `piped` it may be a pipe, as of the shell's `<(...)`; in a run that would be waited for.

    Raises
    ------
    ConfigError
        The file is missing, is not JSON, or a setting is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8") if piped else read_text(path)
        values = parsed_json(text)
    except FileNotFoundError:
        raise ConfigError("no such config", path) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not a JSON config ({error})", path) from None
    return parse_config(values, path, kept)


def _meant(name: str) -> str:
    known = [f"{one}.{key}" for one, kind in SECTIONS.items() for key in kind.model_fields]
    return did_you_mean(name, known)


def _apply(values: dict[str, Any], setting: str) -> None:
    name, equals, text = setting.partition("=")
    section, _, key = name.strip().partition(".")
    if not equals or section not in values or key not in values[section]:
        todo = _meant(f"{section}.{key}" if key else section) if equals else ""
        raise ConfigError(f"unknown setting {setting!r}", todo=todo or "write section.name=value")
    values[section][key] = text.strip()


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Return what has moved to `tvae_core.presets`, for scripts that look for it here."""
        if name not in ("load_preset", "presets", "Preset"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module("tvae_core.presets"), name)
