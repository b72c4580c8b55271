"""`tvae train RUN`: start a run from options, or resume it; ends with the run's embeddings.h5."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tvae_core.cli.reporting import add_images_at, add_json, report, stop_on_signals
from tvae_core.cli.settings import (
    add_settings,
    changes_anything,
    changes_place_alone,
    config_from,
    given_settings,
)
from tvae_core.errors import ConfigError
from tvae_core.progress import Finished, Record

if TYPE_CHECKING:
    from tvae_core.config import RunConfig
    from tvae_core.runs.folder import RunFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae train`."""
    parser.add_argument("run", help="folder of the run; made when it does not exist")
    parser.add_argument("--data", help="images: a stack, table or folder")
    parser.add_argument("--resume", action="store_true", help="go on where the run stopped")
    add_images_at(parser)
    parser.add_argument("--no-embed", action="store_true", help="do not embed at the end")
    add_json(parser)
    add_settings(parser, ("data", "model", "train", "embed"))


def run(arguments: argparse.Namespace) -> int:
    """Train, then embed."""
    from tvae_core.runs.folder import RunFolder

    folder = RunFolder(Path(arguments.run))
    config = prepare(folder.path, arguments)
    stop = stop_on_signals()
    records = train_and_embed(
        folder,
        config,
        arguments.resume,
        not arguments.no_embed,
        stop,
        arguments.images_at or (arguments.data if config is None else ""),
    )
    report(records, arguments.json, folder.log)
    return 0


def prepare(path: Path, arguments: argparse.Namespace) -> RunConfig | None:
    """Return the config of a new run, None for one that was begun.

    Where a resumed run is to work from now on is written into its config.

    Raises
    ------
    ConfigError
        The run exists and other settings are asked for, or no images are named.
    """
    from tvae_core.runs.folder import RunFolder

    folder = RunFolder(path)
    moved = arguments.resume and folder.begun  # then --data says where the images are now
    asks = changes_anything(arguments) or (arguments.data and not moved)
    if folder.config_file.exists() and (folder.begun or not asks):
        if arguments.resume and changes_place_alone(arguments):
            if asks:
                folder.config().changed(given_settings(arguments)).save(folder.config_file)
        elif asks:
            raise ConfigError(
                "the run was begun with other settings",
                path,
                "resume it as it is (--device and --threads may change), or take another",
            )
        return None if folder.begun else _where(folder.config(), arguments.images_at)
    if arguments.resume:
        raise ConfigError("no run here to resume", path)
    config = config_from(arguments)
    if arguments.data:
        config.data.path = arguments.data
    if not config.data.path:
        raise ConfigError("no images named", path, "add --data PATH")
    config.data.path = str(Path(config.data.path).absolute())
    return config


def _where(config: RunConfig, images_at: str) -> RunConfig:
    from tvae_core.images_of import moved

    return config.model_copy(update={"data": moved(config.data, images_at)})


def train_and_embed(
    folder: RunFolder,
    config: RunConfig | None,
    resume: bool,
    and_embed: bool,
    stop: Callable[[], bool],
    images_at: str = "",
) -> Iterator[Record]:
    """Begin the run of `config`, or go on with one that was begun; train, then write its store.

    Raises
    ------
    Cancelled
        `stop()` turned true; a checkpoint was written.
    """
    from tvae_core.engine.training.train import train
    from tvae_core.engine.using.embed import embed
    from tvae_core.runs.begin import begin

    if config is not None:
        yield from begin(folder, config)
    for record in train(folder, resume, stop, images_at):
        if not (and_embed and isinstance(record, Finished)):
            yield record
    if and_embed:
        yield from embed(folder, stop=stop, images_at=images_at)
