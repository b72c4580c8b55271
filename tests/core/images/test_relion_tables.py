"""RELION tables as people bring them: what they say is honoured, or refused in one line."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tests.core.particles.makers import in_stack, numbered, optics, write_mrc, write_star
from tvae_core.errors import ImageFileError, TvaeError
from tvae_core.images.opening import open_stack
from tvae_core.images.optics import optics_of
from tvae_core.particles import Categories, described_columns, read_table


def pixel_of(path):
    with open_stack(path) as stack:
        return stack.pixel_size_angstrom, " ".join(stack.remarks)


# --- the table of other images than the stack's ------------------------------------------------
@pytest.mark.parametrize("header", [2.0, 0.0, 1.0])
def test_a_table_of_full_size_over_a_binned_stack_has_the_pixels_of_the_stack(tmp_path, header):
    write_mrc(tmp_path / "s.mrcs", numbered(4, side=32), pixel=header)
    table = write_star(tmp_path / "p.star", in_stack(4), rows=[optics(1, 1.0, 64)])
    pixel, said = pixel_of(table)
    assert pixel == pytest.approx(2.0)
    assert "64 px at 1 angstrom" in said
    assert "32 px: 2 angstrom" in said


def test_binned_by_an_odd_factor_and_group_by_group(tmp_path):
    write_mrc(tmp_path / "s.mrcs", numbered(4, side=32), pixel=0.0)
    rows = [optics(1, 1.0, 65), optics(2, 2.03125, 32)]
    pixel, said = pixel_of(write_star(tmp_path / "p.star", in_stack(4), [1, 2, 1, 2], rows))
    assert pixel == pytest.approx(2.03125)
    assert "65 px" in said


def test_the_ctf_is_that_of_the_binned_pixels(tmp_path):
    write_mrc(tmp_path / "s.mrcs", numbered(4, side=32))
    columns = {f"Defocus{axis}": [10000] * 4 for axis in "UV"}
    table = write_star(tmp_path / "p.star", in_stack(4), rows=[optics(1, 1.0, 64)], **columns)
    with open_stack(table) as stack:
        np.testing.assert_allclose(optics_of(stack, "a test").pixel_size_angstrom, 2.0)


def test_whether_images_were_cut_out_or_binned_is_not_guessed(tmp_path):
    write_mrc(tmp_path / "s.mrcs", numbered(4, side=32), pixel=1.5)
    table = write_star(tmp_path / "p.star", in_stack(4), rows=[optics(1, 1.5, 64)])
    with pytest.raises(ImageFileError, match="binned or cut out cannot be told"):
        open_stack(table)


def test_a_table_and_stacks_that_disagree_on_the_pixel_are_told(tmp_path):
    write_mrc(tmp_path / "s.mrcs", numbered(4), pixel=1.0)
    pixel, said = pixel_of(write_star(tmp_path / "p.star", in_stack(4)))
    assert pixel == 2.0
    assert "the stacks say 1 angstrom per pixel, the table 2: the table is used" in said


def test_stacks_of_different_pixel_sizes_under_a_silent_table_are_mixed(tmp_path):
    write_mrc(tmp_path / "a.mrcs", numbered(2), pixel=1.0)
    write_mrc(tmp_path / "b.mrcs", numbered(2), pixel=2.0)
    names = in_stack(2, "a.mrcs") + in_stack(2, "b.mrcs")
    pixel, said = pixel_of(write_star(tmp_path / "p.star", names, rows=None))
    assert pixel is None
    assert "pixel sizes from 1 to 2 angstrom are mixed" in said


def test_rows_without_a_pixel_size_have_that_of_their_stack_and_it_is_said(tmp_path):
    write_mrc(tmp_path / "s.mrcs", numbered(4))
    rows = [optics(1, 2.0), optics(2, "None")]
    pixel, said = pixel_of(write_star(tmp_path / "p.star", in_stack(4), [1, 2, 1, 1], rows))
    assert pixel == 2.0
    assert "1 row gives no pixel size" in said


def test_detector_pixels_need_a_magnification(tmp_path):
    write_mrc(tmp_path / "s.mrcs", numbered(4))
    detector = {"DetectorPixelSize": [13.1] * 4}
    pixel, said = pixel_of(write_star(tmp_path / "p.star", in_stack(4), rows=None, **detector))
    assert pixel == 2.0
    assert "rlnDetectorPixelSize without rlnMagnification says no pixel size" in said
    wrong = detector | {"Magnification": [0] * 4}
    _, said = pixel_of(write_star(tmp_path / "p.star", in_stack(4), rows=None, **wrong))
    assert "4 rows give no pixel size" in said
    right = detector | {"Magnification": [65500] * 4}
    assert pixel_of(write_star(tmp_path / "p.star", in_stack(4), rows=None, **right)) == (2.0, "")


# --- optics groups -----------------------------------------------------------------------------
@pytest.mark.parametrize("written", ["1.000000 2.000000", "1 2", "1.0 02", "og01 og02"])
def test_optics_groups_are_numbers_or_names(tmp_path, written):
    write_mrc(tmp_path / "s.mrcs", numbered(4))
    groups = (written.split() * 2)[:4]
    rows = [optics("01", 1.0), optics("02", 3.0)]
    table = read_table(write_star(tmp_path / "p.star", in_stack(4), groups, rows))
    assert table.numbers("rlnImagePixelSize").tolist() == [1, 3, 1, 3]


def test_a_single_optics_group_serves_a_header_and_rows_without_its_number(tmp_path):
    names, values = ["rlnVoltage", "rlnImagePixelSize"], [(300, 1.5)]
    path = write_star(tmp_path / "p.star", in_stack(3), [1] * 3, values, optics_columns=names)
    assert read_table(path).numbers("rlnImagePixelSize").tolist() == [1.5] * 3
    path.write_text(path.read_text().replace("_rlnOpticsGroup #2", "_rlnBeam #2"))
    assert read_table(path).numbers("rlnVoltage").tolist() == [300] * 3


def test_the_optics_group_counts_before_the_rows_and_it_is_said(tmp_path):
    write_mrc(tmp_path / "s.mrcs", numbered(4), pixel=1.0)
    own = {"Voltage": ["300.0"] * 4, "ImagePixelSize": ["3.0"] * 4}
    table = write_star(tmp_path / "p.star", in_stack(4), rows=[optics(1, 1.0, kv=100)], **own)
    assert read_table(table).numbers("rlnVoltage").tolist() == [100] * 4
    pixel, said = pixel_of(table)
    assert pixel == 1.0
    assert "rlnVoltage is 300 in row 1 and 100 in its optics group" in said
    assert "rlnImagePixelSize is 3 in row 1 and 1 in its optics group" in said


def test_a_group_that_is_missing_or_twice_with_two_meanings_is_refused(tmp_path):
    write_mrc(tmp_path / "s.mrcs", numbered(4))
    path = write_star(tmp_path / "p.star", in_stack(4), [1, 2, 1, 1], [optics(1)])
    with pytest.raises(ImageFileError, match="optics group '2' is not in data_optics"):
        open_stack(path)
    write_star(path, in_stack(4), rows=[optics(1, 1.0), optics("01", 2.0)])
    with pytest.raises(ImageFileError, match="optics group 01 occurs twice"):
        open_stack(path)
    write_star(path, in_stack(4), rows=[optics(1), optics(1)])
    assert pixel_of(path) == (2.0, "")


# --- names of images ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("file", "written"),
    [
        ("m.mrc", "{:06d}@m.mrc:mrcs"),
        ("m.dat", "{:06d}@m.dat:mrcs"),
        ("m.mrc:mrcs", "{:06d}@m.mrc:mrcs"),
        ("d.st", "{}@d.st"),
        ("d.ali", "{}@d.ali"),
        ("d.rec", "{}@d.rec"),
        ("d.preali", "{}@d.preali"),
        ("D.ST", "{}@D.ST"),
        ("sub/d.mrcs", "{}@sub\\d.mrcs"),
        ("sub/d.mrcs", "{}@.\\sub\\d.mrcs"),
        ("d.mrcs", "{}@F:\\data\\deep\\d.mrcs"),
        ("a@b.mrcs", "{}@a@b.mrcs"),
    ],
)
def test_images_are_found_as_their_program_spelt_them(tmp_path, file, written):
    write_mrc(tmp_path / file, numbered(5))
    path = write_star(tmp_path / "p.star", [written.format(i + 1) for i in range(5)])
    with open_stack(path) as stack:
        assert stack.read(range(5))[:, 0, 0].tolist() == list(range(5))


def test_a_windows_name_that_is_not_found_says_what_was_tried(tmp_path):
    path = write_star(tmp_path / "p.star", ["1@F:\\gone\\d.mrcs"])
    with pytest.raises(ImageFileError, match="backslashes were read as slashes"):
        open_stack(path)


@pytest.mark.parametrize("name", ["None", '""', "3@null", "<NA>"])
def test_a_row_that_names_no_stack_is_refused_with_its_line(tmp_path, name):
    path = write_star(tmp_path / "p.star", ["1@s.mrcs", name])
    line = path.read_text().splitlines().index(f"{name} 1") + 1
    with pytest.raises(ImageFileError, match=f"line {line}: rlnImageName names no stack"):
        open_stack(path)


@pytest.mark.parametrize("number", ["0", "-1", "x", "", "9" * 19, "9" * 5000])
def test_a_number_of_no_image_is_refused_with_its_line(tmp_path, number):
    path = write_star(tmp_path / "p.star", ["1@s.mrcs", f"{number}@s.mrcs"])
    line = path.read_text().splitlines().index(f"{number}@s.mrcs 1") + 1
    with pytest.raises(ImageFileError, match=f"line {line}: rlnImageName must read N@file"):
        open_stack(path)


# --- tomograms ---------------------------------------------------------------------------------
@pytest.mark.parametrize("column", ["TomoName", "TomoVisibleFrames", "CoordinateZ", "CtfImage"])
def test_tilt_series_and_subtomograms_are_refused_whether_or_not_they_are_there(tmp_path, column):
    names = ["tilts/1_stack2d.mrcs", "tilts/2_stack2d.mrcs"]
    path = write_star(tmp_path / "p.star", names, **{column: ["5", "6"]})
    with pytest.raises(ImageFileError, match=f"rln{column} says that it is of a tomogram"):
        open_stack(path)
    for name in names:
        write_mrc(tmp_path / name, numbered(41))
    with pytest.raises(ImageFileError, match=r"row 1 names tilts/1_stack2d\.mrcs"):
        open_stack(path)


def test_a_row_that_names_a_stack_of_many_images_is_not_its_first(tmp_path):
    write_mrc(tmp_path / "one.mrc", numbered(1))
    write_mrc(tmp_path / "many.mrcs", numbered(3))
    path = write_star(tmp_path / "p.star", ["one.mrc", "many.mrcs"])
    with pytest.raises(ImageFileError, match=r"row 2 names many\.mrcs and not which of its 3"):
        open_stack(path)


def test_single_images_of_tomograms_named_one_by_one_are_read(tmp_path):
    write_mrc(tmp_path / "s.mrcs", numbered(4))
    path = write_star(tmp_path / "p.star", in_stack(4), CoordinateZ=[1, 2, 3, 4])
    with open_stack(path) as stack:
        assert len(stack) == 4


# --- values that are missing or beyond all bounds ----------------------------------------------
@pytest.mark.parametrize("word", ["None", "<NA>", "nan", '""', "null", "N/A", "NULL", "?"])
def test_a_missing_value_is_no_number_and_the_others_stay(tmp_path, word):
    merit = [word if i % 3 == 1 else f"0.{i}5" for i in range(6)]
    table = read_table(write_star(tmp_path / "p.star", in_stack(6), CtfFigureOfMerit=merit))
    found = described_columns(table)["ctf_figure_of_merit"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [0.05, np.nan, 0.25, 0.35, np.nan, 0.55])


def test_text_where_a_number_belongs_is_refused_with_its_line(tmp_path):
    write_mrc(tmp_path / "s.mrcs", numbered(3))
    merit = ["0.1", "None", "bad"]
    path = write_star(tmp_path / "p.star", in_stack(3), CtfFigureOfMerit=merit)
    with open_stack(path) as stack, pytest.raises(ImageFileError, match="is 'bad', not a number"):
        stack.described()


def test_values_beyond_float32_are_kept_without_a_warning(tmp_path):
    columns = {
        "CtfMaxResolution": ["inf", "nan", 3, 4],
        "AnglePsi": ["nan"] * 4,
        "CoordinateX": ["1e39", "1e39", 5, 6],
    }
    path = write_star(tmp_path / "p.star", in_stack(4), **columns)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = described_columns(read_table(path))
    assert "angle_psi_deg" not in found
    np.testing.assert_array_equal(found["coordinate_x_px"], [1e39, 1e39, 5, 6])
    np.testing.assert_array_equal(found["ctf_max_resolution_angstrom"], [np.inf, np.nan, 3, 4])


def test_a_defocus_that_is_missing_is_refused_where_the_ctf_is_needed(tmp_path):
    write_mrc(tmp_path / "s.mrcs", numbered(3))
    defocus = {f"Defocus{axis}": [10000, "None", 10000] for axis in "UV"}
    path = write_star(tmp_path / "p.star", in_stack(3), **defocus)
    with open_stack(path) as stack, pytest.raises(TvaeError, match="CTF of row 2 is not finite"):
        optics_of(stack, "a test")


def test_micrographs_stay_categories(tmp_path):
    path = write_star(tmp_path / "p.star", in_stack(2), MicrographName=["a.mrc", "b.mrc"])
    found = described_columns(read_table(path))["micrograph"]
    assert isinstance(found, Categories)
    assert found.names == ("a.mrc", "b.mrc")
