"""Figures are drawn from arrays, small as vectors, and refuse to replace a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tvae_core import figures
from tvae_core.colours import CLASS_COLOURS, UNASSIGNED_COLOUR
from tvae_core.errors import ConfigError, ImageFileError
from tvae_core.figures import (
    confusion_figure,
    montage,
    montage_figure,
    plane_figure,
    rotation_figure,
)

XY = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "DOTS_AN_INCH", 60)


@pytest.mark.parametrize("many", [False, True])
def test_a_plane_is_drawn_by_density_class_value_and_angle(
    tmp_path: Path, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_POINTS_DRAWN", 100 if many else 10_000)
    labels = np.random.default_rng(1).integers(-1, 12, 3000)
    plane_figure(tmp_path / "density.png", XY)
    plane_figure(tmp_path / "class.png", XY, labels=labels, names=["open", "closed"])
    plane_figure(tmp_path / "value.png", XY, values=XY[:, 0], value_name="ELBO (nats)")
    plane_figure(tmp_path / "angle.png", XY, values=XY[:, 0], value_name="angle", cyclic=True)
    for path in tmp_path.iterdir():
        with Image.open(path) as image:
            assert np.asarray(image.convert("L")).std() > 5


@pytest.mark.parametrize("suffix", [".svg", ".pdf"])
def test_a_vector_figure_stays_small(tmp_path: Path, suffix: str) -> None:
    path = plane_figure(tmp_path / f"a{suffix}", np.repeat(XY, 10, axis=0))
    assert 2_000 < path.stat().st_size < 200_000


def test_text_in_a_vector_figure_stays_text(tmp_path: Path) -> None:
    path = plane_figure(tmp_path / "a.svg", XY, labels=np.zeros(3000, int), names=["open"])
    assert "open  3,000" in path.read_text()


@pytest.mark.parametrize("many", [False, True])
def test_what_has_no_class_is_named_and_coloured_as_in_the_window(
    tmp_path: Path, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_POINTS_DRAWN", 100 if many else 10_000)
    labels = np.repeat([-1, 0, 1], 1000)
    path = plane_figure(tmp_path / "a.svg", XY, labels=labels, names=["open", "closed"])
    text = path.read_text()
    assert "unassigned  1,000" in text
    for colour in (UNASSIGNED_COLOUR, *CLASS_COLOURS[:2]):
        assert colour in text
    every = plane_figure(tmp_path / "b.svg", XY, labels=np.abs(labels), names=["open"])
    assert "unassigned" not in every.read_text()


def test_an_empty_plane_can_be_drawn(tmp_path: Path) -> None:
    plane_figure(tmp_path / "a.png", np.empty((0, 2)))


def test_figures_refuse_what_makes_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not both"):
        plane_figure(tmp_path / "a.png", XY, labels=np.zeros(3000, int), values=XY[:, 0])
    with pytest.raises(ImageFileError, match=r"\.svg"):
        plane_figure(tmp_path / "a.bmp", XY)
    plane_figure(tmp_path / "a.png", XY)
    with pytest.raises(ImageFileError, match="already there"):
        plane_figure(tmp_path / "a.png", XY)


def test_a_montage_keeps_every_pixel_in_its_place() -> None:
    images = np.arange(5 * 2 * 3, dtype=float).reshape(5, 2, 3)
    sheet = montage(images, 2)
    assert sheet.shape == (8, 7)
    np.testing.assert_array_equal(sheet[3:5, 4:7], images[3])


def test_an_atlas_is_drawn_with_its_first_row_at_the_bottom(tmp_path: Path) -> None:
    atlas = np.zeros((2, 2, 8, 8))
    atlas[0, 0] = 1.0
    path = montage_figure(tmp_path / "a.png", atlas, grey_range=(0, 1))
    with Image.open(path) as image:
        picture = np.asarray(image.convert("L"), dtype=float)
    height, width = picture.shape
    assert picture[-height // 4, width // 4] == 255
    assert picture[height // 4, width // 4] == 0
    colour = np.random.default_rng(0).random((5, 8, 8, 3))
    montage_figure(tmp_path / "b.png", colour, captions=["one", "two"])


def test_confusion_and_rotation_figures_are_drawn(tmp_path: Path) -> None:
    counts = np.diag(np.arange(1, 5)) + 1
    drawn = confusion_figure(tmp_path / "confusion.svg", counts, ["a", "b", "c", "d"])
    text = drawn.read_text()
    assert all(f">{number}<" in text for number in (1, 2, 5))
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 2 * np.pi, 90)
    labels = np.arange(90) % 3
    rotation_figure(tmp_path / "r.svg", true + 0.1, true, labels, ["one", "two", "three"])
    assert all(name in (tmp_path / "r.svg").read_text() for name in ("one", "two", "three"))
    alone = rotation_figure(tmp_path / "alone.png", true, true)
    with Image.open(alone) as picture:
        assert picture.width > 150  # at 60 dots an inch
