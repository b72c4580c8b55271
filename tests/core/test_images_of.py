"""The door from a store back to its images, wherever they are now."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.factories import store_content
from tvae_core.config import DataConfig
from tvae_core.errors import ImageFileError
from tvae_core.images.opening import open_data
from tvae_core.images_of import open_images_of, open_prepared_of
from tvae_core.store import EmbeddingStore, write_store
from tvae_core.synthetic import plan_set, write_set

COUNT, SIDE = 6, 16


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddingStore]:
    """A store of particles whose table and stacks lie in `set/`."""
    write_set(plan_set("hinge", count=COUNT, side=SIDE), tmp_path / "set")
    content = store_content(images=COUNT, side=SIDE)
    config = content.header.config.model_copy(deep=True)
    config.data.path = str(tmp_path / "set" / "particles.star")
    write_store(
        tmp_path / "run.h5", replace(content, header=replace(content.header, config=config))
    )
    with EmbeddingStore(tmp_path / "run.h5") as opened:
        yield opened


def pixels(store: EmbeddingStore, images_at: str | Path = "") -> np.ndarray:
    with open_images_of(store, str(images_at)) as stack:
        return stack.read(np.arange(COUNT))


def test_images_are_found_where_they_were_and_where_they_are_now(
    store: EmbeddingStore, tmp_path: Path
) -> None:
    before = pixels(store)
    moved = tmp_path / "elsewhere"
    shutil.move(tmp_path / "set", moved)
    with pytest.raises(ImageFileError, match="no such file"):
        pixels(store)
    np.testing.assert_array_equal(pixels(store, moved / "particles.star"), before)
    np.testing.assert_array_equal(pixels(store, moved), before)  # its folder says as much
    with open_prepared_of(store, str(moved)) as prepared:
        assert (prepared.side, len(prepared)) == (SIDE, COUNT)


def test_a_folder_may_hold_the_stacks_of_a_table_that_stayed(
    store: EmbeddingStore, tmp_path: Path
) -> None:
    before = pixels(store)
    (tmp_path / "disk2").mkdir()
    for stack in (tmp_path / "set").glob("*.mrcs"):
        shutil.move(stack, tmp_path / "disk2")
    with pytest.raises(ImageFileError, match="is missing"):
        pixels(store)
    np.testing.assert_array_equal(pixels(store, tmp_path / "disk2"), before)


@pytest.mark.parametrize("shape", [(COUNT - 1, SIDE, SIDE), (COUNT + 1, SIDE, SIDE)])
def test_other_images_are_refused(
    store: EmbeddingStore, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "others.npy", np.zeros(shape, np.float32))
    with pytest.raises(ImageFileError, match=f"{shape[0]} images here.*--images-at"):
        open_images_of(store, str(tmp_path / "others.npy"))


def test_images_of_another_size_are_refused_as_the_models(
    store: EmbeddingStore, tmp_path: Path
) -> None:
    np.save(tmp_path / "large.npy", np.zeros((COUNT, 2 * SIDE, 2 * SIDE), np.float32))
    with pytest.raises(ImageFileError, match="32 px"):
        open_prepared_of(store, str(tmp_path / "large.npy"))


def test_a_store_that_names_no_images_does_not_take_those_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = tmp_path / "elsewhere"
    pictures.mkdir()
    for number in range(COUNT):
        Image.fromarray(np.full((SIDE, SIDE), number, np.uint8)).save(pictures / f"{number}.png")
    monkeypatch.chdir(pictures)
    write_store(tmp_path / "a.h5", store_content(images=COUNT, side=SIDE))
    with EmbeddingStore(tmp_path / "a.h5") as store:
        assert store.header.config.data.path == ""
        with pytest.raises(ImageFileError, match="nothing says where the images are"):
            open_images_of(store)
    with pytest.raises(ImageFileError, match="no images are named"):
        open_data(DataConfig())
