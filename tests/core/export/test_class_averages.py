"""Averages of classes: sharp, honest about their resolution, written and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from tests.factories import store_content
from tvae_core.analysis.alignment import fourier_ring_correlation
from tvae_core.analysis.averages import soft_circle, upright_fine
from tvae_core.analysis.class_averages import (
    ClassAccumulator,
    random_halves,
    turned_ctf,
)
from tvae_core.ctf import Ctf, apply_ctf
from tvae_core.errors import Cancelled, ConfigError, ImageFileError
from tvae_core.export import averaging
from tvae_core.export.averaging import average_classes, open_averaging
from tvae_core.export.class_averages import average_paths, write_class_averages
from tvae_core.export.classes import Chosen
from tvae_core.images.opening import open_stack
from tvae_core.particles import read_table
from tvae_core.store import EmbeddingStore, write_store
from tvae_core.synthetic import plan_set, write_set

COUNT, SIDE, PIXEL = 240, 64, 3.0
OPTIONS = {"count": COUNT, "side": SIDE, "hinge_range_deg": 0.0, "pixel_size_angstrom": PIXEL}


def make_store(
    folder: Path, scale: float = 1.0, table: str = "particles.star", **options: object
) -> Path:
    """Write a hinge stack and a store whose poses are the truth, in pixels of `scale`."""
    plan = plan_set("hinge", **{**OPTIONS, **options})
    write_set(plan, folder)
    side = plan.image_shape[0]
    content = store_content(images=plan.count, side=side)
    shift = np.stack([plan.truth["shift_x_px"], plan.truth["shift_y_px"]], 1) / scale
    columns = content.columns | {"pose/angle_rad": plan.truth["angle_rad"], "pose/shift_px": shift}
    columns["source/label"] = np.arange(plan.count) % 2
    config = content.header.config.model_copy(deep=True)
    config.data.path = str(folder / table)
    config.data.downsample_px = round(side / scale) if scale > 1 else 0
    pixel = float(plan.pixel_size_angstrom or 1) * scale
    header = replace(content.header, config=config, scale=scale, pixel_size_angstrom=pixel)
    write_store(folder / "run.h5", replace(content, columns=columns, header=header))
    return folder / "run.h5"


def truth(side: int = SIDE) -> np.ndarray:
    """The object at rest: the average of clean images by their true poses is compared with it."""
    from tvae_core.synthetic.blobs import ParticleStates, project
    from tvae_core.synthetic.hinge import HINGED

    rest = ParticleStates(np.zeros((1, 1)), np.zeros((1, 2)), np.zeros(1), np.zeros((1, 2)))
    return project(HINGED, rest, side, 0.32 * side)[0]


def likeness(image: np.ndarray, side: int = SIDE) -> float:
    inside = soft_circle(side) > 0
    return float(np.corrcoef(image[inside], truth(side)[inside])[0, 1])


def averaged(path: Path, indices: np.ndarray | None = None, **options: object):
    with EmbeddingStore(path) as store, open_averaging(store, **options) as images:
        chosen = Chosen("all", np.arange(store.images) if indices is None else indices)
        return average_classes(store, [chosen], images)[0]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("noisy"), scale=2.0, snr=0.1)


@pytest.mark.parametrize(("side", "scale"), [(64, 2.0), (63, 1.0), (65, 2.6)])
def test_clean_images_average_to_the_object_at_its_original_size(
    tmp_path: Path, side: int, scale: float
) -> None:
    path = make_store(tmp_path, scale, side=side, count=30, ctf=False, snr=float("inf"))
    found = averaged(path)
    assert found.mean.shape == (side, side)
    assert likeness(found.mean, side) > 0.9999
    # only interpolation makes clean images differ, by less than a hundredth of the peak of 1
    assert found.std[side // 4 : -side // 4].max() < 0.02


@pytest.mark.parametrize("crop", [0, 63, 70])
def test_a_crop_that_moves_the_centre_by_half_a_pixel_is_undone(tmp_path: Path, crop: int) -> None:
    path = make_store(tmp_path, count=20, ctf=False, snr=float("inf"))
    with EmbeddingStore(path) as store:
        config = store.header.config.model_copy(deep=True)
        config.data.crop_px = crop
        moved = np.array([-0.5, 0.5]) if crop == 63 else np.zeros(2)
        object.__setattr__(store, "header", replace(store.header, config=config))
        store.__dict__["shift_px"] = store.shift_px - moved.astype(np.float32)
        with open_averaging(store) as images:
            found = average_classes(store, [Chosen("all", np.arange(20))], images)[0]
    assert likeness(found.mean) > 0.9999


def test_flipped_phases_agree_beyond_the_first_zero_and_weighing_mends_contrast(
    noisy: Path,
) -> None:
    found = {how: averaged(noisy, correction=how).mean for how in ("none", "flip", "wiener")}
    mask = soft_circle(SIDE)
    band = {
        how: fourier_ring_correlation(mean * mask, truth() * mask).correlation[12]
        for how, mean in found.items()
    }
    assert band["none"] < -0.2 < 0.4 < band["flip"] < band["wiener"] + 0.02
    # the CTF takes low frequencies, of which this object is full: only the weighing gives them back
    assert likeness(found["wiener"]) > 0.95 > 0.85 > likeness(found["flip"])


def test_more_images_resolve_more_and_the_unit_is_the_pixel(noisy: Path) -> None:
    few = averaged(noisy, np.arange(0, COUNT, 12), correction="flip")
    many = averaged(noisy, correction="flip")
    assert (few.count, many.count) == (20, COUNT)
    assert many.resolution_px() < few.resolution_px()
    assert 2 * PIXEL < many.resolution_px() * PIXEL < 60


def test_halves_of_pure_noise_do_not_agree() -> None:
    rng = np.random.default_rng(0)
    total = ClassAccumulator(48)
    total.add(rng.normal(5.0, 1.0, (100, 48, 48)), random_halves(100))
    found = total.result()
    assert found.count == 100
    assert abs(found.correlation.correlation[4:]).mean() < 0.2
    assert found.std.mean() == pytest.approx(1.0, abs=0.05)


def test_one_image_has_no_resolution(noisy: Path) -> None:
    assert averaged(noisy, np.array([3])).resolution_px() == float("inf")


def test_an_astigmatic_ctf_turns_with_its_image() -> None:
    angle = np.array([0.7, -2.0])
    ctf = Ctf(np.full(2, 16_000.0), np.full(2, 9_000.0), np.array([20.0, 75.0]))
    axis = np.arange(65) - 32.0
    spot = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / 2)
    spots = np.stack([spot, spot])
    turned = upright_fine(apply_ctf(spots, ctf, 3.0), angle, np.zeros((2, 2)), 0.0)
    expected = apply_ctf(spots, turned_ctf(ctf, angle), 3.0)
    inside = soft_circle(65) > 0
    for a, b in zip(turned, expected, strict=True):  # the wrong sense of turning gives 0.7
        assert np.corrcoef(a[inside], b[inside])[0, 1] > 0.999


def test_the_average_does_not_depend_on_the_blocks_it_is_read_in(
    noisy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = averaged(noisy, correction="wiener")
    asked: list[int] = []
    read = averaging._Filed.read

    def spy(self: averaging._Filed, indices: np.ndarray) -> np.ndarray:
        asked.append(len(indices))
        return read(self, indices)

    monkeypatch.setattr(averaging, "_BLOCK_BYTES", 7 * 4 * SIDE**2)
    monkeypatch.setattr(averaging._Filed, "read", spy)
    parts = averaged(noisy, correction="wiener")
    assert max(asked) == 7
    np.testing.assert_allclose(parts.mean, whole.mean, atol=1e-5)
    np.testing.assert_allclose(
        parts.correlation.correlation, whole.correlation.correlation, atol=1e-6
    )


def test_prepared_images_and_thumbnails_are_averaged_at_their_own_pixel_size(noisy: Path) -> None:
    with EmbeddingStore(noisy) as store:
        with open_averaging(store, "model", "flip") as images:
            assert (images.side, images.pixel_size_angstrom) == (32, pytest.approx(6.0))
            found = average_classes(store, [Chosen("all", np.arange(COUNT))], images)[0]
        assert likeness(found.mean, 32) > 0.75  # flipped only: contrast is lost
        with open_averaging(store, "thumbnails") as images:
            assert images.side == SIDE
            found = average_classes(store, [Chosen("some", np.arange(40))], images)[0]
            levels = store.thumbnails("raw", np.arange(40)) / 255
        assert found.mean.mean() == pytest.approx(levels.mean(), abs=0.02)


def test_where_the_images_are_gone_thumbnails_take_their_place(tmp_path: Path) -> None:
    path = make_store(tmp_path, count=20)
    (tmp_path / "particles.star").unlink()
    with EmbeddingStore(path) as store:
        with open_averaging(store) as images:
            assert images.size == "thumbnails"
        with pytest.raises(ImageFileError, match="thumbnails have no CTF"):
            open_averaging(store, correction="flip").__enter__()


def test_a_correction_needs_a_ctf(tmp_path: Path) -> None:
    path = make_store(tmp_path, count=20, ctf=False)
    with pytest.raises(ConfigError, match="no CTF values"):
        averaged(path, correction="wiener")


def test_an_average_can_be_stopped(noisy: Path) -> None:
    with EmbeddingStore(noisy) as store, open_averaging(store) as images:
        chosen = [Chosen("all", np.arange(COUNT))]
        with pytest.raises(Cancelled):
            average_classes(store, chosen, images, cancelled=lambda: True)
        with pytest.raises(ImageFileError, match="no images in 'empty'"):
            average_classes(store, [Chosen("empty", np.array([], np.int64))], images)


def test_averages_are_written_with_their_table_and_come_back(noisy: Path, tmp_path: Path) -> None:
    classes = [Chosen("open, wide", np.arange(0, COUNT, 2)), Chosen("shut", np.arange(1, 90, 2))]
    with EmbeddingStore(noisy) as store, open_averaging(store, correction="flip") as images:
        found = average_classes(store, classes, images)
    names = [chosen.name for chosen in classes]
    target = tmp_path / "averages.mrcs"
    done = write_class_averages(found, names, target, images.pixel_size_angstrom)
    assert (done.stack, done.deviations, done.table) == average_paths(target)
    with open_stack(done.table) as stack:  # as a stack of two images, as RELION sees it
        assert (len(stack), stack.pixel_size_angstrom) == (2, pytest.approx(PIXEL))
        np.testing.assert_array_equal(stack.read([0, 1]), [a.mean for a in found])
    with open_stack(done.deviations) as stack:
        np.testing.assert_array_equal(stack.read([0, 1]), [a.std for a in found])
    table = read_table(done.table)
    assert table.column("tvaeClassName").tolist() == names
    assert table.numbers("rlnGroupNrParticles").tolist() == [120, 45]
    resolution = [a.resolution_px() * PIXEL for a in found]
    np.testing.assert_allclose(table.numbers("rlnEstimatedResolution"), resolution, atol=1e-5)
    assert table.numbers("rlnClassDistribution").sum() == pytest.approx(1.0, abs=1e-5)
    text = done.table.read_text()
    assert "data_frc_class_000002" in text
    with pytest.raises(ImageFileError, match="already there"):
        write_class_averages(found, names, target, PIXEL)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "averages.mrcs",
        "averages.star",
        "averages_std.mrcs",
    ]


def test_the_table_is_read_by_another_program(noisy: Path, tmp_path: Path) -> None:
    import gemmi

    found = averaged(noisy)
    done = write_class_averages([found], ["all"], tmp_path / "a.mrcs", None)
    document = gemmi.cif.read(str(done.table))
    particles = document.find_block("particles")
    assert list(particles.find_loop("_rlnReferenceImage")) == ["000001@a.mrcs"]
    assert float(document.find_block("optics").find_loop("_rlnImagePixelSize")[0]) == 0  # unknown
    with mrcfile.open(done.stack) as file:
        assert float(file.voxel_size.x) == 0
    block = document.find_block("frc_class_000001")
    for name in ("_rlnFourierShellCorrelation", "_rlnFourierShellCorrelationCorrected"):
        assert len(block.find_loop(name)) == SIDE // 2 + 1


@pytest.mark.parametrize("name", ["out.tif", "out"])
def test_averages_are_mrcs(noisy: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageFileError, match=r"\.mrcs"):
        write_class_averages([averaged(noisy)], ["all"], tmp_path / name, None)
