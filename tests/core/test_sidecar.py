"""Notes on a run come back as they were, fit only their run, and never stand in its way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_store, store_content
from tvae_core.errors import StoreError
from tvae_core.files import sha256_of_bytes
from tvae_core.images.identity import FINGERPRINT, ImageIdentity
from tvae_core.images.stack import Sources
from tvae_core.selection import NamedSet
from tvae_core.sidecar import (
    DeletedSet,
    Labelling,
    Sidecar,
    keep_notes,
    load_sidecar,
    put_notes_aside,
    save_sidecar,
    sidecar_path,
)
from tvae_core.store import EmbeddingStore, write_store


def _full(store: EmbeddingStore) -> Sidecar:
    rng = np.random.default_rng(0)
    n = store.images
    sidecar = Sidecar.of(store)
    rule = {"kind": "polygon", "plane": "z", "vertices": [[0.0, 1.0], [2.0, 3.0], [4.0, 0.5]]}
    sidecar.sets = [
        NamedSet("open", "#332288", rng.random(n) < 0.3, rule, "the good ones: ü"),
        NamedSet("open / again", "#88CCEE", np.zeros(n, bool), {"kind": "none"}),
    ]
    gone = NamedSet("gone", "#117733", rng.random(n) < 0.1, rule, "not needed")
    sidecar.deleted = [DeletedSet(gone, 1)]
    labels = rng.integers(-1, 3, n).astype(np.int32)
    sidecar.labellings["ward 3"] = Labelling(labels, ("a", "b"), ("#000000",), "ward", "on centres")
    sidecar.planes["umap"] = rng.normal(size=(n, 2)).astype(np.float32)
    sidecar.columns = {
        "rlnDefocusU": rng.normal(size=n),
        "name/with slash": np.array([f"µ{i}" for i in range(n)]),
        "uid": rng.integers(0, 2**63, n, dtype=np.uint64),
    }
    sidecar.view = {"axes": ["z1", "z2"], "probe": [0.25, -1.5], "range": None}
    return sidecar


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    with EmbeddingStore(make_store(tmp_path / "embeddings.h5", images=203)) as opened:
        yield opened


def test_what_is_saved_is_loaded(store: EmbeddingStore) -> None:
    saved = _full(store)
    path = save_sidecar(saved, store)
    assert path == sidecar_path(store.path) == store.path.parent / "embeddings.analysis.h5"
    loaded = load_sidecar(store)
    for one, two in zip(saved.sets, loaded.sets, strict=True):
        assert (one.name, one.colour, one.note, one.rule) == (
            two.name,
            two.colour,
            two.note,
            two.rule,
        )
        np.testing.assert_array_equal(one.mask, two.mask)
    (kept,) = loaded.deleted
    assert (kept.closings, kept.named.name, kept.named.note) == (1, "gone", "not needed")
    np.testing.assert_array_equal(kept.named.mask, saved.deleted[0].named.mask)
    one, two = saved.labellings["ward 3"], loaded.labellings["ward 3"]
    np.testing.assert_array_equal(one.labels, two.labels)
    assert (two.names, two.colours, two.method, two.note) == (
        ("a", "b"),
        ("#000000",),
        "ward",
        "on centres",
    )
    np.testing.assert_array_equal(saved.planes["umap"], loaded.planes["umap"])
    assert list(loaded.columns) == list(saved.columns)
    for name, values in saved.columns.items():
        np.testing.assert_array_equal(loaded.columns[name], values)
        assert loaded.columns[name].dtype == values.dtype
    assert loaded.view == saved.view


def test_a_store_without_notes_has_empty_ones(store: EmbeddingStore) -> None:
    sidecar = load_sidecar(store)
    assert (sidecar.sets, sidecar.labellings, sidecar.view) == ([], {}, {})
    save_sidecar(sidecar, store)
    assert load_sidecar(store).images == 203


def test_notes_on_another_run_are_refused_and_kept(store: EmbeddingStore, tmp_path: Path) -> None:
    with EmbeddingStore(make_store(tmp_path / "other.h5", images=203, seed=1)) as other:
        foreign = _full(other)
        path = save_sidecar(foreign, other, sidecar_path(store.path))
        with pytest.raises(StoreError, match="another embedding file"):
            load_sidecar(store)
        with pytest.raises(StoreError, match="another embedding file"):
            save_sidecar(foreign, store)
        save_sidecar(Sidecar.of(store), store)
        assert load_sidecar(store).sets == []
        kept = path.with_name("embeddings.analysis.kept-1.h5")
        assert len(load_sidecar(other, kept).sets) == 2


@pytest.mark.parametrize("harm", ["cut", "text", "flip", "empty"])
def test_damaged_notes_never_stand_in_the_way(store: EmbeddingStore, harm: str) -> None:
    path = save_sidecar(_full(store), store)
    sound = path.read_bytes()
    place = sound.index(np.asarray(_full(store).planes["umap"]).tobytes()[:64])
    flipped = bytearray(sound)
    flipped[place + 3] ^= 0x40
    path.write_bytes(
        {"cut": sound[: len(sound) // 2], "text": b"hello", "flip": bytes(flipped), "empty": b""}[
            harm
        ]
    )
    with pytest.raises(StoreError, match="damaged"):
        load_sidecar(store)
    damaged = path.read_bytes()
    save_sidecar(_full(store), store)
    assert len(load_sidecar(store).sets) == 2
    assert path.with_name("embeddings.analysis.kept-1.h5").read_bytes() == damaged
    path.write_bytes(b"again")
    save_sidecar(_full(store), store)
    assert path.with_name("embeddings.analysis.kept-2.h5").read_bytes() == b"again"


def test_every_mutated_byte_is_refused_before_hdf5_sees_it(store: EmbeddingStore) -> None:
    """A flipped bit of HDF5 metadata once sent the library into an endless loop."""
    path = save_sidecar(_full(store), store)
    sound = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in [3, 100, 511, 512, *rng.integers(0, len(sound), 200)]:
        mutated = bytearray(sound)
        mutated[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(mutated)
        with pytest.raises(StoreError, match="checksum"):
            load_sidecar(store)


def test_what_is_not_one_value_an_image_is_not_saved(store: EmbeddingStore) -> None:
    sidecar = Sidecar.of(store)
    sidecar.columns["short"] = np.zeros(3)
    with pytest.raises(StoreError, match="column 'short' is of 3 images, not 203"):
        save_sidecar(sidecar, store)
    assert not sidecar_path(store.path).exists()


def test_a_failed_save_leaves_the_old_notes(
    store: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_sidecar(_full(store), store)
    broken = _full(store)
    broken.view = {"never": object()}
    with pytest.raises(TypeError):
        save_sidecar(broken, store)
    assert len(load_sidecar(store).sets) == 2
    assert sorted(p.name for p in store.path.parent.glob("[!.]*")) == [
        "embeddings.analysis.h5",
        "embeddings.h5",
    ]


# --- embedded again


def _embedded(path: Path, prints: np.ndarray, seed: int = 0, weights: bytes = b"a") -> Path:
    """Write a store of images of these fingerprints."""
    content = store_content(images=len(prints), seed=seed)
    header = replace(
        content.header, fingerprint=FINGERPRINT, weights_sha256=sha256_of_bytes(weights)
    )
    columns = content.columns | {"source/fingerprint": prints}
    write_store(path, replace(content, header=header, weights=weights, columns=columns))
    return path


PRINTS = np.random.default_rng(5).integers(1, 2**64, 203, dtype=np.uint64)


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    """A store with notes on it."""
    path = _embedded(tmp_path / "embeddings.h5", PRINTS)
    with EmbeddingStore(path) as store:
        save_sidecar(_full(store), store)
    return path


def _notes(path: Path) -> Sidecar:
    with EmbeddingStore(path) as store:
        return load_sidecar(store)


def test_notes_are_kept_when_the_same_images_are_embedded_again(noted: Path) -> None:
    before = _notes(noted)
    _embedded(noted, PRINTS, seed=1)
    kept = _notes(noted)
    np.testing.assert_array_equal(kept.sets[0].mask, before.sets[0].mask)
    np.testing.assert_array_equal(kept.planes["umap"], before.planes["umap"])
    with EmbeddingStore(noted) as store:
        save_sidecar(kept, store)  # the next save makes them the new store's own
    assert not list(noted.parent.glob("*kept*"))


def test_notes_follow_their_images_into_another_order_and_among_others(noted: Path) -> None:
    before = _notes(noted)
    rng = np.random.default_rng(6)
    more = np.concatenate([PRINTS, rng.integers(1, 2**64, 20, dtype=np.uint64)])
    order = rng.permutation(len(more))
    _embedded(noted, more[order], seed=1)
    kept = _notes(noted)
    old, new = order < 203, order >= 203
    np.testing.assert_array_equal(kept.sets[0].mask[old], before.sets[0].mask[order[old]])
    assert not kept.sets[0].mask[new].any()
    labels = kept.labellings["ward 3"].labels
    np.testing.assert_array_equal(labels[old], before.labellings["ward 3"].labels[order[old]])
    assert (labels[new] == -1).all()
    for name, values in before.columns.items():
        np.testing.assert_array_equal(kept.columns[name][old], values[order[old]], name)
    assert np.isnan(kept.columns["rlnDefocusU"][new]).all()
    assert (kept.columns["name/with slash"][new] == "").all()
    assert kept.planes == {}


def test_a_plane_of_another_model_is_not_kept(noted: Path) -> None:
    _embedded(noted, PRINTS, weights=b"another")
    assert _notes(noted).planes == {}
    assert len(_notes(noted).sets) == 2


def test_notes_on_images_that_are_not_there_stay_of_another_file(noted: Path) -> None:
    _embedded(noted, PRINTS[1:])
    with pytest.raises(StoreError, match="belong to another"):
        _notes(noted)


def test_notes_of_an_older_program_learn_what_their_images_are(tmp_path: Path) -> None:
    path = make_store(tmp_path / "embeddings.h5", images=203)
    with EmbeddingStore(path) as store:
        save_sidecar(_full(store), store)
        before, identity = load_sidecar(store), store.images_known_by
    assert keep_notes(path, replace(identity, prints=PRINTS)) == ""
    _embedded(path, PRINTS, seed=1)
    np.testing.assert_array_equal(_notes(path).sets[0].mask, before.sets[0].mask)


def test_what_cannot_be_kept_is_said_and_put_aside(noted: Path) -> None:
    with EmbeddingStore(noted) as store:
        identity = store.images_known_by
    fewer = Sources(identity.sources.files, *(part[1:] for part in identity.sources[1:]))
    said = keep_notes(noted, ImageIdentity(fewer, None, PRINTS[1:]))
    assert said == "2 sets, 1 clustering, 3 joined columns"
    aside = put_notes_aside(noted)
    assert aside.name == "embeddings.analysis.kept-1.h5"
    assert not sidecar_path(noted).exists()
    assert keep_notes(noted, identity) == ""


def test_no_notes_are_begun_where_the_store_is_no_longer(tmp_path: Path) -> None:
    """As when its disk was taken out: a folder made in its place would hide them."""
    (tmp_path / "disk").mkdir()
    with EmbeddingStore(make_store(tmp_path / "disk" / "e.h5")) as store:
        (tmp_path / "disk").rename(tmp_path / "away")
        with pytest.raises(StoreError, match="no longer there"):
            save_sidecar(Sidecar.of(store), store)
    assert not (tmp_path / "disk").exists()
