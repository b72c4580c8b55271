"""Objects found in large images without labels, and the boxes cut about them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tvae_core.config import DataConfig
from tvae_core.errors import ImageFileError
from tvae_core.images.opening import open_data, open_stack
from tvae_core.images.picking import Found, find_objects
from tvae_core.synthetic import plan_set

Field = tuple[np.ndarray, np.ndarray]  # pixels, and the true (row, column) of its objects


def field(**options: object) -> Field:
    """Return a made field and where its objects lie."""
    plan = plan_set("field", count=1, **options)
    pixels = np.asarray(plan.render(np.array([0]))[0], np.float32)
    middle = (len(pixels) - 1) / 2
    return pixels, np.stack([middle - plan.truth["y_px"], plan.truth["x_px"] + middle], 1)


def agreement(found: Found, truth: np.ndarray) -> tuple[float, float]:
    """Return the share of true objects that were found, and of what was found that is true."""
    near, which = cKDTree(truth).query(found.places)
    hits = len(np.unique(which[near < 0.35 * found.diameter_px]))
    return hits / len(truth), hits / len(found)


@pytest.mark.parametrize(
    ("options", "recall", "precision"),
    [
        ({"side": 512, "objects": 60.0}, 0.98, 0.98),
        ({"side": 512, "objects": 150.0, "overlap": 0.3, "seed": 2}, 0.95, 0.95),  # they touch
        ({"side": 512, "objects": 60.0, "snr": 0.5, "seed": 3}, 0.9, 0.9),
        ({"of": "sprites", "side": 700, "objects": 60.0, "seed": 7}, 0.98, 0.98),
        ({"of": "two-arm", "side": 512, "objects": 25.0, "snr": 0.3, "seed": 8}, 0.85, 0.85),
        ({"of": "hinge", "side": 768, "objects": 60.0, "snr": 0.1, "object_side": 64}, 0.7, 0.9),
    ],
)
def test_objects_are_found_where_they_are(
    options: dict[str, object], recall: float, precision: float
) -> None:
    pixels, truth = field(**options)
    found = agreement(find_objects(pixels), truth)
    assert found[0] >= recall
    assert found[1] >= precision


def test_dark_objects_on_a_sloping_bright_ground_are_found_as_bright_ones_are() -> None:
    pixels, truth = field(side=400, objects=40.0)
    slope = np.linspace(150, 200, 400, dtype=np.float32)[:, None]
    dark = slope - 120 * pixels
    found = find_objects(dark)
    assert agreement(found, truth) == pytest.approx((1.0, 1.0), abs=0.03)
    assert found.diameter_px == pytest.approx(find_objects(pixels).diameter_px, rel=0.25)


def test_a_larger_field_that_is_looked_at_shrunk_gives_places_in_its_own_pixels() -> None:
    pixels, truth = field(side=512, objects=60.0)
    large = np.kron(pixels, np.ones((5, 5), np.float32))
    found = find_objects(large)
    assert agreement(found, 5 * truth + 2)[0] > 0.95
    assert found.diameter_px == pytest.approx(5 * find_objects(pixels).diameter_px, rel=0.25)


def test_bad_pixels_and_colour_do_not_matter() -> None:
    pixels, truth = field(side=400, objects=40.0)
    coloured = pixels[..., None] * np.array([1.0, 0.2, 0.5], np.float32)
    coloured[3, 5] = np.nan
    assert agreement(find_objects(coloured), truth)[0] > 0.95


@pytest.mark.parametrize("kind", ["constant", "noise", "slope", "tiny"])
def test_of_an_empty_field_it_is_said_that_there_are_no_objects(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).normal(0, 1, (400, 500)).astype(np.float32)
    slope = np.linspace(0, 30, 400, dtype=np.float32)[:, None] + 0 * noise
    pixels = {"constant": 0 * noise, "noise": noise, "slope": slope, "tiny": noise[:150, :150]}
    np.save(tmp_path / "field.npy", pixels[kind])
    with pytest.raises(ImageFileError, match=r"no objects found|too few") as error:
        open_data(DataConfig(path=str(tmp_path / "field.npy")))
    assert "\n" not in str(error.value)


def test_boxes_are_the_pixels_about_the_objects(tmp_path: Path) -> None:
    pixels, truth = field(side=400, objects=40.0)
    np.save(tmp_path / "field.npy", pixels)
    with open_data(DataConfig(path=str(tmp_path / "field.npy"), box_px=30)) as stack:
        assert stack.picked is not None
        assert (stack.height, stack.width, stack.picked.box_px) == (30, 30, 30)
        assert len(stack) + stack.picked.at_edge == pytest.approx(len(truth), abs=1)
        boxes = stack.read(np.arange(len(stack))[::-1])[::-1]
        for box, (row, column) in zip(boxes, stack.picked.corner, strict=True):
            assert (box == pixels[row : row + 30, column : column + 30]).all()
        places = stack.described()
        assert set(places) == {"column_px", "row_px", "pick_score"}
        near, _ = cKDTree(truth).query(stack.picked.centre)
        assert near.max() < 4


def test_several_fields_are_one_set_with_one_box(tmp_path: Path) -> None:
    from PIL import Image

    counts = []
    for number in range(3):
        pixels, truth = field(side=1100, objects=40.0, seed=number)
        Image.fromarray(np.rint(200 * pixels).astype(np.uint8)).save(tmp_path / f"f{number}.png")
        counts.append(len(truth))
    with open_data(DataConfig(path=str(tmp_path))) as stack:
        assert stack.picked is not None
        assert stack.picked.fields == 3
        assert len(stack) == pytest.approx(sum(counts), abs=8)
        assert set(stack.described()["field"].tolist()) == {0, 1, 2}
        assert stack.sources().files == ["f0.png", "f1.png", "f2.png"]
        assert "large images" in stack.remarks[0]
        assert "--box-px" in stack.remarks[0]


def test_large_images_of_one_object_each_are_no_fields(tmp_path: Path) -> None:
    row, column = np.mgrid[-550:550, -550:550]
    disc = (np.hypot(row, 1.5 * column) < 300).astype(np.uint8) * 200
    np.save(tmp_path / "images.npy", np.stack([disc, disc.T, disc]))
    with open_data(DataConfig(path=str(tmp_path / "images.npy"))) as stack:
        assert len(stack) == 3
        assert stack.picked is None


def test_fields_of_any_size_are_cut_when_asked_and_never_when_not(tmp_path: Path) -> None:
    plan = plan_set("field", count=4, side=120, objects=8.0)
    np.save(tmp_path / "fields.npy", plan.render(np.arange(4)))
    path = str(tmp_path / "fields.npy")
    with open_data(DataConfig(path=path)) as stack:
        assert len(stack) == 4
    with open_data(DataConfig(path=path, pick="yes")) as stack:
        assert stack.picked is not None
        assert len(stack) > 16
    with open_data(DataConfig(path=path, pick="no", box_px=24)) as stack:
        assert len(stack) == 4
    with open_stack(path) as stack:
        assert len(stack) == 4
