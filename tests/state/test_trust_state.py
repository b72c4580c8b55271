"""What the card of poses knows, without a display."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_store
from tvae_core.analysis.mirror import AtlasMirrors, MirrorPartner, nearest_node
from tvae_core.analysis.symmetry import symmetry_of_profile, symmetry_of_set
from tvae_core.planes import PlaneChoice
from tvae_core.store import Atlas, EmbeddingStore
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.trust_state import (
    EVERYTHING,
    MEMBERS,
    PROBE,
    SELECTION,
    Subject,
    TrustState,
    contents_of,
    mirror_place,
    subjects,
)


@pytest.fixture(params=[1, 2, 3])
def state(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ExplorerState]:
    made = ExplorerState()
    made.open(EmbeddingStore(make_store(tmp_path / "s.h5", images=300, z_dim=request.param)))
    made.choose_plane(PlaneChoice("z", 0, min(1, request.param - 1)))
    yield made
    made.close()


def _atlas(state: ExplorerState) -> Atlas:
    assert state.store is not None
    assert state.store.atlas is not None
    return state.store.atlas


def _mirrors(state: ExplorerState, is_pair: bool = True, own: float = 0.2) -> AtlasMirrors:
    """Every node's partner is the one at the other end of its row."""
    atlas = _atlas(state)
    rows, columns = atlas.images.shape[:2]
    partners = {}
    for node in range(rows * columns):
        row, column = divmod(node, columns)
        other = row * columns + columns - 1 - column
        partners[node] = MirrorPartner(node, other, 0.95, own, 0.0, is_pair)
    return AtlasMirrors(partners, [], rows * columns)


def test_a_symmetry_can_be_asked_of_what_there_is(state: ExplorerState) -> None:
    assert [s.kind for _, s, _ in subjects(state)] == [PROBE, EVERYTHING]
    state.select_indices(range(40))
    state.add_set("forty")
    assert [s.kind for _, s, _ in subjects(state)] == [PROBE, SELECTION, "set", EVERYTHING]
    assert [n for _, _, n in subjects(state)] == [1, 40, 40, 300]


def test_the_mean_comes_first_then_some_of_the_images(state: ExplorerState) -> None:
    assert state.store is not None
    assert state.probe is not None
    state.select_indices(range(40))
    z = contents_of(state, Subject(SELECTION))
    assert z is not None
    assert z.shape == (1 + MEMBERS, state.store.z_dim)
    np.testing.assert_allclose(z[0], state.store.z_mean[:40].mean(0), rtol=1e-5)
    assert all((state.store.z_mean[:40] == row).all(1).any() for row in z[1:])
    probe = contents_of(state, Subject(PROBE))
    np.testing.assert_array_equal(probe, state.probe.z[None])
    assert contents_of(state, Subject("set", "gone")) is None


def test_the_mirror_image_lies_where_the_atlas_says(state: ExplorerState) -> None:
    atlas = _atlas(state)
    node = nearest_node(atlas.x, atlas.y, (float(atlas.x[1]), float(atlas.y[0])))
    flat = atlas.z.reshape(-1, atlas.z.shape[-1])
    state.set_probe_z(flat[node])
    place = mirror_place(state, _mirrors(state), atlas)
    assert place.z is not None
    np.testing.assert_allclose(place.z, flat[len(atlas.x) - 2])
    assert place.xy is not None
    assert place.xy[0] == pytest.approx(float(atlas.x[-2]))
    assert place.words.startswith("Mirror image at z = (")
    assert "0.95" in place.words


def test_why_nothing_is_marked_is_said(state: ExplorerState) -> None:
    atlas = _atlas(state)
    flat = atlas.z.reshape(-1, atlas.z.shape[-1])
    state.set_probe_z(flat[0])
    alike = mirror_place(state, _mirrors(state, False, own=0.99), atlas)
    assert (alike.z, "own mirror image" in alike.words) == (None, True)
    none = mirror_place(state, _mirrors(state, False), atlas)
    assert "best 0.95" in none.words
    empty = mirror_place(state, AtlasMirrors({}, [], 0), atlas)
    assert "no images" in empty.words
    state.set_probe_z(flat[0] + 100)
    assert "outside the decoded images" in mirror_place(state, _mirrors(state), atlas).words


def test_a_plane_with_no_way_back_marks_no_place(state: ExplorerState) -> None:
    from tvae_core.store import Plane

    assert state.store is not None
    state.add_plane("umap", Plane(np.zeros((state.images, 2), np.float32)))
    state.choose_plane(PlaneChoice("umap"))
    atlas = _atlas(state)
    state.set_probe_z(atlas.z.reshape(-1, atlas.z.shape[-1])[0])
    place = mirror_place(state, _mirrors(state), atlas)
    assert place.z is not None
    assert place.xy is None


def test_each_change_is_told_and_clearing_forgets() -> None:
    trust = TrustState()
    told: list[str] = []
    for name in ("report_changed", "subject_changed", "symmetry_changed", "mirrors_changed"):
        getattr(trust, name).connect(lambda n=name: told.append(n))
    trust.choose(Subject(EVERYTHING))
    trust.choose(Subject(EVERYTHING))
    assert told == ["subject_changed", "symmetry_changed"]
    wave = symmetry_of_profile(np.cos(np.arange(120) * 2 * np.pi / 60))
    trust.set_symmetry(symmetry_of_set(wave, []))
    trust.mark_mirror(True)
    assert trust.short == "not tested yet"
    trust.clear()
    assert (trust.symmetry, trust.mirrors, trust.marks_mirror) == (None, None, False)
    assert trust.subject == Subject(PROBE)


def test_on_a_plane_of_principal_axes_the_probe_is_found_on_the_atlas(tmp_path: Path) -> None:
    from dataclasses import replace

    from tests.factories import store_content
    from tvae_core.store import write_store

    content = store_content(images=100, z_dim=5)
    plane, atlas = content.planes["pca"], content.atlas
    assert atlas is not None
    assert plane.components is not None
    nodes = np.stack(np.meshgrid(atlas.x, atlas.y), -1)
    z = (plane.mean + nodes @ plane.components).astype(np.float32)
    write_store(tmp_path / "s.h5", replace(content, atlas=replace(atlas, z=z, plane="pca")))
    state = ExplorerState()
    state.open(EmbeddingStore(tmp_path / "s.h5"))
    state.choose_plane(PlaneChoice("pca"))
    off_the_plane = np.linalg.svd(plane.components)[2][3]
    state.set_probe_z(z[2, 1] + 0.7 * off_the_plane)
    place = mirror_place(state, _mirrors(state), _atlas(state))
    assert place.z is not None
    np.testing.assert_allclose(place.z, z[2, -2], atol=1e-5)
    assert place.xy == pytest.approx((float(atlas.x[-2]), float(atlas.y[2])), abs=1e-4)
    state.close()
