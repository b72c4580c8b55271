"""RELION tables: grammar, exactness, references, pixel sizes, errors with their line."""

from __future__ import annotations

from pathlib import Path

import gemmi.cif
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvae_core.errors import TableError
from tvae_core.particles import StarTable, read_table

RELION_30 = """
data_images

loop_
_rlnImageName #1
_rlnDefocusU #2
_rlnMagnification #3
_rlnDetectorPixelSize #4
000001@a/one.mrcs 10000.10 50000 7.0
000003@a/one.mrcs 1.0e+04 50000 7.0
2@two.mrcs        -0.500  50000 7.0
"""

RELION_31 = """
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnImagePixelSize #3
_rlnVoltage #4
1 "first group" 1.25 300
2 second        2.5  200

# version 30001

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnComment #3
000001@one.mrcs 2 "a 'quoted' value"   # a comment
000002@one.mrcs 1 'it''s'
000003@one.mrcs 2 plain

data_extra
_rlnNote   "kept as it is"
"""


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str | bytes, name: str = "table.star") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _write


def test_one_block_gives_columns_in_order_and_text_exactly(write):
    table = read_table(write(RELION_30))
    assert len(table) == 3
    assert table.column_names == [
        "rlnImageName",
        "rlnDefocusU",
        "rlnMagnification",
        "rlnDetectorPixelSize",
    ]
    assert list(table.column("rlnDefocusU")) == ["10000.10", "1.0e+04", "-0.500"]
    np.testing.assert_array_equal(table.numbers("rlnDefocusU"), [10000.1, 10000, -0.5])


def test_references_count_from_zero_and_name_each_stack_once(write):
    references = read_table(write(RELION_30)).image_references()
    assert references.files == ["a/one.mrcs", "two.mrcs"]
    np.testing.assert_array_equal(references.file_index, [0, 0, 1])
    np.testing.assert_array_equal(references.image_index, [0, 2, 1])
    assert references.file_index.dtype == np.int32
    assert references.image_index.dtype == np.int64


def test_pixel_size_of_a_3_0_table_is_detector_over_magnification(write):
    sizes = read_table(write(RELION_30)).pixel_size_angstrom
    np.testing.assert_allclose(sizes, 1.4, rtol=1e-12)  # 7 um * 1e4 / 50000


def test_pixel_size_and_voltage_come_through_the_optics_group(write):
    table = read_table(write(RELION_31))
    np.testing.assert_array_equal(table.pixel_size_angstrom, [2.5, 1.25, 2.5])
    np.testing.assert_array_equal(table.numbers("rlnVoltage"), [200, 300, 200])
    assert table.has("rlnVoltage")
    assert not table.has("rlnVolt")
    assert table.uid is None


def test_quotes_are_understood_and_comments_are_no_values(write):
    table = read_table(write(RELION_31))
    assert list(table.column("rlnComment")) == ["a 'quoted' value", "it''s", "plain"]


def test_writing_all_rows_gives_the_same_file(write, tmp_path):
    path = write(RELION_31)
    table = read_table(path)
    table.subset(range(3)).write(tmp_path / "copy.star")
    assert (tmp_path / "copy.star").read_bytes() == path.read_bytes()


def test_a_subset_keeps_other_blocks_and_the_text_of_its_rows(write, tmp_path):
    path = write(RELION_31)
    read_table(path).subset([2, 0]).write(tmp_path / "subset.star")
    old = gemmi.cif.read(str(path))  # an independent reader
    new = gemmi.cif.read(str(tmp_path / "subset.star"))
    assert [block.name for block in new] == ["optics", "particles", "extra"]
    assert new[2].find_value("_rlnNote") == '"kept as it is"'
    for tag in ("_rlnImageName", "_rlnOpticsGroup", "_rlnComment"):
        values = list(old[1].find_values(tag))
        assert list(new[1].find_values(tag)) == [values[2], values[0]]


def test_a_subset_of_a_subset_names_the_original_line(write):
    table = read_table(write(RELION_30.replace("50000 7.0\n2@", "x 7.0\n2@")))
    with pytest.raises(TableError, match="line 10: rlnMagnification is 'x'"):
        table.subset([1, 2]).subset([0]).numbers("rlnMagnification")


def test_an_empty_subset_is_written_and_read_back(write, tmp_path):
    read_table(write(RELION_31)).subset([]).write(tmp_path / "none.star")
    assert len(read_table(tmp_path / "none.star")) == 0


def test_byte_order_mark_and_dos_lines_are_read_and_kept(write, tmp_path):
    content = b"\xef\xbb\xbf" + RELION_31.replace("\n", "\r\n").encode()
    table = read_table(write(content))
    assert list(table.column("rlnComment"))[-1] == "plain"
    table.subset([1]).write(tmp_path / "dos.star")
    lines = (tmp_path / "dos.star").read_bytes().split(b"\n")
    assert all(line.endswith(b"\r") for line in lines[:-1])
    assert list(read_table(tmp_path / "dos.star").column("rlnOpticsGroup")) == ["1"]


def test_a_file_without_a_last_newline_keeps_its_last_row(write):
    assert len(read_table(write(RELION_30.rstrip("\n")))) == 3


def test_optics_written_as_pairs_are_understood(write):
    text = RELION_31[RELION_31.index("data_particles") :]
    pairs = "data_optics\n_rlnOpticsGroup 2\n_rlnImagePixelSize 3.5\n\n"
    table = read_table(write(pairs + text)).subset([0, 2])
    np.testing.assert_array_equal(table.pixel_size_angstrom, [3.5, 3.5])


def test_a_path_without_a_number_is_the_first_image(write):
    text = "data_\nloop_\n_rlnImageName\nsub/one.mrc\n"
    references = read_table(write(text)).image_references()
    assert references.files == ["sub/one.mrc"]
    assert references.image_index.tolist() == [0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "000003@a/one.mrcs 1.0e+04 50000",
            "000003@a/one.mrcs 50000",
            r"line 10: .* 3 values for 4",
        ),
        ("-0.500", "-0.500 1", r"line 11: the row has 5 values for 4"),
        ("-0.500", '"-0.500', r"line 11: a quote is not closed"),
        ("2@two.mrcs", ";2@two.mrcs", r"line 11: text values over several lines"),
        ("data_images", "_rlnA 1", r"text before the first data_ block"),
        ("loop_\n", "loop_\n_rlnDefocusU\n", r"column rlnDefocusU is named twice"),
        ("data_images", "data_images\nhello there you", r"line 3: expected data_, loop_"),
        ("data_images", "data_images\nloop_\ndata_x", r"loop_ without column names"),
    ],
)
def test_a_damaged_table_is_one_line_with_its_place(write, old, new, message):
    path = write(RELION_30.replace(old, new))
    with pytest.raises(TableError, match=message) as caught:
        read_table(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["0@a.mrcs", "x@a.mrcs", "-1@a.mrcs", "1.5@a.mrcs"])
def test_a_wrong_image_number_names_its_line(write, name):
    table = read_table(write(RELION_30.replace("2@two.mrcs", name)))
    with pytest.raises(TableError, match=r"line 11: .*from 1"):
        table.image_references()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"\x00\x01\x02", "binary"),
        (RELION_30.encode("utf-16"), "binary"),
        (b"hello\n", "before the first data_"),
        (b"# only a comment\n", "no data_ block"),
        (b"data_a\n_rlnA 1\n", "no table of particles"),
    ],
)
def test_what_is_no_table_is_refused(write, content, message):
    with pytest.raises(TableError, match=message):
        read_table(write(content))


def test_other_errors_are_clear(write, tmp_path):
    table = read_table(write(RELION_31))
    with pytest.raises(TableError, match="no column rlnNone"):
        table.column("rlnNone")
    with pytest.raises(TableError, match="not a number"):
        table.numbers("rlnComment")
    with pytest.raises(TableError, match="out of range"):
        table.subset([3])
    with pytest.raises(TableError, match="would replace"):
        table.write(table.path)
    with pytest.raises(TableError, match="no such table"):
        read_table(tmp_path / "absent.star")
    with pytest.raises(TableError, match="unknown kind"):
        read_table(write("x", "table.csv"))


def test_an_unknown_optics_group_is_an_error(write):
    table = read_table(write(RELION_31.replace("000002@one.mrcs 1", "000002@one.mrcs 7")))
    with pytest.raises(TableError, match="optics group '7'"):
        table.numbers("rlnVoltage")


_WORD = st.text(st.sampled_from("abz019.-+/@_"), min_size=1, max_size=8).filter(
    lambda word: word[0] not in "_dDlL"
)


@given(rows=st.lists(st.tuples(_WORD, _WORD, _WORD), min_size=1, max_size=8), data=st.data())
def test_any_subset_keeps_the_text_of_its_rows(tmp_path_factory, rows, data):
    folder = tmp_path_factory.mktemp("star")
    lines = ["data_x", "loop_", "_a", "_b", "_rlnImageName", *(" ".join(row) for row in rows)]
    (folder / "t.star").write_text("\n".join(lines) + "\n\n")
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
    read_table(folder / "t.star").subset(chosen).write(folder / "s.star")
    again = read_table(folder / "s.star")
    for place, name in enumerate(("a", "b", "rlnImageName")):
        assert list(again.column(name)) == [rows[row][place] for row in chosen]


@pytest.mark.parametrize(
    ("name", "rows", "columns", "files", "pixel_size"),
    [
        ("cryodrgn/empiar_10076_7.star", 7, 10, ["empiar_10076_7.mrc"], 1.31),
        ("cryodrgn/relion31.star", 5, 26, ["relion31.mrcs"], 2.806),
        ("cryodrgn/toy_projections.star", 1000, 9, ["toy_projections.mrcs"], None),
        ("tomodrgn/10076_classD_32_sim.star", 576, 17, ["data/10076_classD_32_sim.mrcs"], None),
        ("tomodrgn/10076_classE_32_sim.star", 720, 17, ["data/10076_classE_32_sim.mrcs"], None),
    ],
)
def test_real_tables(shared_data, tmp_path, name, rows, columns, files, pixel_size):
    path = shared_data(f"cryoem/{name}")
    table = read_table(path)
    assert isinstance(table, StarTable)
    assert (len(table), len(table.column_names)) == (rows, columns)
    references = table.image_references()
    assert references.files == files
    np.testing.assert_array_equal(references.image_index, np.arange(rows))
    sizes = table.pixel_size_angstrom
    if pixel_size is None:
        assert sizes is None
    else:
        np.testing.assert_allclose(sizes, pixel_size, rtol=1e-4)  # the magnification is rounded
    table.subset(range(rows)).write(tmp_path / "copy.star")
    assert (tmp_path / "copy.star").read_bytes() == path.read_bytes()


def test_real_tables_without_images_are_told_apart(shared_data):
    with pytest.raises(TableError, match="no table of particles"):
        read_table(shared_data("cryoem/starfile/basic_double_quote.star"))
    with pytest.raises(TableError, match="several tables of images: data_block_2, data_block_3"):
        read_table(shared_data("cryoem/starfile/rln3.1_data_style.star"))
    tomograms = read_table(shared_data("cryoem/starfile/one_loop.star"))
    assert len(tomograms.image_references().files) == len(tomograms) == 16
