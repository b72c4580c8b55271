"""Gate 13, thinned: of two that write at one moment both are kept, or one is refused."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.trust import writers


@pytest.mark.parametrize("name", writers.PAIRS)
def test_two_at_one_moment(tmp_path: Path, name: str) -> None:
    assert writers.PAIRS[name](tmp_path / "ground", 6) == []


def test_whoever_meets_another_inside_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "inside").touch()
    assert writers._alone(1, nullcontext, tmp_path / "inside") == ["0: exit (99, 99)"]
