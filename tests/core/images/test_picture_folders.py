"""Folders of pictures: nothing is dropped unsaid, and pictures are read as they are seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.core.images.makers import mrc_bytes, save_pictures
from tvae_core.errors import FileError, ImageFileError
from tvae_core.images.inspect import describe
from tvae_core.images.opening import open_stack
from tvae_core.particles.described import Categories

IMAGES = np.random.default_rng(0).integers(0, 255, (12, 10, 14)).astype(np.uint8)


def read(path: Path) -> NDArray[np.float32]:
    with open_stack(path) as stack:
        return stack.read(np.arange(len(stack)))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".pgm", ".tif", ".gif"])
def test_every_exact_kind_of_picture_is_read_as_it_is(tmp_path: Path, suffix: str) -> None:
    save_pictures(tmp_path, IMAGES, suffix)
    found = read(tmp_path)
    np.testing.assert_array_equal(found if found.ndim == 3 else found[..., 0], IMAGES)


def test_kinds_may_be_mixed_and_strays_are_no_pictures(tmp_path: Path) -> None:
    for number, suffix in enumerate((".png", ".bmp", ".webp", ".gif")):
        for image in IMAGES[number::4]:
            name = f"{number}-{int(image[0, 0])}{suffix}"
            Image.fromarray(image).save(
                tmp_path / name, **({"lossless": True} if number == 2 else {})
            )
    for name in ("._00.png", "Thumbs.db", ".DS_Store", "notes.txt"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7" + b"x" * 100)
    with open_stack(tmp_path) as stack:
        assert len(stack) == 12
        assert stack.remarks == ()


def test_what_is_not_read_is_counted(tmp_path: Path) -> None:
    save_pictures(tmp_path / "a", IMAGES)
    for number in range(3):
        (tmp_path / "a" / f"{number}.svg").write_text("<svg/>")
        (tmp_path / "a" / f"gone{number}.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "a" / "s.mrc").write_bytes(mrc_bytes(IMAGES.astype(np.int8)))
    (tmp_path / "a" / "link.png").symlink_to(tmp_path / "a" / "000.png")
    remarks = describe(tmp_path / "a")["remarks"]
    assert "3 files not read: links that lead nowhere" in remarks
    assert "3 files not read: .svg is not read from a folder" in remarks
    assert "1 file not read: .mrc is not read from a folder of pictures" in remarks
    with open_stack(tmp_path / "a") as stack:
        assert len(stack) == 13  # a link that leads somewhere is a picture
    assert "3 files not read: links that lead nowhere" in describe(tmp_path)["remarks"]


def labelled(path: Path) -> dict[str, str]:
    """Return the label of each picture by its name; "" for none."""
    with open_stack(path) as stack:
        assert stack.labels is not None
        names = [
            "" if v < 0 else (stack.label_names[v] if stack.label_names else str(v))
            for v in stack.labels
        ]
        return dict(zip(stack.sources().files, names, strict=True))


def test_pictures_any_levels_down_are_labelled_where_folders_first_part(tmp_path: Path) -> None:
    for place in ("set/cells/plate1/A01", "set/cells/plate1/A02", "set/debris"):
        save_pictures(tmp_path / place, IMAGES[:2])
    found = labelled(tmp_path)
    assert found["set/cells/plate1/A02/001.png"] == "cells"
    assert found["set/debris/000.png"] == "debris"
    with open_stack(tmp_path) as stack:
        folders = stack.described()["folder"]
        assert isinstance(folders, Categories)
        places = [folders.names[code] for code in folders.codes]
        assert places == [str(Path(file).parent) for file in stack.sources().files]
        np.testing.assert_array_equal(stack.read([3]), IMAGES[[1]])


def test_train_and_test_are_no_classes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for kind in ("cat", "dog"):
            save_pictures(tmp_path / split / kind, IMAGES[:1])
    assert labelled(tmp_path) == {
        f"{split}/{kind}/000.png": kind for split in ("train", "test") for kind in ("cat", "dog")
    }


@pytest.mark.parametrize("place", [".", "one", "one/two", "images/one"])
def test_folders_that_tell_nothing_apart_are_no_labels(tmp_path: Path, place: str) -> None:
    save_pictures(tmp_path / place, IMAGES[:3])
    with open_stack(tmp_path) as stack:
        assert len(stack) == 3
        assert stack.labels is None
        assert stack.described() == {}


def test_pictures_beside_class_folders_have_no_class(tmp_path: Path) -> None:
    save_pictures(tmp_path, IMAGES[:1])
    save_pictures(tmp_path / "a", IMAGES[:1])
    save_pictures(tmp_path / "b", IMAGES[:1])
    assert labelled(tmp_path) == {"000.png": "", "a/000.png": "a", "b/000.png": "b"}


def test_a_link_up_again_and_a_run_among_the_pictures_are_not_walked_into(tmp_path: Path) -> None:
    save_pictures(tmp_path / "a", IMAGES[:2])
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    save_pictures(tmp_path / "run" / "previews", IMAGES[:5])
    for name in ("config.json", "metrics.jsonl"):
        (tmp_path / "run" / name).write_text("{}")
    with open_stack(tmp_path) as stack:
        assert len(stack) == 2
        assert stack.remarks == ("2 files not read: they belong to a run of this program",)


def test_a_folder_that_may_not_be_entered_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    save_pictures(tmp_path / "a", IMAGES[:2])
    (tmp_path / "b").mkdir()
    scan = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(FileError, match="b: cannot be opened: permission denied"):
        open_stack(tmp_path)


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "s.svg").write_text("<svg/>")
    with pytest.raises(ImageFileError, match=r"holds no images \(1 file not read: .svg"):
        open_stack(tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_turned_picture_is_seen_as_it_was_taken(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    smooth = np.add.outer(np.arange(16) * 4, np.arange(24) * 6).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(smooth).convert("RGB").save(path, exif=exif, quality=100)
    with open_stack(tmp_path) as stack:
        found = stack.read([0])[0]
        assert found.shape == (stack.height, stack.width, 3)
    expected = smooth
    if orientation in (2, 3):
        expected = np.fliplr(expected)
    if orientation in (3, 4):
        expected = np.flipud(expected)
    if orientation == 5:
        expected = expected.T
    if orientation == 6:
        expected = np.rot90(expected, -1)
    if orientation == 7:
        expected = np.rot90(expected.T, 2)
    if orientation == 8:
        expected = np.rot90(expected, 1)
    assert np.abs(found.mean(axis=2) - expected).max() < 6  # JPEG and WebP round


@pytest.mark.parametrize("shade", [0, 60, 128, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_the_image_where_nothing_else_varies(
    tmp_path: Path, shade: int, mode: str
) -> None:
    for number, alpha in enumerate(IMAGES):
        pixels = np.full((10, 14, 4), shade, np.uint8)
        pixels[..., 3] = alpha
        Image.fromarray(pixels).convert(mode).save(tmp_path / f"{number:02d}.png")
    described = describe(tmp_path)
    assert (described["channels"], described["constant_images"]) == (1, 0)
    said = "all that is visible has one colour: the transparency of 12 pictures is the image"
    assert described["remarks"] == [said]
    np.testing.assert_array_equal(read(tmp_path), IMAGES)


@pytest.mark.parametrize(("shade", "behind"), [(245, 0), (10, 255), (70, 255), (128, 0)])
def test_what_only_transparency_shows_is_seen(tmp_path: Path, shade: int, behind: int) -> None:
    for number, alpha in enumerate(IMAGES):
        pixels = np.full((10, 14, 4), shade, np.uint8)
        pixels[..., 3] = alpha
        pixels[0, 0] = shade + 10 * (number % 2)  # one colour is not all there is
        pixels[0, 0, 3] = 255
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
    described = describe(tmp_path)
    assert described["constant_images"] == 0
    words = "black" if behind == 0 else "white"
    assert described["remarks"] == [f"transparent pixels of 12 pictures are drawn on {words}"]
    share = IMAGES / 255
    expected = share * shade + (1 - share) * behind
    np.testing.assert_allclose(read(tmp_path)[:, 1:, :, 0], expected[:, 1:], atol=0.501)


def test_what_lies_under_full_transparency_is_not_seen(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 255, (10, 14, 4)).astype(np.uint8)
        pixels[..., 3] = np.where(IMAGES[0] > 128, 255, 0)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    assert np.ptp(read(tmp_path)[:, IMAGES[0] <= 128]) == 0


def test_opaque_pictures_with_alpha_have_no_remark(tmp_path: Path) -> None:
    Image.fromarray(IMAGES[0]).convert("LA").save(tmp_path / "a.png")
    assert describe(tmp_path)["remarks"] == []
    np.testing.assert_array_equal(read(tmp_path), IMAGES[:1])


def test_sixteen_bit_colour_tiff_keeps_its_low_byte(tmp_path: Path) -> None:
    import tifffile

    image = np.random.default_rng(0).integers(0, 200, (10, 14, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb")
    np.testing.assert_array_equal(read(tmp_path)[0], image)
