"""Reading ahead: every batch comes as if it were read alone, while files are read in order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvae_core.engine import data
from tvae_core.engine.data import Batch, CachedImages, Indices, epoch_batches, prefetch
from tvae_core.runs import costs

COUNT = 50


class Noted:
    """Images whose pixels are their numbers, which note what is read of them."""

    side, channels = 4, 1

    def __init__(self) -> None:
        self.ctf_rows = np.arange(9.0 * COUNT).reshape(COUNT, 9)
        self.reads: list[list[int]] = []

    def __len__(self) -> int:
        return COUNT

    def read(self, indices: Indices) -> np.ndarray:
        self.reads.append(indices.tolist())
        if len(indices) and indices.max() >= COUNT:
            raise IndexError("no such image")
        return np.broadcast_to(indices[:, None, None, None], (len(indices), 1, 4, 4)).astype("f4")


def _is_of(batch: Batch, wanted: Indices) -> bool:
    assert batch.index is not None
    assert batch.ctf is not None
    same = batch.images[:, 0, 0, 0].numpy().tolist() == wanted.tolist()
    return (
        same
        and batch.index.tolist() == wanted.tolist()
        and bool((batch.ctf[:, 0].numpy() == 9 * wanted).all())
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 200), st.integers(0, 5))
def test_every_batch_is_as_if_it_were_read_alone(size: int, at_once: int, epoch: int) -> None:
    images = Noted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "CACHE_BYTES", 0)
        patch.setattr(data, "_SWEEP_BYTES", at_once * 64)
        cached = CachedImages(images)
        wanted = epoch_batches(np.arange(COUNT), size, 0, epoch)
        found = list(prefetch(cached, wanted))
        most = cached.at_once
    assert len(found) == len(wanted)
    assert all(_is_of(batch, one) for batch, one in zip(found, wanted, strict=True))
    assert all(read == sorted(read) for read in images.reads if len(read) > size)
    assert max(map(len, images.reads)) <= max(most, size)
    assert sorted(one for read in images.reads for one in read) == list(range(COUNT))


def test_many_batches_are_read_in_few_sorted_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "CACHE_BYTES", 0)
    images = Noted()
    list(prefetch(CachedImages(images), epoch_batches(np.arange(COUNT), 2, 0, 0)))
    assert [len(read) for read in images.reads] == [2, 4, 8, 16, 20]
    assert all(read == sorted(read) for read in images.reads[1:])


def test_what_fails_while_reading_ahead_is_raised_where_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(costs, "CACHE_BYTES", 0)
    batches = [np.array([1, 2]), np.array([COUNT])]
    with pytest.raises(IndexError, match="no such image"):
        list(prefetch(CachedImages(Noted()), batches))
