"""One rule of nearness: distances in the full z, whitened by the data, whatever is plotted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.factories import make_store, store_content
from tvae_core.analysis.nearness import Whitening
from tvae_core.planes import PlaneChoice
from tvae_core.store import EmbeddingStore, Plane, write_store
from tvae_gui.state import nearness
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.nearness import medoid
from tvae_gui.state.rule_words import rule_sentence

DIMS = (1, 2, 8, 32)
Open = Callable[[Path], ExplorerState]


@pytest.fixture
def opened() -> Iterator[Open]:
    made: list[ExplorerState] = []

    def open_(path: Path) -> ExplorerState:
        state = ExplorerState()
        made.append(state)
        state.open(EmbeddingStore(path))
        return state

    yield open_
    for state in made:
        state.close()


def mahalanobis(z: Any, place: Any) -> Any:
    away = z.astype(np.float64) - place
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(z.T)))
    return np.sqrt(np.einsum("ni,ij,nj->n", away, inverse, away))


def store_with(path: Path, z: Any, std: Any = 0.1) -> Path:
    content = store_content(images=len(z), z_dim=z.shape[1])
    content.columns["content/mean"] = z.astype(np.float32)
    content.columns["content/std"] = np.broadcast_to(std, z.shape).astype(np.float32)
    write_store(path, content)
    return path


@pytest.mark.parametrize("z_dim", DIMS)
def test_distance_is_that_of_mahalanobis_however_z_is_scaled_and_mixed(z_dim: int) -> None:
    rng = np.random.default_rng(z_dim)
    mix = rng.normal(size=(z_dim, z_dim)) * np.logspace(0, 2, z_dim)
    z = rng.normal(size=(500, z_dim)) @ mix
    white = Whitening(z)
    points = white(z)
    away = np.linalg.norm(points - white(z[3]), axis=1)
    # float32, of values of very different size
    np.testing.assert_allclose(away, mahalanobis(z, z[3]), rtol=5e-3, atol=5e-3)


def test_a_dimension_left_at_its_prior_does_not_count() -> None:
    rng = np.random.default_rng(0)
    z = np.stack([rng.normal(size=400), 1e-3 * rng.normal(size=400)], axis=1)
    std = np.broadcast_to([0.1, 1.0], z.shape)
    assert Whitening(z, std).matrix[1].tolist() == [0.0]
    assert Whitening(z, np.full(z.shape, 0.1)).matrix.shape == (2, 2)


@pytest.mark.parametrize("z_dim", DIMS)
@pytest.mark.parametrize("plane", ["z", "pca", "umap"])
def test_near_and_nearest_are_the_same_on_every_plane(
    z_dim: int, plane: str, tmp_path: Path, opened: Open
) -> None:
    state = opened(make_store(tmp_path / "s.h5", images=700, z_dim=z_dim))
    assert state.store is not None
    z = state.store.z_mean
    rng = np.random.default_rng(1)
    state.add_plane("umap", Plane(rng.normal(size=(700, 2)).astype(np.float32)))
    state.choose_plane(
        PlaneChoice("z", 0, min(1, z_dim - 1)) if plane == "z" else PlaneChoice(plane)
    )
    place = z[11] + 1e-4
    state.set_probe_z(place)
    probe, nearness = state.probe, state.nearness
    assert probe is not None
    assert nearness is not None
    truth = mahalanobis(z, place)
    np.testing.assert_array_equal(probe.nearest, np.argsort(truth)[: len(probe.nearest)])
    assert probe.nearest[0] == 11
    # on the very edge of the neighbourhood rounding decides
    near = [int((truth <= nearness.radius * share).sum()) for share in (0.999, 1.001)]
    assert near[0] <= probe.near <= near[1]
    state.select_around_probe()
    assert state.selection.count == pytest.approx(probe.near, abs=1)
    state.select_nearest(5)
    assert set(state.selection.indices) == set(np.argsort(truth)[:5])
    assert "among the 5 nearest to z = (" in rule_sentence(
        "near", state.selection.rule, state.columns
    )


def test_off_the_data_nothing_is_near_and_it_fades(tmp_path: Path, opened: Open) -> None:
    state = opened(make_store(tmp_path / "s.h5", images=700, z_dim=8))
    assert state.store is not None
    state.choose_plane(PlaneChoice("z", 0, 1))
    assert state.support_share > 0.5
    z = state.store.z_mean.mean(axis=0)
    z[5] = 40.0  # off the plane, where its place on the plane stays in the middle of all points
    state.set_probe_z(z)
    assert state.probe is not None
    assert (state.probe.near, state.support_share) == (0, 0.0)
    state.select_around_probe()
    assert state.selection.count == 0


def test_on_a_umap_the_probe_stands_where_its_neighbours_lie(tmp_path: Path, opened: Open) -> None:
    state = opened(make_store(tmp_path / "s.h5", images=700, z_dim=8))
    assert state.store is not None
    xy = np.random.default_rng(2).normal(size=(700, 2)).astype(np.float32) * 50 + 300
    state.add_plane("umap", Plane(xy))
    state.set_probe_z(state.store.z_mean[42])
    state.choose_plane(PlaneChoice("umap"))
    assert state.probe is not None
    assert state.probe.xy == pytest.approx(xy[42], abs=1e-3)
    state.go_to_image(99)
    assert state.probe.xy == pytest.approx(xy[99], abs=1e-3)
    assert state.shown is not None
    assert "nearest" in state.shown.how


def test_an_empty_place_of_a_umap_fades(tmp_path: Path, opened: Open) -> None:
    state = opened(make_store(tmp_path / "s.h5", images=700, z_dim=8))
    xy = np.random.default_rng(2).normal(size=(700, 2)).astype(np.float32)
    xy[:350] += 30
    state.add_plane("umap", Plane(xy))
    state.choose_plane(PlaneChoice("umap"))
    state.move_probe(15.0, 15.0)  # between the islands
    assert state.support_share == 0.0


def test_every_image_is_near_itself_however_the_data_lie(tmp_path: Path, opened: Open) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 3)) * [1.0, 1e-4, 100.0]
    z[100] = np.nan
    z[200:210] = z[200]
    state = opened(store_with(tmp_path / "s.h5", z))
    for number in (0, 150, 205):
        state.go_to_image(number)
        assert state.probe is not None
        assert state.probe.near >= 1
        assert number in state.probe.nearest or number == 205
        assert 100 not in state.probe.nearest


def test_two_images_are_a_run_too(tmp_path: Path, opened: Open) -> None:
    state = opened(make_store(tmp_path / "s.h5", images=2, z_dim=2))
    assert state.probe is not None
    assert state.probe.nearest.tolist() in ([0, 1], [1, 0])


def test_the_middle_of_two_islands_is_on_one_of_them() -> None:
    xy = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [9.0, 9.0]])
    assert medoid(xy, np.ones(4)).max() <= 0.1
    assert np.isnan(medoid(np.full((3, 2), np.nan), np.ones(3))).all()


def test_any_two_axes_are_a_plane_with_a_name_that_comes_back(tmp_path: Path, opened: Open) -> None:
    state = opened(make_store(tmp_path / "s.h5", images=300, z_dim=4))
    assert state.store is not None
    state.join_columns({"defocus": np.arange(300.0) * 1e4})
    for x, y, name in (
        ("z1", "z3", "z1 z3"),
        ("pca 1", "pca 2", "pca"),
        ("joined/defocus", "z2", "axes joined/defocus | z2"),
        ("pca 2", "error", "axes pca 2 | error"),
    ):
        choice = PlaneChoice.of_axes(x, y)
        assert choice.name == name
        assert PlaneChoice.named(name) == choice
        state.choose_plane(choice)
        assert state.shown is not None
        assert state.shown.choice == choice
    np.testing.assert_array_equal(state.shown.xy[:, 1], state.values("error"))
    # neighbours of a place are found in shares of each axis, not in units of the larger one
    state.choose_plane(PlaneChoice.of_axes("joined/defocus", "z2"))
    x, y = (float(v) for v in state.shown.xy[17])
    assert 17 in state.near_on_plane(x, y)[:2]
    spread = np.abs(state.shown.xy[state.near_on_plane(x, y), 1] - y).max()
    assert spread < np.ptp(state.shown.xy[:, 1]) / 2
    rule = {"kind": "rectangle", "plane": choice.name, "x": [-9, 9], "y": [-9, 9]}
    state.select(rule)
    assert state.selection.count == 300


def test_a_long_search_is_answered_by_an_estimate_until_all_images_were_searched(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearness, "_QUICK", 0)
    monkeypatch.setattr(nearness, "_SOME", 1_000)
    z = np.random.default_rng(3).normal(size=(20_000, 8))
    state = opened(store_with(tmp_path / "s.h5", z))
    assert state.probe is not None
    assert state.nearness is not None
    assert not state.probe.estimated  # nobody would answer
    exact = state.probe
    state.counts_later = True
    told: list[str] = []
    state.neighbours_wanted.connect(lambda: told.append("wanted"))
    state.neighbours_changed.connect(lambda: told.append("changed"))
    state.move_probe(*exact.xy)
    assert state.probe.estimated
    assert told == ["wanted"]
    expected = state.nearness.around(state.probe.z, 8)
    deviation = np.sqrt(expected[0] / 20_000 * 1_000) * 20  # of a count in a sample, scaled
    assert abs(state.probe.near - expected[0]) < 4 * deviation
    state.take_neighbours(np.array(state.probe.z), 1, np.array([5]))  # another place's answer
    assert state.probe.estimated
    state.take_neighbours(state.probe.z, expected[0], expected[1])
    assert not state.probe.estimated
    assert state.probe.near == expected[0]
    assert state.probe.nearest.tolist() == expected[1].tolist()
    assert told == ["wanted", "changed"]
