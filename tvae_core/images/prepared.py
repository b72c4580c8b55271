"""A stack as the model sees it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvae_core.config import DataConfig
from tvae_core.errors import ConfigError
from tvae_core.images.opening import open_stack
from tvae_core.images.optics import PhaseFlip, optics_of
from tvae_core.images.preprocess import Preprocessor
from tvae_core.images.stack import ImageStack


class PreparedStack:
    """A stack whose images are preprocessed as they are read.

    Parameters
    ----------
    stack : ImageStack
    config : DataConfig

    Raises
    ------
    ConfigError
        The config does not fit the images, or asks for a CTF that they do not have.
    """

    def __init__(self, stack: ImageStack, config: DataConfig) -> None:
        self.stack = stack
        flip = PhaseFlip(optics_of(stack, "data.phase_flip")) if config.phase_flip else None
        self.preprocessor = Preprocessor(
            config, stack.height, stack.width, stack.channels, stack.dtype, str(stack.path), flip
        )

    def __len__(self) -> int:
        return len(self.stack)

    @property
    def side(self) -> int:
        """Pixels along each side of an image."""
        return self.preprocessor.output_side

    @property
    def channels(self) -> int:
        """1 or 3."""
        return self.preprocessor.channels

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Pixels that are kept, (h, w), None when all are."""
        return self.preprocessor.mask

    @property
    def pixel_size_angstrom(self) -> float | None:
        """Side of a pixel of the prepared images, None when the file does not say."""
        raw = self.stack.pixel_size_angstrom
        return None if raw is None else raw * self.preprocessor.scale

    def read(self, indices: ArrayLike) -> NDArray[np.float32]:
        """Return the prepared images, (n, C, h, w), in the given order.

        Raises
        ------
        ImageFileError
            As `ImageStack.read`, or bad pixels that are refused.
        """
        raw = self.stack.read(indices)
        return self.preprocessor(raw, np.asarray(indices))

    def close(self) -> None:
        """Close the stack."""
        self.stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_prepared(config: DataConfig) -> PreparedStack:
    """Open the stack of `config` as the model sees it.

    Raises
    ------
    ConfigError
        No path is given, or the config does not fit the images.
    ImageFileError
        The images cannot be opened.
    """
    if not config.path:
        raise ConfigError("data.path: no images are given", todo="name a stack, table or folder")
    stack = open_stack(config.path, dataset=config.dataset, image_root=config.image_root)
    try:
        return PreparedStack(stack, config)
    except ConfigError:
        stack.close()
        raise
