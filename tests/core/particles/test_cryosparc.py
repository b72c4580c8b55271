"""cryoSPARC tables: records kept byte for byte, references, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.core.particles.makers import blob, numbered, write_cs, write_mrc
from tvae_core.errors import TableError
from tvae_core.images.opening import open_stack
from tvae_core.particles import (
    CryosparcTable,
    described_columns,
    find_again,
    read_table,
    record_of,
)
from tvae_core.particles.group import group_text, slots_of_group

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


def test_a_group_that_is_none_or_lacks_a_file_is_refused(path):
    group = path.with_suffix(".csg")
    for text, message in [
        (
            GROUP.replace("  ctf:\n    metafile: '>t.cs'", "  ctf:\n    metafile: '>p.cs'"),
            r"p\.cs is not beside it",
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


@pytest.fixture
def group(tmp_path):
    """Write a group of 6 particles whose CTF and 3D poses lie in a passthrough, shuffled."""
    fields = blob(6) | {"alignments_class_0/shift": np.ones((6, 2), "<f4")}
    write_cs(tmp_path / "p.cs", fields)
    order = np.array([3, 0, 5, 1, 4, 2, 0])
    behind = {
        "uid": fields["uid"][order] + np.array([0, 0, 0, 0, 0, 0, 77], "<u8"),  # one is not ours
        "ctf/df1_A": order.astype("<f4"),
        "alignments3D/shift": np.stack([order, -order], 1).astype("<f4"),
        "blob/psize_A": np.full(7, 99, "<f4"),
    }
    write_cs(tmp_path / "pass.cs", behind)
    slots = {"ctf": "pass", "alignments3D": "pass", "blob": "p", "alignments_class_0": "p"}
    text = "group:\n  name: particles\n  type: particle\nresults:\n"
    for slot, file in slots.items():
        text += f"  {slot}:\n    metafile: '>{file}.cs'\n    num_items: 6\n"
    (tmp_path / "g.csg").write_text(text + "version: v4\n")
    return tmp_path / "g.csg"


def test_the_tables_of_a_group_are_joined_by_uid(group):
    table = read_table(group)
    assert (table.path, len(table)) == (group, 6)
    assert table.numbers("ctf/df1_A").tolist() == [0, 1, 2, 3, 4, 5]
    assert table.numbers("alignments3D/shift")[:, 1].tolist() == [0, -1, -2, -3, -4, -5]
    assert table.numbers("blob/psize_A").tolist() == [2] * 6  # of the file its slot names
    assert table.has("alignments_class_0/shift")


def test_a_joined_group_is_written_whole_and_remembered_by_all_its_files(group, tmp_path):
    table = read_table(group)
    record = record_of(table)
    table.subset([4, 1]).write(tmp_path / "out.cs")
    out = read_table(tmp_path / "out.cs")
    assert out.column_names == table.column_names
    assert out.numbers("ctf/df1_A").tolist() == [4, 1]
    assert len(find_again(record)) == 6
    records = np.load(tmp_path / "pass.cs")
    records["ctf/df1_A"] += 1
    with open(tmp_path / "pass.cs", "wb") as stream:
        np.save(stream, records)
    with pytest.raises(TableError, match="has changed since the run was embedded"):
        find_again(record)


def test_a_passthrough_that_does_not_fit_is_refused_with_counts(group, tmp_path):
    whole = np.load(tmp_path / "pass.cs")
    names = list(whole.dtype.names)
    for records, words in [
        (whole[:4], "no row for 2 of 6 particles"),
        (np.concatenate([whole, whole[:1]]), "uid 1003 occurs twice"),
        (whole[names[1:]], "has no uid"),
    ]:
        with open(tmp_path / "pass.cs", "wb") as stream:
            np.save(stream, records)
        with pytest.raises(TableError, match=words):
            read_table(group)


def test_a_group_written_keeps_every_slot_of_cryosparc(tmp_path):
    names = ["uid", "blob/path", "alignments_class_0/pose", "alignments_class_1/pose"]
    names += ["alignments_class2D_0/pose", "location/micrograph_path", "tvae/confidence"]
    (tmp_path / "g.csg").write_text(group_text(names, 3, "t.cs", "title"))
    (tmp_path / "t.cs").write_bytes(b"")
    slots = [n.partition("/")[0] for n in names[1:-1]]
    assert slots_of_group(tmp_path / "g.csg") == {tmp_path / "t.cs": slots}
    text = (tmp_path / "g.csg").read_text()
    assert text.count("type: particle.alignments3D") == 2
    assert text.count("type: particle.alignments2D") == 1


def test_shifts_are_counted_in_pixels_of_the_image(tmp_path):
    shift = np.random.default_rng(1).normal(size=(6, 2)).astype("<f4")
    for slot, pixel, times in [("alignments3D", 1.0, 4), ("alignments2D", 2.0, 2)]:
        fields = blob(6, pixel=pixel) | {f"{slot}/shift": shift}
        fields[f"{slot}/psize_A"] = np.full(6, 4, "<f4")
        found = described_columns(read_table(write_cs(tmp_path / "t.cs", fields)))
        np.testing.assert_allclose(found["origin_x_px"], times * shift[:, 0], rtol=1e-6)
        np.testing.assert_allclose(found["origin_y_px"], times * shift[:, 1], rtol=1e-6)
    del fields["blob/psize_A"]
    found = described_columns(read_table(write_cs(tmp_path / "t.cs", fields)))
    np.testing.assert_allclose(found["origin_x_angstrom"], 4 * shift[:, 0], rtol=1e-6)
    assert "origin_x_px" not in found


def test_shifts_of_binned_images_are_counted_in_their_own_pixels(tmp_path):
    write_mrc(tmp_path / "J1" / "a.mrc", numbered(6))
    shift = np.random.default_rng(1).normal(size=(6, 2)).astype("<f4")
    alignment = {"alignments3D/shift": shift, "alignments3D/psize_A": np.full(6, 4, "<f4")}
    fields = blob(6, pixel=1.0, side=16) | alignment  # stored with 8 px: binned by 2
    with open_stack(write_cs(tmp_path / "J2" / "t.cs", fields)) as stack:
        found = stack.described()
    np.testing.assert_allclose(found["origin_x_px"], 2 * shift[:, 0], rtol=1e-6)
