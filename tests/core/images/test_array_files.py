"""NumPy, HDF5 and idx files."""

from __future__ import annotations

import gzip
import struct
import time
import zipfile

import h5py
import numpy as np
import pytest

from tests.core.images.makers import idx_bytes
from tvae_core.errors import ImageFileError
from tvae_core.images import limits
from tvae_core.images.opening import open_stack


def numbers(*shape: int, dtype: str = "f4") -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "form"),
    [
        ((4, 5, 6), (4, 5, 6, 1)),
        ((4, 5, 6, 3), (4, 5, 6, 3)),
        ((4, 5, 6, 1), (4, 5, 6, 1)),
        ((4, 1, 5, 6), (4, 5, 6, 1)),
        ((5, 6), (1, 5, 6, 1)),
        ((5, 6, 3), (1, 5, 6, 3)),
        ((5, 2, 3), (5, 2, 3, 1)),
    ],
)
@pytest.mark.parametrize("kind", ["npy", "fortran", "npz", "packed", "h5"])
def test_shapes_that_are_images(tmp_path, shape, form, kind):
    array = numbers(*shape)
    if kind == "npy":
        path = tmp_path / "a.npy"
        np.save(path, array)
    elif kind == "fortran":
        path = tmp_path / "a.npy"
        np.save(path, np.asfortranarray(array))
    elif kind == "h5":
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            file["group/images"] = array
    else:
        path = tmp_path / "a.npz"
        (np.savez if kind == "npz" else np.savez_compressed)(path, images=array)
    with open_stack(path) as stack:
        assert (len(stack), stack.height, stack.width, stack.channels) == form
        every = stack.read(np.arange(len(stack)))
        colour = (3,) if form[3] == 3 else ()
        np.testing.assert_array_equal(every, array.reshape(*form[:3], *colour))
        np.testing.assert_array_equal(stack.read([0, 0])[1], every[0])


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "<u2", ">u2", "<i4", ">f4", "f8", "f2", "i8"])
@pytest.mark.parametrize("kind", ["npy", "h5"])
def test_pixel_types(tmp_path, dtype, kind):
    array = (np.arange(24).reshape(2, 3, 4) % 2 if dtype == "?" else numbers(2, 3, 4)).astype(dtype)
    path = tmp_path / f"a.{kind}"
    if kind == "npy":
        np.save(path, array)
    else:
        with h5py.File(path, "w") as file:
            file["x"] = array
    with open_stack(path) as stack:
        np.testing.assert_array_equal(stack.read([1, 0]), array[[1, 0]].astype(np.float32))


def test_few_values_beyond_float32_become_infinite_without_a_warning(tmp_path):
    images = numbers(4, 50, 50, dtype="f8")
    images[0, 0, :2] = 1e300, -1e300
    np.save(tmp_path / "a.npy", images)
    with open_stack(tmp_path / "a.npy") as stack:
        assert np.isinf(stack.read([0])).sum() == 2
        assert stack.remarks == ()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4), complex), "complex"),
        (np.zeros(5), r"shape \(5,\) is not a stack"),
        (np.zeros((2, 5, 6, 7)), r"\(2, 5, 6, 7\)"),
        (np.zeros((0, 3, 4)), "holds no images"),
        (np.zeros((2, 0, 4)), "absurd size"),
        (np.zeros((1, 70000, 1), "u1"), "absurd size"),
        (np.array([["text"]]), "not read"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ImageFileError, match=message):
        open_stack(tmp_path / "a.npy")


def test_a_pickled_array_is_not_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ImageFileError, match="pickled"):
        open_stack(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", ["(9999999, 4096, 4096)", "(2, 60000, 60000)", "(-1, 3, 4)"])
def test_a_npy_header_that_lies_is_refused_at_once(tmp_path, shape):
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + b"\0" * 64
    (tmp_path / "a.npy").write_bytes(content)
    start = time.perf_counter()
    with pytest.raises(ImageFileError, match=r"truncated|absurd|damaged"):
        open_stack(tmp_path / "a.npy")
    assert time.perf_counter() - start < 1


def test_a_npz_chooses_the_images_and_their_labels(tmp_path):
    np.savez(
        tmp_path / "a.npz",
        images=numbers(6, 4, 5),
        label=np.array([2, 1, 0, 2, 2, 1]),
        class_names=np.array(["zero", "one", "two"]),
        xy=np.zeros((6, 2)),
        odd=np.array([{}], dtype=object),
    )
    with open_stack(tmp_path / "a.npz") as stack:
        assert stack.labels.tolist() == [2, 1, 0, 2, 2, 1]
        assert stack.label_names == ("zero", "one", "two")


def test_a_npz_of_two_stacks_asks_which(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, first=numbers(2, 4, 5), second=numbers(3, 4, 5))
    with pytest.raises(ImageFileError, match=r"choose one with data.dataset: first, second"):
        open_stack(path)
    with open_stack(path, dataset="second") as stack:
        assert len(stack) == 3
    with pytest.raises(ImageFileError, match=r"no data set 'third'.*first"):
        open_stack(path, dataset="third")


def test_archives_without_images_or_damaged_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(ImageFileError, match="holds no images"):
        open_stack(path)
    np.savez_compressed(path, images=np.random.default_rng(0).normal(size=(4, 16, 16)))
    content = bytearray(path.read_bytes())
    content[600:700] = b"\0" * 100
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match="damaged NumPy archive"):
        open_stack(path)


def test_what_would_fill_the_memory_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((4, 64, 64)))
    (tmp_path / "a-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.zeros((4, 64, 64)))))
    monkeypatch.setattr(limits, "LARGEST_IN_MEMORY", 10_000)
    for name in ("a.npz", "a-idx3-ubyte.gz"):
        with pytest.raises(ImageFileError, match="GiB unpacked"):
            open_stack(tmp_path / name)


def test_a_gzip_that_claims_the_impossible_is_refused_at_once(tmp_path):
    head = bytes([0, 0, 8, 3]) + struct.pack(">3I", 1_000_000, 60, 60)
    (tmp_path / "a-idx3-ubyte.gz").write_bytes(gzip.compress(head))
    with pytest.raises(ImageFileError, match="truncated"):
        open_stack(tmp_path / "a-idx3-ubyte.gz")


def test_hdf5_labels_pixel_size_and_choice(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("set/images", data=numbers(6, 4, 5), compression="gzip")
        file["set/images"].attrs["pixel_size_angstrom"] = 1.5
        file["set/labels"] = np.arange(6)
        file["other"] = numbers(2, 4, 5)
        file["table"] = numbers(6, 3)
    with pytest.raises(ImageFileError, match=r"choose one with data.dataset: other, set/images"):
        open_stack(path)
    with open_stack(path, dataset="/set/images") as stack:
        assert stack.pixel_size_angstrom == 1.5
        assert stack.labels.tolist() == list(range(6))
        np.testing.assert_array_equal(stack.read([5, 1, 1]), numbers(6, 4, 5)[[5, 1, 1]])


def test_hdf5_without_images_or_of_absurd_size(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = numbers(5)
    with pytest.raises(ImageFileError, match="holds no images"):
        open_stack(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", shape=(10**6, 60000, 60000), dtype="f4", chunks=(1, 64, 64))
    with pytest.raises(ImageFileError, match=r"holds no images|absurd"):
        open_stack(path)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
    ],
)
def test_idx_labels_lie_beside(tmp_path, images, labels):
    for name, array in ((images, numbers(4, 5, 6)), (labels, np.array([3, 1, 2, 0]))):
        content = idx_bytes(array)
        packed = gzip.compress(content) if name.endswith(".gz") else content
        (tmp_path / name).write_bytes(packed)
    with open_stack(tmp_path / images) as stack:
        assert stack.labels.tolist() == [3, 1, 2, 0]
        np.testing.assert_array_equal(stack.read([3]), numbers(4, 5, 6)[[3]])


def test_idx_errors(tmp_path):
    path = tmp_path / "t-images-idx3-ubyte"
    path.write_bytes(idx_bytes(numbers(4, 5, 6)))
    (tmp_path / "t-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(5)))
    with pytest.raises(ImageFileError, match="one label for each of the 4"):
        open_stack(path)
    path.write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**31, 2**31))
    with pytest.raises(ImageFileError, match="absurd"):
        open_stack(path)
    path.write_bytes(idx_bytes(np.arange(5)))
    with pytest.raises(ImageFileError, match="not a stack of images"):
        open_stack(path)
