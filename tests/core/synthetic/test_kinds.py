"""Every kind of set: seeds, chunks, options, and truths that are true."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tvae_core.errors import ConfigError, ImageFileError
from tvae_core.synthetic import KINDS, ImagePlan, SyntheticSet, place, plan_set, turn_back
from tvae_core.synthetic.digits import upright_digits
from tvae_core.synthetic.sprites import sprite

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("TVAE_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
MNIST = {
    "images": SHARED / "mnist" / "train-images-idx3-ubyte.gz",
    "labels": SHARED / "mnist" / "train-labels-idx1-ubyte.gz",
}
needs_mnist = pytest.mark.skipif(not MNIST["images"].exists(), reason="MNIST is not here")

SMALL: dict[str, dict[str, Any]] = {
    "digits-u": {"count": 30},
    "sprites": {"count": 30},
    "hinge": {"count": 30, "side": 33},
    "two-arm": {"count": 30, "side": 32, "spread": "bimodal"},
    "field": {"count": 5, "of": "hinge", "snr": 2.0, "side": 120, "pool": 20, "object_side": 40},
}


def tiny_mnist(folder: Path) -> dict[str, Path]:
    """Write two idx files of 12 made-up digits."""
    images = (np.random.default_rng(0).random((12, 28, 28)) * 255).astype(np.uint8)
    header = bytes([0, 0, 8, 3]) + np.array([12, 28, 28], ">u4").tobytes()
    (folder / "images").write_bytes(header + images.tobytes())
    header = bytes([0, 0, 8, 1]) + np.array([12], ">u4").tobytes()
    (folder / "labels").write_bytes(header + bytes(range(12)))
    return {"images": folder / "images", "labels": folder / "labels"}


def small_plan(kind: str, folder: Path, seed: int = 1) -> ImagePlan:
    options = SMALL[kind] if kind in SMALL else {**tiny_mnist(folder), "count": 30}
    return plan_set(kind, seed=seed, **options)


def pose(truth: dict[str, np.ndarray], row: int) -> tuple[float, tuple[float, float]]:
    return truth["angle_rad"][row], (truth["shift_x_px"][row], truth["shift_y_px"][row])


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_set_and_another_seed_another(
    kind: str, tmp_path: Path
) -> None:
    first, again, other = (small_plan(kind, tmp_path, seed).whole() for seed in (1, 1, 2))
    assert np.array_equal(first.images, again.images)
    assert all(np.array_equal(first.truth[name], again.truth[name]) for name in first.truth)
    assert not np.array_equal(first.images, other.images)


@pytest.mark.parametrize("kind", KINDS)
def test_the_chunk_size_does_not_change_a_byte(kind: str, tmp_path: Path) -> None:
    plan = small_plan(kind, tmp_path)
    whole = plan.whole()
    for size in (1, 7):
        parts = list(plan.chunks(size))
        assert b"".join(part.images.tobytes() for part in parts) == whole.images.tobytes()
        for name, column in whole.truth.items():
            assert np.array_equal(np.concatenate([part.truth[name] for part in parts]), column)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_help_and_keeps_its_truths(kind: str, tmp_path: Path) -> None:
    assert KINDS[kind].help
    assert all(option.about.help for option in KINDS[kind].options)
    assert {"count", "seed", "side"} <= {option.name for option in KINDS[kind].options}
    drawn = small_plan(kind, tmp_path).whole()
    assert list(drawn.truth)[:4] == ["image", "angle_rad", "shift_x_px", "shift_y_px"]
    assert drawn.images.dtype == np.float32
    assert np.isfinite(drawn.images).all()


def test_bad_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown kind"):
        plan_set("cats")
    with pytest.raises(ConfigError, match="no option"):
        plan_set("digits-u", colour=1)
    with pytest.raises(ConfigError, match="between"):
        plan_set("digits-u", count=0)
    with pytest.raises(ConfigError, match="one of"):
        plan_set("hinge", spread="trimodal")
    with pytest.raises(ConfigError, match="needs the option"):
        plan_set("mnist-u")
    with pytest.raises(ConfigError, match="needs the option"):
        plan_set("field", of="mnist-u")
    with pytest.raises(ConfigError, match="between"):
        plan_set("hinge", snr=float("nan"))


def test_unequal_truth_columns_are_refused() -> None:
    with pytest.raises(ConfigError):
        SyntheticSet(np.zeros((2, 4, 4), np.float32), {"a": np.zeros(2), "b": np.zeros(1)})


def test_digits_turned_back_by_the_truth_are_the_upright_ones() -> None:
    drawn = plan_set("digits-u", count=60, shift_std=1.0, side=32).whole()
    upright, labels = upright_digits()
    for row in range(60):
        source = drawn.truth["source_index"][row]
        back = turn_back(drawn.images[row], *pose(drawn.truth, row), 20)
        assert correlation(back, np.pad(upright[source], 2)) > 0.99
        assert drawn.truth["label"][row] == labels[source]


def test_digits_split_into_1500_and_297() -> None:
    truth = plan_set("digits-u").truth
    assert truth["test"].sum() == 297
    assert np.abs(truth["shift_x_px"]).max() == 4.0
    again = plan_set("digits-u", count=2000).truth
    assert np.array_equal(again["test"][1797:], again["test"][:203])


def test_sprites_turned_back_by_the_truth_are_the_upright_ones() -> None:
    plan = plan_set("sprites", count=40)
    drawn = plan.whole()
    for row in range(40):
        radius = drawn.truth["scale"][row] * plan.object_radius_px
        upright = place(sprite(drawn.truth["label"][row], radius), 0.0, (0.0, 0.0), 33)
        back = turn_back(drawn.images[row], *pose(drawn.truth, row), 33)
        assert correlation(back, upright) > 0.99


def test_sprites_are_not_cut_off_and_take_the_values_of_dsprites() -> None:
    drawn = plan_set("sprites", count=500, binary=True).whole()
    edge = np.concatenate([drawn.images[:, 0], drawn.images[:, -1], drawn.images[:, :, 0]])
    assert edge.max() == 0.0
    assert set(np.unique(drawn.images)) == {0.0, 1.0}
    assert np.unique(drawn.truth["scale"]) == pytest.approx(np.linspace(0.5, 1.0, 6))
    assert len(np.unique(drawn.truth["angle_rad"])) == 40
    assert set(drawn.truth["label"]) == {0, 1, 2}


def test_the_area_of_a_sprite_is_that_of_its_shape() -> None:
    areas = [place(sprite(label, 12.3), 0.5, (0.2, 0.7), 40).sum() for label in (0, 1)]
    assert areas == pytest.approx([2 * 12.3**2, 0.6 * np.pi * 12.3**2], rel=0.01)


@needs_mnist
@pytest.mark.parametrize("kind", ["mnist-n", "mnist-u"])
def test_mnist_turned_back_by_the_truth_is_upright(kind: str) -> None:
    drawn = plan_set(kind, count=40, shift_std=2.0, **MNIST).whole()
    upright = np.frombuffer(gzip.decompress(MNIST["images"].read_bytes()), np.uint8, offset=16)
    upright = upright.reshape(-1, 28, 28)
    assert drawn.images.shape == (40, 50, 50)
    for row in range(40):
        back = turn_back(drawn.images[row], *pose(drawn.truth, row), 28)
        assert (
            correlation(back, upright[drawn.truth["source_index"][row]]) > 0.98
        )  # thin strokes, twice interpolated
    straight = plan_set(kind, **MNIST)
    assert len(straight.truth["label"]) == 60_000
    wide = np.std(straight.truth["angle_rad"])
    assert wide == pytest.approx(np.pi / 4 if kind == "mnist-n" else np.pi / np.sqrt(3), rel=0.02)
    assert np.std(straight.truth["shift_x_px"]) == pytest.approx(5.0, rel=0.02)


def test_mnist_digits_keep_their_place_in_the_file(tmp_path: Path) -> None:
    files = tiny_mnist(tmp_path)
    all_once = plan_set("mnist-u", **files)
    assert all_once.truth["label"].tolist() == list(range(12))
    some = plan_set("mnist-u", count=5, **files).truth
    assert some["label"].tolist() == some["source_index"].tolist()


def test_broken_idx_files_are_refused(tmp_path: Path) -> None:
    files = tiny_mnist(tmp_path)
    with pytest.raises(ImageFileError, match="idx"):
        plan_set("mnist-u", images=files["labels"], labels=files["labels"])
    (tmp_path / "images").write_bytes((tmp_path / "images").read_bytes()[:-1])
    with pytest.raises(ImageFileError, match="bytes"):
        plan_set("mnist-u", **files)
    with pytest.raises(ImageFileError, match="read"):
        plan_set("mnist-u", images=tmp_path / "none.gz", labels=files["labels"])
