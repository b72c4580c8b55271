"""Clusters of well parted groups are the groups, whichever method finds them."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.analysis import clustering
from tvae_core.analysis.clustering import METHODS, cluster, merge, relabel_by_size, split
from tvae_core.analysis.metrics import clustering_accuracy
from tvae_core.errors import ConfigError


def _groups(n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [n // 2, n // 3, n - n // 2 - n // 3])
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    return rng.normal(size=(n, 2)) + centres[truth], truth


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_parted_groups(method: str) -> None:
    values, truth = _groups()
    result = cluster(method, values, 3, seed=0, smallest=40)
    assert result.count == 3
    assert result.labels.dtype == np.int32
    assert clustering_accuracy(truth, result.labels) > 0.98
    assert (np.diff(np.bincount(result.labels[result.labels >= 0])) <= 0).all()


@pytest.mark.parametrize(
    ("method", "constant", "value"),
    [
        ("ward", "WARD_DIRECT", 100),
        ("gaussian-mixture", "MIXTURE_FITTED", 200),
        ("hdbscan", "HDBSCAN_FITTED", 300),
    ],
)
def test_large_sets_are_clustered_on_a_part_and_the_note_says_so(
    method: str, constant: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clustering, constant, value)
    monkeypatch.setattr(clustering, "WARD_CENTROIDS", 50)
    values, truth = _groups()
    result = cluster(method, values, 3, smallest=40)
    assert clustering_accuracy(truth, result.labels) > 0.95
    assert "600" in result.note


def test_noise_stays_noise() -> None:
    values, _ = _groups()
    far = np.array([[100.0, 100.0], [-80.0, 50.0]])
    labels = cluster("hdbscan", np.concatenate([values, far]), smallest=40).labels
    assert labels[-2:].tolist() == [-1, -1]


def test_a_wish_that_cannot_be_met_is_refused() -> None:
    values, _ = _groups()
    with pytest.raises(ConfigError, match="k-means"):
        cluster("magic", values)
    with pytest.raises(ConfigError, match="ask for fewer"):
        cluster("ward", values[:3], 4)
    assert cluster("ward", values, 1).count == 1


def test_labels_are_renumbered_by_falling_size() -> None:
    labels = np.array([7, 7, 2, 2, 2, -1, 9])
    assert relabel_by_size(labels).tolist() == [1, 1, 0, 0, 0, -1, 2]
    assert relabel_by_size(np.array([-1, -1])).tolist() == [-1, -1]


def test_merging_what_was_split_gives_back_the_cluster() -> None:
    values, truth = _groups()
    joined = merge(truth.astype(np.int32), [1, 2])
    assert set(joined.tolist()) == {0, 1}
    parted = split(joined, 1, values, 2)
    assert clustering_accuracy(truth, parted) == 1.0
    assert set(parted[joined == 1].tolist()) == {1, 2}
    np.testing.assert_array_equal(merge(parted, [1, 2]), joined)


@pytest.mark.parametrize("method", ["k-means", "gaussian-mixture", "ward"])
@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_equal_images_are_one_cluster_and_it_is_said(method: str, noise: float) -> None:
    values = np.ones((60, 3)) + noise * np.random.default_rng(0).normal(size=(60, 3))
    found = cluster(method, values, 3)
    assert found.count == 1
    assert found.note == "all images have the same content: 1 cluster, not 3"
    two = cluster(method, np.repeat([[0.0, 1.0], [5.0, 1.0]], [20, 40], axis=0), 4)
    assert np.bincount(two.labels).tolist() == [40, 20]
    assert "2 clusters, not 4" in two.note


@pytest.mark.parametrize("images", [1, 2, 3, 4])
def test_few_images_are_clustered_or_refused_in_one_line(images: int) -> None:
    values = np.random.default_rng(0).normal(size=(images, 2))
    for method in ("k-means", "gaussian-mixture", "ward"):
        assert np.bincount(cluster(method, values, images).labels).tolist() == [1] * images
        with pytest.raises(ConfigError, match=f"{images + 1} clusters of {images} images"):
            cluster(method, values, images + 1)
    with pytest.raises(ConfigError, match=f"5 images or more, there are {images}"):
        cluster("hdbscan", values)
