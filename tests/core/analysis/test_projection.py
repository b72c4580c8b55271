"""Planes of the latent."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tvae_core.analysis import projection
from tvae_core.analysis.projection import (
    neighbour_plane,
    pca,
    umap_plane,
)
from tvae_core.errors import Cancelled, ConfigError, DeviceError


def _latents(n: int = 500, d: int = 5, seed: int = 0) -> np.ndarray:
    spread = np.array([3.0, 2.0, 0.5, 0.3, 0.1])[:d]
    mixing = np.linalg.qr(np.random.default_rng(9).normal(size=(d, d)))[0]
    return (np.random.default_rng(seed).normal(size=(n, d)) * spread @ mixing + 1).astype("f4")


def test_pca_finds_the_directions_of_most_variance() -> None:
    z = _latents(20_000)
    plane = pca(z)
    np.testing.assert_allclose(plane.components @ plane.components.T, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(plane.variance_share, np.array([9, 4]) / 13.35, atol=0.02)
    np.testing.assert_allclose(plane.coordinates.std(0), [3, 2], rtol=0.02)
    np.testing.assert_allclose(plane.coordinates, (z - plane.mean) @ plane.components.T, atol=1e-4)


def test_pca_has_one_sign() -> None:
    z = _latents()
    np.testing.assert_allclose(pca(z).components, pca(z[::-1].copy()).components, atol=1e-4)
    components = pca(z).components
    assert (np.take_along_axis(components, np.abs(components).argmax(1)[:, None], 1) > 0).all()


def test_one_dimension_lies_on_a_line() -> None:
    plane = pca(_latents(d=1))
    assert plane.coordinates.shape == (500, 2)
    assert not plane.coordinates[:, 1].any()
    assert plane.variance_share.tolist() == [1.0, 0.0]


class _FakeUmap:
    fitted = 0

    def __init__(self, **options: Any) -> None:
        self.file = options["tqdm_kwds"]["file"]

    def fit_transform(self, values: np.ndarray) -> np.ndarray:
        type(self).fitted = len(values)
        for n in range(5):
            self.file.write(f"\r{n}/4")
        return values[:, :2]

    def transform(self, values: np.ndarray) -> np.ndarray:
        self.file.write("\r3/4")
        return values[:, :2]


@pytest.fixture
def fake_umap(monkeypatch: pytest.MonkeyPatch) -> type[_FakeUmap]:
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=_FakeUmap))
    monkeypatch.setattr(projection, "UMAP_FITTED", 300)
    monkeypatch.setattr(projection, "_UMAP_BLOCK", 50)
    return _FakeUmap


def test_umap_is_fitted_on_some_and_places_the_rest(fake_umap: type[_FakeUmap]) -> None:
    z = _latents()
    shares: list[float] = []
    plane = umap_plane(z, shares.append)
    np.testing.assert_array_equal(plane, z[:, :2])
    assert fake_umap.fitted == 300
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert 0.35 in [round(share, 6) for share in shares]  # half of the fit is 0.7 / 2


@pytest.mark.usefixtures("fake_umap")
def test_umap_stops_when_asked() -> None:
    shares: list[float] = []
    with pytest.raises(Cancelled):
        umap_plane(_latents(), shares.append, lambda: len(shares) >= 3)
    assert len(shares) == 3


def test_many_dimensions_are_reduced_first(fake_umap: type[_FakeUmap]) -> None:
    z = np.random.default_rng(0).normal(size=(200, 80)).astype("f4")
    assert np.corrcoef(umap_plane(z)[:, 0], pca(z).coordinates[:, 0])[0, 1] == pytest.approx(1)


def test_umap_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(DeviceError, match="pip install umap-learn"):
        umap_plane(_latents())


@pytest.mark.slow
def test_the_real_umap_keeps_groups_apart_and_can_be_stopped() -> None:
    pytest.importorskip("umap")
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 200)
    z = (rng.normal(size=(200, 4)) + 20 * group[:, None]).astype("f4")
    shares: list[float] = []
    plane = umap_plane(z, shares.append)
    centres = np.stack([plane[group == g].mean(0) for g in (0, 1)])
    assert np.linalg.norm(centres[0] - centres[1]) > 2 * plane[group == 0].std()
    assert shares[-1] == 1.0
    with pytest.raises(Cancelled):
        umap_plane(z, None, lambda: True)


def test_neighbours_are_kept_without_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    labels = np.arange(150) % 3
    z = _latents(150) + 30 * np.eye(5, dtype="f4")[labels]
    plane, method = neighbour_plane(z)
    assert method == "t-SNE"
    assert plane.shape == (150, 2)
    distance = np.linalg.norm(plane[:, None] - plane[None], axis=2) + 1e9 * np.eye(150)
    assert (labels[distance.argmin(1)] == labels).mean() > 0.95


@pytest.mark.parametrize("images", [1, 2])
def test_umap_of_too_few_images_is_refused(images: int) -> None:
    with pytest.raises(ConfigError, match=f"3 images or more, there are {images}"):
        umap_plane(np.zeros((images, 2)))
