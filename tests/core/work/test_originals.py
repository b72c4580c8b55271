"""Originals behind thumbnails: more detail, the same levels, the same place; or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.factories import store_content
from tvae_core.analysis.averages import upright
from tvae_core.errors import ImageFileError
from tvae_core.images.identity import FINGERPRINT, fingerprints
from tvae_core.images.prepared import open_prepared
from tvae_core.store import EmbeddingStore, write_store
from tvae_core.work.originals import Originals

COUNT, SIDE, SMALL = 12, 65, 16


def soft_images(colour: bool = False) -> Any:
    """Return images of soft blobs off their centre: what is small in them survives halving."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
    blobs = [
        np.exp(-(((x - a) ** 2 + (y - b) ** 2) / (2 * 5.0**2))) * 40 + 7
        for a, b in rng.uniform(-9, 9, (COUNT, 2))
    ]
    images = np.stack(blobs) + rng.normal(size=(COUNT, SIDE, SIDE))
    tones = np.array([1.0, 0.6, 0.3]) if colour else None
    return (images if tones is None else images[..., None] * tones).astype(np.float32)


def store_of(folder: Path, images: Any, *settings: str) -> Path:
    """Write images and the store of a run that saw them, with thumbnails as a run makes them."""
    path = folder / "images.npy"
    np.save(path, images)
    content = store_content(images=COUNT, side=SMALL)
    config = content.header.config.changed([f"data.path={path}", *settings])
    with open_prepared(config.data) as prepared:
        seen = np.moveaxis(prepared.read(np.arange(COUNT)), 1, -1)
        seen = seen[..., 0] if seen.shape[-1] == 1 else seen
        header = replace(
            content.header, config=config, side=prepared.side, channels=prepared.channels,
            scale=prepared.preprocessor.scale, fingerprint=FINGERPRINT,
        )  # fmt: skip
    turned = upright(seen, content.columns["pose/angle_rad"], content.columns["pose/shift_px"])
    low, high = (float(v) for v in np.percentile(seen, [0.5, 99.5]))
    thumbnails = {k: [as_levels(v, low, high)] for k, v in (("raw", seen), ("upright", turned))}
    columns = content.columns | {"source/fingerprint": fingerprints(images)}
    store = folder / "embeddings.h5"
    whole = replace(content, header=header, columns=columns, atlas=None)
    write_store(store, replace(whole, thumbnails=thumbnails, thumbnail_range=(low, high)))
    return store


def as_levels(values: Any, low: float, high: float) -> Any:
    return np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def pooled(levels: Any, side: int) -> Any:
    """Return images made small by means over areas."""
    step = levels.shape[1] // side
    parts = levels.reshape(len(levels), side, step, side, step, *levels.shape[3:])
    return parts.astype(float).mean(axis=(2, 4))


def middles(levels: Any) -> Any:
    """Return where the object of each image is: the centre of what differs from the ground."""
    weight = np.abs(levels - np.median(levels, axis=(1, 2), keepdims=True)) ** 2
    axis = np.arange(levels.shape[1])
    total = weight.sum(axis=(1, 2))
    return np.stack([(weight.sum(axis=k) * axis).sum(1) / total for k in (1, 2)], 1)


@pytest.mark.parametrize(
    "settings",
    [
        ["normalise=unit", "range=each"],
        ["normalise=unit", "range=each", "invert=true"],
        ["normalise=image"],
        ["normalise=ring", "invert=true", "mask=true"],
        ["normalise=image", "crop_px=56"],
        ["normalise=unit", "black=0", "full_scale=50", "range=set"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("kind", ["raw", "upright"])
def test_an_original_made_small_is_its_thumbnail(
    tmp_path: Path, settings: list[str], kind: str
) -> None:
    given = [f"data.{one}" for one in settings]
    store = store_of(tmp_path, soft_images(), f"data.downsample_px={SMALL}", *given)
    numbers = np.array([7, 2, 9, 2])
    with EmbeddingStore(store) as opened:
        thumbnails = opened.thumbnails(kind, numbers).astype(float)
    with Originals(store) as originals:
        cut = 56 if "crop_px=56" in settings else SIDE
        assert originals.side == cut
        found = originals.read(kind, numbers, 3 * SMALL)
        own = originals.read(kind, numbers, 10_000)
    assert found.shape == (4, 3 * SMALL, 3 * SMALL)
    assert own.shape == (4, cut, cut)
    inside = np.s_[:, 3:-3, 3:-3]  # a turned image takes its border from beyond it
    small = pooled(found, SMALL)[inside]
    away = small - thumbnails[inside]
    assert abs(away.mean()) < 1.0  # of 255 levels
    assert np.abs(away).mean() < 3.0
    spread = small.std(axis=(1, 2)) / thumbnails[inside].std(axis=(1, 2))
    assert np.all(np.abs(spread - 1) < 0.06)
    assert np.abs(middles(small) - middles(thumbnails[inside])).max() < 0.15  # thumbnail pixels


def test_colours_stay(tmp_path: Path) -> None:
    store = store_of(
        tmp_path, soft_images(colour=True), f"data.downsample_px={SMALL}", "data.normalise=unit"
    )
    with Originals(store) as originals:
        assert originals.read("upright", np.array([0]), 32).shape == (1, 32, 32, 3)


def test_a_changed_image_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    images = soft_images()
    store = store_of(tmp_path, images)
    images[4] += 1
    np.save(tmp_path / "images.npy", images)
    with Originals(store) as originals:
        assert originals.read("raw", np.array([3, 5]), SIDE).shape == (2, SIDE, SIDE)
        with pytest.raises(ImageFileError, match="image 4"):
            originals.read("raw", np.array([4]), SIDE)


def test_images_that_are_gone_are_refused(tmp_path: Path) -> None:
    store = store_of(tmp_path, soft_images())
    (tmp_path / "images.npy").unlink()
    with pytest.raises(ImageFileError):
        Originals(store)


def test_what_the_mask_hides_stays_hidden(tmp_path: Path) -> None:
    store = store_of(tmp_path, soft_images(), "data.mask=true", "data.normalise=ring")
    with Originals(store) as originals:
        found = originals.read("raw", np.arange(2), SIDE)
    with EmbeddingStore(store) as opened:
        corner = as_levels(np.zeros(1), *opened.thumbnail_range)[0]
    assert (found[:, 0, 0] == corner).all()
