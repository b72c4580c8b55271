"""The self-test and the search for mirror images, as work for a thread of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tvae_core.analysis.mirror import AtlasMirrors, atlas_mirrors
from tvae_core.analysis.trust import InvarianceReport
from tvae_core.errors import StoreError
from tvae_core.store import EmbeddingStore

Progress = Callable[[float, str], None]
Asked = Callable[[], bool]


def run_selftest(
    path: Path, thorough: bool, images_at: str, progress: Progress, cancelled: Asked
) -> InvarianceReport:
    """Rotate and shift the run's own images and report; this is where torch is imported.

    Raises
    ------
    TvaeError
        As `tvae_core.engine.judging.selftest.selftest`.
    """
    from tvae_core.engine.judging.selftest import SelfTestSize, selftest

    size = SelfTestSize.full(64) if thorough else SelfTestSize()
    with EmbeddingStore(path) as store:
        return selftest(store, size, images_at, lambda share: progress(share, "images"), cancelled)


def find_mirrors(path: Path, progress: Progress, cancelled: Asked) -> AtlasMirrors:
    """Return the mirror partners of a store's atlas.

    Raises
    ------
    StoreError
        The store keeps no atlas.
    Cancelled
        `cancelled()` turned true.
    """
    with EmbeddingStore(path) as store:
        atlas = store.atlas
        if atlas is None:
            raise StoreError("the run keeps no decoded images", path, "embed it again")
        xy = store.z_mean if atlas.plane == "z" else store.plane(atlas.plane).coordinates
        return atlas_mirrors(
            atlas.images, atlas.x, atlas.y, xy,
            progress=lambda share: progress(share, "mirror images"), cancelled=cancelled,
        )  # fmt: skip
