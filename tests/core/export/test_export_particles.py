"""Subsets of the run's own particle table: the same rows, or a refusal that says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_store, particle_store
from tvae_core.cli.main import main
from tvae_core.errors import ImageFileError, TableError
from tvae_core.export.particles import export_particles
from tvae_core.particles import StarTable, read_table
from tvae_core.particles.cryosparc import CryosparcTable
from tvae_core.selection import NamedSet
from tvae_core.sidecar import Labelling, Sidecar, save_sidecar
from tvae_core.store import EmbeddingStore

STAR_31 = """# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnImagePixelSize #3
_rlnImageSize #4
1 "first group" 1.25 16
2 second 2.5 16

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnAnglePsi #3
_rlnAngleRot #4
_rlnOriginXAngst #5
_rlnOriginYAngst #6
_rlnMicrographName #7
000001@a.mrcs 1   10.50  20.0 1.0 -2.0 m1.mrc
000002@a.mrcs 2  -3.250  21.0 0.5  0.5 "m 2.mrc"
000001@b.mrcs 1  90.000  22.0 0.0  0.0 m1.mrc
000001@b.mrcs 1  90.000  22.0 0.0  0.0 m1.mrc
000002@b.mrcs 2 179.9   -23.0 1e-3 7.0 m3.mrc

data_extra
_rlnNote   "kept as it is"
"""

STAR_30 = """
data_images

loop_
_rlnImageName
_rlnDefocusU
_rlnOriginX
_rlnOriginY
1@a.mrcs 10000.10 1.50 -2.0
2@a.mrcs 1.0e+04 0 0
3@a.mrcs -0.500 4 4
"""


@pytest.fixture
def star(tmp_path: Path) -> Path:
    (tmp_path / "job").mkdir()
    path = tmp_path / "job" / "particles.star"
    path.write_text(STAR_31)
    return path


@pytest.fixture
def cs(tmp_path: Path) -> Path:
    fields = [
        ("uid", "<u8"),
        ("blob/path", "S20"),
        ("blob/idx", "<u4"),
        ("blob/psize_A", "<f4"),
        ("alignments2D/pose", "<f4"),
        ("ctf/df1_A", "<f4"),
    ]
    records = np.zeros(6, dtype=fields)
    records["uid"] = np.arange(6, dtype=np.uint64) * 7 + 2**63
    records["blob/path"] = b">J1/a.mrc"
    records["blob/idx"] = [5, 4, 3, 2, 2, 0]
    records["blob/psize_A"] = 1.5
    records["alignments2D/pose"] = np.linspace(-3, 3, 6)
    (tmp_path / "job").mkdir()
    with open(tmp_path / "job" / "particles.cs", "wb") as stream:
        np.save(stream, records)
    return tmp_path / "job" / "particles.cs"


def rows_of(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if "@" in line]


def test_a_subset_and_its_rest_are_the_table_again(star: Path, tmp_path: Path) -> None:
    with EmbeddingStore(particle_store(tmp_path / "e.h5", star)) as store:
        done = export_particles(
            store, np.array([4, 1]), tmp_path / "kept.star", rest=tmp_path / "rest.star"
        )
    original = rows_of(star)
    assert rows_of(tmp_path / "kept.star") == [original[1], original[4]]
    assert rows_of(tmp_path / "rest.star") == [original[0], original[2], original[3]]
    assert (done.kept.count, done.rest.count, done.rows) == (2, 3, 5)
    for name in ("kept.star", "rest.star"):
        text = (tmp_path / name).read_text()
        without_rows = [line for line in text.splitlines() if "@" not in line]
        assert without_rows == [line for line in STAR_31.splitlines() if "@" not in line]


def test_all_images_are_the_same_file(star: Path, tmp_path: Path) -> None:
    with EmbeddingStore(particle_store(tmp_path / "e.h5", star)) as store:
        export_particles(store, np.arange(5), tmp_path / "all.star")
    assert (tmp_path / "all.star").read_bytes() == star.read_bytes()


def test_records_and_uid_of_a_cs_are_the_same_bytes(cs: Path, tmp_path: Path) -> None:
    with EmbeddingStore(particle_store(tmp_path / "e.h5", cs)) as store:
        export_particles(store, np.array([1, 4, 5]), tmp_path / "a.cs", rest=tmp_path / "b.cs")
    records = np.load(cs, allow_pickle=False)
    assert np.load(tmp_path / "a.cs").tobytes() == records[[1, 4, 5]].tobytes()
    assert np.load(tmp_path / "b.cs").tobytes() == records[[0, 2, 3]].tobytes()


def test_a_group_file_points_at_its_table(cs: Path, tmp_path: Path) -> None:
    with EmbeddingStore(particle_store(tmp_path / "e.h5", cs)) as store:
        export_particles(store, np.array([0, 2]), tmp_path / "some.csg")
    text = (tmp_path / "some.csg").read_text()
    for slot in ("alignments2D", "blob", "ctf"):
        entry = f"  {slot}:\n    metafile: '>some.cs'\n    num_items: 2\n"
        assert f"{entry}    type: particle.{slot}\n" in text
    assert "uid" not in text
    again = read_table(tmp_path / "some.csg")
    assert (again.path, len(again)) == (tmp_path / "some.cs", 2)


def test_the_other_program_is_refused(star: Path, tmp_path: Path) -> None:
    with EmbeddingStore(particle_store(tmp_path / "e.h5", star)) as store:
        for name in ("a.cs", "a.csg"):
            with pytest.raises(TableError, match=r"has a \.star table: .* written as \.star"):
                export_particles(store, np.arange(2), tmp_path / name)
    assert not list(tmp_path.glob("a.*"))


def test_a_store_of_no_table_says_so(tmp_path: Path) -> None:
    with (
        EmbeddingStore(make_store(tmp_path / "e.h5")) as store,
        pytest.raises(TableError, match="kept no table: embed it again"),
    ):
        export_particles(store, np.arange(2), tmp_path / "a.star")


def test_a_table_that_moved_or_changed_writes_nothing(star: Path, tmp_path: Path) -> None:
    content = star.read_bytes()
    with EmbeddingStore(particle_store(tmp_path / "e.h5", star)) as store:
        moved = star.rename(star.with_name("moved.star"))
        with pytest.raises(TableError, match=r"no longer there .*--images-at"):
            export_particles(store, np.arange(2), tmp_path / "a.star")
        export_particles(store, np.arange(2), tmp_path / "b.star", table=str(moved))
        for old, new, fact in (
            ("10.50", "10.51", r"the same images, but other values or text \(.* bytes, were"),
            ("000002@b", "000003@b", "row 5 is 3@b.mrcs, was 2@b.mrcs"),
            ("000001@b.mrcs 1  90.000  22.0 0.0  0.0 m1.mrc\n", "", "3 rows, were 5"),
            ("000002@b.mrcs 2", "000002@b.mrcs", "line 27: the row has 6 values for 7"),
        ):
            star.write_text(STAR_31.replace(old, new))
            with pytest.raises(TableError, match=f"has changed since .*{fact}"):
                export_particles(store, np.arange(2), tmp_path / "a.star")
            with pytest.raises(TableError, match=f"not the table .* embedded with: {fact}"):
                export_particles(store, np.arange(2), tmp_path / "a.star", table=str(star))
        star.write_bytes(content)
        export_particles(store, np.arange(2), tmp_path / "a.star")
    assert (tmp_path / "a.star").read_bytes() == (tmp_path / "b.star").read_bytes()


def test_nothing_is_replaced_unasked(star: Path, tmp_path: Path) -> None:
    with EmbeddingStore(particle_store(tmp_path / "e.h5", star)) as store:
        (tmp_path / "a.star").write_text("mine")
        with pytest.raises(ImageFileError, match="already there"):
            export_particles(store, np.arange(2), tmp_path / "a.star")
        with pytest.raises(TableError, match="would replace the table"):
            export_particles(store, np.arange(2), star, overwrite=True)
        with pytest.raises(TableError, match="another file"):
            export_particles(store, np.arange(2), tmp_path / "b.star", rest=tmp_path / "b.star")
        export_particles(store, np.arange(2), tmp_path / "a.star", overwrite=True)
    assert star.read_text() == STAR_31
    assert len(rows_of(tmp_path / "a.star")) == 2


def test_poses_are_added_and_the_old_ones_kept(star: Path, tmp_path: Path) -> None:
    with EmbeddingStore(particle_store(tmp_path / "e.h5", star)) as store:
        cluster = np.array([0, 1, -1, 2, 0])
        export_particles(store, np.array([1, 2]), tmp_path / "a.star", pose=True, cluster=cluster)
        angles, shifts = np.rad2deg(store.angle_rad), store.shift_px
        peak = store.column("posterior/peak")
    old, new = read_table(star), read_table(tmp_path / "a.star")
    assert isinstance(new, StarTable)
    assert new.column_names[: len(old.column_names)] == old.column_names
    for name in ("rlnImageName", "rlnOpticsGroup", "rlnMicrographName"):
        assert list(new.column(name)) == list(old.column(name)[[1, 2]])
    for name in ("rlnAnglePsi", "rlnAngleRot", "rlnOriginXAngst", "rlnOriginYAngst"):
        assert list(new.column(f"{name}Original")) == list(old.column(name)[[1, 2]])
    np.testing.assert_allclose(new.numbers("rlnAnglePsi"), angles[[1, 2]], atol=1e-6)
    np.testing.assert_array_equal(new.numbers("rlnAngleRot"), 0)
    sizes = np.array([2.5, 1.25])
    x, y = ((0.5 - shifts[[1, 2], 0]) * sizes), ((0.5 + shifts[[1, 2], 1]) * sizes)
    np.testing.assert_allclose(new.numbers("rlnOriginXAngst"), x, atol=2e-6)
    np.testing.assert_allclose(new.numbers("rlnOriginYAngst"), y, atol=2e-6)
    np.testing.assert_array_equal(new.numbers("rlnClassNumber"), [2, 0])
    np.testing.assert_allclose(new.numbers("rlnTvaeConfidence"), peak[[1, 2]], atol=1e-6)
    assert new.pixel_size_angstrom.tolist() == [2.5, 1.25]


def test_poses_of_a_3_0_table_are_in_pixels(tmp_path: Path) -> None:
    path = tmp_path / "old.star"
    path.write_text(STAR_30)
    with EmbeddingStore(particle_store(tmp_path / "e.h5", path)) as store:
        export_particles(store, np.arange(3), tmp_path / "a.star", pose=True)
        shifts = store.shift_px
    new = read_table(tmp_path / "a.star")
    np.testing.assert_allclose(new.numbers("rlnOriginX"), 0.5 - shifts[:, 0], atol=1e-6)
    assert list(new.column("rlnOriginXOriginal")) == ["1.50", "0", "4"]
    assert not new.has("rlnClassNumber")
    assert "_rlnOriginXOriginal\n" in (tmp_path / "a.star").read_text()


def test_poses_of_a_cs_keep_every_other_field(cs: Path, tmp_path: Path) -> None:
    with EmbeddingStore(particle_store(tmp_path / "e.h5", cs)) as store:
        cluster = np.array([0, 1, -1, 2, 0, 1])
        export_particles(store, np.arange(6), tmp_path / "a.csg", pose=True, cluster=cluster)
        angles = store.angle_rad
    old, new = np.load(cs), np.load(tmp_path / "a.cs")
    for name in ("uid", "blob/path", "blob/idx", "blob/psize_A", "ctf/df1_A"):
        assert new[name].tobytes() == old[name].tobytes()
    assert new["alignments2D_original/pose"].tobytes() == old["alignments2D/pose"].tobytes()
    np.testing.assert_allclose(new["alignments2D/pose"], angles, atol=1e-6)
    assert new["alignments2D/shift"].shape == (6, 2)
    np.testing.assert_array_equal(new["alignments2D/psize_A"], 1.5)
    assert new["alignments2D/class"].tolist() == [0, 1, 0, 2, 0, 1]
    assert new["alignments2D/class_posterior"].tolist() == [1, 1, 0, 1, 1, 1]
    assert isinstance(read_table(tmp_path / "a.cs"), CryosparcTable)


def test_exporting_an_export_loses_no_values(star: Path, tmp_path: Path) -> None:
    with EmbeddingStore(particle_store(tmp_path / "e.h5", star)) as store:
        export_particles(store, np.arange(5), tmp_path / "a.star", pose=True)
    with EmbeddingStore(particle_store(tmp_path / "f.h5", tmp_path / "a.star")) as store:
        export_particles(store, np.arange(5), tmp_path / "b.star", pose=True)
    first, second = read_table(tmp_path / "a.star"), read_table(tmp_path / "b.star")
    assert list(second.column("rlnAnglePsiOriginal")) == list(first.column("rlnAnglePsiOriginal"))
    assert list(second.column("rlnAnglePsiOriginal2")) == list(first.column("rlnAnglePsi"))


def test_the_command_exports_sets_clusters_and_rest(
    star: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(particle_store(tmp_path / "embeddings.h5", star))
    with EmbeddingStore(path) as store:
        notes = Sidecar.of(store)
        mask = np.array([True, False, True, False, False])
        notes.sets.append(NamedSet("good", "#4488cc", mask, {"kind": "all"}))
        notes.labellings["clusters"] = Labelling(np.array([0, 1, 1, 0, -1], np.int32))
        save_sidecar(notes, store)
    words = ["export", path, "--set", "good", "--as", "star"]
    assert main([*words, "--rest", str(tmp_path / "rest.star")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"2 of 5 rows -> {tmp_path / 'good.star'}, read back, equal row by row"
    assert said[1] == f"3 of 5 rows -> {tmp_path / 'rest.star'}, read back, equal row by row"
    words = ["export", path, str(tmp_path / "c.star"), "--cluster", "2", "--with-pose"]
    assert main(words) == 0
    assert list(read_table(tmp_path / "c.star").column("rlnClassNumber")) == ["2", "2"]
    assert main(["export", path, str(tmp_path / "x.csv"), "--with-pose"]) == 2
    assert main(["export", path]) == 2
    assert main(["export", path, str(tmp_path / "x.star"), "--as", "cs"]) == 2
    assert main(["export", path, "--as", "cs"]) == 2
    assert capsys.readouterr().err.count("\n") == 4


@pytest.mark.parametrize("ending", [None, "", "\n", "\n\n", "\n \n# end\n"])
def test_when_all_are_chosen_the_rest_is_a_table_without_rows(
    star: Path, tmp_path: Path, ending: str | None
) -> None:
    if ending is not None:
        text = star.read_text()
        star.write_text(text[: text.index("\ndata_extra")].rstrip("\n") + ending)
    with EmbeddingStore(particle_store(tmp_path / "e.h5", star)) as store:
        done = export_particles(
            store, np.arange(5), tmp_path / "all.star", rest=tmp_path / "rest.star", pose=True
        )
    assert (done.kept.count, done.rest and done.rest.count) == (5, 0)
    assert len(read_table(tmp_path / "rest.star")) == 0
    assert len(read_table(tmp_path / "all.star")) == 5


def test_origins_of_binned_images_are_in_angstrom_and_in_pixels_of_the_table(
    star: Path, tmp_path: Path
) -> None:
    """The table is of images of 32 px, the run saw them binned to 16: a pixel is twice as wide."""
    text = star.read_text().replace("1.25 16", "1.25 32").replace("2.5 16", "2.5 32")
    text = text.replace("_rlnMicrographName #7", "_rlnOriginX #7").replace('"m 2.mrc"', "m2")
    star.write_text(text.replace("m1.mrc", "9.5").replace("m2", "9.5").replace("m3.mrc", "9.5"))
    with EmbeddingStore(particle_store(tmp_path / "e.h5", star)) as store:
        export_particles(store, np.arange(5), tmp_path / "a.star", pose=True)
        shift = store.shift_px[:, 0]
    new = read_table(tmp_path / "a.star")
    angstrom, pixels = new.numbers("rlnOriginXAngst"), new.numbers("rlnOriginX")
    sizes = new.numbers("rlnImagePixelSize")
    np.testing.assert_allclose(angstrom, (0.5 - shift) * 2 * sizes, atol=2e-6)
    np.testing.assert_allclose(pixels * sizes, angstrom, atol=5e-6)  # neither contradicts the other
    assert set(new.column("rlnOriginXOriginal")) == {"9.5"}
