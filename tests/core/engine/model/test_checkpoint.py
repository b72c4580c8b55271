"""A checkpoint is what was written, its JSON as well as its tensors, or it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tvae_core.engine.model.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_newest,
    save_step,
    step_names,
)
from tvae_core.errors import CheckpointError

SAVED = Checkpoint({"weight": torch.arange(4.0)}, {"step": 7, "rate": 0.1, "form": [1, None]})


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save_step(tmp_path, 7, SAVED)
    found = load_checkpoint(tmp_path, "step-000000007")
    assert found.values == SAVED.values
    assert found.tensors["weight"].equal(SAVED.tensors["weight"])


@pytest.mark.parametrize("harm", ["another step", "a list", "cut off", "no UTF-8"])
def test_a_damaged_record_beside_the_tensors_is_told(tmp_path: Path, harm: str) -> None:
    save_step(tmp_path, 7, SAVED)
    file = tmp_path / "step-000000007.json"
    another = json.loads(file.read_text()) | {"step": 8}
    harmed = {"another step": json.dumps(another), "a list": "[]", "cut off": "{"}
    file.write_bytes(harmed.get(harm, "\xff").encode("latin1"))
    with pytest.raises(CheckpointError, match=r"damaged|cannot read"):
        load_checkpoint(tmp_path, "step-000000007")
    with pytest.raises(CheckpointError):
        load_newest(tmp_path)


def test_a_record_of_an_older_program_is_read(tmp_path: Path) -> None:
    save_step(tmp_path, 7, SAVED)
    file = tmp_path / "step-000000007.json"
    older = {k: v for k, v in json.loads(file.read_text()).items() if k != "values_sha256"}
    file.write_text(json.dumps(older))
    assert load_checkpoint(tmp_path, "step-000000007").values == SAVED.values


def test_tensors_without_their_record_are_swept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        save_step(tmp_path, step, SAVED)
        if step == 1:
            (tmp_path / "step-000000001.json").unlink()  # as a power cut leaves them
    assert step_names(tmp_path) == ["step-000000004", "step-000000003"]
    assert {file.stem for file in tmp_path.iterdir()} == set(step_names(tmp_path))
