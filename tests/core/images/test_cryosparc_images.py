"""Images of cryoSPARC tables as people bring them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.core.particles.makers import blob, numbered, write_cs, write_mrc
from tvae_core.errors import ImageFileError
from tvae_core.images.opening import open_stack


def opened(path):
    with open_stack(path) as stack:
        return stack.read(np.arange(len(stack))), " ".join(stack.remarks), stack.pixel_size_angstrom


@pytest.fixture
def job(tmp_path):
    write_mrc(tmp_path / "J1" / "a.mrc", numbered(6))
    return tmp_path / "J9"


def test_a_sign_of_minus_one_turns_the_contrast_of_its_images(tmp_path):
    images = numbered(6)
    write_mrc(tmp_path / "J1" / "a.mrc", images[:3])
    write_mrc(tmp_path / "J2" / "b.mrc", -images[3:])
    fields = blob(6) | {"blob/sign": np.repeat([1, -1], 3).astype("<f4")}
    fields["blob/path"][3:] = b">J2/b.mrc"
    fields["blob/idx"][3:] -= 3
    found, said, _ = opened(write_cs(tmp_path / "J9" / "p.cs", fields))
    np.testing.assert_array_equal(found, images)
    assert "the contrast of 3 images is inverted, as blob/sign says" in said


def test_a_sign_turns_bytes_without_wrapping_round(tmp_path):
    from tests.core.images.makers import mrc_bytes

    (tmp_path / "a.mrc").write_bytes(mrc_bytes(np.arange(32).reshape(2, 4, 4).astype(np.int8)))
    fields = blob(2, "a.mrc", side=4) | {"blob/sign": np.full(2, -1, "<f4")}
    with open_stack(write_cs(tmp_path / "p.cs", fields)) as stack:
        assert stack.dtype == np.float32  # the range of the bytes is no longer theirs
        assert stack.read([1]).min() == -31


@pytest.mark.parametrize("sign", [0.0, 2.0, np.nan])
def test_a_sign_that_is_neither_is_refused(job, sign):
    signs = np.array([1, 1, sign, 1, 1, 1], "<f4")
    path = write_cs(job / "p.cs", blob(6) | {"blob/sign": signs})
    with pytest.raises(ImageFileError, match="blob/sign of row 3"):
        open_stack(path)


def test_blob_shape_tells_that_images_were_binned(job):
    found, said, pixel = opened(write_cs(job / "p.cs", blob(6, pixel=1.0, side=16)))
    assert pixel == pytest.approx(2.0)
    assert "16 px at 1 angstrom" in said
    assert len(found) == 6


def test_an_index_column_of_width_one_is_an_index(job):
    fields = blob(6) | {"blob/idx": np.arange(6, dtype="<u4")[::-1, None]}
    found, _, _ = opened(write_cs(job / "p.cs", fields))
    assert found[:, 0, 0].tolist() == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"blob/idx": np.array([0, 1, -1, 2, 3, 4], "<i8")}, "blob/idx of row 3 is -1"),
        ({"blob/idx": np.array([0, 1.5, 1, 2, 3, 4], "<f8")}, r"blob/idx of row 2 is 1\.5"),
        ({"blob/idx": np.zeros((6, 2), "<u4")}, r"blob/idx holds uint32 of shape \(6, 2\)"),
        ({"blob/path": np.array([b">J1/a.mrc"] * 5 + [b""])}, "row 6 names no stack"),
        ({"blob/path": np.array([b">J1/a.mrc"] * 4 + [b">", b">J1/a.mrc"])}, "row 5 names no"),
    ],
)
def test_an_index_or_path_that_makes_no_sense_is_refused_with_its_row(job, change, words):
    path = write_cs(job / "p.cs", blob(6) | change)
    with pytest.raises(ImageFileError, match=words):
        open_stack(path)


@pytest.mark.parametrize("path", [b">J1/a.mrc", b">>J1/a.mrc", b"J1/a.mrc", b"../J1/a.mrc"])
def test_paths_may_begin_with_an_arrow(job, path):
    fields = blob(6) | {"blob/path": np.array([path] * 6, "S40")}
    assert len(opened(write_cs(job / "p.cs", fields))[0]) == 6


def test_text_in_unicode_and_big_endian_numbers_are_read(job):
    fields = blob(6)
    fields |= {
        "blob/path": np.array(["J1/a.mrc"] * 6),
        "blob/idx": fields["blob/idx"].astype(">i8"),
    }
    assert opened(write_cs(job / "p.cs", fields))[0][:, 0, 0].tolist() == list(range(6))
