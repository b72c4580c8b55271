"""Detection as a request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_store
from tvae_core.analysis.picks import Calibration, Confidence, FieldPicks, Picks
from tvae_core.engine.detection import detect
from tvae_core.work.detect import DetectRequest

COUNT = 3


@pytest.fixture
def request_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DetectRequest:
    """A request on three fields; what looks at them is replaced by what it would find."""
    nothing = Picks(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros(0), np.zeros((0, 2)),
                    np.zeros(0), np.zeros(0), np.zeros(0))  # fmt: skip
    one = FieldPicks(0, nothing, np.ones((1, 9, 9), np.float32), np.ones((1, 9, 9), np.float32),
                     (9, 9), 3.0)  # fmt: skip

    class Seen:
        calibration = Calibration(Confidence(1, 0, 0.3, 9, 9, 9, 0), 2.5, True)

        def __init__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(detect, "Detector", Seen)
    monkeypatch.setattr(detect, "detect", lambda *_: (replace(one, image=n) for n in range(COUNT)))
    np.save(tmp_path / "fields.npy", np.zeros((COUNT, 9, 9), np.float32))
    return DetectRequest(store=make_store(tmp_path / "e.h5"), image=tmp_path / "fields.npy")


def held(fields: tuple[FieldPicks, ...]) -> list[int]:
    return [field.values.size for field in fields]


def test_pixels_of_a_field_are_held_only_where_they_are_drawn(
    request_: DetectRequest, tmp_path: Path
) -> None:
    assert held(request_.run().fields) == [0, 0, 0]
    drawn = request_.model_copy(update={"picture": tmp_path / "first.png"})
    assert held(drawn.run().fields) == [81, 0, 0]
    assert (tmp_path / "first.png").exists()
    assert held(request_.find().fields) == [81, 81, 81]
