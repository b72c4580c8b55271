"""An export holds what was asked, says so after reading it back, and never half replaces a file."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.core.analysis.blobs import object_at_rest, posed, poses
from tests.factories import make_store
from tvae_core.errors import Cancelled, DeviceError, ImageFileError, TableError
from tvae_core.export import registry, stacks
from tvae_core.export.movies import export_gif, export_mp4, why_no_mp4
from tvae_core.export.registry import kind_of
from tvae_core.export.sources import InMemory, ModelImages
from tvae_core.export.stack_files import StackForm, StackJob
from tvae_core.export.stacks import Poses, export_images
from tvae_core.export.tables import export_table, store_columns
from tvae_core.store import EmbeddingStore


def _source(images: np.ndarray) -> InMemory:
    return InMemory(images.astype(np.float32))


GREY = _source(np.random.default_rng(0).normal(size=(30, 12, 10)))
COLOUR = _source(np.random.default_rng(1).random(size=(30, 12, 10, 3)))
CHOSEN = np.array([7, 3, 29, 0, 11])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_BLOCK_BYTES", 2 * 4 * 120)  # two images a block


def _hdf5(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["indices"], CHOSEN)
        return file["images"][()]


def _mrcs(path: Path) -> np.ndarray:
    with mrcfile.open(path) as file:
        assert file.is_image_stack()
        assert float(file.voxel_size.x) == pytest.approx(1.25)
        assert float(file.header.dmax) == pytest.approx(float(file.data.max()))
        return file.data.copy()


def _tiff(path: Path) -> np.ndarray:
    with tifffile.TiffFile(path) as file:
        return np.stack([page.asarray() for page in file.pages])


READERS = {
    "a.mrcs": _mrcs,
    "a.mrc": _mrcs,
    "a.npy": np.load,
    "a.h5": _hdf5,
    "a.tif": _tiff,
}


def test_a_stack_of_one_image_is_written_and_read_back(tmp_path: Path) -> None:
    done = export_images(GREY, CHOSEN[:1], tmp_path / "one.mrcs")
    assert done.count == 1
    with mrcfile.open(done.path) as file:
        np.testing.assert_array_equal(file.data.reshape(12, 10), GREY.images[7])


@pytest.mark.parametrize("name", READERS)
def test_images_are_written_bit_by_bit_in_the_order_asked(tmp_path: Path, name: str) -> None:
    shares: list[float] = []
    done = export_images(
        GREY, CHOSEN, tmp_path / name, pixel_size_angstrom=1.25, progress=shares.append
    )
    assert (done.path, done.count) == (tmp_path / name, 5)
    np.testing.assert_array_equal(READERS[name](done.path), GREY.images[CHOSEN])
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.npy", "a.h5", "a.tif"])
def test_colour_images_are_written_too(tmp_path: Path, name: str) -> None:
    done = export_images(COLOUR, CHOSEN, tmp_path / name)
    np.testing.assert_array_equal(READERS[name](done.path), COLOUR.images[CHOSEN])


def test_mrcs_refuses_colour_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="colour"):
        export_images(COLOUR, CHOSEN, tmp_path / "a.mrcs")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", [GREY, COLOUR])
def test_pictures_share_one_grey_range(tmp_path: Path, source: InMemory) -> None:
    done = export_images(source, CHOSEN, tmp_path / "pictures", grey_range=(0.0, 1.0))
    files = sorted(done.path.glob("*.png"))
    assert [path.name for path in files] == [f"{n:06d}.png" for n in range(1, 6)]
    with Image.open(files[2]) as image:
        picture = np.asarray(image, dtype=float)
    np.testing.assert_allclose(
        picture, np.clip(source.images[29], 0, 1) * 255, atol=0.5001
    )  # half a grey level


def test_upright_images_show_the_object_at_rest(tmp_path: Path) -> None:
    angle, shift = poses(6)
    source = _source(posed(angle, shift))
    model_pixels = Poses(angle, shift / 2.0, scale=2.0)
    done = export_images(source, np.arange(6), tmp_path / "a.npy", poses=model_pixels)
    turned = np.load(done.path)
    np.testing.assert_allclose(turned, np.broadcast_to(object_at_rest(), turned.shape), atol=0.01)


def test_the_pose_of_the_image_asked_for_is_used(tmp_path: Path) -> None:
    angle, shift = poses(6)
    done = export_images(
        _source(posed(angle, shift)), np.array([4]), tmp_path / "a.npy", poses=Poses(angle, shift)
    )
    np.testing.assert_allclose(np.load(done.path)[0], object_at_rest(), atol=0.01)


def test_images_cut_off_centre_are_turned_about_the_right_place(tmp_path: Path) -> None:
    """The model saw columns 0..47 of 50: its centre lies one pixel left of the raw image's."""
    angle, shift = poses(3)
    raw = np.pad(posed(angle, shift), ((0, 0), (1, 1), (0, 2)))
    moved = Poses(angle, shift, centre_offset_px=(-1.0, 0.0))
    done = export_images(_source(raw), np.arange(3), tmp_path / "a.npy", poses=moved)
    rest = np.broadcast_to(object_at_rest(50), raw.shape)
    np.testing.assert_allclose(np.load(done.path), rest, atol=0.02)


def test_the_models_images_have_their_channel_last(tmp_path: Path) -> None:
    for channels, shape in ((1, (5, 12, 10)), (3, (5, 12, 10, 3))):
        prepared = InMemory(np.random.default_rng(3).random((30, channels, 12, 10)))
        done = export_images(ModelImages(prepared), CHOSEN, tmp_path / f"{channels}.npy")
        assert np.load(done.path).shape == shape


@pytest.mark.parametrize("name", ["a.mrcs", "a.npy", "a.h5", "a.tif", "pictures"])
def test_what_is_there_is_replaced_only_when_allowed(tmp_path: Path, name: str) -> None:
    export_images(GREY, CHOSEN, tmp_path / name)
    with pytest.raises(ImageFileError, match="already there"):
        export_images(GREY, CHOSEN[:2], tmp_path / name)
    assert export_images(GREY, CHOSEN[:2], tmp_path / name, overwrite=True).count == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.mrcs", "a.npy", "a.h5", "a.tif", "pictures"])
def test_a_stopped_export_leaves_nothing(tmp_path: Path, name: str) -> None:
    shares: list[float] = []
    with pytest.raises(Cancelled):
        export_images(
            GREY,
            CHOSEN,
            tmp_path / name,
            progress=shares.append,
            cancelled=lambda: len(shares) >= 2,
        )
    assert list(tmp_path.iterdir()) == []


def test_damage_on_the_way_to_the_disk_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = kind_of(Path("a.npy"))
    assert isinstance(kind.form, StackForm)
    write = kind.form.write

    def harmed(part: Path, job: StackJob) -> int:
        crc = write(part, job)
        with open(part, "r+b") as stream:
            stream.seek(-3, 2)
            stream.write(b"\x55")
        return crc

    worse = replace(kind, form=replace(kind.form, write=harmed))
    monkeypatch.setattr(registry, "KINDS", (worse,))
    with pytest.raises(ImageFileError, match="differ"):
        export_images(GREY, CHOSEN, tmp_path / "a.npy")
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_export_and_unknown_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="no images"):
        export_images(GREY, np.array([], int), tmp_path / "a.npy")
    with pytest.raises(ImageFileError, match=r"use \.mrcs"):
        export_images(GREY, CHOSEN, tmp_path / "a.jpg")


def test_a_table_gives_back_the_same_numbers(tmp_path: Path) -> None:
    with EmbeddingStore(make_store(tmp_path / "embeddings.h5", z_dim=3)) as store:
        columns = store_columns(store)
        done = export_table(columns, tmp_path / "a.csv", indices=CHOSEN)
        assert done.count == 5
        with open(done.path, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert list(rows[0])[:4] == ["file", "index", "angle_rad", "angle_std_rad"]
        for name, d in (("z1", 0), ("z3", 2)):
            read = np.array([row[name] for row in rows], dtype=np.float32)
            np.testing.assert_array_equal(read, store.z_mean[CHOSEN, d])
        assert [int(row["index"]) for row in rows] == CHOSEN.tolist()
        assert {row["file"] for row in rows} == {"images.npy"}


def test_tables_refuse_what_they_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="different lengths"):
        export_table({"a": np.zeros(2), "b": np.zeros(3)}, tmp_path / "a.csv")
    with pytest.raises(TableError, match=r"use \.csv"):
        export_table({"a": np.zeros(2)}, tmp_path / "a.xls")


def test_parquet_without_pyarrow_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DeviceError, match="pip install pyarrow"):
        export_table({"a": np.zeros(2)}, tmp_path / "a.parquet")


def test_cells_with_commas_and_line_breaks_stay_one_cell(tmp_path: Path) -> None:
    names = np.array(["a,b", 'say "c"', "two\nlines"])
    done = export_table({"name": names}, tmp_path / "a.csv")
    with open(done.path, newline="", encoding="utf-8") as stream:
        assert [row["name"] for row in csv.DictReader(stream)] == names.tolist()


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 8, 8, 3)])
def test_a_movie_plays_every_frame(tmp_path: Path, shape: tuple[int, ...]) -> None:
    frames = np.random.default_rng(2).random(shape)
    frames[2] = frames[1]  # stored as one frame shown twice as long
    done = export_gif(frames, tmp_path / "a.gif", enlarge=3, there_and_back=True)
    assert done.count == 6
    with Image.open(done.path) as movie:
        assert movie.size == (24, 24)
        assert movie.info["loop"] == 0
    with pytest.raises(ImageFileError):
        export_gif(frames[:0], tmp_path / "b.gif")


@pytest.mark.parametrize("shape", [(4, 9, 9), (4, 8, 8, 3)])
def test_an_mp4_is_written_or_what_is_missing_is_told(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    frames = np.random.default_rng(2).random(shape)
    if reason := why_no_mp4():
        assert "pip install imageio-ffmpeg" in reason
        with pytest.raises(ImageFileError, match="one more package"):
            export_mp4(frames, tmp_path / "a.mp4")
    else:
        done = export_mp4(frames, tmp_path / "a.mp4", enlarge=33, there_and_back=True)
        assert done.count == 6
        assert done.path.stat().st_size > 0
