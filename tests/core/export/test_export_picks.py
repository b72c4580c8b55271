"""Picks as files: each format's own coordinates, read back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tvae_core.analysis.picks import Picks
from tvae_core.errors import ImageFileError, TableError
from tvae_core.export.picks import export_picks
from tvae_core.particles import read_table

SHAPE = (100, 200)  # rows, columns


def two_picks() -> Picks:
    """The first at column 30, row 10; the second at column 150.25, row 80.5."""
    return Picks(
        image=np.array([0, 1]),
        place_px=np.array([[30 - 99.5, 49.5 - 10], [150.25 - 99.5, 49.5 - 80.5]]),
        angle_rad=np.radians([30.0, -90.0]),
        z=np.array([[1.0, 2.0], [3.0, 4.0]]),
        score=np.array([10.0, 20.0]),
        confidence=np.array([0.75, 0.5]),
        attention=np.array([1.0, 2.0]),
    )


def test_star_holds_relions_coordinates(tmp_path: Path) -> None:
    done = export_picks(two_picks(), tmp_path / "p.star", source="my field.mrcs", shape=SHAPE,
                        images=2, box_px=20)  # fmt: skip
    assert [one.count for one in done] == [2]
    table = read_table(tmp_path / "p.star")
    assert table.numbers("rlnCoordinateX").tolist() == [30.0, 150.25]
    assert table.numbers("rlnCoordinateY").tolist() == [10.0, 80.5]
    assert table.numbers("rlnAnglePsi") == pytest.approx([30.0, -90.0])
    assert table.numbers("rlnAutopickFigureOfMerit").tolist() == [0.75, 0.5]
    names = table.column("rlnMicrographName").tolist()
    assert names == ["000001@my field.mrcs", "000002@my field.mrcs"]


def test_box_holds_the_first_corner_of_each_box(tmp_path: Path) -> None:
    first = two_picks().chosen(np.array([0]))
    export_picks(first, tmp_path / "p.box", source="f.mrc", shape=SHAPE, images=1, box_px=20)
    assert (tmp_path / "p.box").read_text() == "20\t0\t20\t20\n"
    export_picks(two_picks(), tmp_path / "s.box", source="f.mrcs", shape=SHAPE, images=2, box_px=20)
    assert (tmp_path / "s_000002.box").read_text() == "140\t70\t20\t20\n"


def test_csv_holds_everything(tmp_path: Path) -> None:
    export_picks(two_picks(), tmp_path / "p.csv", source="f.mrcs", shape=SHAPE, images=2, box_px=20)
    with open(tmp_path / "p.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["y_px"]) for row in rows] == [39.5, -31.0]  # y up
    assert [float(row["row_px"]) for row in rows] == [10.0, 80.5]
    assert [float(row["z2"]) for row in rows] == [2.0, 4.0]


@pytest.mark.parametrize("kind", ["star", "box", "csv"])
def test_no_picks_are_a_file_too_and_nothing_is_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"none.{kind}"
    none = two_picks().chosen(np.zeros(2, bool))
    options = {"source": "f.mrc", "shape": SHAPE, "images": 1, "box_px": 20}
    assert export_picks(none, path, **options)[0].count == 0  # type: ignore[arg-type]
    with pytest.raises(ImageFileError, match="already there"):
        export_picks(none, path, **options)  # type: ignore[arg-type]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"use \.star"):
        export_picks(two_picks(), tmp_path / "p.txt", source="f", shape=SHAPE, images=1, box_px=2)
