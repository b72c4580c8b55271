"""Columns of a table of the user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tvae_core.errors import TableError
from tvae_core.particles.joined import read_columns


@pytest.mark.parametrize(("name", "between"), [("a.csv", ","), ("a.tsv", "\t")])
def test_numbers_and_words_are_told_apart(tmp_path: Path, name: str, between: str) -> None:
    rows = [["defocus", "grid"], ["1.5", "a"], ["", "b"]]
    (tmp_path / name).write_text("\n".join(between.join(row) for row in rows))
    found = read_columns(tmp_path / name, 2)
    np.testing.assert_array_equal(found["defocus"], [1.5, np.nan])
    assert found["grid"].tolist() == ["a", "b"]


def test_the_columns_of_a_star_table_are_read(tmp_path: Path) -> None:
    head = "data_\n\nloop_\n_rlnImageName #1\n_rlnDefocusU #2\n"
    (tmp_path / "a.star").write_text(head + "1@s.mrcs 10000\n2@s.mrcs 12000\n")
    found = read_columns(tmp_path / "a.star", 2)
    assert found["rlnDefocusU"].astype(float).tolist() == [10000, 12000]


@pytest.mark.parametrize(
    ("text", "message"), [("a,b\n1,2\n", "1 rows"), ("a,b\n1\n", "different lengths"), ("", "no")]
)
def test_what_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(TableError, match=message):
        read_columns(tmp_path / "a.csv", 2)
