"""Thumbnails read row by row are those that HDF5 reads."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.factories import make_store
from tvae_core.errors import StoreError
from tvae_core.store import EmbeddingStore
from tvae_core.thumbnails import ThumbnailFile


def test_rows_in_any_order_are_those_of_the_store(tmp_path: Path) -> None:
    path = make_store(tmp_path / "s.h5", images=5_003, side=12)
    chosen = np.random.default_rng(0).integers(0, 5_003, 300)
    with EmbeddingStore(path) as store:
        for kind in ("raw", "upright"):
            file = ThumbnailFile(path, kind)
            rows, there = file.read(chosen)
            assert there.all()
            np.testing.assert_array_equal(rows, store.thumbnails(kind, chosen))
            assert file.read([])[0].shape == (0, 12, 12)
            file.close()


def test_reading_stops_when_its_time_is_up(tmp_path: Path) -> None:
    path = make_store(tmp_path / "s.h5", images=200, side=12)
    file = ThumbnailFile(path, "raw")
    rows, there = file.read(np.arange(200), seconds=0.0)
    assert 0 < there.sum() < 200
    assert not rows[~there].any()
    file.warm(np.arange(200), lambda: False)
    file.close()


def test_a_file_that_ends_early_is_told_and_never_zeros(tmp_path: Path) -> None:
    path = make_store(tmp_path / "s.h5", images=200, side=12)
    file = ThumbnailFile(path, "raw")
    os.truncate(path, 4096)
    with pytest.raises(StoreError, match="end early"):
        file.read(np.arange(200))
    file.close()


def test_packed_thumbnails_are_refused_and_not_shown_as_they_lie(tmp_path: Path) -> None:
    path = make_store(tmp_path / "s.h5", images=200, side=12)
    with h5py.File(path, "r+") as file:
        rows = file["thumbnails/raw"][()]
        del file["thumbnails/raw"]
        file.create_dataset("thumbnails/raw", data=rows, chunks=(50, 12, 12), compression="gzip")
    with pytest.raises(StoreError, match="row by row"):
        ThumbnailFile(path, "raw")


@pytest.mark.parametrize("way", ["read", "warm"])
def test_a_flipped_bit_is_told_and_never_shown(tmp_path: Path, way: str) -> None:
    path = make_store(tmp_path / "s.h5", images=600, side=12)
    with h5py.File(path) as file:
        chunk = file["thumbnails/raw"].id.get_chunk_info(0)
        assert file["thumbnails/raw"].chunks[0] == 256
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 5 * 144 + 7] ^= 4
    path.write_bytes(bytes(content))
    file = ThumbnailFile(path, "raw")
    assert file.read(np.arange(256, 600))[1].all()  # blocks that are whole are shown
    ask = file.read if way == "read" else partial(file.warm, cancelled=lambda: False)
    with pytest.raises(StoreError, match="thumbnails are damaged"):
        ask([200])  # a sound row of the damaged block
    file.close()
