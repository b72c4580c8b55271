"""What the tests of the engine share: a GPU that is pretended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.engine.pretended_device import PretendedGpu


@pytest.fixture
def gpu() -> Iterator[PretendedGpu]:
    """Return a GPU that is pretended: its tensors lie on the CPU, and waits are counted."""
    with PretendedGpu() as there:
        yield there
