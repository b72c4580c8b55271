"""`tvae average STORE OUT.mrcs`: averages of sets or clusters, each image turned upright.

Writes OUT.mrcs (a class an image), OUT_std.mrcs (deviations) and OUT.star (a row a class: count,
resolution where two random halves agree to 0.143, and their ring correlation). Images are taken at
their original size; where they are gone, the thumbnails of the store are averaged and it is said.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tvae_core.analysis.class_averages import AveragedClass
from tvae_core.cli.reporting import move
from tvae_core.errors import ConfigError
from tvae_core.export.averaging import WIENER, average_classes, open_averaging
from tvae_core.export.class_averages import average_paths, write_class_averages
from tvae_core.export.classes import Chosen, Correction, Size, labelled
from tvae_core.export.target import refuse_existing
from tvae_core.images_of import refuse_sources
from tvae_core.sidecar import Labelling, Sidecar, load_sidecar
from tvae_core.store import EmbeddingStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae average`."""
    parser.description = __doc__
    parser.add_argument("store", help="embeddings.h5, or the folder of a run")
    parser.add_argument("output", help="OUT.mrcs")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--set", dest="named_sets", action="append", default=[], help="a named set; repeatable"
    )
    chosen.add_argument(
        "--labels", help="a class for each label of this clustering; 'truth': of the images' labels"
    )
    parser.add_argument(
        "--realign",
        action="store_true",
        help="take out how the model's zero pose drifts over a class, found from decoded images",
    )
    ctf = parser.add_mutually_exclusive_group()
    ctf.add_argument(
        "--flip", action="store_true", help="correct the sign of the CTF (as a flipped run does)"
    )
    ctf.add_argument("--no-flip", action="store_true", help="leave the CTF alone")
    ctf.add_argument(
        "--wiener",
        type=float,
        nargs="?",
        const=WIENER,
        metavar="EPS",
        help=f"weigh by the CTF: sum(CTF y) / (sum(CTF^2) + EPS n), EPS {WIENER} if not given",
    )
    parser.add_argument("--model-size", action="store_true", help="as the model sees them")
    parser.add_argument("--images-at", default="", help="where the images are now")
    parser.add_argument("--overwrite", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Average."""
    path = Path(arguments.output)
    if arguments.wiener is not None and not arguments.wiener > 0:
        raise ConfigError(f"--wiener {arguments.wiener} is not positive")
    for target in average_paths(path):
        refuse_existing(target, arguments.overwrite)
    with EmbeddingStore(arguments.store) as store:
        for target in average_paths(path):
            refuse_sources(store, target, arguments.images_at)
        classes = _classes(store, arguments)
        decode = _decoder(store) if arguments.realign else None
        size: Size | None = "model" if arguments.model_size else None
        correction = _correction(store, arguments)
        with (
            open_averaging(store, size, correction, arguments.images_at) as images,
            tqdm(total=100, disable=not sys.stderr.isatty(), leave=False) as bar,
        ):
            averages = average_classes(
                store, classes, images, decode,
                wiener=arguments.wiener or WIENER,
                progress=lambda share, _: move(bar, share),
            )  # fmt: skip
        pixel = images.pixel_size_angstrom
        names = [chosen.name for chosen in classes]
        done = write_class_averages(averages, names, path, pixel, arguments.overwrite)
    if images.size == "thumbnails":
        print("the images are not where they were: thumbnails were averaged")
    for name, average in zip(names, averages, strict=True):
        print(f"{name}: {average.count:,} images, {_resolution(average, pixel)}")
    print(f"{done.count:,} averages -> {done.stack}, {done.deviations}, {done.table}, verified")
    return 0


def _resolution(average: AveragedClass, pixel_size_angstrom: float | None) -> str:
    length = average.resolution_px() * (pixel_size_angstrom or 1.0)
    if not np.isfinite(length):
        return "its halves do not agree"
    return f"{length:.1f} {'A' if pixel_size_angstrom else 'px'} at FRC 0.143"


def _correction(store: EmbeddingStore, arguments: argparse.Namespace) -> Correction:
    if arguments.wiener is not None:
        return "wiener"
    flip = arguments.flip or (store.header.config.data.phase_flip and not arguments.no_flip)
    return "flip" if flip else "none"


def _decoder(store: EmbeddingStore) -> Any:
    from tvae_core.engine.using.decode import Decoder

    return Decoder.from_store(store).decode


def _classes(store: EmbeddingStore, arguments: argparse.Namespace) -> list[Chosen]:
    if not (arguments.named_sets or arguments.labels):
        return [Chosen("all", np.arange(store.images))]
    sidecar = load_sidecar(store)
    if arguments.labels:
        labelling = _labelling(store, sidecar, arguments.labels)
        return labelled(labelling.labels, labelling.names)
    sets = {named.name: named for named in sidecar.sets}
    missing = [name for name in arguments.named_sets if name not in sets]
    if missing:
        known = ", ".join(sets) or "none"
        raise ConfigError(f"no set {missing[0]!r}", store.path, f"sets: {known}")
    return [Chosen(name, np.flatnonzero(sets[name].mask)) for name in arguments.named_sets]


def _labelling(store: EmbeddingStore, sidecar: Sidecar, name: str) -> Labelling:
    if name in sidecar.labellings:
        return sidecar.labellings[name]
    if name == "truth" and store.labels is not None:
        return Labelling(store.labels, tuple(store.label_names))
    known = [*sidecar.labellings, *(["truth"] if store.labels is not None else [])]
    todo = f"there are: {', '.join(known)}" if known else "run `tvae cluster` on it"
    raise ConfigError(f"no labels {name!r}", store.path, todo)
