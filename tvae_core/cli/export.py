"""`tvae export STORE OUT`: chosen images as a stack, their poses as a table, the plane as a figure.

What is written is told by the name of OUT: .mrcs .tif .npy .h5 or a folder of PNG (images); .csv
.parquet (poses and latents); .png .svg .pdf (the plane); .star .cs .csg (the chosen rows of the
run's own particle table, unchanged). With --as and no OUT the particles go beside the store.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tvae_core.cli.reporting import move
from tvae_core.errors import ConfigError
from tvae_core.export.registry import kind_of
from tvae_core.store import EmbeddingStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae export`."""
    parser.description = __doc__
    parser.add_argument("store", help="embeddings.h5, or the folder of a run")
    parser.add_argument("output", nargs="?", help="file or folder to write")
    parser.add_argument("--as", dest="kind", choices=("star", "cs", "csg"), help="particle table")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--set", dest="named_set", help="a named set of the sidecar")
    chosen.add_argument("--cluster", type=int, help="a cluster's number")
    chosen.add_argument("--indices", help="a text file of image numbers, from 0")
    parser.add_argument("--labelling", default="", help="which clustering --cluster means")
    parser.add_argument(
        "--rest",
        nargs="?",
        const=True,
        metavar="PATH",
        help="all images but the chosen; with PATH the particles that are not chosen go there",
    )
    parser.add_argument("--with-pose", action="store_true", help="particles: add inferred poses")
    parser.add_argument("--table", default="", help="particles: where the table is now")
    parser.add_argument("--upright", action="store_true", help="turned and shifted back")
    parser.add_argument("--model-size", action="store_true", help="as the model sees them")
    parser.add_argument("--overwrite", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    with EmbeddingStore(arguments.store) as store:
        path = _output(store, arguments)
        chosen = _chosen(store, arguments)
        what = kind_of(path).what
        if what == "particles":
            return _particles(store, path, chosen, arguments)
        _refuse_particle_options(path, arguments)
        if what == "figure":
            return _figure(store, path, chosen, arguments.overwrite)
        if what == "table":
            return _table(store, path, chosen, arguments.overwrite)
        return _images(store, path, chosen, arguments)


def _output(store: EmbeddingStore, arguments: argparse.Namespace) -> Path:
    """Return where to write: OUT, or a name beside the store when --as says the kind."""
    kind = f".{arguments.kind}" if arguments.kind else ""
    if arguments.output is None:
        if not kind:
            raise ConfigError("say where to write, or --as star, cs or csg")
        cluster = "" if arguments.cluster is None else f"cluster-{arguments.cluster}"
        chosen = "indices" if arguments.indices else "all"
        name = arguments.named_set or cluster or chosen
        return store.path.parent / f"{name.replace('/', '-')}{kind}"
    path = Path(arguments.output)
    if kind and path.suffix.lower() != kind:
        raise ConfigError(f"--as {arguments.kind} and the name differ", path, f"name it *{kind}")
    return path


def _refuse_particle_options(path: Path, arguments: argparse.Namespace) -> None:
    wrong = "--with-pose" if arguments.with_pose else "--table" if arguments.table else ""
    wrong = wrong or ("--rest PATH" if isinstance(arguments.rest, str) else "")
    if wrong:
        raise ConfigError(f"{wrong} is for particle tables", path, "name it .star, .cs or .csg")


def _particles(
    store: EmbeddingStore, path: Path, chosen: NDArray[np.int64], arguments: argparse.Namespace
) -> int:
    from tvae_core.export.particles import export_particles
    from tvae_core.sidecar import load_sidecar

    clustered = arguments.with_pose and bool(load_sidecar(store).labellings)
    with tqdm(total=100, disable=not sys.stderr.isatty(), leave=False) as bar:
        done = export_particles(
            store,
            chosen,
            path,
            rest=arguments.rest if isinstance(arguments.rest, str) else None,
            pose=arguments.with_pose,
            cluster=_labels(store, arguments.labelling) if clustered else None,
            table=arguments.table,
            overwrite=arguments.overwrite,
            progress=lambda share: move(bar, share),
        )
    for half in (done.kept, done.rest):
        if half is not None:
            counts = f"{half.count:,} of {done.rows:,} rows"
            print(f"{counts} -> {half.path}, read back, equal row by row")
    return 0


def _chosen(store: EmbeddingStore, arguments: argparse.Namespace) -> NDArray[np.int64]:
    mask = np.ones(store.images, dtype=bool)
    if arguments.named_set is not None:
        mask = _set_mask(store, arguments.named_set)
    elif arguments.cluster is not None:
        mask = _labels(store, arguments.labelling) == arguments.cluster
    elif arguments.indices is not None:
        mask = np.zeros(store.images, dtype=bool)
        mask[_numbers(arguments.indices, store.images)] = True
    return np.flatnonzero(~mask if arguments.rest is True else mask)


def _set_mask(store: EmbeddingStore, name: str) -> NDArray[np.bool_]:
    from tvae_core.sidecar import load_sidecar

    sets = {s.name: s for s in load_sidecar(store).sets}
    if name not in sets:
        known = ", ".join(sets) or "none"
        raise ConfigError(f"no set {name!r}", store.path, f"sets: {known}")
    return np.asarray(sets[name].mask)


def _labels(store: EmbeddingStore, name: str) -> NDArray[np.integer]:
    from tvae_core.sidecar import load_sidecar

    labellings = load_sidecar(store).labellings
    if not labellings:
        raise ConfigError("not clustered yet", store.path, "run `tvae cluster` on it")
    name = name or next(iter(labellings))
    if name not in labellings:
        raise ConfigError(f"no labelling {name!r}", store.path, ", ".join(labellings))
    return np.asarray(labellings[name].labels)


def _numbers(file: str, images: int) -> NDArray[np.int64]:
    try:
        numbers = np.loadtxt(file, dtype=np.int64, ndmin=1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read image numbers ({error})", file) from None
    if numbers.size and (numbers.min() < 0 or numbers.max() >= images):
        raise ConfigError(f"numbers must lie in 0..{images - 1}", file)
    return numbers


def _images(
    store: EmbeddingStore, path: Path, chosen: NDArray[np.int64], arguments: argparse.Namespace
) -> int:
    from tvae_core.export.sources import ModelImages
    from tvae_core.export.stacks import Poses, export_images
    from tvae_core.images_of import open_images_of, open_prepared_of

    header = store.header
    poses = Poses.of_store(store, arguments.model_size) if arguments.upright else None
    pixel = header.pixel_size_angstrom
    if pixel is not None and not arguments.model_size:
        pixel /= header.scale
    with tqdm(total=100, disable=not sys.stderr.isatty(), leave=False) as bar:
        if arguments.model_size:
            source: Any = ModelImages(open_prepared_of(store))
        else:
            source = open_images_of(store)
        done = export_images(
            source,
            chosen,
            path,
            poses=poses,
            pixel_size_angstrom=pixel,
            overwrite=arguments.overwrite,
            progress=lambda share: move(bar, share),
        )
    print(f"{done.count:,} images -> {done.path}, verified")
    return 0


def _table(store: EmbeddingStore, path: Path, chosen: NDArray[np.int64], overwrite: bool) -> int:
    from tvae_core.export.tables import export_table, store_columns

    done = export_table(store_columns(store), path, indices=chosen, overwrite=overwrite)
    print(f"{done.count:,} rows -> {done.path}, verified")
    return 0


def _figure(store: EmbeddingStore, path: Path, chosen: NDArray[np.int64], overwrite: bool) -> int:
    from tvae_core.figures import plane_figure

    z = store.z_mean
    flat = z.shape[1] == 2
    xy = z if flat else store.plane("pca").coordinates
    labels = None if store.labels is None else store.labels[chosen]
    axes = ("z1", "z2") if flat else ("PC 1", "PC 2")
    plane_figure(
        path, xy[chosen], labels=labels, names=store.label_names, axes=axes, overwrite=overwrite
    )
    print(path)
    return 0
