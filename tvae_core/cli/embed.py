"""`tvae embed RUN`: embed the run's images again, or others with its model."""

from __future__ import annotations

import argparse
from pathlib import Path

from tvae_core.cli.reporting import add_images_at, add_json, report, stop_on_signals
from tvae_core.cli.settings import add_settings, config_from
from tvae_core.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae embed`."""
    parser.add_argument("run", help="folder of a trained run")
    parser.add_argument("--data", help="other images than the run's own")
    parser.add_argument("-o", "--output", help="store to write, RUN/embeddings.h5 by default")
    parser.add_argument("--device", dest="train.device", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", dest="train.threads", help="CPU threads")
    parser.add_argument(
        "--new-notes",
        action="store_true",
        help="put notes aside that are of images which are not embedded; else they are refused",
    )
    add_images_at(parser)
    add_json(parser)
    add_settings(parser, ("data", "embed"))


def run(arguments: argparse.Namespace) -> int:
    """Embed."""
    from tvae_core.engine.using.embed import embed
    from tvae_core.runs.folder import RunFolder

    folder = RunFolder(Path(arguments.run))
    config = config_from(arguments, folder.config())
    if arguments.data and arguments.images_at:
        raise ConfigError("--data names other images, --images-at the run's own: give one")
    if arguments.data:
        config.data.path = str(Path(arguments.data).absolute())
    target = Path(arguments.output) if arguments.output else None
    records = embed(
        folder,
        target,
        config,
        stop_on_signals(),
        images_at=arguments.images_at,
        all_there=bool(arguments.data),
        new_notes=arguments.new_notes,
    )
    report(records, arguments.json, folder.log)
    return 0
