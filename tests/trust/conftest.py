"""One injector for all gates, and the works done once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.trust.faults import Injector, can_inject
from tests.trust.gates import Stage, measured
from tests.trust.works import stages


@pytest.fixture(scope="package")
def injector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Injector]:
    """Return an injector; skip where there can be none."""
    if reason := can_inject():
        pytest.skip(reason)
    with Injector(tmp_path_factory.mktemp("injector")) as found:
        yield found


@pytest.fixture(scope="package")
def staged(injector: Injector, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """Return every work, done once, by its name."""
    ground = tmp_path_factory.mktemp("ground")
    done = list(stages(injector, ground / "works"))
    return {
        work.name: measured(injector, work, before, after, ground) for work, before, after in done
    }
