"""Contents are clustered where z says something, the whole set by a part of it, the same again."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.analysis import content_clusters
from tvae_core.analysis.cluster_count import proposed
from tvae_core.analysis.cluster_space import active_dimensions
from tvae_core.analysis.content_clusters import cluster_contents, cluster_places
from tvae_core.analysis.metrics import clustering_accuracy
from tvae_core.errors import Cancelled, ConfigError

STRIPS = 3


def strips(images: int = 450) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Long thin groups side by side, which Ward alone cuts across; and a dimension of noise."""
    rng = np.random.default_rng(0)
    truth = np.arange(images) % STRIPS
    z = np.stack([rng.uniform(-2, 2, images), truth, np.zeros(images)], 1)
    z[:, :2] += rng.normal(size=(images, 2)) * 0.1
    z[:, 2] = rng.normal(size=images) * 3
    std = np.broadcast_to([0.1, 0.1, 0.99], z.shape)
    return z.astype(np.float32), std.astype(np.float32), truth


def test_a_dimension_as_wide_as_the_prior_is_not_used() -> None:
    _, std, _ = strips()
    assert active_dimensions(std).tolist() == [True, True, False]
    assert active_dimensions(np.ones((5, 2))).tolist() == [True, True]


def test_groups_of_any_shape_are_found_and_found_again() -> None:
    z, std, truth = strips()
    shares: list[float] = []
    found = cluster_contents("auto", z, std, STRIPS, progress=shares.append)
    assert found.method == "umap-ward"
    assert clustering_accuracy(truth, found.labels) > 0.99
    ward = cluster_contents("ward", z, std, STRIPS)
    assert clustering_accuracy(truth, ward.labels) < 0.8
    again = cluster_contents("umap-ward", z, std, STRIPS)
    np.testing.assert_array_equal(again.labels, found.labels)
    assert shares == sorted(shares)


def test_a_large_set_is_fitted_on_a_part_and_the_rest_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(content_clusters, "FITTED", 300)
    monkeypatch.setattr(content_clusters, "_BLOCK", 100)
    z, std, truth = strips(900)
    found = cluster_contents("auto", z, std, STRIPS)
    assert clustering_accuracy(truth, found.labels) > 0.98
    assert "300 of 900" in found.note
    assert (np.diff(np.bincount(found.labels)) <= 0).all()


def test_it_stops_when_asked() -> None:
    z, std, _ = strips()
    with pytest.raises(Cancelled):
        cluster_contents("auto", z, std, STRIPS, cancelled=lambda: True)


def test_without_umap_it_is_ward_on_the_used_dimensions_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(content_clusters, "find_spec", lambda name: None)
    z, std, _ = strips()
    found = cluster_contents("auto", z, std, 4)
    assert found.method == "ward"
    assert "pip install umap-learn" in found.note
    np.testing.assert_array_equal(found.labels, cluster_places("ward", z[:, :2], 4).labels)


@pytest.mark.parametrize("images", [1, 5, 60])
def test_few_images_are_clustered_by_ward(images: int) -> None:
    z, std, _ = strips(images)
    found = cluster_contents("auto", z, std, 1)
    assert found.count == 1
    assert "100 images or more" in found.note
    if images < 40:
        with pytest.raises(ConfigError, match="cannot be proposed"):
            cluster_contents("auto", z, std)


def test_equal_contents_are_one_cluster() -> None:
    found = cluster_contents("auto", np.ones((300, 2)), np.full((300, 2), 0.1), 3)
    assert found.count == 1
    assert "same content" in found.note


def test_wishes_that_cannot_be_met_are_refused() -> None:
    z, std, _ = strips(150)
    with pytest.raises(ConfigError, match="umap-ward"):
        cluster_contents("magic", z, std)
    with pytest.raises(ConfigError, match="ask for fewer"):
        cluster_contents("auto", z, std, 151)
    with pytest.raises(ConfigError, match="leave out the plane"):
        cluster_places("umap-ward", z)


@pytest.mark.parametrize("groups", [2, 3, 5, 8])
def test_the_number_of_parted_groups_is_proposed(groups: int) -> None:
    rng = np.random.default_rng(groups)
    turn = 2 * np.pi * np.arange(groups) / groups
    centres = 10 * np.stack([np.cos(turn), np.sin(turn), turn % 2], 1)
    values = np.repeat(centres, 70, axis=0) + rng.normal(size=(70 * groups, 3))
    proposal = proposed(values)
    assert proposal.count == groups
    assert proposal.depth[groups - 2] > 0.5
    assert not proposal.depth[groups - 1 :].any()
    assert cluster_places("auto", values).count == groups


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("shape", ["bell", "square", "arc", "long bell in 12-d"])
def test_what_is_continuous_has_one_cluster_and_it_is_said(shape: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, 2.0, 1500)
    values = {
        "bell": rng.normal(size=(1500, 2)),
        "square": rng.uniform(-1, 1, (1500, 2)),
        "arc": np.stack([np.cos(turn), np.sin(turn)], 1) + 0.05 * rng.normal(size=(1500, 2)),
        "long bell in 12-d": rng.normal(size=(1500, 12)) * np.geomspace(5, 0.5, 12),
    }[shape]
    assert proposed(values, seed=seed).count == 1
    found = cluster_places("auto", values)
    assert found.count == 1
    assert "one continuous cloud" in found.note


def test_a_small_group_apart_and_groups_of_unlike_width_are_found() -> None:
    rng = np.random.default_rng(3)
    small = rng.normal(size=(80, 4)) + np.array([9, 0, 0, 0])
    narrow = 0.2 * rng.normal(size=(300, 4)) + np.array([0, 6, 0, 0])
    values = np.concatenate([rng.normal(size=(900, 4)), small, narrow])
    assert proposed(values).count == 3


def test_two_bells_part_where_density_falls_between_them() -> None:
    """Two deviations apart the sum of two bells has one top, four apart a deep valley."""
    rng = np.random.default_rng(0)
    near, far = (rng.normal(size=(2000, 2)) for _ in range(2))
    near[::2, 0] += 2.0
    far[::2, 0] += 4.0
    assert proposed(near).count == 1
    parted = proposed(far)
    assert parted.count == 2
    assert parted.depth[0] == pytest.approx(1 - 2 * np.exp(-2) / (1 + np.exp(-8)), abs=0.15)


def test_density_is_judged_in_the_contents_where_the_places_are_torn() -> None:
    rng = np.random.default_rng(1)
    contents = rng.uniform(-1, 1, (1200, 2))
    torn = contents + np.where(contents[:, :1] > 0, 5.0, 0.0)
    assert proposed(torn).count > 1
    assert proposed(torn, contents).count == 1


def test_one_used_dimension_is_cut_into_pieces_without_gaps() -> None:
    """UMAP tears a line, and Ward joins pieces of it that do not touch."""
    rng = np.random.default_rng(3)
    along = rng.uniform(-1.5, 1.5, 600)
    mean = np.stack([rng.normal(0, 0.05, 600), along], 1)
    std = np.broadcast_to([1.0, 0.3], (600, 2))
    found = cluster_contents("auto", mean, std, count=4)
    labels = found.labels[np.argsort(along)]
    assert np.count_nonzero(np.diff(labels)) == 3
    assert "only active dimension" in found.note
