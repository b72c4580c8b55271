"""Files of image numbers: read as they are meant, or refused in one line."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tvae_core.errors import ConfigError
from tvae_core.particles.index_file import read_image_numbers


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        (b"3\n5\n7\n", [3, 5, 7]),
        (b"3 5 7", [3, 5, 7]),
        (b"3 5\n7\n", [3, 5, 7]),
        (b"7\n3\n5\n3\n", [3, 5, 7]),
        ("\ufeff3\r\n5\r\n".encode(), [3, 5]),
        ("3\n5\n".encode("utf-16"), [3, 5]),
        (b"3\r5\r", [3, 5]),
        (b"# chosen by eye\n3 # good\n\n5\n", [3, 5]),
        (b"0\n1\n", [0, 1]),
        (b"59", [59]),
    ],
)
def test_numbers_are_read_as_people_write_them(tmp_path, content, numbers):
    (tmp_path / "i.txt").write_bytes(content)
    found = read_image_numbers(tmp_path / "i.txt", 60)
    assert found.tolist() == numbers
    assert found.dtype == np.int64


@pytest.mark.parametrize("dtype", ["int64", "uint8", ">i4"])
def test_a_numpy_file_of_numbers_is_read(tmp_path, dtype):
    np.save(tmp_path / "i.npy", np.array([7, 3, 5], dtype))
    assert read_image_numbers(tmp_path / "i.npy", 60).tolist() == [3, 5, 7]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no image numbers"),
        (b"# nothing\n", "holds no image numbers"),
        (b"0\n1\n1\n0\n" * 15, "looks like a mask, 60 values of 0 and 1"),
        (b"0 1 1", "looks like a mask"),
        (b"0 3\n1 5\n", "holds 2 columns"),
        (b"3,5,7\n", "line 1: '3,5,7' is not an image number"),
        (b"3.0\n", r"line 1: '3\.0' is not an image number"),
        (b"index\n3\n", "line 1: 'index' is not an image number"),
        (b"3\nnan\n", "line 2: 'nan' is not an image number"),
        (b"-1\n", "-1 matches no image: numbers go from 0 to 59"),
        (b"3\n60\n", "60 matches no image"),
        (b"9" * 30, "too large"),
        (b"\xff\xff\x93", "is not text"),
        (pickle.dumps([3, 5]), "pickles are not read"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused_in_one_line(tmp_path, content, words):
    (tmp_path / "i.txt").write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:  # and no warning, which is an error
        read_image_numbers(tmp_path / "i.txt", 60)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("array", [np.zeros((2, 2), int), np.array([0.5]), np.array([True])])
def test_a_numpy_file_of_something_else_is_refused(tmp_path, array):
    np.save(tmp_path / "i.npy", array)
    with pytest.raises(ConfigError, match="not of image numbers"):
        read_image_numbers(tmp_path / "i.npy", 60)
    (tmp_path / "i.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(ConfigError, match="a NumPy file that cannot be read"):
        read_image_numbers(tmp_path / "i.npy", 60)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot read image numbers"):
        read_image_numbers(tmp_path / "none.txt", 60)
