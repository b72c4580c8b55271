"""MRC: modes, byte orders, headers that lie."""

from __future__ import annotations

import contextlib
import gzip
import struct
import time
import tracemalloc
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.images.makers import mrc_bytes
from tests.core.particles.makers import in_stack, numbered, write_mrc, write_star
from tvae_core.errors import ImageFileError
from tvae_core.images.opening import open_stack


def ramp(dtype: str, count: int = 3) -> np.ndarray:
    return (np.arange(count * 20).reshape(count, 4, 5) - 25).astype(dtype)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["i1", "i2", "f4", "f2"])
@pytest.mark.parametrize("extended", [0, 100, 2048])
def test_every_mode_byte_order_and_extended_header(tmp_path, order, dtype, extended):
    path = tmp_path / "a.mrcs"
    path.write_bytes(mrc_bytes(ramp(dtype), order, b"\7" * extended, pixel_size=1.25))
    with open_stack(path) as stack:
        np.testing.assert_array_equal(stack.read([2, 0]), ramp(dtype)[[2, 0]])
        assert stack.pixel_size_angstrom == pytest.approx(1.25)


@pytest.mark.parametrize("order", ["<", ">"])
def test_mode_6_is_unsigned(tmp_path, order):
    images = np.array([[[0, 40000], [65535, 1]]], dtype=np.uint16)
    (tmp_path / "a.mrc").write_bytes(mrc_bytes(images, order))
    with open_stack(tmp_path / "a.mrc") as stack:
        np.testing.assert_array_equal(stack.read([0]), images)


def test_bytes_of_imod_are_unsigned_when_its_flag_says_so(tmp_path):
    content = bytearray(mrc_bytes(np.full((1, 2, 2), -56, np.int8)))
    struct.pack_into("<2i", content, 152, 1146047817, 0)
    (tmp_path / "a.mrc").write_bytes(content)
    with open_stack(tmp_path / "a.mrc") as stack:
        assert stack.read([0]).max() == 200
    struct.pack_into("<2i", content, 152, 1146047817, 1)
    (tmp_path / "a.mrc").write_bytes(content)
    with open_stack(tmp_path / "a.mrc") as stack:
        assert stack.read([0]).max() == -56


def test_the_byte_order_that_fits_the_size_is_taken(tmp_path):
    # mode 0 reads the same in both orders, and 256 = 0x100 is 65536 in the other one
    for order in "<>":
        images = np.ones((1, 256, 256), np.int8)
        (tmp_path / "a.mrc").write_bytes(mrc_bytes(images, order))
        with open_stack(tmp_path / "a.mrc") as stack:
            assert (len(stack), stack.height, stack.width) == (1, 256, 256)


def test_files_of_mrcfile_are_read(tmp_path):
    images = np.random.default_rng(1).normal(size=(4, 6, 8)).astype(np.float32)
    with mrcfile.new(tmp_path / "a.mrcs") as file:
        file.set_data(images)
        file.set_image_stack()
        file.voxel_size = 2.5
    with open_stack(tmp_path / "a.mrcs") as stack:
        np.testing.assert_array_equal(stack.read(range(4)), images)
        assert stack.pixel_size_angstrom == pytest.approx(2.5)


def test_a_volume_is_read_as_its_sections(tmp_path):
    (tmp_path / "a.mrc").write_bytes(mrc_bytes(ramp("f4"), ispg=1))
    with open_stack(tmp_path / "a.mrc") as stack:
        assert len(stack) == 3


def test_bytes_after_the_last_image_are_remarked_on(tmp_path):
    (tmp_path / "a.mrc").write_bytes(mrc_bytes(ramp("f4")) + b"\0" * 10)
    with open_stack(tmp_path / "a.mrc") as stack:
        assert stack.remarks == ("10 bytes after the last image are ignored",)
        np.testing.assert_array_equal(stack.read(range(3)), ramp("f4"))


@pytest.mark.parametrize("cell", [0.0, -4.0, np.nan, np.inf, 1e30])
def test_a_bogus_cell_gives_no_pixel_size(tmp_path, cell):
    content = bytearray(mrc_bytes(ramp("f4")))
    struct.pack_into("<f", content, 40, cell)
    (tmp_path / "a.mrc").write_bytes(content)
    with open_stack(tmp_path / "a.mrc") as stack:
        assert stack.pixel_size_angstrom is None


def hostile(offset: int, *values: int) -> bytes:
    content = bytearray(mrc_bytes(ramp("f4")))
    struct.pack_into(f"<{len(values)}i", content, offset, *values)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (hostile(0, 60000, 60000, 60000), "absurd size: 60000 images of 60000 x 60000|truncated"),
        (hostile(0, 2**31 - 1, 5, 3), "absurd size"),
        (hostile(0, -5, 4, 3), "absurd size"),
        (hostile(0, 5, 4, 0), "absurd size"),
        (hostile(0, 5, 4, 2**31 - 1), "truncated: 1264 bytes, its header asks for 17"),
        (hostile(92, 2_000_000_000), "absurd size: an extended header of 2000000000"),
        (hostile(92, -1), "absurd size: an extended header"),
        (hostile(92, 60 << 20), "truncated"),
        (hostile(12, 4), r"MRC mode 4 \(complex 32-bit\) is not read"),
        (hostile(12, 101), "mode 101"),
        (hostile(12, 7), "unknown MRC mode 7"),
        (mrc_bytes(ramp("f4"))[:-1], "truncated: 1263 bytes, its header asks for 1264"),
        (mrc_bytes(ramp("f4"))[:500], "truncated: 500 bytes, an MRC header takes 1024"),
        (b"\0" * 2000, "absurd size or mode"),
        (bytes(range(256)) * 8, "not an MRC file"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_header_that_lies_is_refused_at_once_without_allocating(
    tmp_path: Path, content: bytes, message: str, packed: bool
):
    path = tmp_path / ("a.mrcs.gz" if packed else "a.mrcs")
    path.write_bytes(gzip.compress(content) if packed else content)
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(
        ImageFileError, match="truncated|GiB" if "truncated" in message else message
    ):
        open_stack(path)
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 1
    assert peak < 5 << 20


def test_a_file_cut_while_open_is_an_error_and_no_crash(tmp_path):
    path = tmp_path / "a.mrcs"
    path.write_bytes(mrc_bytes(ramp("f4")))
    with open_stack(path) as stack:
        path.write_bytes(path.read_bytes()[:1100])
        with pytest.raises(ImageFileError, match="truncated while it was read"):
            stack.read([2])


@given(damage=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=6))
@settings(max_examples=60, deadline=None)
def test_any_damaged_header_is_read_or_refused(tmp_path_factory, damage):
    content = bytearray(mrc_bytes(ramp("i2")))
    for place, value in damage:
        content[place] = value
    path = tmp_path_factory.mktemp("mrc") / "a.mrc"
    path.write_bytes(content)
    with contextlib.suppress(ImageFileError), open_stack(path) as stack:
        stack.read([0, len(stack) - 1])


def test_pixels_that_are_not_square_are_told_and_have_no_one_size(tmp_path):
    path = write_mrc(tmp_path / "a.mrcs", numbered(3), cell_40=("<3f", 16, 32, 1))
    with open_stack(path) as stack:
        assert stack.pixel_size_angstrom is None
        assert stack.remarks == ("pixels are not square: 2 by 4 angstrom",)


@pytest.mark.parametrize("axes", [(2, 1, 3), (3, 1, 2), (3, 2, 1)])
@pytest.mark.parametrize("through_table", [False, True])
def test_another_order_of_axes_is_told(tmp_path, axes, through_table):
    path = write_mrc(tmp_path / "a.mrcs", numbered(3), axes_64=("<3i", *axes))
    if through_table:
        path = write_star(tmp_path / "p.star", in_stack(3, "a.mrcs"))
    with open_stack(path) as stack:
        named = ", ".join(map(str, axes))
        assert f"another order of axes ({named}): images may be transposed" in stack.remarks[0]


@pytest.mark.parametrize("axes", [(1, 2, 3), (0, 0, 0), (77, 1, 2)])
def test_usual_and_absent_axes_are_not_told(tmp_path, axes):
    path = write_mrc(tmp_path / "a.mrcs", numbered(3), axes_64=("<3i", *axes))
    with open_stack(path) as stack:
        assert not stack.remarks


def test_a_cell_that_is_no_number_or_half_absent_is_no_shape_of_pixels(tmp_path):
    for cell in ((np.nan, 16.0, 1), (16.0, 0.0, 1)):
        path = write_mrc(tmp_path / "a.mrcs", numbered(3), cell_40=("<3f", *cell))
        with open_stack(path) as stack:
            assert not stack.remarks
            assert stack.pixel_size_angstrom == (None if np.isnan(cell[0]) else 2.0)


@pytest.mark.parametrize("suffix", [".st", ".ali", ".rec", ".preali", ".ST"])
def test_names_of_imod_are_mrc(tmp_path, suffix):
    path = write_mrc(tmp_path / f"x{suffix}", numbered(3))
    with open_stack(path) as stack:
        assert stack.read([0, 1, 2])[:, 0, 0].tolist() == [0, 1, 2]
