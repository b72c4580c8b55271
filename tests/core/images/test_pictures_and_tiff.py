"""Folders of pictures and TIFF stacks."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.core.images.makers import save_pictures
from tvae_core.errors import ImageFileError
from tvae_core.images.opening import open_stack


def noise(*shape: int, dtype: str = "u1") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def test_class_folders_give_labels_in_alphabetical_order(tmp_path):
    save_pictures(tmp_path / "b", noise(2, 4, 5))
    save_pictures(tmp_path / "a", noise(3, 4, 5))
    (tmp_path / "notes").mkdir()
    (tmp_path / "readme.txt").write_text("not a picture")
    with open_stack(tmp_path) as stack:
        assert stack.labels.tolist() == [0, 0, 0, 1, 1]
        assert stack.label_names == ("a", "b")
        assert stack.sources().files[3] == "b/000.png"
        np.testing.assert_array_equal(stack.read([4]), noise(2, 4, 5)[[1]])


def test_colour_grey_and_transparency_mixed_are_colour(tmp_path):
    Image.fromarray(noise(4, 5)).save(tmp_path / "1.png")
    Image.fromarray(noise(4, 5, 3)).save(tmp_path / "2.png")
    Image.fromarray(noise(4, 5, 4)).save(tmp_path / "3.png")
    with open_stack(tmp_path) as stack:
        assert stack.channels == 3
        pixels = stack.read([0, 1, 2])
    np.testing.assert_array_equal(pixels[0], np.repeat(noise(4, 5)[..., None], 3, axis=2))
    np.testing.assert_array_equal(pixels[1], noise(4, 5, 3))
    clear = noise(4, 5, 4)
    on_black = clear[..., :3] * (clear[..., 3:] / 255)
    np.testing.assert_allclose(pixels[2], on_black, atol=0.501)  # rounded to whole bytes


def test_sixteen_bit_greys_keep_their_values(tmp_path):
    images = noise(2, 4, 5, dtype="u2") * 257
    save_pictures(tmp_path, images)
    with open_stack(tmp_path) as stack:
        assert stack.dtype == np.uint16
        np.testing.assert_array_equal(stack.read([0, 1]), images)


def test_jpeg_and_single_pictures(tmp_path):
    save_pictures(tmp_path, np.full((2, 8, 8), 100, np.uint8), ".jpg")
    with open_stack(tmp_path) as stack:
        np.testing.assert_allclose(stack.read([0]), 100, atol=1)  # JPEG rounds
    with open_stack(tmp_path / "001.jpg") as stack:
        assert len(stack) == 1
        assert stack.sources().files == ["001.jpg"]


def test_folders_that_are_no_stack(tmp_path):
    with pytest.raises(ImageFileError, match="holds no images"):
        open_stack(tmp_path)
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    with pytest.raises(ImageFileError, match="holds no images"):
        open_stack(tmp_path)


def png_of_size(width: int, height: int) -> bytes:
    head = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0"))


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_decompression_bomb_is_refused(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(png_of_size(side, side))
    with pytest.raises(ImageFileError, match="bomb"):
        open_stack(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_truncated_and_false_pictures(tmp_path, suffix):
    path = save_pictures(tmp_path / "a", noise(1, 64, 64), suffix) / f"000{suffix}"
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ImageFileError) as caught, open_stack(tmp_path / "a") as stack:
        stack.read([0])
    assert str(path) in str(caught.value)
    path.write_bytes(b"not a picture at all")
    with pytest.raises(ImageFileError, match="not a picture"):
        open_stack(tmp_path / "a")


def test_a_picture_that_changes_its_size_is_an_error(tmp_path):
    save_pictures(tmp_path, noise(2, 4, 5))
    with open_stack(tmp_path) as stack:
        Image.fromarray(noise(9, 9)).save(tmp_path / "001.png")
        with pytest.raises(ImageFileError, match="changed its size"):
            stack.read([1])


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tiff_pages_of_every_type(tmp_path, compression, dtype, byteorder):
    images = noise(3, 8, 9, dtype=dtype)
    tifffile.imwrite(
        tmp_path / "a.tif",
        images,
        compression=compression,
        byteorder=byteorder,
        photometric="minisblack",
    )
    with open_stack(tmp_path / "a.tif") as stack:
        assert (len(stack), stack.dtype.itemsize) == (3, images.dtype.itemsize)
        np.testing.assert_array_equal(stack.read([2, 0, 2]), images[[2, 0, 2]])


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_colour(tmp_path, planar):
    images = noise(2, 8, 9, 3)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for image in images:
            pixels = image if planar == "contig" else np.moveaxis(image, 2, 0)
            file.write(pixels, photometric="rgb", planarconfig=planar)
    with open_stack(tmp_path / "a.tif") as stack:
        assert (len(stack), stack.channels) == (2, 3)
        np.testing.assert_array_equal(stack.read([1, 0]), images[::-1])


def test_an_imagej_stack_with_one_header(tmp_path):
    images = noise(5, 8, 9, dtype="u2")
    tifffile.imwrite(tmp_path / "a.tif", images, imagej=True, metadata={"axes": "ZYX"})
    with open_stack(tmp_path / "a.tif") as stack:
        np.testing.assert_array_equal(stack.read([4, 1]), images[[4, 1]])


@pytest.mark.parametrize("kept", [1, 3, 4])
def test_a_tiff_cut_between_its_pages_is_truncated_not_shorter(tmp_path, kept):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(5, 8, 9), photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        cut = file.pages[kept].offset
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ImageFileError, match=f"breaks off after page {kept}"):
        open_stack(path)


def test_a_palette_with_transparency_is_read_as_colour(tmp_path):
    picture = Image.fromarray(noise(4, 5, 3)).quantize(8)
    picture.save(tmp_path / "a.png", transparency=bytes(range(8)))
    with open_stack(tmp_path) as stack:
        expected = np.asarray(picture.convert("RGB")) * (np.asarray(picture)[..., None] / 255)
        np.testing.assert_allclose(stack.read([0])[0], expected, atol=0.501)


def test_tiff_that_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(noise(8, 9), contiguous=False)
        file.write(noise(9, 8), contiguous=False)
    with pytest.raises(ImageFileError, match=r"page 1 is 8 x 9 .* page 2 is 9 x 8"):
        open_stack(path)
    tifffile.imwrite(path, noise(8, 9), colormap=np.zeros((3, 256), "u2"), photometric="palette")
    with pytest.raises(ImageFileError, match="palette"):
        open_stack(path)
    tifffile.imwrite(path, noise(8, 9).astype(np.complex64))
    with pytest.raises(ImageFileError, match="complex64"):
        open_stack(path)
    tifffile.imwrite(path, noise(2, 64, 64), photometric="minisblack")
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(ImageFileError, match=r"truncated|damaged"):
        open_stack(path)
