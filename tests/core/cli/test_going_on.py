"""Runs that go on: with more epochs, after a stopped embedding, and what is refused early."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.core.engine.runs import tiny_run, write_images
from tvae_core.cli.main import main
from tvae_core.engine.using.embed import embed
from tvae_core.errors import Cancelled
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore, validate

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run of one epoch."""
    made = tiny_run(tmp_path / "run", write_images(tmp_path), "train.epochs=1")
    assert main(["train", str(made.path)]) == 0
    return made


def epochs(run: RunFolder) -> list[int]:
    return [json.loads(line)["epoch"] for line in run.metrics.read_text().splitlines()]


def test_a_finished_run_takes_more_epochs(run: RunFolder, capsys: Capture) -> None:
    done = run.metrics.read_text()
    assert main(["train", str(run.path), "--resume", "--epochs", "3"]) == 0
    assert epochs(run) == [0, 1, 2]
    assert run.metrics.read_text().startswith(done)
    assert run.config().train.epochs == 3
    assert main(["train", str(run.path), "--resume", "--epochs", "2"]) == 2
    assert "3 epochs are done already" in capsys.readouterr().err
    assert run.config().train.epochs == 3
    assert main(["train", str(run.path), "--resume", "--z-dim", "3"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert main(["train", str(run.path), "--epochs", "5"]) == 2


@pytest.mark.parametrize(
    "setting", [("--thumbnail-px", "6"), ("--quality-share", "0.5"), ("--atlas-nodes", "3")]
)
def test_a_stopped_embedding_goes_on_or_starts_again_under_other_settings(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, setting: tuple[str, str]
) -> None:
    monkeypatch.setattr("tvae_core.engine.using.embed.BLOCK", 20)
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        list(embed(run, cancelled=lambda: next(asked)))
    assert list(run.path.glob(".embeddings.parts/*/*.npz"))
    assert main(["embed", str(run.path), *setting]) == 0
    assert validate(run.store) == []
    assert not list(run.path.glob(".embeddings.parts/*/*.npz"))
    if setting[0] == "--thumbnail-px":
        with EmbeddingStore(run.store) as store:
            assert store.thumbnails("raw", np.arange(60)).shape == (60, 6, 6)


def test_names_that_are_no_utf8_are_refused_before_anything_is_trained(
    tmp_path: Path, capsys: Capture
) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (40, 12, 12)).astype(np.uint8)
    cells = tmp_path / "cells"
    cells.mkdir()
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(cells / f"{number}.png")
    os.rename(cells / "7.png", os.fsencode(cells) + b"/caf\xe9.png")
    latin = os.fsencode(tmp_path) + b"/dat\xe9"
    os.mkdir(latin)
    shutil.copy(write_images(tmp_path), latin + b"/images.npy")
    fine = str(tmp_path / "images.npy")
    for folder, data in (
        (str(tmp_path / "run"), str(cells)),
        (str(tmp_path / "run"), os.fsdecode(latin + b"/images.npy")),
        (os.fsdecode(latin + b"/run"), fine),
    ):
        assert main(["train", folder, "--data", data, "--epochs", "1"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "is not UTF-8" in error
        assert not Path(folder).exists()
