"""What the axes of arrays and TIFF stacks mean: images are never mistaken for channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.images.layout import layout_of
from tvae_core.images.opening import open_stack

HERE = Path("x.npy")


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


def save(folder: Path, kind: str, array: NDArray[Any]) -> Path:
    path = folder / f"a.{kind}"
    if kind == "npy":
        np.save(path, array)
    elif kind == "npz":
        np.savez(path, images=array)
    else:
        with h5py.File(path, "w") as file:
            file["images"] = array
    return path


def read(path: Path, **wanted: str) -> NDArray[np.float32]:
    with open_stack(path, **wanted) as stack:
        return stack.read(np.arange(len(stack)))


@pytest.mark.parametrize("kind", ["npy", "npz", "h5"])
@pytest.mark.parametrize("axes", ["NYXC", "NCYX", "NYCX", "NXYC", "YXC", "CYX", "NTYX", "NTCYX"])
def test_named_axes_are_taken_at_their_word(tmp_path: Path, kind: str, axes: str) -> None:
    sizes = {"N": 6, "T": 2, "Y": 7, "X": 9, "C": 4}
    array = noise(*(sizes[letter] for letter in axes))
    path = save(tmp_path, kind, array)
    order = [axes.index(letter) for letter in "NTYXC" if letter in axes]
    straight = np.transpose(array, order)
    channels = "C" in axes
    plain = straight.reshape(-1, 7, 9, 4) if channels else straight.reshape(-1, 7, 9)
    if not channels:
        np.testing.assert_array_equal(read(path, axes=axes), plain)
        return
    for channel in "1234":
        found = read(path, axes=axes, channel=channel)
        np.testing.assert_array_equal(found, plain[..., int(channel) - 1])
    np.testing.assert_array_equal(read(path, axes=axes, channel="4,2,1"), plain[..., [3, 1, 0]])
    with pytest.raises(ImageFileError, match="4 channels"):
        read(path, axes=axes)
    with pytest.raises(ImageFileError, match="no channel 5, there are 4"):
        read(path, axes=axes, channel="5")


@given(shape=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_shape_is_read_one_way_or_refused_in_one_line(shape: list[int]) -> None:
    """Never more images than the first axis counts, and never more pixels than there are."""
    try:
        found = layout_of(HERE, tuple(shape), np.dtype("u1"))
    except ImageFileError:
        return
    assert found.form.count in (1, shape[0])
    pixels = found.form.count * found.form.height * found.form.width * found.form.channels
    assert pixels == np.prod(shape)


@pytest.mark.parametrize("few", [2, 4])
@pytest.mark.parametrize("place", [1, 3])
def test_two_or_four_channels_are_never_images(tmp_path: Path, few: int, place: int) -> None:
    shape = [20, 16, 16]
    shape.insert(place, few)
    path = save(tmp_path, "npy", noise(*shape))
    with pytest.raises(ImageFileError, match=rf"have {few} channels.*set data.channel"):
        read(path)
    assert read(path, channel="2").shape == (20, 16, 16)


def test_three_channels_first_are_colour(tmp_path: Path) -> None:
    array = noise(20, 3, 16, 16)
    found = read(save(tmp_path, "npy", array))
    np.testing.assert_array_equal(found, np.moveaxis(array, 1, -1))


@pytest.mark.parametrize("few", [2, 4])
def test_one_picture_with_channels_last_is_not_rows_of_images(tmp_path: Path, few: int) -> None:
    path = save(tmp_path, "npy", noise(32, 40, few))
    with pytest.raises(ImageFileError, match=r"one picture with channels last.*data.axes=NYX"):
        read(path)
    assert read(path, axes="NYX").shape == (32, 40, few)
    assert read(path, axes="YXC", channel="1").shape == (1, 32, 40)


def test_few_images_stay_images(tmp_path: Path) -> None:
    for count in (1, 2, 3, 4, 5, 32):
        assert read(save(tmp_path, "npy", noise(count, 32, 32))).shape == (count, 32, 32)


def test_rows_of_flattened_images_are_images(tmp_path: Path) -> None:
    images = noise(40, 12, 12)
    rows = images.reshape(40, -1)
    np.savez(tmp_path / "a.npz", X=rows, y=np.arange(40) % 3)
    np.testing.assert_array_equal(read(tmp_path / "a.npz"), images)
    with open_stack(tmp_path / "a.npz") as stack:
        assert stack.remarks == ("rows of 144 values are read as images of 12 x 12 pixels",)
    long = save(tmp_path, "npy", noise(1000, 12, 12).reshape(1000, -1))
    assert read(long).shape == (1000, 12, 12)
    assert read(long, axes="YX").shape == (1, 1000, 144)
    picture = save(tmp_path, "npy", noise(100, 144))
    assert read(picture).shape == (1, 100, 144)
    assert read(picture, axes="NP").shape == (100, 12, 12)
    np.savez(tmp_path / "a.npz", X=noise(40, 3072), y=np.arange(40))
    with pytest.raises(ImageFileError, match=r"40 rows of 3,072 values look like flattened"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("axes", ["NY", "NYXX", "YXN", "CNYX", "NPY", "NYXCQ"])
def test_axes_that_do_not_fit_are_refused(tmp_path: Path, axes: str) -> None:
    with pytest.raises(ImageFileError, match=f"data.axes={axes} does not fit"):
        read(save(tmp_path, "npy", noise(4, 8, 8, 3)), axes=axes)


def written(path: Path, array: NDArray[Any], axes: str) -> Path:
    kind: dict[str, Any] = {"imagej": True} if "imagej" in path.name else {}
    tifffile.imwrite(path, array, metadata={"axes": axes}, photometric="minisblack", **kind)
    return path


@pytest.mark.parametrize("name", ["imagej.tif", "a.ome.tif", "plain.tif"])
@pytest.mark.parametrize("axes", ["TCYX", "CYX", "ZCYX", "TZCYX"])
@pytest.mark.parametrize("channels", [2, 4])
def test_channels_of_microscopes_are_chosen_not_stacked(
    tmp_path: Path, name: str, axes: str, channels: int
) -> None:
    sizes = {"T": 3, "Z": 2, "C": channels, "Y": 12, "X": 10}
    array = noise(*(sizes[letter] for letter in axes))
    path = written(tmp_path / name, array, axes)
    with pytest.raises(ImageFileError, match=rf"{channels} channels \(axes [TZ]*CYX\)"):
        read(path)
    for channel in range(channels):
        expected = np.take(array, channel, axis=axes.index("C")).reshape(-1, 12, 10)
        np.testing.assert_array_equal(read(path, channel=str(channel + 1)), expected)


def test_three_planes_of_colour_are_one_image(tmp_path: Path) -> None:
    array = noise(5, 3, 12, 10)
    for name in ("imagej.tif", "a.ome.tif"):
        found = read(written(tmp_path / name, array, "TCYX"))
        np.testing.assert_array_equal(found, np.moveaxis(array, 1, -1))


@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "i2", "f4"])
def test_white_at_zero_is_seen_as_black_at_zero(tmp_path: Path, dtype: str) -> None:
    seen = noise(4, 12, 10) > 128 if dtype == "?" else noise(4, 12, 10).astype(dtype)
    top = {"?": 1, "u1": 255, "u2": 65535, "i2": -1, "f4": 0}[dtype]
    stored = ~seen if dtype == "?" else (top - seen.astype(np.int64)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite")
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), seen)
    (tmp_path / "folder").mkdir()
    for number, image in enumerate(stored):
        tifffile.imwrite(tmp_path / "folder" / f"{number}.tif", image, photometric="miniswhite")
    scale = 255 if dtype == "?" else 1  # a picture of one bit is black and white
    if dtype != "i2":  # Pillow reads no signed 16 bits
        np.testing.assert_array_equal(read(tmp_path / "folder"), scale * seen.astype(np.float32))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_tiff_is_seen_as_it_was_taken(tmp_path: Path, orientation: int) -> None:
    tag = [(274, "H", 1, orientation, False)]
    tifffile.imwrite(tmp_path / "a.tif", noise(9, 12), extratags=tag, photometric="minisblack")
    turns = [lambda a: a, np.fliplr, lambda a: np.rot90(a, 2), np.flipud, np.transpose]
    turns += [lambda a: np.rot90(a, -1), lambda a: np.rot90(a, 2).T, np.rot90]
    shown = turns[orientation - 1](noise(9, 12))
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[0], shown)
    np.testing.assert_array_equal(read(tmp_path)[0], shown)


def test_an_image_that_is_all_alpha_is_not_white(tmp_path: Path) -> None:
    array = np.full((3, 12, 10, 4), 255, np.uint8)
    array[..., 3] = noise(3, 12, 10)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unassalpha"])
    found = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(found, np.repeat(array[..., 3:], 3, axis=3))


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("samples", [2, 5])
def test_samples_of_a_page_are_chosen(tmp_path: Path, planar: str, samples: int) -> None:
    images = noise(3, 12, 10, samples)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for image in images:
            pixels = image if planar == "contig" else np.moveaxis(image, 2, 0)
            file.write(pixels, photometric="minisblack", planarconfig=planar)
    with pytest.raises(ImageFileError, match=rf"have {samples} channels.*set data.channel"):
        read(tmp_path / "a.tif")
    np.testing.assert_array_equal(read(tmp_path / "a.tif", channel="2"), images[..., 1])
