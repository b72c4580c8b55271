"""Embedding: every image through the encoder, streamed to one store; what is done survives a stop.

Finished blocks lie beside the store in `.embeddings.parts/` until the store is written.
"""

from __future__ import annotations

import importlib.metadata
import io
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tvae_core.analysis.averages import upright
from tvae_core.analysis.junk import FEWEST, junk_score
from tvae_core.analysis.projection import pca
from tvae_core.config import DataConfig, RunConfig
from tvae_core.engine.data import blocks_of, prefetch
from tvae_core.engine.device import choose_device, cores, set_threads
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.together.ranks import ALONE, Ranks
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.inference import Inferred, images_at_once, infer
from tvae_core.engine.using.junk_terms import JunkTerms
from tvae_core.engine.using.weights import weights_of_run
from tvae_core.errors import (
    Cancelled,
    CheckpointError,
    ConfigError,
    ImageFileError,
    StoreError,
    TvaeError,
)
from tvae_core.files import sha256_of_bytes, told_of, write_bytes
from tvae_core.images.identity import FINGERPRINT, KnownImages
from tvae_core.images.prepared import PreparedStack, open_prepared
from tvae_core.locks import held
from tvae_core.particles import OriginalFrame, TableRecord, record_of
from tvae_core.progress import Embedded, Finished, Record, Remark
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.images import (
    is_of_run,
    keep_run_images,
    more_images,
    open_images_of_run,
    place_of_images,
)
from tvae_core.runs.preparing import attach
from tvae_core.sidecar import keep_notes, put_notes_aside, sidecar_path
from tvae_core.store import Atlas, EmbeddingStore, Plane, StoreContent, write_store
from tvae_core.store_header import StoreHeader

BLOCK, _LEAST_BLOCK, _BLOCKS = 2048, 256, 16
_SAME_PIXEL = 0.02
_ATLAS_SIDE = 64
_SOFTWARE = ("target-vae", "torch", "numpy", "h5py", "escnn")
_PRINTS = "source/fingerprint"
_JUNK_TERMS = "junk/terms/2"  # of a block of images; another number for other terms
_JUNK_SAMPLE = 256
Arrays = dict[str, NDArray[Any]]


def embed(
    run: RunFolder,
    target: Path | None = None,
    config: RunConfig | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    images_at: str = "",
    all_there: bool = False,
    new_notes: bool = False,
    ranks: Ranks = ALONE,
) -> Iterator[Record]:
    """Embed the images of a run that was trained, if only a little, and write the store.

    Parameters
    ----------
    run : RunFolder
    target : Path
        The store to write; the run's `embeddings.h5` by default.
    config : RunConfig
        Other images or another way to prepare them than the run's own.
    cancelled : callable
        When true, `Cancelled` is raised; finished blocks are kept and taken up by the next call.
    images_at : str
        Where the images of the run are now, when they have moved.
    all_there : bool
        Take every image where `config` says, known to the run or not.
    new_notes : bool
        Put notes aside that cannot be kept, because they are of images that are not embedded.
    ranks : Ranks
        Each embeds its share of the blocks, to the same numbers as one alone; rank 0 writes.

    Raises
    ------
    ImageFileError
        One of the run's own images is missing or has changed.
    CheckpointError
        The run has no usable model, or the images do not fit it.
    ConfigError, BusyError
        The store to be replaced has notes on other images, or another process writes it.
    """
    began, config, target = time.monotonic(), config or run.config(), target or run.store
    weights, so_far = weights_of_run(run) if ranks.is_first else (b"", ())
    weights = ranks.bytes_of_first(weights)
    model = _model_of(weights, run, config, ranks)
    yield from so_far
    if own := is_of_run(run, config.data) and not all_there:
        data = place_of_images(run, config.data, images_at)
        config = config.model_copy(update={"data": data})
    with _opened(run, config, target, model, own, ranks) as images:
        if said := more_images(images.stack) if own else _other_pixel(run, images):
            yield Remark(said)
        aside = _notes_to_put_aside(target, images, new_notes) if ranks.is_first else ""
        yield from _embed_images(model, weights, images, config, run, target, cancelled, ranks)
        if not ranks.is_first:
            return
        if aside:
            yield Remark(f"notes on other images ({aside}) are kept in {put_notes_aside(target)}")
        if own:
            keep_run_images(run, images.stack.identity, images_at)
    yield Finished(str(target), "embedded", time.monotonic() - began)


@contextmanager
def _opened(
    run: RunFolder, config: RunConfig, target: Path, model: TargetVae, own: bool, ranks: Ranks
) -> Iterator[PreparedStack]:
    """Open the images that a model is to embed; rank 0 holds the lock of the store besides."""
    opener = partial(_open_own, run) if own else open_prepared
    guard = _alone(target) if ranks.is_first else nullcontext()
    with guard, opener(config.data, model.model.ctf == "likelihood") as images:
        images.stack.require_all()
        _check_fit(model, images)
        yield images


def _open_own(run: RunFolder, data: DataConfig, through_ctf: bool) -> PreparedStack:
    """Open the images of a run; those that its training has kept on disk are read from there."""
    images = open_images_of_run(run, data, through_ctf)
    try:
        images.stack.require_all()
        attach(run, images, data)
    except TvaeError:
        images.close()
        raise
    return images


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the lock of a store, whose folder is made, for the time of the block."""
    with told_of(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with held(target):
        yield


def _model_of(weights: bytes, run: RunFolder, config: RunConfig, ranks: Ranks) -> TargetVae:
    """Return the model of `weights` where `config` wants it to work."""
    set_threads(ranks.threads(config.train.threads, cores()))
    device = choose_device(config.train.device, ranks.local, ranks.local_size)
    model = model_from_bytes(weights, run.model).to(device)
    model.encoder.same_lifting(ranks, trained=False)
    return model


def _notes_to_put_aside(target: Path, images: PreparedStack, allowed: bool) -> str:
    """Return in words the notes on `target` that do not fit the images; refuse unless allowed."""
    if not sidecar_path(target).exists():
        return ""
    for block in blocks_of(len(images), BLOCK):
        images.stack.learn(block)
    lost = keep_notes(target, images.stack.identity)
    if lost and not allowed:
        raise ConfigError(
            f"its notes ({lost}) belong to images that are not among these {len(images):,}",
            target,
            "write another file with -o, or start new notes with --new-notes; the old are kept",
        )
    return lost


def _embed_images(
    model: TargetVae,
    weights: bytes,
    images: PreparedStack,
    config: RunConfig,
    run: RunFolder,
    target: Path,
    cancelled: Callable[[], bool],
    ranks: Ranks,
) -> Iterator[Record]:
    table = images.stack.table
    record = None if table is None else record_of(table)
    described = config.data.model_dump_json() + config.embed.model_dump_json()
    described += ("" if record is None else record.sha256) + _JUNK_TERMS
    size = block_size(len(images))
    parts = _Parts(target, sha256_of_bytes(weights + f"{described}{size}".encode()))
    limits = _thumbnail_range(images)
    blocks = list(blocks_of(len(images), size))
    yield from _embed_blocks(model, images, config, parts, limits, cancelled, blocks, ranks)
    if not ranks.is_first:
        return
    header = _header(run, model, images, config, weights, record)
    write_store(target, _content(header, model, images, parts, limits, weights))
    parts.remove()


def block_size(images: int) -> int:
    """Return how many images a block has, whatever the ranks: few, where they are few to share."""
    wanted = -(-images // _BLOCKS)
    return min(BLOCK, max(_LEAST_BLOCK, -(-wanted // _LEAST_BLOCK) * _LEAST_BLOCK))


@dataclass(frozen=True)
class _Parts:
    """Blocks already embedded, one .npz each, of one model and one way to prepare and embed."""

    target: Path
    key: str

    @property
    def folder(self) -> Path:
        return self.target.parent / f".{self.target.stem}.parts" / self.key[:16]

    def file(self, start: int) -> Path:
        return self.folder / f"{start:010d}.npz"

    def done(self, start: int) -> bool:
        return self.file(start).exists()

    def are_of(self, images: KnownImages, start: int, block: NDArray[np.int64]) -> bool:
        """Return whether a finished block is of the images that are there now; reads them."""
        images.learn(block)
        now = images.prints[block]
        with np.load(self.file(start), allow_pickle=False) as arrays:
            return _PRINTS in arrays and np.array_equal(arrays[_PRINTS], now)

    def save(self, start: int, arrays: Arrays) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        write_bytes(self.file(start), buffer.getvalue())

    def column(self, name: str, images: int) -> NDArray[Any]:
        """Return a value of all images; the blocks are never together in memory besides."""
        whole, done = np.empty(0), 0
        for block in self.blocks(name):
            if not done:
                whole = np.empty((images, *block.shape[1:]), block.dtype)
            whole[done : done + len(block)] = block
            done += len(block)
        return whole

    def blocks(self, name: str) -> Iterator[NDArray[Any]]:
        for file in sorted(self.folder.glob("*.npz")):
            with np.load(file, allow_pickle=False) as arrays:
                yield arrays[name]

    def tell_prints(self, images: KnownImages, blocks: list[NDArray[np.int64]]) -> None:
        """Tell the images what is known of those that other ranks have read."""
        for block in blocks:
            with np.load(self.file(int(block[0])), allow_pickle=False) as arrays:
                images.told(block, arrays[_PRINTS])

    def remove(self) -> None:
        shutil.rmtree(self.folder.parent, ignore_errors=True)


def _check_fit(model: TargetVae, images: PreparedStack) -> None:
    where = images.stack.path
    if images.channels != model.channels:
        channels = f"{images.channels} channels" if images.channels > 1 else "1 channel"
        raise ImageFileError(f"{channels}, but the model has {model.channels}", where, "convert it")
    if images.side != model.side:
        raise CheckpointError(
            f"the model needs images of {model.side} px, these have {images.side}",
            where,
            "set data.downsample_px or data.crop_px",
        )


def _other_pixel(run: RunFolder, images: PreparedStack) -> str:
    """Return in words that images have another pixel size than the run's; empty when not."""
    here = images.pixel_size_angstrom
    if here is None or not run.store.exists():
        return ""
    with suppress(StoreError), EmbeddingStore(run.store) as store:
        own = store.header.pixel_size_angstrom
        if own is not None and abs(here / own - 1) > _SAME_PIXEL:
            return (
                f"{here:.4g} angstrom per pixel as the model sees them, but the run was trained at "
                f"{own:.4g}: the model takes them for objects of another size"
            )
    return ""


def _thumbnail_range(images: PreparedStack) -> tuple[float, float]:
    sample = np.unique(np.linspace(0, len(images) - 1, 256).astype(np.int64))
    low, high = np.percentile(images.read(sample), [0.5, 99.5])
    return float(low), float(high if high > low else low + 1)


def _embed_blocks(
    model: TargetVae,
    images: PreparedStack,
    config: RunConfig,
    parts: _Parts,
    limits: tuple[float, float],
    cancelled: Callable[[], bool],
    blocks: list[NDArray[np.int64]],
    ranks: Ranks,
) -> Iterator[Record]:
    """Embed this rank's share of the blocks; rank 0 goes on when all are done."""
    began, total = time.monotonic(), len(images)
    batch = min(256, 32 * images_at_once(model, model.points_px.device))
    done = fresh = 0
    junk: JunkTerms | None = None
    for block in blocks[ranks.rank :: ranks.size]:
        start = int(block[0])
        batches = [block[i : i + batch] for i in range(0, len(block), batch)]
        if not (parts.done(start) and parts.are_of(images.stack, start, block)):
            found = []
            junk = junk or _junk_terms(model, images, config)
            for part in prefetch(images, batches, model.points_px.device):
                if cancelled():
                    raise Cancelled(
                        "stopped; finished blocks are kept", parts.target, "embed again"
                    )
                inferred = infer(model, part.images, config.embed.quality_share, part.ctf)
                columns = _columns(part.images.numpy(), inferred, config, limits)
                if junk is not None:
                    columns[_JUNK_TERMS] = junk.of(model, part.images, inferred, part.ctf)
                found.append(columns)
            columns = {k: np.concatenate([f[k] for f in found]) for k in found[0]}
            parts.save(start, columns | {_PRINTS: images.stack.prints[block]})
            fresh += len(block) * ranks.size
        done = min(total, done + len(block) * ranks.size)
        yield Embedded(done, total, fresh / max(1e-9, time.monotonic() - began))
    ranks.wait()
    if ranks.is_first and ranks.size > 1:
        parts.tell_prints(images.stack, blocks)


def _junk_terms(model: TargetVae, images: PreparedStack, config: RunConfig) -> JunkTerms | None:
    """Return what the junk score is made with; nothing where there is no whole reconstruction."""
    if config.embed.quality_share < 1 or len(images) < FEWEST:
        return None
    sample = np.unique(np.linspace(0, len(images) - 1, _JUNK_SAMPLE).astype(np.int64))
    return JunkTerms.learned(model, next(iter(prefetch(images, [sample]))))


def _columns(
    images: NDArray[np.float32], found: Inferred, config: RunConfig, limits: tuple[float, float]
) -> Arrays:
    columns: Arrays = {
        "content/mean": found.z_mean.numpy(),
        "content/std": found.z_std.numpy(),
        "pose/angle_rad": found.angle_rad.numpy(),
        "pose/angle_std_rad": found.angle_std_rad.numpy(),
        "pose/shift_px": found.shift_px.numpy(),
        "pose/shift_std_px": found.shift_std_px.numpy(),
        "posterior/peak": found.peak.numpy(),
        "posterior/entropy": found.entropy.numpy(),
        "posterior/rotation": found.rotation.numpy(),
        "quality/reconstruction_error": found.reconstruction_error.numpy(),
        "quality/elbo": found.elbo.numpy(),
    }
    side = config.embed.thumbnail_px
    if side:
        raw = np.moveaxis(images, 1, -1)
        raw = raw[..., 0] if raw.shape[-1] == 1 else raw
        turned = upright(raw, columns["pose/angle_rad"], columns["pose/shift_px"])
        columns["raw"] = thumbnails(raw, side, limits)
        columns["upright"] = thumbnails(turned, side, limits)
    return columns


def thumbnails(
    images: NDArray[np.floating], side: int, limits: tuple[float, float]
) -> NDArray[np.uint8]:
    """Return images (n, H, W[, 3]) as uint8 of at most `side` pixels, averaged over areas."""
    tensor = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))
    tensor = tensor[:, None] if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2)
    size = min(side, tensor.shape[-1])
    small = torch.nn.functional.interpolate(tensor, size=(size, size), mode="area")
    scaled = (small - limits[0]) / (limits[1] - limits[0])
    bytes_ = (scaled.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return bytes_[..., 0] if bytes_.shape[-1] == 1 else bytes_


def _content(
    header: StoreHeader,
    model: TargetVae,
    images: PreparedStack,
    parts: _Parts,
    limits: tuple[float, float],
    weights: bytes,
) -> StoreContent:
    with np.load(parts.file(0), allow_pickle=False) as first:
        names = list(first)
    kinds = [name for name in names if name in ("raw", "upright")]
    columns = {name: parts.column(name, len(images)) for name in names if name not in kinds}
    if _JUNK_TERMS in columns:
        columns["quality/junk"] = junk_score(columns.pop(_JUNK_TERMS))
    stack = images.stack
    sources = stack.sources()
    columns |= {"source/file_index": sources.file_index, "source/index": sources.image_index}
    if stack.labels is not None:
        columns["source/label"] = stack.labels
    linear = pca(columns["content/mean"])
    if stack.table is not None:
        rows = columns["source/row"] = stack.rows()
        columns |= {} if stack.table.uid is None else {"source/uid": stack.table.uid[rows]}
    return StoreContent(
        header=header,
        columns=columns,
        source_files=sources.files,
        weights=weights,
        label_names=list(stack.label_names),
        table_columns=stack.described(),
        planes={"pca": Plane(**vars(linear))},
        atlas=make_atlas(model, columns["content/mean"], linear, header.config.embed.atlas_nodes),
        thumbnails={kind: parts.blocks(kind) for kind in kinds},
        thumbnail_range=limits,
    )


def _header(
    run: RunFolder,
    model: TargetVae,
    images: PreparedStack,
    config: RunConfig,
    weights: bytes,
    table: TableRecord | None,
) -> StoreHeader:
    stack, preprocessor = images.stack, images.preprocessor
    scale = float(preprocessor.scale)
    return StoreHeader(
        config=config,
        run=run.path.resolve().name,
        side=model.side,
        channels=model.channels,
        scale=scale,
        pixel_size_angstrom=images.pixel_size_angstrom,
        software={name: _version(name) for name in _SOFTWARE},
        weights_sha256=sha256_of_bytes(weights),
        created_utc=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        original=OriginalFrame(stack.height, stack.width, scale, preprocessor.centre_offset_px),
        table=table,
        fingerprint=FINGERPRINT,
        pixel_type=stack.dtype.newbyteorder("=").str,
        verdict=run.verdict_text(),
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def make_atlas(model: TargetVae, z: NDArray[np.floating], linear: Any, nodes: int) -> Atlas | None:
    """Return the decode atlas over the plane where z (N, D) lies: z itself for D <= 2, else PCA."""
    if not nodes:
        return None
    plane = "z" if z.shape[1] <= 2 else "pca"
    xy = z if plane == "z" else linear.coordinates
    low, high = np.percentile(xy, [0.5, 99.5], axis=0)
    room = 0.06 * np.maximum(high - low, 1e-3)
    axes = [
        np.linspace(a, b, nodes).astype(np.float32)
        for a, b in zip(low - room, high + room, strict=True)
    ]
    x, y = axes[0], axes[1] if len(axes) > 1 else np.zeros(1, np.float32)
    points = np.stack(np.meshgrid(x, y), -1).astype(np.float32)  # (Gy, Gx, 2)
    if plane == "z":
        contents = points[..., : z.shape[1]]
    else:
        contents = linear.mean + points @ linear.components
    decoder = Decoder(model)
    flat = contents.reshape(-1, z.shape[1])
    images = decoder.decode(flat, side=min(_ATLAS_SIDE, model.side))
    limits = np.percentile(images, [0.1, 99.9])
    bottom, top = float(limits[0]), float(max(limits[1], limits[0] + 1e-6))
    scaled = np.clip((images - bottom) / (top - bottom), 0, 1)
    pictures = np.round(scaled * 255).astype(np.uint8).reshape(len(y), len(x), *images.shape[1:])
    return Atlas(pictures, x, y, contents.astype(np.float32), plane, bottom, top)
