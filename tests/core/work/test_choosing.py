"""Clusters are told as a person counts them: from 1, 0 for none."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_store
from tvae_core.errors import ConfigError
from tvae_core.sidecar import Labelling, Sidecar, save_sidecar
from tvae_core.store import EmbeddingStore
from tvae_core.work.export import ExportRequest

LABELS = np.array([2, 0, 1, -1, 0, 2, 2, 1, -1, 0], np.int32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = make_store(tmp_path / "run.h5", images=10)
    with EmbeddingStore(path) as store:
        notes = Sidecar.of(store)
        notes.labellings["ward"] = Labelling(LABELS)
        save_sidecar(notes, store)
    return path


def rows(path: Path, cluster: str) -> list[tuple[int, int]]:
    """Return image and cluster of each row that is exported."""
    out = path.with_name(f"{cluster}.csv")
    ExportRequest(store=path, output=out, cluster=cluster, added=True).run()
    with open(out, encoding="utf-8", newline="") as stream:
        return [(int(row["index"]), int(row["cluster"])) for row in csv.DictReader(stream)]


@pytest.mark.parametrize(
    ("numbers", "images"),
    [("1", [1, 4, 9]), ("2,3", [0, 2, 5, 6, 7]), (" 3 , 1", [0, 1, 4, 5, 6, 9]), ("0", [3, 8])],
)
def test_the_numbers_asked_for_are_those_written(
    path: Path, numbers: str, images: list[int]
) -> None:
    found = rows(path, numbers)
    assert [image for image, _ in found] == images
    assert [number for _, number in found] == (LABELS[images] + 1).tolist()
    assert {number for _, number in found} == {int(word) for word in numbers.split(",")}


@pytest.mark.parametrize("numbers", ["4", "-1", "two", "1,", "", "1.0"])
def test_a_number_of_no_cluster_is_refused(path: Path, numbers: str) -> None:
    with pytest.raises(ConfigError, match=r"no cluster .* from 1 to 3|is not a number"):
        rows(path, numbers)


def test_where_every_image_is_in_a_cluster_the_old_zero_is_refused(path: Path) -> None:
    """Until now 0 was the first cluster: now it is none, and none are in none."""
    with EmbeddingStore(path) as store:
        notes = Sidecar.of(store)
        notes.labellings["ward"] = Labelling(np.maximum(LABELS, 0))
        save_sidecar(notes, store)
    with pytest.raises(ConfigError, match="every image is in a cluster"):
        rows(path, "0")
