"""Points, densities and tiles as pictures: nothing is lost, nothing is in the wrong place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.factories import store_content
from tvae_core.colours import CLASS_COLOURS, CYCLIC_MAP, colour_map
from tvae_core.words import count, degrees, figure
from tvae_gui.state.atlas_view import TileGrid, blend, covers, painted, sheet, tile_grid
from tvae_gui.state.path_state import PathState
from tvae_gui.state.point_index import PointIndex, Runs
from tvae_gui.state.raster import ScatterFrame, Window
from tvae_gui.state.support_map import SupportMap

Array = NDArray[Any]


def points(how_many: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(how_many, 2)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), st.floats(0.01, 3))
def test_the_index_finds_all_points_near_a_place(place: tuple[float, float], radius: float) -> None:
    xy = points(700)
    found, _ = PointIndex(xy).within(*place, radius, radius)
    away = np.hypot(xy[:, 0] - place[0], xy[:, 1] - place[1])
    # float32 cannot tell points within a few units of its last place from the rim
    assert set(np.flatnonzero(away < radius * (1 - 1e-5))) <= set(found.tolist())
    assert set(found.tolist()) <= set(np.flatnonzero(away <= radius * (1 + 1e-5)))


@pytest.mark.parametrize("place", [(0.0, 0.0), (50.0, 50.0), (-2.0, 1.0)])
def test_the_nearest_are_the_nearest(place: tuple[float, float]) -> None:
    xy = points(500)
    found = PointIndex(xy).nearest(*place, 9)
    away = ((xy - np.array(place, np.float32)) ** 2).sum(axis=1)
    assert set(found.tolist()) == set(np.argsort(away)[:9].tolist())


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.floats(-4, 4), st.floats(-4, 4)), st.floats(0.01, 9), st.floats(0.01, 9))
def test_the_runs_of_a_rectangle_hold_every_point_in_it_and_no_other_cell(
    corner: tuple[float, float], width: float, height: float
) -> None:
    xy = points(700)
    index, (x0, y0) = PointIndex(xy), corner
    runs = index.positions_in(x0, x0 + width, y0, y0 + height)
    found = runs.of(index.order)
    assert len(found) == len(runs) == len(set(found.tolist()))
    np.testing.assert_array_equal(runs.of(index.xy), xy[found].T)
    low, high = np.array([x0, y0]), np.array([x0 + width, y0 + height])
    inside = (xy >= low) & (xy <= high)
    assert set(np.flatnonzero(inside.all(1)).tolist()) <= set(found.tolist())
    cell = (index.high - index.low) / 128 * 1.001
    near = (xy >= low - cell) & (xy <= high + cell)
    assert set(found.tolist()) <= set(np.flatnonzero(near.all(1)).tolist())


def test_the_bins_of_all_points_are_those_of_each() -> None:
    index = PointIndex(points(900))
    flat, counts = index.bins(32)
    share = (index.xy.T - index.low) / (index.high - index.low)
    column, row = (np.minimum(share[:, 0] * 32, 31)).astype(int), ((1 - share[:, 1]) * 32)
    assert (np.abs(flat % 32 - column) <= 1).all()
    assert (np.abs(flat // 32 - row) <= 1.01).all()
    assert counts.sum() == 900
    np.testing.assert_array_equal(counts.ravel(), np.bincount(flat, minlength=32 * 32))
    assert index.bins(32)[0] is flat  # kept for the next selection
    assert index.bins(16)[1].shape == (16, 16)


def test_a_frame_of_the_whole_plane_touches_no_point(monkeypatch: pytest.MonkeyPatch) -> None:
    many = frame(100_000)
    first = many.draw(Window(-4, 4, -4, 4, 400, 300))
    monkeypatch.setattr(Runs, "of", lambda *_: pytest.fail("a point was looked at"))
    moved = many.draw(Window(-3, 3, -3, 4, 400, 300))  # some cells are out of view
    assert moved is first


def test_a_selection_is_lit_where_its_points_are() -> None:
    index = PointIndex(points(100_000))
    for visible in (None, np.ones(100_000, bool)):
        chosen = index.xy[0] > 0
        lit = frame(100_000, chosen=chosen, visible=visible).draw(Window(-4, 4, -4, 4, 400, 400))
        strength = lit.rgba[..., 3].astype(float)
        middle = strength.shape[1] // 2
        assert strength[:, middle + 20 :].sum() > 1.3 * strength[:, : middle - 20].sum()


def test_points_without_coordinates_are_nowhere() -> None:
    xy = points(100)
    xy[::10] = np.nan
    index = PointIndex(xy)
    assert len(index) == 90
    assert not set(index.order.tolist()) & set(range(0, 100, 10))


def frame(how_many: int, kind: str = "density", **changes: object) -> ScatterFrame:
    index = PointIndex(points(how_many))
    values = {
        "levels": np.full(how_many, 200, np.uint8), "table": colour_map("viridis"),
        "visible": None, "chosen": None, "faded_rgb": (1, 2, 3),
    }  # fmt: skip
    return ScatterFrame(index=index, kind=kind, **(values | changes))  # type: ignore[arg-type]


def test_a_lone_point_is_drawn_where_it_is() -> None:
    index = PointIndex(np.array([[0.25, 0.75]]))
    lone = ScatterFrame(index, "magnitude", np.array([255], np.uint8), colour_map("viridis"),
                        None, None, (0, 0, 0))  # fmt: skip
    rgba = lone.draw(Window(0, 1, 0, 1, 100, 100)).rgba
    rows, columns = np.nonzero(rgba[..., 3])
    # row 0 is the top, so y = 0.75 is row 25; the disc is a few pixels wide
    assert abs(rows.mean() - 25) < 1
    assert abs(columns.mean() - 25) < 1
    assert tuple(rgba[25, 25, :3]) == tuple(colour_map("viridis")[255])


@pytest.mark.parametrize("how_many", [1_000, 50_000, 120_000])
@pytest.mark.parametrize("kind", ["density", "magnitude", "cyclic", "class"])
def test_few_and_many_points_are_coloured_alike(how_many: int, kind: str) -> None:
    picture = frame(how_many, kind).draw(Window(-4, 4, -4, 4, 300, 300))
    lit = picture.rgba[picture.rgba[..., 3] > 60][:, :3].astype(int)
    if kind != "density":
        wanted = colour_map("viridis")[200].astype(int)
        # means of one value: rounding of the table's index and of its colours
        assert np.abs(lit - wanted).max() <= 6


def test_hidden_points_are_not_counted() -> None:
    visible = np.zeros(1_000, bool)
    visible[:10] = True
    assert frame(1_000, visible=visible).count_in_view(Window(-9, 9, -9, 9, 50, 50)) == 10


def test_the_atlas_blends_its_nodes_and_gives_them_back() -> None:
    atlas = store_content(images=10).atlas
    assert atlas is not None
    at_node = blend(atlas, atlas.x[[3]], atlas.y[[5]])[0]
    np.testing.assert_allclose(at_node, atlas.images[5, 3] / 255.0, atol=1e-6)
    between = blend(atlas, (atlas.x[[3]] + atlas.x[[4]]) / 2, atlas.y[[5]])[0]
    mean = (atlas.images[5, 3].astype(float) + atlas.images[5, 4]) / 510.0
    np.testing.assert_allclose(between, mean, atol=1e-5)
    assert covers(atlas, 0.0, 0.0)
    assert not covers(atlas, 99.0, 0.0)


@pytest.mark.parametrize("zoom", [0.05, 0.5, 2.0, 8.0])
def test_tiles_are_never_smaller_than_asked(zoom: float) -> None:
    atlas = store_content(images=10).atlas
    window = Window(0, 8 * zoom, 0, 6 * zoom, 800, 600)
    grid = tile_grid(atlas, (-3, 5, -3, 5), window, tile_px=52)
    assert grid is not None
    assert grid.pitch_x / (8 * zoom) * 800 >= 51.9
    assert grid.pitch_y / (6 * zoom) * 600 >= 51.9


def grey(values: Array) -> Array:
    rgb = values if values.ndim == 4 else np.repeat(values[..., None], 3, axis=-1)
    return np.clip(255 * rgb, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("ground", [0.0, 1.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_have_the_tones_of_the_image_and_let_points_through(
    ground: float, channels: int
) -> None:
    values = np.full((1, 17, 17), ground, np.float32)
    values[0, 6:11, 6:11] = 1 - ground
    if channels == 3:
        values = np.repeat(values[..., None], 3, axis=-1) * [1.0, 0.5, 0.25]
    grid = TileGrid(np.array([0.0]), np.array([0.0]), 1.0, 1.0)
    rgba = sheet(values, grid, np.ones(1), grey).rgba
    np.testing.assert_array_equal(rgba[8, 8, :3], grey(values)[0, 8, 8])  # dark stays dark
    assert rgba[8, 8, 3] == 255
    assert rgba[0, 0, 3] == 0  # the points behind are seen


def test_on_a_plane_of_another_tone_a_tile_stands_on_its_own_ground() -> None:
    """A bright object with a thin dark rim on a white plane would read as a ring."""
    values = np.zeros((1, 33, 33), np.float32)
    values[0, 14:19, 14:19] = 1
    alpha = painted(values, np.ones(1), grey, ground=1.0)[0, ..., 3]
    y, x = np.mgrid[-16:17, -16:17]
    assert (alpha[np.hypot(y, x) < 4] == 255).all()
    assert (alpha[np.hypot(y, x) > 8] == 0).all()  # the points around it are seen


def test_a_tile_sheet_puts_high_y_on_top() -> None:
    grid = TileGrid(np.array([0.0]), np.array([0.0, 1.0]), 1.0, 1.0)
    values = np.zeros((2, 9, 9), np.float32)
    values[1, 4, 4] = 1.0
    picture = sheet(values, grid, np.ones(2), grey)
    assert picture.rgba[4, 4].tolist() == [255, 255, 255, 255]
    rows = np.nonzero(picture.rgba[..., 3])[0]
    assert rows.max() < 9
    assert (picture.y0, picture.y1) == (-0.5, 1.5)


def test_support_is_full_in_the_crowd_and_none_far_away() -> None:
    index = PointIndex(points(5_000))
    support = SupportMap(index, (-4, 4, -4, 4))
    inside, outside = support.share(np.array([0.0, 9.0]), np.array([0.0, 0.0]))
    assert (inside, outside) == (1.0, 0.0)


def test_the_cyclic_map_closes() -> None:
    table = colour_map(CYCLIC_MAP).astype(int)
    assert np.abs(table[0] - table[-1]).max() <= 1
    assert len(set(CLASS_COLOURS)) == 10


def test_a_path_is_evenly_spaced_and_plays_as_its_mode_says() -> None:
    path = PathState()
    for place in [(0, 0), (1, 0), (1, 3)]:
        path.add_anchor(*place)
    path.set_frames(9)
    steps = np.linalg.norm(np.diff(path.places(), axis=0), axis=1)
    np.testing.assert_allclose(steps, 0.5)
    path.mode = "back and forth"
    path.play(True)
    seen = []
    for _ in range(18):
        path.step()
        seen.append(path.frame)
    assert seen == [*range(1, 9), *range(7, -1, -1), 1, 2]
    path.mode = "once"
    path.go_to(7)
    path.step()
    assert (path.frame, path.playing) == (8, False)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0.00"),
        (1234.5, "1,234"),
        (-0.0123, "−0.0123"),
        (3.14159, "3.14"),
        (1e-7, "1.00e−7"),
        (-250_000.0, "−250,000"),
        (None, "–"),
    ],
)
def test_numbers_have_three_significant_digits(value: float | None, words: str) -> None:
    assert figure(value) == words


def test_counts_and_angles_are_written_for_people() -> None:
    assert count(1, "image") == "1 image"
    assert count(12408, "image") == "12,408 images"
    assert degrees(-np.pi / 2) == "−90°"
