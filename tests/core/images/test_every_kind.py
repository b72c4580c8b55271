"""What holds for a stack of any kind."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from tests.core.images.makers import KINDS, save, save_pictures
from tvae_core.errors import FileError, ImageFileError, TvaeError
from tvae_core.images.opening import open_stack


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 128, (7, 5, 6), dtype=np.uint8)


@pytest.fixture(params=KINDS)
def path(request, tmp_path, images):
    return save(request.param, tmp_path, images)


def test_size_and_values_are_those_written(path, images):
    with open_stack(path) as stack:
        assert (len(stack), stack.height, stack.width, stack.channels) == (7, 5, 6, 1)
        assert stack.dtype.itemsize == 1
        assert stack.kind
        pixels = stack.read(np.arange(7))
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, images)


def test_images_come_in_the_order_asked_for_also_twice(path, images):
    order = [6, 0, 1, 2, 2, 5, 3, 6]
    with open_stack(path) as stack:
        np.testing.assert_array_equal(stack.read(order), images[order])
        assert stack.read([]).shape == (0, 5, 6)


@pytest.mark.parametrize("wrong", [[7], [-1], [0, 100]])
def test_an_index_out_of_range_is_an_error(path, wrong):
    with open_stack(path) as stack, pytest.raises(ImageFileError, match="there are 7"):
        stack.read(wrong)


def test_indices_that_are_no_integers_are_an_error(path):
    with open_stack(path) as stack, pytest.raises(ImageFileError, match="list of integers"):
        stack.read([0.5])


def test_sources_name_each_image_once(path):
    with open_stack(path) as stack:
        files, file_index, image_index = stack.sources()
    keys = {(files[f], i) for f, i in zip(file_index.tolist(), image_index.tolist(), strict=True)}
    assert len(keys) == 7
    assert file_index.dtype == np.int32
    assert image_index.dtype == np.int64


def test_the_input_is_never_touched(path):
    def state() -> dict[str, tuple[str, int]]:
        files = [file for file in sorted(path.parent.rglob("*")) if file.is_file()]
        return {
            str(file): (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns)
            for file in files
        }

    before = state()
    with open_stack(path) as stack:
        stack.read([0, 1])
    assert state() == before


def test_no_file_stays_open(path):
    before = len(os.listdir("/proc/self/fd"))
    with open_stack(path) as stack:
        stack.read([0, 6])
    assert len(os.listdir("/proc/self/fd")) == before


_CUT = [kind for kind in KINDS if kind not in ("-folder",)]


@pytest.mark.parametrize("kind", _CUT)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_one_clear_line(tmp_path, images, kind, share):
    path = save(kind, tmp_path, images)
    victim = path.with_name("second.mrcs") if kind in (".star", ".cs") else path
    content = victim.read_bytes()
    victim.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ImageFileError) as caught, open_stack(path) as stack:
        stack.read(np.arange(7))
    assert "\n" not in str(caught.value)
    assert str(victim) in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["cut short", "emptied", "removed", "replaced"])
def test_a_source_that_changes_while_it_is_open_is_told_and_never_zeros(
    tmp_path: Path, images: np.ndarray, kind: str, way: str
) -> None:
    """Gate 12. What is in memory already may be given: it is what the file held."""
    path = save(kind, tmp_path, images)
    with open_stack(path) as stack:
        stack.read([0])
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        for file in files:
            if way in ("cut short", "emptied"):
                os.truncate(file, 0 if way == "emptied" else file.stat().st_size // 2)
            else:
                file.unlink()
            if way == "replaced":
                file.write_bytes(b"Hello, I am a letter. " * 50)
        told: list[TvaeError] = []
        found = images
        try:
            found = stack.read(np.arange(7))
        except (ImageFileError, FileError) as error:
            told.append(error)
        np.testing.assert_array_equal(found, images)
        assert all("\n" not in str(error) for error in told)


@pytest.mark.parametrize("kind", [".mrcs", ".npy", ".npz", ".h5", ".tif", ".star", ".cs"])
def test_a_file_that_is_not_of_its_kind_is_told_so(tmp_path, kind):
    path = tmp_path / f"wrong{kind}"
    path.write_bytes(b"Hello, I am a letter and no stack of images. " * 50)
    with pytest.raises(ImageFileError) as caught:
        open_stack(path)
    assert "not a" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [*KINDS, "-folder.jpg", "-folder.tif"])
def test_a_damaged_file_is_read_or_refused_but_never_crashes(tmp_path, images, kind):
    _, _, suffix = kind.partition("-folder")
    path = tmp_path / "stack" if suffix else save(kind, tmp_path, images)
    if suffix:
        save_pictures(path, images, suffix)
    files = [file for file in sorted(tmp_path.rglob("*")) if file.is_file()]
    generator = np.random.default_rng(len(kind))
    for _ in range(25):
        victim = files[generator.integers(len(files))]
        sound = victim.read_bytes()
        damaged = bytearray(sound)
        reach = min(len(damaged), int(generator.choice([64, 400, 100_000])))
        for place in generator.integers(0, reach, generator.choice([1, 2, 5, 20])):
            damaged[place] = generator.choice([0, 255, generator.integers(256)])
        victim.write_bytes(damaged)
        with contextlib.suppress(ImageFileError), open_stack(path) as stack:
            stack.read(range(min(len(stack), 20)))
        victim.write_bytes(sound)


def test_missing_empty_and_unknown_files_are_told_apart(tmp_path: Path):
    with pytest.raises(ImageFileError, match="no such file"):
        open_stack(tmp_path / "absent.mrcs")
    for name, content, message in [
        ("a.mrcs", b"", "empty file"),
        ("a.doc", b"x", "unknown kind of file.*known are .mrc"),
        ("a.gz", b"x", "unknown kind"),
        ("a-idx3-ubyte", b"nonsense" * 4, "not an idx file"),
        ("a.mrc.gz", b"nonsense" * 4, "damaged gzip file"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageFileError, match=message):
            open_stack(tmp_path / name)
    with pytest.raises(ImageFileError, match="neither a file nor a folder"):
        open_stack("/dev/null")
