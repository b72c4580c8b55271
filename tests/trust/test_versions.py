"""Gate 17: files of every version that was ever written open, with the values that went in."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.core.engine.model.models import blob_images
from tests.factories import make_store
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.inference import infer
from tvae_core.errors import StoreError, TvaeError
from tvae_core.sidecar import load_sidecar
from tvae_core.store import EmbeddingStore, validate
from tvae_core.store_header import ATTRIBUTES, MINOR_VERSION, VERSION, attributes_checksum
from tvae_core.thumbnails import ThumbnailFile

STORES = Path(__file__).parents[1] / "stores"
MODELS = Path(__file__).parents[1] / "models"
VERSIONS = sorted(path.stem for path in STORES.glob("*.json"))
IMAGES = 12


def digest(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


@pytest.fixture(params=VERSIONS)
def frozen(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, object]]:
    for file in STORES.glob(f"{request.param}.*h5"):
        shutil.copy(file, tmp_path)
    expected = json.loads((STORES / f"{request.param}.json").read_text())
    return tmp_path / f"{request.param}.h5", expected


def test_the_version_of_now_is_among_them() -> None:
    assert f"{VERSION}.{MINOR_VERSION}" in VERSIONS


def test_every_value_is_what_went_in(frozen: tuple[Path, dict[str, object]]) -> None:
    path, expected = frozen
    assert validate(path) == []
    with EmbeddingStore(path) as store:
        found: dict[str, object] = {name: digest(store.column(name)) for name in store.names}
        for kind in ("raw", "upright"):
            found[f"thumbnails/{kind}"] = digest(store.thumbnails(kind, np.arange(IMAGES)))
            by_row, there = ThumbnailFile(path, kind).read(np.arange(IMAGES))
            assert (digest(by_row), there.all()) == (expected[f"thumbnails/{kind}"], True)
        found["plane"] = digest(store.plane("pca").coordinates)
        assert store.atlas is not None
        found["atlas"] = digest(store.atlas.images)
        found["weights"] = hashlib.sha256(store.weights()).hexdigest()
        found["thumbnail_range"] = list(store.thumbnail_range)
    assert found == expected


def test_the_notes_are_what_went_in(frozen: tuple[Path, dict[str, object]]) -> None:
    with EmbeddingStore(frozen[0]) as store:
        notes = load_sidecar(store)
    assert [(one.name, one.colour) for one in notes.sets] == [("thirds", "#aa3300")]
    assert notes.sets[0].mask.tolist() == (np.arange(IMAGES) % 3 == 0).tolist()
    halves = notes.labellings["halves"]
    assert (halves.names, halves.method, halves.note) == (("even", "odd"), "k-means", "a note")
    assert halves.labels.tolist() == (np.arange(IMAGES) % 2).tolist()
    assert notes.planes["umap"].tolist() == np.arange(2 * IMAGES).reshape(IMAGES, 2).tolist()


def changed(path: Path, **attributes: object) -> Path:
    """Give a store other root attributes, and the checksum that goes with them."""
    with h5py.File(path, "r+") as file:
        file.attrs.update(attributes)
        checksums = json.loads(file.attrs["checksums"])
        checksums[ATTRIBUTES] = attributes_checksum(file)
        file.attrs["checksums"] = json.dumps(checksums, sort_keys=True)
    return path


def test_a_newer_minor_version_opens_without_what_is_not_known(tmp_path: Path) -> None:
    path = make_store(tmp_path / "s.h5", images=IMAGES, side=8)
    with h5py.File(path) as file:
        config = json.loads(file.attrs["config"])
    config["data"]["of_later"] = 3
    config["later"] = {"a": 1}
    changed(path, minor_version=MINOR_VERSION + 1, config=json.dumps(config), of_later="x")
    with h5py.File(path, "r+") as file:
        file["later/values"] = np.zeros(4)
    with EmbeddingStore(path) as store:
        assert store.z_mean.shape == (IMAGES, 2)
        assert "later/values" not in store.names
    changed(path, minor_version=MINOR_VERSION)
    with pytest.raises(TvaeError, match="of_later"):  # of this version it cannot be
        EmbeddingStore(path)


def test_a_newer_major_version_is_refused_in_one_line(tmp_path: Path) -> None:
    path = changed(make_store(tmp_path / "s.h5", images=IMAGES, side=8), version=VERSION + 1)
    with pytest.raises(StoreError, match=r"newer program .*update this program") as error:
        EmbeddingStore(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["content", "centroid", "zero"])
def test_a_model_with_an_origin_of_each_content_infers_and_draws_as_it_did(kind: str) -> None:
    """Written by the version that brought them in."""
    model = model_from_bytes((MODELS / f"{kind}.safetensors").read_bytes())
    expected = json.loads((MODELS / f"{kind}.json").read_text())
    found = infer(model, blob_images(3))
    for name in ("z_mean", "angle_rad", "shift_px", "elbo"):
        wanted = expected["z" if name == "z_mean" else name]
        np.testing.assert_allclose(getattr(found, name).numpy(), wanted, atol=1e-3, rtol=1e-5)
    drawn = Decoder(model).decode(np.array([[0.3, -0.8]]), 0.4, (1.0, -2.0), 9)[0]
    np.testing.assert_allclose(drawn, expected["drawn"], atol=1e-5)
