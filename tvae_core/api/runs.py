"""Runs from Python: fit one, open one, embed more images with it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Self

from tvae_core.api import let_threads_sleep
from tvae_core.api.sources import Images, Source, as_source
from tvae_core.api.stores import Store, open_store
from tvae_core.config import SECTIONS, DataConfig, RunConfig
from tvae_core.errors import ConfigError, StoreError, did_you_mean, extras_named
from tvae_core.progress import Cancel, Chosen, Embedded, Epoch, Finished, Record, Remark
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.listing import records_of
from tvae_core.runs.recommend import Recommendation
from tvae_core.runs.recommend import recommend as look
from tvae_core.work.request import Progress, never, quiet
from tvae_core.work.train import EmbedRequest, TrainRequest

Place = str | PathLike[str]


class Run:
    """A trained run: a folder with its settings, its model, its history and its store.

    Parameters
    ----------
    path : path
        The run's folder.

    Attributes
    ----------
    path : Path
        The run's folder.
    remarks : tuple of str
        What was said of the images, the settings and the outcome while this object trained; empty
        for a run that was opened.
    """

    def __init__(self, path: Place) -> None:
        self.path = Path(path).expanduser()
        self.remarks: tuple[str, ...] = ()
        if not self._folder.is_run():
            raise ConfigError("no run here (config.json is missing)", self.path)

    @property
    def _folder(self) -> RunFolder:
        return RunFolder(self.path)

    @property
    def config(self) -> RunConfig:
        """Every setting of the run, such as `run.config.model.z_dim`."""
        return self._folder.config()

    @property
    def history(self) -> list[Epoch]:
        """The epochs trained so far: ELBO and its parts in nats per image, one record each."""
        return history_of(self._folder)

    @cached_property
    def store(self) -> Store:
        """What the run found out about its own images."""
        return open_store(self.path)

    def resume(
        self, *, progress: Progress = quiet, cancelled: Cancel = never, **settings: Any
    ) -> Self:
        """Go on with a run that was stopped, or for longer; then embed its images again.

        Parameters
        ----------
        progress, cancelled
            As for `fit`.
        **settings
            `epochs` to train longer; `device` and `threads`. Nothing else may change.

        Raises
        ------
        ConfigError
            Another setting is given.
        TvaeError
            Training cannot go on.
        """
        request = TrainRequest(folder=self.path, resume=True, settings=settings_of(settings))
        remarks: list[str] = []
        _followed(request.records(cancelled), progress, remarks)
        self.remarks = tuple(remarks)
        self.__dict__.pop("store", None)
        return self

    def embed(
        self,
        images: Images | None = None,
        out: Place | None = None,
        *,
        progress: Progress = quiet,
        cancelled: Cancel = never,
        **settings: Any,
    ) -> Store:
        """Infer content and pose of more images with the run's model.

        Parameters
        ----------
        images : path, array or stack, optional
            As for `fit`; the run's own are embedded again where none are given.
        out : path, optional
            The store to write; `embedded-1.h5`, `embedded-2.h5`, ... in the run's folder for other
            images, the run's own store for its own.
        progress, cancelled
            As for `fit`.
        **settings
            Settings of `data` and `embed`, such as `axes="NCYX"` or `thumbnail_px=0`.

        Returns
        -------
        Store
            Of these images, in the order given.

        Raises
        ------
        TvaeError
            The run has no model, or the images do not fit it.
        """
        target = self._free_name() if out is None and images is not None else out
        source = None
        if images is not None:
            source = as_source(images, Path(target or self.path).with_suffix(".npy"))
            settings = {"axes": source.axes} | settings if source.axes else settings
        request = EmbedRequest(
            folder=self.path,
            data=None if source is None else str(source.path),
            output=None if target is None else Path(target),
            settings=settings_of(settings, EmbedRequest.sections),
        )
        path = _followed(request.records(cancelled), progress, [])
        self.__dict__.pop("store", None)
        return open_store(path)

    def _free_name(self) -> Path:
        number = 1
        while (path := self.path / f"embedded-{number}.h5").exists():
            number += 1
        return path

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self._folder.epochs_done()} epochs)"


def fit(
    images: Images,
    out: Place,
    *,
    preset: str | None = None,
    progress: Progress = quiet,
    cancelled: Cancel = never,
    anyway: bool = False,
    **settings: Any,
) -> Run:
    """Train a run on images and embed them.

    Parameters
    ----------
    images : path, array or stack
        Whatever `tvae train --data` reads (a stack, a particle table, a folder of pictures), or an
        array (N, H, W), (N, H, W, 3), (N, 3, H, W) or (N, pixels) of square images, which is kept
        in the run's folder as `images.npy`, or an `ImageStack` opened from a file.
    out : path
        The run's folder; it must be new or empty.
    preset : str, optional
        Name of a preset, the settings to start from (`tvae train --help` lists them); as
        `tvae train` chooses where none is given.
    progress : callable, optional
        Is told the share that is done, 0 to 1, and of what: `lambda share, words: ...`. The share
        begins again with the embedding.
    cancelled : callable, optional
        Asked often; when it returns true a checkpoint is written and `Cancelled` raised.
    anyway : bool
        Train despite problems with the settings, the images or the machine.
    **settings
        Any setting by its name, such as `z_dim=2, epochs=50, downsample_px=32`; `tvae train --help`
        and the reference list all of them.

    Returns
    -------
    Run
        With `run.store` of the images, in the order given.

    Raises
    ------
    ConfigError
        The folder is in use, a setting is unknown or out of bounds, or the settings do not fit the
        images.
    ImageFileError
        The images cannot be read, or nothing can be learned from their values.
    TrainingError, DeviceError
        Training cannot go on; the machine lacks what it needs.
    """
    folder = RunFolder(Path(out).expanduser())
    if folder.is_used():
        raise ConfigError("this folder is not empty", folder.path, "choose another folder")
    wanted = settings_of(settings)
    source = as_source(images, folder.path / "images.npy")
    if source.axes and not _says_axes(wanted):
        wanted = (*wanted, f"data.axes={source.axes}")
    request = TrainRequest(
        folder=folder.path, data=str(source.path), preset=preset, settings=wanted, anyway=anyway
    )
    return _trained(request, source, progress, cancelled)


def _trained(request: TrainRequest, source: Source, progress: Progress, cancelled: Cancel) -> Run:
    """Train and embed; an array that was written for a run that never began is taken away."""
    remarks: list[str] = []
    try:
        _followed(request.records(cancelled), progress, remarks)
    except Exception:
        if source.written and not RunFolder(request.folder).is_run():
            source.path.unlink(missing_ok=True)
        raise
    run = Run(request.folder)
    run.remarks = tuple(remarks)
    return run


def recommend(images: Images, **settings: Any) -> Recommendation:
    """Look at up to a thousand images and return the settings that suit them, with reasons.

    Printed, it reads as a line a setting. `fit` takes the same settings where no preset is named.

    Parameters
    ----------
    images : path, array or stack
        As for `fit`.
    **settings
        What is decided already, such as `z_dim=4`; the rest follows it.

    Raises
    ------
    ConfigError, ImageFileError
        As `fit`.
    """
    given = settings_of(settings)
    with tempfile.TemporaryDirectory(prefix="tvae-") as place:
        source = as_source(images, Path(place) / "images.npy")
        data = DataConfig(axes="" if _says_axes(given) else source.axes)
        found = look(source.path, data, given)
    if source.written:
        found.config.data.path = ""
    return found


def open_run(path: Place) -> Run:
    """Open a run's folder.

    Raises
    ------
    ConfigError
        It is none.
    """
    return Run(path)


def _says_axes(settings: tuple[str, ...]) -> bool:
    return any(setting.startswith("data.axes=") for setting in settings)


def history_of(folder: RunFolder) -> list[Epoch]:
    """Return the epochs that a run has trained."""
    return [record for record in records_of(folder.metrics) if isinstance(record, Epoch)]


def settings_of(
    settings: dict[str, Any], sections: tuple[str, ...] = TrainRequest.sections
) -> tuple[str, ...]:
    """Return settings as `section.name=value`; a name may leave its section out.

    Raises
    ------
    ConfigError
        There is no such setting.
    """
    known = {name: section for section in sections for name in SECTIONS[section].model_fields}
    written = []
    for name, value in settings.items():
        section, _, key = name.rpartition(".")
        if known.get(key) is None or section not in ("", known[key]):
            todo = did_you_mean(name, known) or "see `tvae train --help`"
            raise ConfigError(f"unknown setting {name!r}", "", todo)
        text = "" if value is None else str(value)
        written.append(f"{known[key]}.{key}={text}")
    return tuple(written)


def _followed(records: Iterator[Record], progress: Progress, remarks: list[str]) -> Path:
    """Do the work, telling `progress`, collecting remarks, and return the file made last."""
    path = ""
    let_threads_sleep()
    with extras_named():
        for record in records:
            if isinstance(record, Finished):
                path = record.path
            elif isinstance(record, Epoch):
                progress((record.epoch + 1) / record.epochs, "training")
            elif isinstance(record, Embedded):
                progress(record.done / record.total, "embedding")
            elif isinstance(record, Remark):
                remarks.append(record.what)
            elif isinstance(record, Chosen):
                told = f"{record.key}={record.value}: " if record.key else ""
                remarks.append(told + record.reason)
    if not path:
        raise StoreError("the work ended without a result")
    return Path(path)
