"""Prepared images on disk: what is read is what was written, rounded as said, or made again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvae_core.config import DataConfig
from tvae_core.errors import FileError, ImageFileError
from tvae_core.images import prepared_cache, prepared_file
from tvae_core.images.pixel_forms import (
    FORMS,
    LARGEST_LOSS,
    Form,
    choose_form,
    loss_nats,
    rounded,
    unpacked,
)
from tvae_core.images.prepared import PreparedStack, open_prepared
from tvae_core.images.prepared_cache import Limits, PreparedCache, key_of
from tvae_core.images.prepared_file import About, PreparedFile, create
from tvae_core.runs.prepare_worker import write_block

COUNT, SIDE = 37, 8


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(prepared_file, "_MOST_IN_BLOCK", 10)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(COUNT, 1, SIDE, SIDE)).astype(np.float32)


def about(form: Form = "float16") -> About:
    return About(COUNT, 1, SIDE, form, 10)


def filled(folder: Path, images: np.ndarray, form: Form = "float16") -> PreparedFile:
    create(folder, about(form))
    file = PreparedFile(folder)
    for block in file.missing().tolist():
        these = file.images_of(block)
        file.write(block, images[these], these.astype(np.uint64) + 7)
    return file


@pytest.mark.parametrize("form", FORMS)
def test_what_is_read_is_what_was_written_in_any_order(
    tmp_path: Path, images: np.ndarray, form: Form
) -> None:
    file = filled(tmp_path / "file", images, form)
    wanted = np.random.default_rng(1).permutation(COUNT)[:30]
    read, sound = file.read(np.concatenate([wanted, wanted[:3]]))
    assert sound.all()
    expected = rounded(images[np.concatenate([wanted, wanted[:3]])], form)
    np.testing.assert_array_equal(read, expected)
    np.testing.assert_array_equal(file.prints(wanted), wanted.astype(np.uint64) + 7)
    mapped = np.load(tmp_path / "file" / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(unpacked(mapped[wanted]), expected[:30])
    file.close()


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 255), st.integers(0, 255))
def test_bytes_at_full_scale_come_back_exactly(full: int, level: int) -> None:
    value = np.float32(min(level, full)) / np.float32(full)
    image = np.full((1, 1, 2, 2), value, np.float32)
    back = rounded(image, "uint8")
    if full == 255:
        np.testing.assert_array_equal(back, image)
    assert np.abs(back - image).max() <= 0.5 / 255 + 1e-6


@settings(max_examples=100, deadline=None)
@given(st.floats(-(2.0**100), 2.0**100, width=32), st.sampled_from(FORMS))
def test_rounding_twice_is_rounding_once_and_never_infinite(value: float, form: Form) -> None:
    once = rounded(np.full((1, 1, 1, 1), value, np.float32), form)
    assert np.isfinite(once).all()
    np.testing.assert_array_equal(rounded(once, form), once)


def test_the_loss_of_rounding_is_the_gaussian_one() -> None:
    """Steps of 1/255 in noise of deviation 0.1: 1024 (1/255)^2 / 12 / (2 0.1^2) nats an image."""
    noise = np.random.default_rng(3).normal(0.5, 0.1, (200, 1, 32, 32)).astype(np.float32)
    expected = 1024 / 255**2 / 12 / (2 * 0.1**2)
    assert loss_nats(noise, "uint8") == pytest.approx(expected, rel=0.05)
    assert loss_nats(noise, "float16") < 0.01
    assert loss_nats(noise, "float32") == 0


def test_the_smallest_form_below_a_tenth_of_a_nat_is_taken() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(64, 1, 32, 32)).astype(np.float32)
    grey = (rng.integers(0, 256, (64, 1, 32, 32)) / np.float32(255)).astype(np.float32)
    assert choose_form(noise, DataConfig(normalise="ring"))[0] == "float16"
    assert choose_form(grey, DataConfig()) == ("uint8", 0.0)
    offset = noise * np.float32(1e-3) + np.float32(1000)  # float16 keeps nothing of it
    form, loss = choose_form(offset, DataConfig(normalise="none"))
    assert (form, loss) == ("float32", 0.0)
    assert loss_nats(offset, "float16") > LARGEST_LOSS


@pytest.mark.parametrize("name", ["images.npy", "checks.npy"])
def test_a_damaged_image_is_told_and_its_block_forgotten(
    tmp_path: Path, images: np.ndarray, name: str
) -> None:
    file = filled(tmp_path / "file", images)
    path = tmp_path / "file" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # of the last image
    path.write_bytes(content)
    again = PreparedFile(tmp_path / "file")
    _, sound = again.read(np.arange(COUNT))
    assert np.flatnonzero(~sound).tolist() == [COUNT - 1]
    assert again.missing().tolist() == [3]
    assert PreparedFile(tmp_path / "file").missing().tolist() == [3]  # for everybody
    file.close()


def test_every_block_is_checked_against_its_digest(tmp_path: Path, images: np.ndarray) -> None:
    file = filled(tmp_path / "file", images)
    assert dict(file.check()) == dict.fromkeys(range(4), True)
    path = tmp_path / "file" / "prints.npy"
    content = bytearray(path.read_bytes())
    content[-8 * COUNT] ^= 1
    path.write_bytes(content)
    assert dict(PreparedFile(tmp_path / "file").check()) == {0: False, 1: True, 2: True, 3: True}


@pytest.mark.parametrize("name", ["about.json", "images.npy", "blocks.npy"])
def test_a_file_that_lost_a_part_is_one_line(tmp_path: Path, images: np.ndarray, name: str) -> None:
    filled(tmp_path / "file", images).close()
    os.truncate(tmp_path / "file" / name, 20)
    with pytest.raises(ImageFileError) as told:
        PreparedFile(tmp_path / "file")
    assert "\n" not in str(told.value)


def test_a_block_that_reads_back_otherwise_is_not_there(
    tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "file", about())
    file = PreparedFile(tmp_path / "file")
    write = prepared_file._Array.write

    def torn(array: prepared_file._Array, row: int, values: np.ndarray) -> None:
        write(array, row, values[:-1] if array.path.name == "images.npy" else values)

    monkeypatch.setattr(prepared_file._Array, "write", torn)
    with pytest.raises(FileError, match="read back"):
        file.write(0, images[:10], np.ones(10, np.uint64))
    assert PreparedFile(tmp_path / "file").missing().tolist() == [0, 1, 2, 3]


def opened(path: Path, **given: object) -> PreparedStack:
    return open_prepared(DataConfig(path=str(path), normalise="image", **given))  # type: ignore


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = tmp_path / "stack.npy"
    np.save(path, np.random.default_rng(5).normal(size=(COUNT, 12, 12)).astype(np.float32))
    return path


def test_it_makes_no_difference_which_images_are_there(tmp_path: Path, stack: Path) -> None:
    with opened(stack, downsample_px=SIDE) as images:
        exact = images.read(np.arange(COUNT))
        file = PreparedCache().file_of(images, "float16", tmp_path / "run")
        images.keep_in("float16", file)
        before = images.read(np.arange(COUNT))
        write_block(images, file, 1)
        write_block(images, file, 3)
        partly = images.read(np.arange(COUNT)[::-1])[::-1]
        np.testing.assert_array_equal(before, rounded(exact, "float16"))
        np.testing.assert_array_equal(partly, before)
        known = images.stack.prints.copy()
    with opened(stack, downsample_px=SIDE) as images:
        images.keep_in("float16", PreparedCache().find(images, "float16", tmp_path / "run"))
        images.read(np.array([12]))
        assert images.stack.prints[12] == known[12]  # told by the file, not read again


def test_equal_preparation_shares_a_file_and_nothing_else_does(tmp_path: Path, stack: Path) -> None:
    def key(form: Form = "float16", **given: object) -> str:
        with opened(stack, **given) as images:
            return key_of(images, form)

    first = key(downsample_px=SIDE)
    assert key(downsample_px=SIDE, validation_share=0.3, kept_as="float16") == first
    others = {key(), key(downsample_px=SIDE, mask=True), key("float32", downsample_px=SIDE)}
    assert len(others | {first}) == 4
    os.utime(stack, ns=(1, 1))
    assert key(downsample_px=SIDE) != first
    moved = tmp_path / "elsewhere" / "stack.npy"
    moved.parent.mkdir()
    os.utime(stack, ns=(5, 5))
    here = key(downsample_px=SIDE)
    stack.rename(moved)
    with opened(moved, downsample_px=SIDE) as images:
        assert key_of(images, "float16") == here


def test_changed_pixels_are_refused_when_the_run_knows_others(stack: Path, tmp_path: Path) -> None:
    with opened(stack) as images:
        file = PreparedCache().file_of(images, "float16", tmp_path / "run")
        images.keep_in("float16", file)
        for block in range(4):
            write_block(images, file, block)
        images.stack.prints[20] += 1
        images.stack._checked[20] = False
        with pytest.raises(ImageFileError, match=r"image 20 .*has changed since"):
            images.read(np.array([19, 20]))


def test_the_oldest_files_go_first_and_those_in_use_stay(
    tmp_path: Path, images: np.ndarray
) -> None:
    cache = PreparedCache(tmp_path / "prepared")
    now = prepared_cache.time.time()
    names = new, older, oldest = "a" * 32, "b" * 32, "c" * 32
    for age, name in enumerate(names):
        filled(cache.folder / name, images).close()
        at = now - 3600 * age - (1 if age else 0)
        os.utime(cache.folder / name / "used", (at, at))
    sizes = {entry.key: entry.bytes_on_disk for entry in cache.entries()}
    assert list(sizes) == [new, older, oldest]
    cache.set_limits(Limits(gigabytes=(sum(sizes.values()) - 1) / 1e9, days=0))
    assert [entry.key for entry in cache.entries()] == [new, older]
    cache.set_limits(Limits(gigabytes=1e-9, days=0))
    assert [entry.key for entry in cache.entries()] == [new]
    with pytest.raises(FileError, match="do not fit"):
        cache.make_room(1000)
    at = now - 40 * 24 * 3600
    os.utime(cache.folder / new / "used", (at, at))
    cache.set_limits(Limits())
    assert cache.entries() == []


def test_where_the_cache_has_no_room_the_run_holds_them(
    tmp_path: Path, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with opened(stack) as images:
        file = PreparedCache().file_of(images, "float16", tmp_path / "run")
        assert file.folder == tmp_path / "run" / "prepared"
        found = PreparedCache().find(images, "float16", tmp_path / "run")
        assert found is not None
        assert found.folder == file.folder
        monkeypatch.setattr(prepared_cache, "free_bytes", lambda folder: 1e3)
        with pytest.raises(FileError):
            PreparedCache().file_of(images, "float32", tmp_path / "other")
