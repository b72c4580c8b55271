"""`evaluation.json` comes back as it was written, and its table reads as text."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tvae_core.analysis.evaluation import Row
from tvae_core.errors import StoreError
from tvae_core.evaluation.file import NAME, Evaluation, load_evaluation, shown, spread

ABOUT = {
    "run": "run",
    "system": "vae",
    "parameters": 62_912,
    "reference_parameters": 62_155,
    "split": "validation",
    "images": 100,
    "of": 1000,
    "truth": "truth.csv",
}
ROWS = [
    Row("elbo/elbo", "ELBO", "ELBO", -120.25, "nats", "8 samples"),
    Row("shift/x", "Shift", "Pearson correlation, x", 0.5),
    Row("shift/y", "Shift", "Pearson correlation, y", math.nan),
]


def test_an_evaluation_comes_back_as_it_was_written(tmp_path: Path) -> None:
    made = Evaluation(ABOUT, ROWS, [("evaluation/plane.png", "The latent z")])
    path = made.save(tmp_path)
    again = load_evaluation(path)
    assert again.about == ABOUT
    assert again.rows[:2] == ROWS[:2]
    assert math.isnan(again.rows[2].value)
    assert again.figures == made.figures
    assert again.value("shift/x") == 0.5
    assert math.isnan(again.value("shift/z"))
    assert [name for name, _ in again.groups()] == ["ELBO", "Shift"]


def test_the_table_says_on_what_and_how_large(tmp_path: Path) -> None:
    Evaluation(ABOUT, ROWS).save(tmp_path)
    text = (tmp_path / "evaluation.md").read_text()
    assert "100 images held out of 1,000" in text
    assert "62,912 free parameters, TARGET-VAE with the same settings 62,155" in text
    assert "| ELBO | -120.2 nats | 8 samples |" in text
    assert "not defined" in text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "tvae-evaluation", "version": 99}'])
def test_another_file_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(StoreError, match="evaluat"):
        load_evaluation(tmp_path / NAME)
    with pytest.raises(StoreError):
        load_evaluation(tmp_path / "none.json")


def test_a_spread_is_that_of_the_seeds() -> None:
    assert spread([0.5, 0.6, 0.7]) == "0.600 ± 0.100"
    assert spread([0.5]) == "0.500"
    assert spread([math.nan]) == "not defined"
    assert spread([1.0, math.nan, 3.0], 1) == "2.0 ± 1.4 (2 of 3)"


def test_a_figure_has_its_unit() -> None:
    assert shown(Row("k", "g", "n", 12.345, "deg")) == "12.3 deg"
    assert shown(Row("k", "g", "n", 0.98765)) == "0.988"
