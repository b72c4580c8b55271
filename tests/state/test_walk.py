"""Walks along a path, an axis or a dimension, and what changes from a reference."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import make_store
from tvae_core.planes import PlaneChoice
from tvae_core.store import EmbeddingStore
from tvae_gui.state.difference import difference, signed_colours
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.path_state import PathState
from tvae_gui.state.walk import frame_of_probe, walk, ways


@pytest.fixture(params=[1, 2, 8])
def state(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ExplorerState]:
    made = ExplorerState()
    made.open(EmbeddingStore(make_store(tmp_path / "s.h5", images=400, z_dim=request.param)))
    yield made
    made.close()


def test_a_walk_along_a_dimension_holds_all_others_and_passes_the_probe(
    state: ExplorerState,
) -> None:
    assert state.store is not None
    assert state.probe is not None
    dims = state.store.z_dim
    state.set_probe_z(state.store.z_mean[3])
    z = walk(state, PathState(), f"z{dims}", 9)
    np.testing.assert_array_equal(z[:, :-1], np.tile(state.probe.z[:-1], (9, 1)))
    assert (np.diff(z[:, -1]) > 0).all()
    at = frame_of_probe(state, PathState(), f"z{dims}", 9)
    assert at is not None
    here = np.interp(at, np.arange(9), z[:, -1])
    assert here == pytest.approx(float(state.probe.z[-1]), abs=1e-5)


def test_a_walk_along_an_axis_of_pca_moves_only_along_it(state: ExplorerState) -> None:
    assert state.store is not None
    if state.store.z_dim < 2:
        return
    state.choose_plane(PlaneChoice("pca"))
    plane = state.store.plane("pca")
    assert plane.components is not None
    z = walk(state, PathState(), "y", 7)
    steps = np.diff(z, axis=0)
    along = steps @ plane.components[1]
    np.testing.assert_allclose(steps, along[:, None] * plane.components[1], atol=1e-5)
    assert "y" in [way for _, way in ways(state, PathState())]


def test_a_walk_along_a_path_begins_and_ends_where_the_path_does(state: ExplorerState) -> None:
    assert state.shown is not None
    path = PathState()
    path.add_anchor(-1.0, 0.2)
    path.add_anchor(1.0, 0.4)
    assert ways(state, path)[0] == ("the path", "path")
    state.choose_plane(PlaneChoice("z", 0, 1))
    z = walk(state, path, "path", 5)
    np.testing.assert_allclose(z[[0, -1], 0], [-1.0, 1.0], atol=1e-6)


@given(st.integers(2, 20), st.integers(2, 20))
def test_an_image_does_not_differ_from_itself_at_other_pixels(a: int, b: int) -> None:
    ramp = (np.arange(a, dtype=np.float32) + 0.5) / a
    other = (np.arange(b, dtype=np.float32) + 0.5) / b
    image = np.tile(ramp, (a, 1))
    change = difference(np.tile(other, (b, 1)), image)
    # within half a source pixel of the border the image is flat
    inside = (other > 0.5 / a) & (other < 1 - 0.5 / a)
    assert np.abs(change[:, inside]).max(initial=0) < 1e-5


def test_less_is_blue_more_is_orange_and_no_change_is_dark() -> None:
    colours = signed_colours(np.array([[-1.0, 0.0, 1.0]]), 1.0)[0].astype(int)
    assert colours[0, 2] > colours[0, 0] + 100
    assert colours[2, 0] > colours[2, 2] + 100
    assert colours[1].max() < 40
