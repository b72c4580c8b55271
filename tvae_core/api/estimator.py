"""TARGET-VAE as a scikit-learn transformer: arrays in, content out."""

from __future__ import annotations

import math
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from tvae_core.api import let_threads_sleep
from tvae_core.api.runs import history_of, settings_of
from tvae_core.api.sources import as_source
from tvae_core.config import parse_config
from tvae_core.errors import ConfigError, ImageFileError, extras_named
from tvae_core.images.prepared import PreparedStack
from tvae_core.images.stack import ImageStack, StackForm
from tvae_core.runs.folder import RunFolder
from tvae_core.work.train import TrainRequest

Array = NDArray[Any]
Floats = NDArray[np.float32]
_SMALLEST_SIDE = 8  # of an image made of rows that are none
_BLOCK = 1024
_OWN = ("z_dim", "epochs", "batch_size", "learning_rate")  # settings that are parameters


class TargetVAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learn content, rotation and shift of images; transform images into their content.

    Rows of a 2-D X are flattened images, as scikit-learn passes them on; X may also be
    (N, H, W) or (N, H, W, 3).

    Parameters
    ----------
    z_dim : int
        Dimensions of the content.
    epochs, batch_size, learning_rate : optional
        As the preset has them where not given.
    preset : str, optional
        The settings to start from; as `tvae train` chooses where not given.
    settings : dict, optional
        Any other setting by name, such as `{"rotations": 16, "downsample_px": 32}`.
    image_shape : tuple, optional
        (H, W) or (H, W, 3) of the rows of a 2-D X. Square where not given; rows that are no
        square images are laid into the smallest square that holds them, with a warning.
    random_state : int, RandomState or None
        Seed of every random choice.
    verbose : bool
        Print how far the training is.

    Attributes
    ----------
    weights_ : bytes
        The model, a safetensors file.
    settings_ : str
        Every setting of the run, as JSON.
    image_shape_ : tuple
        Of the images.
    history_ : list of Epoch
        The epochs, with the ELBO and its parts.
    n_features_in_ : int
        Values of an image.

    Examples
    --------
    >>> import numpy as np, tvae_core as tvae
    >>> images = np.random.default_rng(0).random((50, 12, 12)).astype("float32")
    >>> tvae.TargetVAE(epochs=1, settings={"encoder_kernels": 4}).fit_transform(images).shape
    (50, 2)
    """

    def __init__(
        self,
        z_dim: int = 2,
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        preset: str | None = None,
        settings: dict[str, Any] | None = None,
        image_shape: tuple[int, ...] | None = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.z_dim = z_dim
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.preset = preset
        self.settings = settings
        self.image_shape = image_shape
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Train on images.

        Parameters
        ----------
        X : (n, pixels), (n, H, W) or (n, H, W, 3)
        y : ignored

        Raises
        ------
        ValueError
            X is no array of finite numbers, a setting is wrong, or nothing can be learned from the
            values.
        """
        rows, shape = self._rows(X, reset=True)
        self.image_shape_ = self._shape(rows.shape[1], shape)
        with tempfile.TemporaryDirectory(prefix="tvae-") as place:
            folder = RunFolder(Path(place) / "run")
            source = as_source(self._images(rows), folder.path / "images.npy")
            try:
                settings = settings_of(self._settings() | {"axes": source.axes})
                self._train(folder, str(source.path), settings)
            except (ConfigError, ImageFileError) as error:
                raise ValueError(str(error)) from error
            self.weights_ = folder.model.read_bytes()
            self.settings_ = folder.config().model_dump_json()
            self.history_ = history_of(folder)
        self._n_features_out = self.z_dim
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Return the content of images, (n, z_dim) float32."""
        return self._inferred(X)[0]

    def pose(self, X: ArrayLike) -> tuple[Floats, Floats]:
        """Return the rotation (n,) and the shift (n, 2) of images.

        Counter-clockwise radians, and pixels of the model's images, x right and y up.
        """
        _, angle_rad, shift_px = self._inferred(X)
        return angle_rad, shift_px

    def inverse_transform(self, X: ArrayLike) -> Floats:
        """Return the images, upright and centred, that the model draws of contents (n, z_dim).

        Each is flattened, (n, side * side) or (n, side * side * 3), of the model's images.
        """
        from tvae_core.engine.model.checkpoint import model_from_bytes
        from tvae_core.engine.using.decode import Decoder

        check_is_fitted(self)
        z = np.atleast_2d(np.asarray(X, np.float32))
        if z.ndim != 2 or z.shape[1] != self._n_features_out:
            raise ValueError(f"contents of shape {z.shape}, expected (n, {self._n_features_out})")
        pictures = Decoder(model_from_bytes(self.weights_, Path("model"))).decode(z)
        return np.asarray(pictures.reshape(len(z), -1))

    def __sklearn_tags__(self) -> Tags:
        """Say that content is float32, whatever the images are."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _settings(self) -> dict[str, Any]:
        own: dict[str, Any] = {name: getattr(self, name) for name in _OWN}
        for name in self.settings or {}:
            if (own_name := name.rpartition(".")[2]) in (*_OWN, "seed"):
                parameter = "random_state" if own_name == "seed" else own_name
                raise ValueError(f"settings: {name!r} is a parameter of its own: {parameter}=")
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31 - 1)
        given = {name: value for name, value in own.items() if value is not None}
        return {"seed": int(seed)} | given | (self.settings or {})

    def _train(self, folder: RunFolder, path: str, settings: tuple[str, ...]) -> None:
        request = TrainRequest(
            folder=folder.path, data=path, preset=self.preset, settings=settings, no_embed=True
        )
        tell = partial(print, flush=True) if self.verbose else _silent
        let_threads_sleep()
        with extras_named():
            request.run(lambda share, words: tell(f"{words} {share:.0%}"))

    def _rows(self, X: ArrayLike, reset: bool) -> tuple[Array, tuple[int, ...] | None]:
        """Return checked rows (n, pixels) and the shape that X itself gives its images."""
        shape = None
        if isinstance(X, np.ndarray) and X.ndim in (3, 4):
            shape = X.shape[1:]
            X = X.reshape(len(X), -1)
        fewest = {"ensure_min_samples": 2, "ensure_min_features": 2} if reset else {}
        rows = validate_data(self, X, reset=reset, **fewest)
        return np.asarray(rows), shape

    def _shape(self, values: int, shape: tuple[int, ...] | None) -> tuple[int, ...]:
        if (shape := shape or self.image_shape) is not None:
            if math.prod(shape) != values:
                raise ValueError(f"rows of {values} values are no images of shape {tuple(shape)}")
            return tuple(shape)
        side = math.isqrt(values - 1) + 1
        if side * side != values:
            side = max(side, _SMALLEST_SIDE)
            words = f"rows of {values} values are no square images: filled up to {side} x {side}"
            warnings.warn(f"{words}; give image_shape", UserWarning, stacklevel=3)
        return (side, side)

    def _images(self, rows: Array) -> Array:
        filled = rows
        if (missing := math.prod(self.image_shape_) - rows.shape[1]) > 0:
            filled = np.pad(rows, ((0, 0), (0, missing)))
        return filled.reshape(len(rows), *self.image_shape_)

    def _inferred(self, X: ArrayLike) -> tuple[Floats, Floats, Floats]:
        from tvae_core.engine.using.inference import poses_of_model

        check_is_fitted(self)
        rows, _ = self._rows(X, reset=False)
        stack = _InMemory(self._images(rows))
        data = parse_config(_json(self.settings_), "settings_", kept=True).data
        prepared = PreparedStack(stack, data.model_copy(update={"axes": ""}))
        poses = poses_of_model(self.weights_)
        blocks = [
            poses(prepared.read(np.arange(at, min(at + _BLOCK, len(rows)))))
            for at in range(0, len(rows), _BLOCK)
        ]
        z, angle_rad, shift_px = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        return z, angle_rad, shift_px


class _InMemory(ImageStack):
    """Images (n, H, W[, 3]) of an array, as a file would give them."""

    def __init__(self, images: Array) -> None:
        channels = images.shape[3] if images.ndim == 4 else 1
        form = StackForm(len(images), images.shape[1], images.shape[2], channels, images.dtype)
        super().__init__(Path("X"), "array", form)
        self._images = images

    def _read(self, indices: NDArray[np.int64]) -> Array:
        return self._images[indices]


def _silent(words: str) -> None:
    """Print nothing."""


def _json(text: str) -> Any:
    import json

    return json.loads(text)
