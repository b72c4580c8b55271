"""What a run costs: memory, disk and multiply-adds, counted from its config."""

from __future__ import annotations

import math

from tvae_core.config import ModelConfig, RunConfig, TrainConfig
from tvae_core.geometry import shift_cells_per_axis
from tvae_core.images.look import ImageLook

CPU_WORKING_SET = 192 << 20  # bytes of activations at once: more is no faster (performance.md)
CACHE_BYTES = 256 << 20  # a set of images that takes no more is kept in memory
_TORCH_BYTES = 480e6  # with Python, NumPy and the rest; four presets peak at 0.48 to 0.67 GB


def model_side(config: RunConfig, look: ImageLook) -> int:
    """Return the side in pixels of the images as the model sees them."""
    cut = config.data.crop_px or look.side
    return min(config.data.downsample_px or cut, cut)


def training_images(config: RunConfig, look: ImageLook) -> int:
    """Return how many images are trained on."""
    held_out = config.data.validation_share + config.data.test_share
    return look.images - round(look.images * held_out)


def fits_in_memory(count: int, channels: int, side: int) -> bool:
    """Return whether a set of prepared images is kept in memory."""
    return 4 * count * channels * side**2 <= CACHE_BYTES


def memory_estimate(config: RunConfig, look: ImageLook) -> float:
    """Return the bytes that training holds on a CPU: torch, images, weights, one micro-batch."""
    side = model_side(config, look)
    pixels = side * side
    cells = shift_cells(config.model, side)
    at_once = micro_batch_size(config.model, config.train, pixels, cells, CPU_WORKING_SET)
    step = at_once * image_bytes(config.model, config.train, pixels, cells)
    images = 4.0 * look.images * look.channels * pixels
    kept = images if fits_in_memory(look.images, look.channels, side) else 0.0
    return _TORCH_BYTES + kept + 4 * 4 * _weights(config, side) + step


def micro_batch_size(
    model: ModelConfig, train: TrainConfig, pixels: int, cells: int, working_set_bytes: float
) -> int:
    """Return how many images of a batch go through the model at once.

    Parameters
    ----------
    pixels, cells : int
        Pixels of an image that are compared, and shift cells.
    working_set_bytes : float
        What the activations of a micro-batch may take; one image is always taken.
    """
    fitting = int(working_set_bytes / image_bytes(model, train, pixels, cells))
    return max(1, min(train.batch_size, fitting))


def shift_cells(model: ModelConfig, side: int) -> int:
    """Return the number of shift cells over images of `side` pixels; other systems have one."""
    if model.system != "target-vae":
        return 1
    reach = model.shift_limit_sigmas * model.prior_std_px(side)
    return int(
        shift_cells_per_axis(side, model.kernel_side(side), reach, model.shift_pitch_px) ** 2
    )


def image_bytes(model: ModelConfig, train: TrainConfig, pixels: int, cells: int) -> float:
    """Return the bytes of activations that one image holds, there and back through the model."""
    drawn = pixels * train.pixel_share * train.samples
    per_pixel = 3 * model.fourier_features
    per_pixel += (2 * model.generator_layers + 2) * model.generator_hidden
    layers = model.encoder_layers * (2 if model.rotation_mixing else 1)  # mixing keeps its ring too
    per_cell = (layers + 3) * model.encoder_kernels + 8 * model.z_dim + 24
    return 4 * (drawn * per_pixel + cells * model.rotations * per_cell)


def disk_estimate(config: RunConfig, look: ImageLook) -> float:
    """Return the bytes that a run leaves: checkpoints, previews and the embedding file."""
    model, side = config.model, model_side(config, look)
    checkpoints = 2 * 3 * 4 * _weights(config, side)
    thumbnails = 2 * min(config.embed.thumbnail_px, side) ** 2
    an_image = 4 * (2 * model.z_dim + model.rotations + 12) + thumbnails + 32
    atlas = config.embed.atlas_nodes**2 * side * side * 4
    drawn = min(config.train.preview_images, look.images)
    previews = config.train.epochs * (4 * model.z_dim * drawn + 60_000)
    return checkpoints + an_image * look.images + atlas + previews


def work_per_image(config: RunConfig, side: int, channels: int = 1) -> float:
    """Return the multiply-adds of one forward pass on one image."""
    model = config.model
    if model.system != "target-vae":
        encoder = _weights(config, side)
        return encoder + (_drawing(config, side) if model.system == "spatial-vae" else 0)
    kernel, cells = model.kernel_side(side), shift_cells(config.model, side)
    lifted = model.rotations * model.encoder_kernels
    direct = lifted * kernel * kernel * channels * cells
    spectral = lifted * 4.0 * side * side * 2 * math.log2(2 * side)
    return (
        min(direct, spectral)
        + model.rotations * cells * _layer_weights(config)
        + _drawing(config, side)
    )


def activations(config: RunConfig, side: int) -> float:
    """Return the numbers that one forward pass on one image makes."""
    model = config.model
    drawn = _drawn_pixels(config, side) * (
        model.fourier_features + model.generator_hidden * model.generator_layers
    )
    if model.system in ("vae", "beta-vae"):
        return side * side
    if model.system == "spatial-vae":
        return drawn
    passed = model.encoder_layers * (2 if model.rotation_mixing else 1) + 1
    return (
        model.rotations * model.encoder_kernels * shift_cells(config.model, side) * passed + drawn
    )


def _drawn_pixels(config: RunConfig, side: int) -> float:
    return side * side * config.train.pixel_share * config.train.samples


def _drawing(config: RunConfig, side: int) -> float:
    model = config.model
    first = model.fourier_features * model.generator_hidden
    hidden = (model.generator_layers - 1) * model.generator_hidden**2
    return _drawn_pixels(config, side) * (first + hidden)


def _layer_weights(config: RunConfig) -> float:
    model = config.model
    return model.encoder_layers * (2 * model.rotation_mixing + 1) * model.encoder_kernels**2


def _weights(config: RunConfig, side: int) -> float:
    model = config.model
    encoder = model.encoder_kernels * (model.kernel_side(side) ** 2) + _layer_weights(config)
    inputs = 2 * model.fourier_features + model.z_dim
    return encoder + model.generator_hidden * (
        inputs + model.generator_layers * model.generator_hidden
    )
