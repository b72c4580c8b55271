"""The beginning of a run: one look at what it will be trained on, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np

from tvae_core.config import RunConfig
from tvae_core.errors import ConfigError, ImageFileError, TrainingError
from tvae_core.files import shown
from tvae_core.images.identity import ImageIdentity, KnownImages
from tvae_core.images.look import look_at
from tvae_core.images.pixel_forms import choose_form
from tvae_core.images.prepared import PreparedStack, open_prepared
from tvae_core.images.stack import ImageStack
from tvae_core.images.values import look_at_values, settled
from tvae_core.particles import Categories
from tvae_core.progress import Remark
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.images import keep_run_images
from tvae_core.runs.objects import with_objects
from tvae_core.runs.preflight import other_problems, this_machine
from tvae_core.runs.preparing import is_kept

_WAIT_S = 1.0  # for a window that is about to start the run's process
_LOOKED_AT = 64  # images as the model sees them
_SAMPLED, _SAMPLE_PIXELS = 256, 1 << 24  # images that rounding is measured on


def begin(
    run: RunFolder, config: RunConfig, anyway: bool = False, held: ExitStack | None = None
) -> Iterator[Remark]:
    """Look at the images, settle what is certain, then make the run's folder.

    From then on the run is locked until `held` is closed, so that nobody else begins it.

    Yields what a person should know: remarks of the file, what was settled, and what the preflight
    has to say. The settings written are those of `config` with what the values of the images settle
    beyond doubt (docs/image-files.md). With `anyway` a refusal of the preflight is a remark.

    Raises
    ------
    ConfigError
        The settings do not fit the images.
    DeviceError
        The machine lacks what the run needs.
    ImageFileError
        The images cannot be read, or nothing can be learned from their values.
    TrainingError
        Another process has begun the run meanwhile.
    """
    _check_name(config.data.path, "data.path", "rename the file or folder")
    _check_name(str(run.path.absolute()), "the run's folder", "choose another name")
    with open_prepared(config.data, config.model.ctf == "likelihood") as images:
        _check_storable(images.stack)
        facts = look_at_values(images.stack)
        look = look_at(images.stack, config.data.path)
        config, found = settled(facts, _fitted(images.stack, config))
        for finding in found:
            if finding.blocks:
                raise ImageFileError(finding.what, config.data.path, finding.todo)
        _refuse_blank(images)
        config, kept = _kept(images.stack, config)
        remarks = images.stack.remarks
        problems = other_problems(config, look, this_machine(run.path))
        for problem in problems:
            if problem.blocks and not anyway:
                todo = f"{problem.advice}, or --anyway"
                raise problem.error(_plain(problem.what), run.path, todo)
        with ExitStack() as own:
            run.path.mkdir(parents=True, exist_ok=True)
            (held or own).enter_context(run.locked(wait_s=_WAIT_S))
            if run.begun:
                raise TrainingError(
                    "the run was already started", run.path, "choose another folder"
                )
            config = with_objects(run, config, images.stack.stack)
            identity = _identity(config) if images.stack.picked else images.stack.identity
            run.create(config)
            keep_run_images(run, identity)
    for what in (*remarks, *found, *kept):
        yield Remark(str(what))
    for problem in problems:
        yield Remark(str(problem))


def _identity(config: RunConfig) -> ImageIdentity:
    """Return what the images are known by that were written for the run."""
    with open_prepared(config.data) as images:
        return images.stack.identity


def _fitted(stack: ImageStack, config: RunConfig) -> RunConfig:
    """Return the config with what opening the images decided, for all time to come."""
    if stack.table is not None:  # of a folder, its only table: others may come to lie there
        config = config.model_copy(
            update={"data": config.data.model_copy(update={"path": str(stack.path)})}
        )
    if stack.fit is None:
        return config
    return config.changed([f"data.fit={stack.fit.how}", f"data.side_px={stack.fit.side}"])


def _kept(stack: KnownImages, config: RunConfig) -> tuple[RunConfig, list[str]]:
    """Return the config with how prepared images are kept on disk, where memory is too small."""
    images = PreparedStack(stack, config.data)
    if config.data.kept_as != "auto" or not is_kept(images, config.data):
        return config, []
    most = _SAMPLE_PIXELS // max(stack.height * stack.width, images.side**2)
    some = np.linspace(0, len(stack) - 1, max(16, min(_SAMPLED, most))).astype(np.int64)
    form, loss = choose_form(images.read(np.unique(some)), config.data)
    said = f"prepared images are kept on disk as {form}: its rounding costs {loss:.2g} nat an image"
    return config.changed([f"data.kept_as={form}"]), [said]


def _refuse_blank(images: PreparedStack) -> None:
    """Refuse images of which a crop leaves nothing."""
    some = np.unique(np.linspace(0, len(images) - 1, _LOOKED_AT).astype(np.int64))
    images.preprocessor.reset_counts()
    images.read(some)
    if images.preprocessor.constant_count == len(some):
        what = f"cut to {images.preprocessor.cut_side} px, all images looked at are constant"
        raise ImageFileError(what, images.stack.path, "check data.crop_px")
    images.preprocessor.reset_counts()


def _check_storable(stack: ImageStack) -> None:
    """Refuse names that the store could not hold when all the work is done."""
    texts = {"files": stack.sources().files, "labels": list(stack.label_names)}
    for name, kept in stack.described().items():
        texts[f"column {name}"] = [name, *(kept.names if isinstance(kept, Categories) else [])]
    for what, names in texts.items():
        for name in names:
            _check_name(name, what, "rename it, or write the table again in UTF-8", stack.path)


def _check_name(name: str, what: str, todo: str, where: object = "") -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(f"{what}: {shown(name)} is not UTF-8", where, todo) from None
    if "\0" in name:
        raise ConfigError(f"{what}: {name!r} holds a zero byte", where, todo)


def _plain(sentence: str) -> str:
    """Return a sentence as a part of a line."""
    return f"{sentence[0].lower()}{sentence[1:].rstrip('.')}"
