"""Detection as work for a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tvae_core.analysis.picks import Calibration, FieldPicks
from tvae_core.store import EmbeddingStore


class Detected(NamedTuple):
    """What was found in the images of a file, and what their confidence rests on."""

    path: Path
    calibration: Calibration
    fields: tuple[FieldPicks, ...]


def run_detect(
    store_path: Path,
    path: Path,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
) -> Detected:
    """Find the objects of every image of a file; this is where torch is imported.

    Raises
    ------
    TvaeError
        As `tvae_core.engine.detection.detect`.
    """
    from tvae_core.engine.detection.detect import Detector, detect

    with EmbeddingStore(store_path) as store:
        detector = Detector(store, cancelled=cancelled)
        fields = detect(detector, path, lambda share: progress(share, "fields"))
        return Detected(path, detector.calibration, tuple(fields))
