"""Tiles are painted once for each place, and again once they were forgotten."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tvae_core.store import Atlas
from tvae_gui.state import tile_cache
from tvae_gui.state.atlas_view import atlas_depth, blend, laid_out, painted, sheet, tile_grid
from tvae_gui.state.raster import Window
from tvae_gui.state.tile_cache import TileCache


class Painter:
    """Paints the number of a place, and counts how many it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, places: Any) -> Any:
        self.asked += len(places)
        value = (places[:, 0] + 10 * places[:, 1]).astype(np.uint8)
        return np.broadcast_to(value[:, None, None, None], (len(places), 2, 3, 4)).copy()


places = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30)


@given(st.lists(places, min_size=1, max_size=6))
def test_each_place_is_painted_once_and_stands_where_it_belongs(views: Any) -> None:
    cache, painter = TileCache(), Painter()
    for view in views:
        at = np.array(view, dtype=float)
        tiles = cache.tiles(at, painter)
        assert tiles.shape == (len(at), 2, 3, 4)
        np.testing.assert_array_equal(tiles[:, 0, 0, 0], at[:, 0] + 10 * at[:, 1])
    once = len({place for view in views for place in view})
    again = sum(len(view) - len(set(view)) for view in views)  # twice in one view: asked twice
    assert once <= painter.asked <= once + again


def test_what_was_forgotten_is_painted_again(monkeypatch: Any) -> None:
    cache, painter = TileCache(), Painter()
    at = np.array([[1.0, 2.0], [3.0, 4.0]])
    cache.tiles(at, painter)
    cache.clear()
    cache.tiles(at, painter)
    assert painter.asked == 4
    monkeypatch.setattr(tile_cache, "_MOST_BYTES", 10)
    other = cache.tiles(np.array([[5.0, 6.0], [1.0, 2.0]]), painter)  # more than there is room for
    assert painter.asked == 6
    assert other[:, 0, 0, 0].tolist() == [65, 21]


def test_tiles_painted_one_by_one_are_those_of_the_whole_atlas() -> None:
    rng = np.random.default_rng(0)
    atlas = Atlas(
        rng.integers(0, 255, (6, 6, 8, 8)).astype(np.uint8), np.arange(6.0), np.arange(6.0),
        np.zeros((6, 6, 2), np.float32), "z", 0.0, 1.0,
    )  # fmt: skip
    grid = tile_grid(atlas, (0, 5, 0, 5), Window(-0.5, 5.5, -0.5, 5.5, 600, 600))
    assert grid is not None

    def grey(values: Any) -> Any:
        return np.repeat((255 * values).astype(np.uint8)[..., None], 3, axis=-1)

    xx, yy = np.meshgrid(grid.x, grid.y)
    at = np.stack([xx.ravel(), yy.ravel()], axis=1)
    depth = atlas_depth(atlas)

    def paint(some: Any) -> Any:
        values = blend(atlas, some[:, 0], some[:, 1])
        return painted(values, np.ones(len(some)), grey, depth)

    cache = TileCache()
    for one in at:
        cache.tiles(one[None], paint)
    made = laid_out(cache.tiles(at, paint), grid)
    whole = sheet(blend(atlas, at[:, 0], at[:, 1]), grid, np.ones(len(at)), grey)
    np.testing.assert_array_equal(made.rgba[..., :3], whole.rgba[..., :3])
    away = np.abs(made.rgba[..., 3].astype(int) - whole.rgba[..., 3])
    assert away.max() <= 2  # the depth of the atlas against that of the tiles on show
