"""A stack as the model sees it."""

from __future__ import annotations

import hashlib
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvae_core.config import DataConfig
from tvae_core.errors import ConfigError, TvaeError
from tvae_core.images.identity import ImageIdentity, KnownImages
from tvae_core.images.opening import open_data
from tvae_core.images.optics import PhaseFlip, optics_of
from tvae_core.images.pixel_forms import Form, rounded
from tvae_core.images.prepared_file import PreparedFile
from tvae_core.images.preprocess import Preprocessor
from tvae_core.images.stack import ImageStack


class PreparedStack:
    """A stack whose images are preprocessed as they are read.

    Parameters
    ----------
    stack : ImageStack
    config : DataConfig
    with_ctf : bool
        Whether the CTF of every image goes along, as `ctf_rows`.

    Attributes
    ----------
    stack : KnownImages
        The stack, whose images are known by identity.
    ctf_rows : (N, 9) float64 or None
        The fields of `tvae_core.ctf.Ctf` in their order, then the pixel size of the prepared
        images in Angstrom.

    Raises
    ------
    ConfigError
        The config does not fit the images, or asks for a CTF that they do not have.

    Notes
    -----
    With `keep_in` images are read from a file of prepared ones as far as it is filled. All then
    come rounded to the file's pixel type, so it makes no difference which are there already.
    """

    def __init__(self, stack: ImageStack, config: DataConfig, with_ctf: bool = False) -> None:
        self.stack = stack if isinstance(stack, KnownImages) else KnownImages(stack)
        stack = self.stack
        flip = PhaseFlip(optics_of(stack, "data.phase_flip")) if config.phase_flip else None
        self.preprocessor = Preprocessor(
            config, stack.height, stack.width, stack.channels, stack.dtype, str(stack.path), flip
        )
        self.form: Form = "float32"
        self.file: PreparedFile | None = None
        self.ctf_rows: NDArray[np.float64] | None = None
        if with_ctf:
            optics = optics_of(stack, "model.ctf")
            pixel = optics.pixel_size_angstrom * self.preprocessor.scale
            self.ctf_rows = np.column_stack([optics.ctf.rows(), pixel])

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
        chosen = np.asarray(indices)
        if self.file is None or not chosen.size or chosen.min() < 0 or chosen.max() >= len(self):
            return self._made(chosen)
        there = self.file.there(chosen)
        if there.all():
            images, there = self.file.read(chosen)
        else:
            images = np.empty((len(chosen), self.channels, self.side, self.side), np.float32)
            places = np.flatnonzero(there)
            images[places], there[places] = self.file.read(chosen[places])
        fresh = chosen[there][~self.stack.are_known(chosen[there])]
        if fresh.size:
            self.stack.told(fresh, self.file.prints(fresh))
        if not there.all():
            images[~there] = self._made(chosen[~there])
        return images

    def keep_in(self, form: Form, file: PreparedFile | None) -> None:
        """Round all images to a form from now on, and read those that a file of it has from there.

        The file is closed with the stack.
        """
        self.form, self.file = form, file

    def optics_digest(self) -> bytes:
        """Return a digest of the CTF that the phases are corrected by; empty where none is."""
        if not self.preprocessor.config.phase_flip:
            return b""
        optics = optics_of(self.stack, "data.phase_flip")
        digest = hashlib.sha256(np.ascontiguousarray(optics.ctf.rows()).data)
        digest.update(np.ascontiguousarray(optics.pixel_size_angstrom).data)
        return digest.digest()

    def close(self) -> None:
        """Close the stack."""
        if self.file is not None:
            self.file.close()
        self.stack.close()

    def _made(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return images made of the raw ones."""
        return rounded(self.preprocessor(self.stack.read(indices), indices), self.form)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_prepared(
    config: DataConfig,
    with_ctf: bool = False,
    wanted: ImageIdentity | None = None,
    since: str = "",
) -> PreparedStack:
    """Open the stack of `config` as the model sees it.

    Parameters
    ----------
    config : DataConfig
    with_ctf : bool
        As for `PreparedStack`.
    wanted, since
        The images to look for in there, as for `KnownImages`; all there are when not given.

    Raises
    ------
    ConfigError
        No path is given, or the config does not fit the images.
    ImageFileError
        The images cannot be opened.
    """
    if not config.path:
        raise ConfigError("data.path: no images are given", todo="name a stack, table or folder")
    stack = open_data(config)
    try:
        return PreparedStack(KnownImages(stack, wanted, since), config, with_ctf)
    except TvaeError:
        stack.close()
        raise
