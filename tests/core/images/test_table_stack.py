"""Images that a table points to."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.core.images.makers import mrc_bytes, star_text
from tvae_core.errors import ImageFileError
from tvae_core.images import table_stack
from tvae_core.images.opening import open_stack
from tvae_core.images.raw import FileBytes
from tvae_core.images.table_stack import TableStack
from tvae_core.images.values import look_at_values


def numbered(first: int, count: int, side: int = 4) -> np.ndarray:
    values = np.arange(first, first + count, dtype=np.float32)
    return np.repeat(values, side * side).reshape(count, side, side)


@pytest.fixture
def project(tmp_path):
    for job, first in (("job1", 0), ("job2", 100)):
        folder = tmp_path / "Extract" / job
        folder.mkdir(parents=True)
        order = "<" if job == "job1" else ">"
        (folder / "mic.mrcs").write_bytes(mrc_bytes(numbered(first, 3), order))
    (tmp_path / "Select").mkdir()
    return tmp_path


ROWS = ["2@Extract/job2/mic.mrcs", "1@Extract/job1/mic.mrcs", "3@Extract/job2/mic.mrcs"]


def test_paths_are_relative_to_the_table_or_a_folder_above(project):
    table = project / "Select" / "particles.star"
    table.write_text(star_text(ROWS))
    with open_stack(table) as stack:
        assert stack.kind == "RELION table"
        assert stack.pixel_size_angstrom == 1.5
        assert stack.read([0, 1, 2])[:, 0, 0].tolist() == [101, 0, 102]
        files, file_index, image_index = stack.sources()
    assert files == ["Extract/job2/mic.mrcs", "Extract/job1/mic.mrcs"]
    assert file_index.tolist() == [0, 1, 0]
    assert image_index.tolist() == [1, 0, 2]


def test_a_row_that_stands_twice_is_an_image_twice(project):
    table = project / "particles.star"
    table.write_text(star_text([ROWS[1], ROWS[0], ROWS[1]]))
    with open_stack(table) as stack:
        assert len(stack) == 3
        assert stack.read([0, 1, 2, 1])[:, 0, 0].tolist() == [0, 101, 0, 101]
        assert stack.sources().image_index.tolist() == [0, 1, 0]


def test_image_root_replaces_the_folder(project, tmp_path_factory):
    table = tmp_path_factory.mktemp("elsewhere") / "particles.star"
    table.write_text(star_text(ROWS))
    with open_stack(table, image_root=str(project)) as stack:
        assert stack.read([1])[0, 0, 0] == 0
    table.write_text(star_text(["3@/lost/disk/mic.mrcs"]))
    with open_stack(table, image_root=str(project / "Extract" / "job2")) as stack:
        assert stack.read([0])[0, 0, 0] == 102


def test_a_missing_stack_is_one_line_with_the_advice(project):
    table = project / "particles.star"
    table.write_text(star_text([*ROWS, "1@Extract/job3/a.mrcs", "1@Extract/job4/b.mrcs"]))
    with pytest.raises(ImageFileError) as caught:
        open_stack(table)
    line = str(caught.value)
    assert str(table) in line
    assert "Extract/job3/a.mrcs (and 1 more) is missing" in line
    assert "image_root" in line
    with pytest.raises(ImageFileError, match="image_root /nowhere does not hold it"):
        open_stack(table, image_root="/nowhere")


def test_two_stacks_of_one_name_are_never_mistaken_for_each_other(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "particles.star").write_text(star_text(ROWS))
    (folder / "mic.mrcs").write_bytes(mrc_bytes(numbered(0, 3)))
    with pytest.raises(ImageFileError, match="is missing"):
        open_stack(folder / "particles.star")


def test_a_stack_too_short_or_of_another_size_is_an_error(project):
    table = project / "particles.star"
    table.write_text(star_text([*ROWS, "4@Extract/job2/mic.mrcs"]))
    with pytest.raises(ImageFileError, match=r"row 4 asks for image 4 of .*job2.* which has 3"):
        open_stack(table)
    (project / "small.mrcs").write_bytes(mrc_bytes(numbered(0, 1, side=3)))
    table.write_text(star_text([*ROWS, "1@small.mrcs"]))
    with pytest.raises(ImageFileError, match=r"small.mrcs: mixed sizes: its images are 3 x 3"):
        open_stack(table)
    (project / "small.mrcs").write_bytes(b"garbage" * 300)
    with pytest.raises(ImageFileError, match=r"small.mrcs: not an MRC file"):
        open_stack(table)


def test_a_table_without_rows_or_of_other_stacks_is_an_error(project):
    table = project / "particles.star"
    table.write_text(star_text([]))
    with pytest.raises(ImageFileError, match="holds no images"):
        open_stack(table)
    (project / "a.tif").write_bytes(b"x")
    table.write_text(star_text(["1@a.tif"]))
    with pytest.raises(ImageFileError, match="MRC stacks only"):
        open_stack(table)


def test_mixed_pixel_types_and_sizes_are_told(project):
    (project / "small.mrcs").write_bytes(mrc_bytes(numbered(7, 1).astype(np.int16)))
    text = star_text([*ROWS, "1@small.mrcs"]).replace("1 1.5\n", "1 1.5\n2 3.0\n")
    table = project / "particles.star"
    table.write_text(text.replace("small.mrcs 1", "small.mrcs 2"))
    with open_stack(table) as stack:
        assert stack.pixel_size_angstrom is None
        assert "1.5 to 3" in stack.remarks[0]
        assert stack.dtype == np.float32
        assert stack.read([3])[0, 0, 0] == 7


def test_only_so_many_stacks_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr(table_stack, "_OPEN_AT_ONCE", 4)
    for number in range(20):
        (tmp_path / f"{number}.mrcs").write_bytes(mrc_bytes(numbered(number, 1)))
    (tmp_path / "t.star").write_text(star_text([f"1@{number}.mrcs" for number in range(20)]))
    before = len(os.listdir("/proc/self/fd"))
    with open_stack(tmp_path / "t.star") as stack:
        for _ in range(2):
            assert stack.read(range(20))[:, 0, 0].tolist() == list(range(20))
        assert len(os.listdir("/proc/self/fd")) - before == 4
    assert len(os.listdir("/proc/self/fd")) == before


def test_every_image_has_its_own_ctf_and_pixel_size(project):
    optics = "data_optics\nloop_\n_rlnOpticsGroup\n_rlnImagePixelSize\n_rlnVoltage\n"
    optics += "_rlnSphericalAberration\n_rlnAmplitudeContrast\n1 1.5 300 2.7 0.1\n2 3 200 2 0.07\n"
    head = "\ndata_particles\nloop_\n_rlnImageName\n_rlnOpticsGroup\n_rlnDefocusU\n"
    head += "_rlnDefocusV\n_rlnDefocusAngle\n"
    rows = [f"{ROWS[0]} 2 12000 11000 30", f"{ROWS[1]} 1 20000 19000 -45"]
    table = project / "particles.star"
    table.write_text(optics + head + "\n".join(rows) + "\n")
    with open_stack(table) as stack:
        assert isinstance(stack, TableStack)
        ctf = stack.ctf()
        assert stack.pixel_sizes_angstrom.tolist() == [3.0, 1.5]
    assert ctf is not None
    expected = [[12000, 11000, 30, 200, 2, 0.07, 0, 0], [20000, 19000, -45, 300, 2.7, 0.1, 0, 0]]
    np.testing.assert_allclose(ctf.rows(), expected)


def test_a_table_without_optics_has_no_ctf(project):
    table = project / "particles.star"
    table.write_text(star_text(ROWS))
    with open_stack(table) as stack:
        assert stack.ctf() is None
        assert stack.pixel_sizes_angstrom.tolist() == [1.5, 1.5, 1.5]


def test_the_real_tables_of_one_stack_give_one_ctf(shared_data):
    with open_stack(shared_data("cryoem/cryodrgn/empiar_10076_7.star")) as stack:
        star, star_sizes = stack.ctf(), stack.pixel_sizes_angstrom
    with open_stack(shared_data("cryoem/cryodrgn/empiar_10076_7.cs")) as stack:
        cs, cs_sizes = stack.ctf(), stack.pixel_sizes_angstrom
    np.testing.assert_allclose(cs.rows(), star.rows(), rtol=1e-6)  # .cs holds float32
    np.testing.assert_allclose(cs_sizes, star_sizes, rtol=1e-5)  # the magnification is rounded


def test_a_deep_look_opens_each_stack_once_however_the_rows_are_mixed(project, monkeypatch):
    table = project / "particles.star"
    table.write_text(star_text([ROWS[0], ROWS[1]] * 20))
    monkeypatch.setattr(table_stack, "_OPEN_AT_ONCE", 1)
    monkeypatch.setattr("tvae_core.images.values._BYTES_A_READ", 3 * 4 * 4 * 4)
    opened = []
    monkeypatch.setattr(table_stack, "FileBytes", lambda p: opened.append(p) or FileBytes(p))
    with open_stack(table) as stack:
        opened.clear()
        facts = look_at_values(stack, every_image=True)
    assert (facts.looked_at, len(opened)) == (40, 2)
