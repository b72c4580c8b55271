"""Pieces that Ward's method cuts are joined first where nothing parts them."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.analysis.clustering import cluster
from tvae_core.analysis.metrics import clustering_accuracy
from tvae_core.analysis.ward_valleys import ward_by_valleys
from tvae_core.errors import ConfigError


@pytest.mark.parametrize("seed", range(3))
def test_a_group_that_the_map_tore_is_one_again(seed: int) -> None:
    """Two long groups side by side, each torn in two, its halves farther apart than the groups."""
    rng = np.random.default_rng(seed)
    truth = np.arange(1200) % 2
    contents = np.stack([rng.uniform(-2, 2, 1200), 1.0 * truth], 1)
    contents += rng.normal(size=contents.shape) * 0.1
    places = contents + np.where(contents[:, :1] > 0, 1.0, -1.0) * np.array([0.7, 0.0])
    places[:, 1] *= 2.8
    plain = cluster("ward", places, 2).labels
    found = ward_by_valleys(places, contents, 2, seed)
    assert clustering_accuracy(truth, plain) < 0.7
    assert clustering_accuracy(truth, found) > 0.99


@pytest.mark.parametrize("count", [2, 5, 30])
def test_where_nothing_parts_the_images_it_is_ward(count: int) -> None:
    values = np.random.default_rng(0).normal(size=(700, 2))
    flat = np.zeros_like(values)  # contents that say nothing: no valley anywhere
    plain = cluster("ward", values, count).labels
    assert clustering_accuracy(plain, ward_by_valleys(values, flat, count)) == 1.0


@pytest.mark.parametrize("count", [-1, 0, 601])
def test_numbers_that_no_clusters_have_are_refused(count: int) -> None:
    values = np.random.default_rng(0).normal(size=(600, 2))
    with pytest.raises(ConfigError, match="clusters of 600 images"):
        ward_by_valleys(values, values, count)
