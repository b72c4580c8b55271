"""cryoSPARC tables: records kept byte for byte, references, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tvae_core.errors import TableError
from tvae_core.particles import CryosparcTable, read_table

FIELDS = [
    ("uid", "<u8"),
    ("blob/path", "S20"),
    ("blob/idx", "<u4"),
    ("blob/psize_A", "<f4"),
    ("alignments3D/pose", "<f4", (3,)),
]


@pytest.fixture
def records():
    table = np.zeros(5, dtype=FIELDS)
    table["uid"] = np.arange(5, dtype=np.uint64) + 2**63
    table["blob/path"] = [b">J1/a.mrc", b">J1/b.mrc", b">J1/a.mrc", b"J1/a.mrc", b"c.mrc"]
    table["blob/idx"] = [4, 0, 1, 2, 3]
    table["blob/psize_A"] = 1.5
    table["alignments3D/pose"] = np.arange(15).reshape(5, 3)
    return table


@pytest.fixture
def path(records, tmp_path: Path) -> Path:
    with open(tmp_path / "t.cs", "wb") as stream:
        np.save(stream, records)
    return tmp_path / "t.cs"


def test_references_lose_the_arrow_and_keep_the_zero_based_index(path):
    references = read_table(path).image_references()
    assert references.files == ["J1/a.mrc", "J1/b.mrc", "c.mrc"]
    assert references.file_index.tolist() == [0, 1, 0, 0, 2]
    assert references.image_index.tolist() == [4, 0, 1, 2, 3]


def test_columns_pixel_size_and_uid(path, records):
    table = read_table(path)
    assert isinstance(table, CryosparcTable)
    assert table.column_names == [field[0] for field in FIELDS]
    np.testing.assert_array_equal(table.pixel_size_angstrom, [1.5] * 5)
    np.testing.assert_array_equal(table.uid, records["uid"])
    assert table.numbers("alignments3D/pose").shape == (5, 3)
    assert table.has("uid")
    assert not table.has("ctf/df1_A")


def test_a_subset_keeps_its_records_byte_for_byte(path, records, tmp_path):
    read_table(path).subset([3, 0, 3]).write(tmp_path / "s.cs")
    written = np.load(tmp_path / "s.cs", allow_pickle=False)
    assert written.dtype == records.dtype
    assert written.tobytes() == records[[3, 0, 3]].tobytes()


def test_errors_are_one_line(path, tmp_path):
    table = read_table(path)
    with pytest.raises(TableError, match="would replace"):
        table.write(path)
    with pytest.raises(TableError, match="no column ctf/df1_A"):
        table.numbers("ctf/df1_A")
    with pytest.raises(TableError, match="holds no numbers"):
        table.numbers("blob/path")
    with pytest.raises(TableError, match="out of range"):
        table.subset([-1])
    with pytest.raises(TableError, match="list of integers"):
        table.subset([0.5])


def test_damaged_files_are_refused(path, tmp_path):
    content = path.read_bytes()
    other = tmp_path / "other.cs"
    plain, pickled = tmp_path / "plain.npy", tmp_path / "pickled.npy"
    np.save(plain, np.zeros((3, 4)))
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    for damaged, message in [
        (content[:-1], "truncated: 5 rows"),
        (content[:40], "damaged NumPy header"),
        (b"hello world", "not a NumPy file"),
        (content.replace(b"'shape': (5,)", b"'shape': (x,)"), "damaged NumPy header"),
        (content.replace(b"(5,), } ", b"(9999999999999999999,), } "), "damaged|truncated"),
        (plain.read_bytes(), "without named columns"),
        (pickled.read_bytes(), "pickled"),
    ]:
        other.write_bytes(damaged)
        with pytest.raises(TableError, match=message):
            read_table(other)


def test_a_passthrough_table_has_no_images(tmp_path):
    with open(tmp_path / "pass.cs", "wb") as stream:
        np.save(stream, np.zeros(2, dtype=[("uid", "<u8")]))
    table = read_table(tmp_path / "pass.cs")
    assert table.pixel_size_angstrom is None
    with pytest.raises(TableError, match="blob/path and blob/idx are absent"):
        table.image_references()


@pytest.mark.parametrize(
    ("name", "rows", "columns", "stacks", "pixel_size"),
    [
        ("empiar_10076_7.cs", 7, 24, 1, 1.31),
        ("cryosparc_P12_J24_001_particles.cs", 2019, 34, 50, 2.95),
    ],
)
def test_real_tables(shared_data, tmp_path, name, rows, columns, stacks, pixel_size):
    path = shared_data(f"cryoem/cryodrgn/{name}")
    table = read_table(path)
    assert (len(table), len(table.column_names)) == (rows, columns)
    assert len(table.image_references().files) == stacks
    np.testing.assert_allclose(table.pixel_size_angstrom, pixel_size, rtol=1e-5)
    assert len(np.unique(table.uid)) == rows
    table.subset(range(rows)).write(tmp_path / "copy.cs")
    copy = np.load(tmp_path / "copy.cs", allow_pickle=False)
    assert copy.tobytes() == np.load(path, allow_pickle=False).tobytes()


GROUP = """created: '2026-01-01'
group:
  name: particles
  type: particle
results:
  blob:
    metafile: '>t.cs'
    num_items: 5
    type: particle.blob
  ctf:
    metafile: '>t.cs'
    num_items: 5
    type: particle.ctf
version: v4.4.0
"""


def test_a_group_is_the_table_it_points_at(path):
    group = path.with_suffix(".csg")
    group.write_text(GROUP)
    table = read_table(group)
    assert (table.path, len(table)) == (path, 5)


def test_a_group_that_is_none_or_spread_is_refused(path):
    group = path.with_suffix(".csg")
    for text, message in [
        (
            GROUP.replace("  ctf:\n    metafile: '>t.cs'", "  ctf:\n    metafile: '>p.cs'"),
            "2 files",
        ),
        (GROUP.replace("t.cs", "lost.cs"), "lost.cs is not beside it"),
        ("hello: there\n", "no results with a metafile"),
    ]:
        group.write_text(text)
        with pytest.raises(TableError, match=message):
            read_table(group)
    group.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TableError, match="not text"):
        read_table(group)
