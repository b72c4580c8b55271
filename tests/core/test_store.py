"""A store keeps what was put in, says when it is damaged, and never opens half a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.factories import make_store, store_content
from tvae_core.errors import StoreError
from tvae_core.particles import Categories, OriginalFrame, TableRecord
from tvae_core.store import EmbeddingStore, validate, write_store
from tvae_core.store_checks import BlockDigests
from tvae_core.store_header import ATTRIBUTES, attributes_checksum


@pytest.mark.parametrize("z_dim", [1, 2, 32])
def test_what_is_written_is_read(tmp_path: Path, z_dim: int) -> None:
    content = store_content(z_dim=z_dim)
    write_store(tmp_path / "embeddings.h5", content)
    with EmbeddingStore(tmp_path) as store:
        np.testing.assert_allclose(store.z_mean, content.columns["content/mean"], rtol=1e-6)
        np.testing.assert_allclose(store.shift_px, content.columns["pose/shift_px"], rtol=1e-6)
        assert store.header == content.header
        assert store.label_names == ["one", "two"]
        assert store.weights() == content.weights
        assert store.atlas is not None
        assert store.atlas.plane == "z"
        assert store.plane("pca").coordinates.shape == (200, 2)
    assert validate(tmp_path) == []


def test_a_store_of_format_1_0_still_opens(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        del file.attrs["minor_version"]
        checksums = json.loads(file.attrs["checksums"])
        checksums[ATTRIBUTES] = attributes_checksum(file)
        file.attrs["checksums"] = json.dumps(checksums, sort_keys=True)
    with EmbeddingStore(path) as store:
        assert (store.header.original, store.header.table) == (None, None)
    assert validate(path) == []


def test_what_is_known_of_the_table_is_read_and_validated(tmp_path: Path) -> None:
    table = TableRecord("/data/particles.star", 1234, "ab" * 32, 250)
    frame = OriginalFrame(65, 64, 2.0, (-0.5, 0.0))
    content = store_content()
    header = replace(content.header, scale=2.0, original=frame, table=table)
    rows = np.arange(50, 250)
    for row, wrong in ((rows, []), (rows + 1, ["source/row does not point"]), (None, ["missing"])):
        columns = content.columns | ({} if row is None else {"source/row": row})
        names = Categories(np.zeros(200, np.int32), ("a", "µ"))
        written = replace(
            content,
            header=header,
            columns=columns,
            thumbnails={},
            table_columns={"micrograph": names},
        )
        write_store(tmp_path / "a.h5", written)
        with EmbeddingStore(tmp_path / "a.h5") as store:
            assert (store.header.original, store.header.table) == (frame, table)
            assert store.categories("source/columns/micrograph") == ["a", "µ"]
        found = validate(tmp_path / "a.h5")
        assert len(found) == len(wrong)
        assert all(words in line for words, line in zip(wrong, found, strict=True))


def test_thumbnails_come_in_the_order_asked(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.h5")
    with EmbeddingStore(path) as store:
        whole = store.thumbnails("raw", np.arange(200))
        asked = np.array([7, 3, 3, 199, 0])
        np.testing.assert_array_equal(store.thumbnails("raw", asked), whole[asked])
        assert store.thumbnails("upright", np.array([], int)).shape == (0, 16, 16)


def test_every_changed_byte_of_the_data_is_found(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.h5", images=20)
    with h5py.File(path) as file:
        offset = file["content/mean"].id.get_offset()
        stored = file["thumbnails/raw"].id.get_chunk_info(0).byte_offset
    sound = path.read_bytes()
    for place in (offset, offset + 17, stored + 5):
        damaged = bytearray(sound)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        assert any("checksum" in line or "finite" in line for line in validate(path))


def test_truncated_file_is_one_clear_line(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.h5")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StoreError, match="truncated"):
        EmbeddingStore(path)
    assert len(validate(path)) == 1


def test_foreign_and_newer_files_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(StoreError, match="not an embedding file"):
        EmbeddingStore(tmp_path / "foreign.h5")
    newer = make_store(tmp_path / "newer.h5")
    with h5py.File(newer, "a") as file:
        file.attrs["version"] = 2
    with pytest.raises(StoreError, match="newer"):
        EmbeddingStore(newer)
    with pytest.raises(StoreError, match="no such file"):
        EmbeddingStore(tmp_path / "none.h5")
    with pytest.raises(StoreError, match="no embeddings"):
        EmbeddingStore(tmp_path)


def test_not_finite_values_are_reported(tmp_path: Path) -> None:
    content = store_content()
    content.columns["quality/elbo"][3] = np.nan
    write_store(tmp_path / "a.h5", content)
    assert validate(tmp_path / "a.h5") == ["quality/elbo holds values that are not finite"]


def test_a_failed_write_leaves_the_old_store(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.h5")
    before = path.read_bytes()

    def broken() -> object:
        yield np.zeros((5, 4, 4), np.uint8)
        raise OSError("disk full")

    content = replace(store_content(), thumbnails={"raw": broken()})
    with pytest.raises(OSError, match="disk full"):
        write_store(path, content)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_a_changed_header_is_found_on_opening(tmp_path: Path) -> None:
    for name, value in (("scale", 2.0), ("run", "another"), ("images", 100), ("seed", 5)):
        path = make_store(tmp_path / f"{name}.h5", images=20)
        with h5py.File(path, "a") as file:
            file.attrs[name] = value
        with pytest.raises(StoreError, match="header"):
            EmbeddingStore(path)
        assert len(validate(path)) == 1


def test_random_damage_is_reported_never_raised(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.h5", images=20)
    sound, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(sound)
        damaged[rng.integers(len(sound))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        assert isinstance(validate(path), list)


def spoil(path: Path, name: str, row: int = 0) -> None:
    """Change one number of a data set and leave all checksums as they are."""
    with h5py.File(path, "r+") as file:
        rows = file[name][row]
        file[name][row] = rows + 1 if np.ndim(rows) == 0 else np.asarray(rows) + 1


@pytest.mark.parametrize("name", ["content/mean", "pose/angle_rad", "source/index"])
def test_a_changed_column_is_refused_when_it_is_used(tmp_path: Path, name: str) -> None:
    path = make_store(tmp_path / "a.h5")
    spoil(path, name)
    with EmbeddingStore(path) as store:
        assert store.column("posterior/peak").shape == (200,)
        with pytest.raises(StoreError, match="SHA-256 differs"):
            store.column(name)


@pytest.mark.parametrize("name", ["planes/pca/coordinates", "atlas/images", "atlas/z"])
def test_a_changed_plane_or_atlas_is_refused(tmp_path: Path, name: str) -> None:
    path = make_store(tmp_path / "a.h5")
    spoil(path, name)
    with EmbeddingStore(path) as store, pytest.raises(StoreError, match="SHA-256 differs"):
        _ = (store.plane("pca"), store.atlas)


def test_only_the_block_of_changed_thumbnails_is_refused(tmp_path: Path) -> None:
    content = store_content(images=600)
    write_store(tmp_path / "a.h5", content)
    spoil(tmp_path / "a.h5", "thumbnails/raw", row=300)
    with EmbeddingStore(tmp_path / "a.h5") as store:
        assert len(store.thumbnails("raw", np.asarray([599, 0, 255]))) == 3
        with pytest.raises(StoreError, match="thumbnails/raw is damaged"):
            store.thumbnails("raw", np.asarray([0, 256]))
        assert len(store.thumbnails("upright", np.asarray([256]))) == 1


def test_thumbnails_in_pieces_of_any_length_have_the_digests_of_their_rows() -> None:
    rows = np.random.default_rng(0).integers(0, 255, (700, 3, 3)).astype(np.uint8)
    pieces, whole = BlockDigests(), BlockDigests()
    whole.add(rows)
    for start, end in ((0, 1), (1, 400), (400, 512), (512, 700)):
        pieces.add(rows[start:end])
    assert pieces.array().shape == (3, 32)
    assert np.array_equal(pieces.array(), whole.array())
    assert pieces.whole.hexdigest() == whole.whole.hexdigest()
