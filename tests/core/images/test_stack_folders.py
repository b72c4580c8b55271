"""A folder of stacks is read as one, and every image leads back to its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from tests.core.images.makers import mrc_bytes, save_pictures
from tvae_core.errors import ImageFileError
from tvae_core.images.identity import KnownImages, identity_of
from tvae_core.images.opening import named_by, open_stack
from tvae_core.particles.described import Categories

IMAGES = np.random.default_rng(0).random((9, 12, 12)).astype(np.float32)


def test_stacks_of_every_kind_are_one_stack(tmp_path: Path) -> None:
    (tmp_path / "a.mrcs").write_bytes(mrc_bytes(IMAGES[:4]))
    np.save(tmp_path / "b.npy", IMAGES[4:7])
    np.savez(tmp_path / "c.npz", images=IMAGES[7:])
    with open_stack(tmp_path) as stack:
        assert (len(stack), stack.kind) == (9, "folder of stacks")
        order = np.asarray([8, 0, 5, 5, 3])
        np.testing.assert_array_equal(stack.read(order), IMAGES[order])
        sources = stack.sources()
        named = [(sources.files[f], i) for f, i in zip(*sources[1:], strict=True)]
        assert named[:2] == [("a.mrcs", 0), ("a.mrcs", 1)]
        assert named[-1] == ("c.npz", 1)
        files = stack.described()["file"]
        assert isinstance(files, Categories)
        assert files.names == ("a.mrcs", "b.npy", "c.npz")
        assert stack.labels is None


def test_stacks_in_class_folders_are_labelled_and_of_any_size(tmp_path: Path) -> None:
    for name, side in (("round", 12), ("long", 16)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "s.npy", np.ones((3, side, side), np.float32))
    with open_stack(tmp_path) as stack:
        assert stack.form.image_shape == (16, 16)
        assert stack.labels is not None
        assert [stack.label_names[v] for v in stack.labels] == ["long"] * 3 + ["round"] * 3
        assert "sizes 12 to 16 px" in stack.remarks[0]
        np.testing.assert_array_equal(stack.read([5]), 1)


def test_tiff_stacks_are_stacks_and_single_pages_are_pictures(tmp_path: Path) -> None:
    for number in range(3):
        tifffile.imwrite(tmp_path / f"{number}.tif", IMAGES[number], photometric="minisblack")
    with open_stack(tmp_path) as stack:
        assert stack.kind == "folder of pictures"
    tifffile.imwrite(tmp_path / "3.tif", IMAGES[3:], photometric="minisblack")
    with open_stack(tmp_path) as stack:
        np.testing.assert_array_equal(stack.read(np.arange(9)), IMAGES)
    save_pictures(tmp_path, np.zeros((1, 12, 12), np.uint8))
    with pytest.raises(ImageFileError, match=r"3.tif: has several pages"):
        open_stack(tmp_path)


def test_more_stacks_than_may_be_open_at_once(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tvae_core.images.stack_folder._MOST_OPEN", 2)
    for number, image in enumerate(IMAGES):
        np.save(tmp_path / f"{number}.npy", image[None])
    with open_stack(tmp_path) as stack:
        order = np.asarray([*range(9), *range(8, -1, -1)])
        np.testing.assert_array_equal(stack.read(order), IMAGES[order])


def test_a_stack_that_moved_to_another_place_in_the_order_is_known(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", IMAGES[:2])
    np.save(tmp_path / "c.npy", IMAGES[2:4])
    with open_stack(tmp_path) as stack:
        before = identity_of(stack)
    np.save(tmp_path / "a.npy", IMAGES[4:])
    with KnownImages(open_stack(tmp_path), before) as known:
        found: NDArray[np.float32] = known.read(np.arange(4))
    np.testing.assert_array_equal(found, IMAGES[:4])


def write_table(path: Path, count: int) -> None:
    path.parent.mkdir(exist_ok=True)
    rows = "\n".join(f"{n + 1}@a.mrcs" for n in range(count))
    path.write_text(f"data_\n\nloop_\n_rlnImageName #1\n{rows}\n")


def test_a_folder_with_exactly_one_table_is_that_table(tmp_path: Path) -> None:
    (tmp_path / "a.mrcs").write_bytes(mrc_bytes(IMAGES))
    write_table(tmp_path / "day2" / "particles.star", 4)
    assert named_by(tmp_path) == tmp_path / "day2" / "particles.star"
    with open_stack(tmp_path) as stack:
        assert len(stack) == 4
        assert stack.table is not None
        assert "the folder's only table is read: day2/particles.star" in stack.remarks


def test_of_several_tables_one_is_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.mrcs").write_bytes(mrc_bytes(IMAGES))
    write_table(tmp_path / "day2" / "particles.star", 4)
    write_table(tmp_path / "later.star", 4)
    assert named_by(tmp_path) == tmp_path
    with pytest.raises(ImageFileError, match=r"name the table: .*/later.star"):
        open_stack(tmp_path)


def test_labels_beside_a_stack_are_no_images(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "train-labels-9.npy", np.arange(9))
    np.save(tmp_path / "labels.npy", np.arange(9))
    with open_stack(tmp_path) as stack:
        assert len(stack) == 9
        assert "2 files not read: labels by their name" in stack.remarks
        assert not any("read as one" in said for said in stack.remarks)
