"""The images of a run: what they are known by, where they are now, and the way back to them."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.config import DataConfig
from tvae_core.errors import CheckpointError, ImageFileError, StoreError, TvaeError
from tvae_core.files import write_bytes
from tvae_core.images.identity import (
    FINGERPRINT,
    NAME_THEM,
    UNKNOWN,
    ImageIdentity,
    KnownImages,
    has_names,
)
from tvae_core.images.stack import Sources
from tvae_core.images_of import in_run, moved, open_moved, remembered
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore

if TYPE_CHECKING:
    from tvae_core.images.prepared import PreparedStack

_FORMAT, _VERSION = "tvae-images", 1
_SINCE = "the run was started"


@dataclass(frozen=True, eq=False)
class RunImages:
    """What the images of a run are known by.

    Parameters
    ----------
    identity : ImageIdentity
        Of all images of the run, in its order.
    images_at : str
        Where they were found last, when they have moved; absolute.
    """

    identity: ImageIdentity
    images_at: str = ""


def open_images_of_run(run: RunFolder, data: DataConfig, with_ctf: bool = False) -> PreparedStack:
    """Open the images of a run as its model sees them.

    Parameters
    ----------
    run : RunFolder
    data : DataConfig
        Where they are (`place_of_images`) and how they are prepared.
    with_ctf : bool
        As for `PreparedStack`.

    Raises
    ------
    ImageFileError
        They cannot be opened, or are not the images that the run was begun with.
    CheckpointError
        What they are known by is damaged.
    ConfigError
        The settings do not fit the images.
    """
    from tvae_core.images.prepared import PreparedStack  # heavy: the window asks for places only

    kept = load_run_images(run)
    stack = open_moved(data)
    known = KnownImages(stack, None if kept is None else kept.identity, _SINCE)
    try:
        _check_count(known)
        return PreparedStack(known, data, with_ctf)
    except TvaeError:
        known.close()
        raise


def place_of_images(run: RunFolder, data: DataConfig, images_at: str = "") -> DataConfig:
    """Return how to open the images of a run: at `images_at`, else where they were found last."""
    return moved(in_run(data, run.path), images_at or _last_place(run))


def missing_images(run: RunFolder) -> str:
    """Return where the images of a run should be when nothing is there; empty when it is.

    Raises
    ------
    TvaeError
        The settings of the run, or what its images are known by, cannot be read.
    """
    path = place_of_images(run, run.config().data).path
    return "" if Path(path).exists() else path


def _last_place(run: RunFolder) -> str:
    """Return where training or, later, work on the store found the images; empty if not moved."""
    kept = load_run_images(run)
    if kept is not None and kept.images_at and Path(kept.images_at).exists():
        return kept.images_at
    if not run.store.exists():
        return ""
    with suppress(StoreError), EmbeddingStore(run.store) as store:
        return remembered(store)
    return ""


def _check_count(known: KnownImages) -> None:
    """Refuse another number of images in a file that gives them no names of their own."""
    here, before = len(known.stack), len(known)
    if here != before and known.stack.table is None and not has_names(known.wanted):
        what = f"{here:,} images here, but there were {before:,} when {_SINCE}"
        raise ImageFileError(what, known.path, NAME_THEM)


def more_images(known: KnownImages) -> str:
    """Return in words that there are images which the run does not know; empty when none."""
    more = len(known.stack) - len(known)
    if more <= 0:
        return ""
    images = "image is here that the run does not know" if more == 1 else "images are here that"
    words = images if more == 1 else f"{images} the run does not know"
    return f"{more:,} more {words}; `tvae embed --data` embeds all"


def keep_run_images(run: RunFolder, identity: ImageIdentity, images_at: str = "") -> None:
    """Write what the images of a run are known by, and where they are when they have moved."""
    if not images_at and (before := load_run_images(run)) is not None:
        images_at = before.images_at
    sources, uid, prints = identity.sources, identity.uid, identity.prints
    arrays: dict[str, NDArray[Any]] = {
        "format": np.array([_FORMAT, FINGERPRINT, images_at and _absolute(images_at)]),
        "version": np.array(_VERSION),
        "files": np.array(sources.files, dtype=str),
        "file_index": np.asarray(sources.file_index, np.int32),
        "index": np.asarray(sources.image_index, np.int64),
        "uid": np.zeros(0, np.uint64) if uid is None else uid,
        "fingerprint": np.full(len(identity), UNKNOWN) if prints is None else prints,
        "image_shape": np.array(identity.image_shape, np.int64),
        "pixel_type": np.array(identity.pixel_type),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(run.images_file, buffer.getvalue())


def load_run_images(run: RunFolder) -> RunImages | None:
    """Return what the images of a run are known by; None in runs of older programs.

    Raises
    ------
    CheckpointError
        The file is damaged or of a newer program.
    """
    path = run.images_file
    if not path.exists():
        return None
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return _read({name: arrays[name] for name in arrays.files}, path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"the record of the run's images is damaged ({error})",
            path,
            "remove it; the present images are then used",
        ) from error


def _read(arrays: dict[str, NDArray[Any]], path: Path) -> RunImages:
    kind, how, images_at = arrays["format"].tolist()
    if kind != _FORMAT:
        raise ValueError("another kind of file")
    if int(arrays["version"]) > _VERSION:
        raise CheckpointError("written by a newer program", path, "update this program")
    sources = Sources(arrays["files"].tolist(), arrays["file_index"], arrays["index"])
    uid = arrays["uid"] if len(arrays["uid"]) else None
    prints = arrays["fingerprint"] if how == FINGERPRINT else None
    shape = tuple(arrays["image_shape"].tolist())
    pixel_type = str(arrays["pixel_type"]) if "pixel_type" in arrays else ""
    return RunImages(ImageIdentity(sources, uid, prints, shape, pixel_type), images_at)


def are_images_of(run: RunFolder, identity: ImageIdentity) -> bool:
    """Return whether these are the images of a run in its order, as far as both are known."""
    kept = load_run_images(run)
    if kept is None or kept.identity.prints is None or identity.prints is None:
        return kept is None or len(kept.identity) == len(identity)
    if len(kept.identity) != len(identity):
        return False
    known = (kept.identity.prints != UNKNOWN) & (identity.prints != UNKNOWN)
    return bool((kept.identity.prints == identity.prints)[known].all())


def is_of_run(run: RunFolder, data: DataConfig) -> bool:
    """Return whether `data` names the place of the run's own images."""
    own = run.config().data
    return (own.path, own.dataset) == (data.path, data.dataset)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())
