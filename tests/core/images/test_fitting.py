"""Pictures of all sizes become one size, and every number is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.core.images.makers import save_pictures
from tvae_core.config import DataConfig, RunConfig
from tvae_core.images.fitting import Fit, fit_of, object_size
from tvae_core.images.opening import open_data, open_stack
from tvae_core.images.prepared import open_prepared
from tvae_core.runs.begin import begin
from tvae_core.runs.folder import RunFolder

SIDES = (31, 40, 64, 90, 118)


def disc(side: int, share: float, inside: int = 40, outside: int = 230) -> NDArray[np.uint8]:
    """Return a dark disc on white whose diameter is `share` of the picture's side."""
    axis = np.arange(side) - (side - 1) / 2
    dark = axis[:, None] ** 2 + axis[None] ** 2 <= (share * side / 2) ** 2
    return np.where(dark, inside, outside).astype(np.uint8)


def save_discs(folder: Path, sides: tuple[int, ...] = SIDES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for side in sides:
        Image.fromarray(disc(side, 0.5)).save(folder / f"{side:03d}.png")


def test_pictures_of_all_sizes_are_scaled_into_one_and_the_number_is_told(tmp_path: Path) -> None:
    save_discs(tmp_path)
    with open_stack(tmp_path) as stack:
        assert stack.remarks == ("sizes 31 to 118 px: every picture is scaled into 64 px",)
        assert (stack.height, stack.width) == (64, 64)
        images = stack.read(np.arange(5))
    for image in images:  # the disc fills the same share of each
        assert abs((image < 135).mean() - (disc(64, 0.5) < 135).mean()) < 0.02


def test_sizes_alike_are_padded_with_their_own_border(tmp_path: Path) -> None:
    for side, outside in ((40, 230), (60, 200), (61, 20)):
        Image.fromarray(disc(side, 0.5, 100, outside)).save(tmp_path / f"{side}.png")
    with open_stack(tmp_path) as stack:
        assert stack.fit == Fit("pad", 61)
        images = stack.read([0, 1, 2])
    assert [image[0, 0] for image in images] == [230, 200, 20]
    np.testing.assert_array_equal(images[0, 11:51, 11:51], disc(40, 0.5, 100, 230))


@pytest.mark.parametrize(
    ("settings", "fit", "said"),
    [
        ({"crop_px": 48}, Fit("pad", 48), "padded or cropped to 48 px"),
        ({"fit": "crop"}, Fit("crop", 31), "cropped to 31 px"),
        ({"fit": "pad"}, Fit("pad", 118), "padded or cropped to 118 px"),
        ({"fit": "scale", "side_px": 20}, Fit("scale", 20), "scaled into 20 px"),
        ({"side_px": 96}, Fit("scale", 96), "scaled into 96 px"),
    ],
)
def test_the_user_decides(tmp_path: Path, settings: dict[str, object], fit: Fit, said: str) -> None:
    save_discs(tmp_path)
    with open_data(DataConfig.model_validate({"path": str(tmp_path), **settings})) as stack:
        assert stack.fit == fit
        assert said in stack.remarks[0]
        assert stack.read([0, 4]).shape == (2, fit.side, fit.side)


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from(["crop", "pad", "scale"]),
    st.integers(1, 70),
    st.booleans(),
)
def test_a_fitted_picture_has_the_size_and_no_new_values(
    height: int, width: int, how: str, side: int, colour: bool
) -> None:
    shape = (height, width, 3) if colour else (height, width)
    image = np.random.default_rng(height).integers(50, 90, shape).astype(np.uint8)
    fitted = Fit(how, side)(image)  # type: ignore[arg-type]
    assert fitted.shape == (side, side, *shape[2:])
    assert fitted.min() >= 50 - 1e-3
    assert fitted.max() <= 90 + 1e-3


def test_one_odd_picture_does_not_decide_for_all() -> None:
    sizes = np.full((100, 2), 60)
    sizes[0] = 4000
    assert fit_of(sizes) == Fit("pad", 60)
    assert fit_of(np.full((5, 2), 60)) is None
    assert fit_of(np.asarray([(40, 60)] * 5)) is None


def cut_outs(folder: Path, tight: bool) -> None:
    """Save pictures of 30 to 120 px, of discs that fill a third of them, or that are all alike."""
    folder.mkdir()
    noise = np.random.default_rng(0)
    for number, side in enumerate(np.linspace(30, 120, 40).astype(int).tolist()):
        share = 0.35 if tight else 11 / side
        image = disc(side, share, 60, 200) + noise.normal(0, 6, (side, side))
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{number:02d}.png")


def test_objects_of_one_size_are_padded_whatever_their_margins(tmp_path: Path) -> None:
    cut_outs(tmp_path / "tight", True)
    cut_outs(tmp_path / "loose", False)
    with open_stack(tmp_path / "tight") as stack:
        assert stack.fit == Fit("scale", 72)
    with open_stack(tmp_path / "loose") as stack:
        assert stack.fit == Fit("pad", 120)
        dark = (stack.read(np.arange(40)) < 130).sum(axis=(1, 2))
    assert np.ptp(dark) <= 0.2 * dark.mean()


@given(st.integers(9, 40), st.floats(1.0, 4.0))
def test_an_object_twice_as_large_is_measured_twice_as_large(width: int, times: float) -> None:
    small = disc(80, width / 80)
    large = np.pad(disc(round(80 * times), width / 80), 3, constant_values=230)
    assert object_size(large) / object_size(small) == pytest.approx(times, rel=0.12)


def test_a_run_keeps_how_its_pictures_were_fitted(tmp_path: Path) -> None:
    save_discs(tmp_path / "a")
    save_discs(tmp_path / "b", (33, 47, 99))
    config = RunConfig(data=DataConfig(path=str(tmp_path)))
    run = RunFolder(tmp_path / "run")
    said = [record.what for record in begin(run, config, anyway=True)]
    assert any("every picture is scaled into" in line for line in said)
    kept = run.config().data
    assert (kept.fit, kept.side_px) == ("scale", 56)
    save_discs(tmp_path / "later", (400, 410, 420, 430, 440, 450, 460))
    with open_prepared(kept) as images:
        assert images.side == 56


def test_sizes_differ_between_class_folders_too(tmp_path: Path) -> None:
    save_pictures(tmp_path / "a", np.zeros((3, 10, 14), np.uint8))
    save_pictures(tmp_path / "b", np.zeros((3, 12, 13), np.uint8))
    with open_stack(tmp_path) as stack:
        assert stack.form.image_shape == (14, 14)
        assert stack.labels is not None
        assert stack.labels.tolist() == [0, 0, 0, 1, 1, 1]
