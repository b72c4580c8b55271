"""Writing: stacks and tables other programs read, the same bytes for the same seed."""

from __future__ import annotations

from pathlib import Path

import gemmi
import mrcfile
import numpy as np
import pytest

from tvae_core.cli.main import main
from tvae_core.errors import ConfigError
from tvae_core.synthetic import plan_set, write_set
from tvae_core.synthetic.write import is_written, read_truth


def test_particles_are_written_as_a_valid_stack(tmp_path: Path) -> None:
    plan = plan_set("hinge", count=10, side=32, pixel_size_angstrom=2.5)
    written = write_set(plan, tmp_path, chunk=4)
    assert mrcfile.validate(written.stack)
    with mrcfile.open(written.stack) as stack:
        assert stack.is_image_stack()
        assert stack.data.dtype == np.float32
        assert np.array_equal(stack.data, plan.whole().images)
        assert stack.voxel_size.x == pytest.approx(2.5)
        assert stack.header.dmean == pytest.approx(stack.data.mean(), abs=1e-5)


def test_the_star_has_the_ctf_and_no_pose(tmp_path: Path) -> None:
    plan = plan_set("hinge", count=150, side=32)
    written = write_set(plan, tmp_path)
    document = gemmi.cif.read(str(written.star))
    optics, particles = document.find_block("optics"), document.find_block("particles")
    assert float(optics.find_loop("_rlnImagePixelSize")[0]) == 3.0
    names = list(particles.find_loop("_rlnImageName"))
    assert names[0] == "000001@particles.mrcs"
    assert len(names) == 150
    defocus = np.array([float(text) for text in particles.find_loop("_rlnDefocusU")])
    assert defocus == pytest.approx(plan.truth["defocus_u_angstrom"], abs=1e-5)
    assert len(set(particles.find_loop("_rlnMicrographName"))) == 2
    assert not particles.find_loop("_rlnAnglePsi")
    assert not particles.find_loop("_rlnOriginXAngst")


def test_without_a_ctf_the_star_has_no_ctf_columns(tmp_path: Path) -> None:
    written = write_set(plan_set("hinge", count=3, side=32, ctf=False), tmp_path)
    assert written.star is not None
    assert "Defocus" not in written.star.read_text()


def test_fields_are_no_particles(tmp_path: Path) -> None:
    plan = plan_set("field", of="hinge", count=2, pool=20, side=120)
    written = write_set(plan, tmp_path)
    assert (written.stack.name, written.star) == ("fields.mrcs", None)
    assert np.array_equal(read_truth(written.truth)["x_px"], plan.truth["x_px"])


def test_the_truth_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    plan = plan_set("digits-u", count=50)
    written = write_set(plan, tmp_path)
    truth = read_truth(written.truth)
    assert list(truth) == list(plan.truth)
    assert all(np.array_equal(truth[name], plan.truth[name]) for name in truth)
    assert written.star is None
    assert np.array_equal(np.load(written.stack), plan.whole().images)


@pytest.mark.parametrize("kind", ["hinge", "digits-u", "field"])
def test_the_bytes_do_not_depend_on_the_chunk_or_the_day(kind: str, tmp_path: Path) -> None:
    for name, chunk in (("one", 1), ("seven", 7)):
        write_set(plan_set(kind, count=15, seed=4), tmp_path / name, chunk)
    write_set(plan_set(kind, count=15, seed=4).whole(), tmp_path / "whole")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    for file in files:
        contents = {(tmp_path / name / file).read_bytes() for name in ("one", "seven", "whole")}
        assert len(contents) == 1


def test_a_failure_leaves_the_earlier_stack(tmp_path: Path) -> None:
    written = write_set(plan_set("digits-u", count=5), tmp_path)
    before = written.stack.read_bytes()
    with pytest.raises(ConfigError):
        write_set(plan_set("digits-u", count=5, seed=2), tmp_path, chunk=0)
    assert written.stack.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.npy", "truth.csv"]


def test_a_set_that_was_stopped_halfway_is_made_anew(tmp_path: Path) -> None:
    words = ["synth", "hinge", str(tmp_path), "--count", "4", "--side", "24"]
    assert main(words) == 0
    assert is_written(tmp_path)
    (tmp_path / "particles.mrcs").unlink()  # it comes last
    assert not is_written(tmp_path)
    assert main(words) == 0
    assert is_written(tmp_path)
