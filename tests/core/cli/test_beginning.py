"""What `tvae train` says and refuses before anything is trained or written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.core.engine.model.models import blob_images
from tests.core.engine.runs import SIDE, TINY
from tvae_core.cli.main import main
from tvae_core.config import RunConfig, load_config
from tvae_core.progress import Remark, Started, from_json
from tvae_core.runs import begin
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.preflight import Machine

Capture = pytest.CaptureFixture[str]


def images(count: int = 40) -> NDArray[Any]:
    return blob_images(count, SIDE, 1).numpy()[:, 0]


def train(folder: Path, pixels: NDArray[Any], *words: str) -> int:
    """Train the tiny model on an array for one epoch; the run is folder/run."""
    np.save(folder / "images.npy", pixels)
    RunConfig.model_validate(TINY).save(folder / "tiny.json")
    fixed = ["--config", str(folder / "tiny.json"), "--epochs", "1"]
    return main(
        ["train", str(folder / "run"), "--data", str(folder / "images.npy"), *fixed, *words]
    )


@pytest.mark.parametrize(
    ("pixels", "words", "message"),
    [
        (np.zeros((40, SIDE, SIDE)), [], "all 40 images are constant"),
        (images() * 1e4 + 5e5, ["--normalise", "none"], "needs values from 0 to 1"),
        (images(), ["--normalise", "image"], "needs values from 0 to 1"),
        (np.where(images() > 0.9, np.nan, images()), [], "NaN or infinite"),
        (images(), ["--phase-flip", "true"], "without a table"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_before_anything_is_written(
    tmp_path: Path, pixels: NDArray[Any], words: list[str], message: str, capsys: Capture
) -> None:
    assert train(tmp_path, pixels, *words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("tvae: error: ")
    assert message in error
    assert not (tmp_path / "run").exists()


def test_what_was_found_is_said_first_and_settled_in_the_run(
    tmp_path: Path, capsys: Capture
) -> None:
    pixels = (images() > 0.5).astype(np.uint8)
    pixels[:3] = 0
    assert train(tmp_path, pixels, "--json") == 0
    records = [from_json(line) for line in capsys.readouterr().out.splitlines()]
    started = next(n for n, record in enumerate(records) if isinstance(record, Started))
    remarks = [record.what for record in records[:started] if isinstance(record, Remark)]
    assert remarks[0] == "3 of 40 images are constant"
    assert "bytes of 0 and 1" in remarks[1]
    assert remarks[2].startswith("40 images are few")  # the preflight's word, as in the window
    assert len(remarks) == started  # nothing else comes before
    assert load_config(tmp_path / "run" / "config.json").data.full_scale == 1
    assert main(["info", str(tmp_path / "images.npy"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["remarks"]
    assert told == remarks[:2]  # the rest depends on the settings


def test_a_run_made_by_the_window_is_looked_at_as_well(tmp_path: Path, capsys: Capture) -> None:
    np.save(tmp_path / "images.npy", np.zeros((40, SIDE, SIDE)))
    config = RunConfig.model_validate(TINY).changed([f"data.path={tmp_path / 'images.npy'}"])
    (tmp_path / "run").mkdir()
    config.save(tmp_path / "run" / "config.json")
    assert main(["train", str(tmp_path / "run")]) == 2
    assert "constant" in capsys.readouterr().err


def test_a_person_reads_a_note(tmp_path: Path, capsys: Capture) -> None:
    assert train(tmp_path, (images() > 0.5).astype(np.uint8)) == 0
    assert "note: the images are bytes of 0 and 1" in capsys.readouterr().out


def test_a_full_disk_is_refused_as_in_the_window_and_trained_on_when_told(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Machine(memory_bytes=64e9, disk_bytes=1e4, cores=1, has_gpu=False)
    monkeypatch.setattr(begin, "this_machine", lambda folder: full)
    assert train(tmp_path, images()) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "are free (choose a folder on another disk, or --anyway)" in error
    assert not (tmp_path / "run").exists()
    assert train(tmp_path, images(), "--anyway", "--json") == 0
    records = [from_json(line) for line in capsys.readouterr().out.splitlines()]
    assert any(isinstance(r, Remark) and "are free" in r.what for r in records)


def test_a_crop_that_leaves_nothing_is_refused(tmp_path: Path, capsys: Capture) -> None:
    framed = np.zeros((40, 60, 60))
    framed[:, ::59] = framed[:, :, ::59] = images()[:, :1, :1] + 1
    framed[:, 0, :30] = 7
    assert train(tmp_path, framed, "--crop-px", "12") == 2
    assert "cut to 12 px, all images looked at are constant" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_preset_for_larger_images_keeps_the_size_of_smaller_ones_and_says_so(
    tmp_path: Path, capsys: Capture
) -> None:
    np.save(tmp_path / "images.npy", images())
    quick = ["--epochs", "1", "--encoder-kernels", "4", "--generator-hidden", "8", "--no-embed"]
    words = ["train", str(tmp_path / "run"), "--data", str(tmp_path / "images.npy")]
    assert main([*words, "--preset", "fast-cells", "--kernel-px", "9", *quick]) == 0
    said = capsys.readouterr()
    assert f"images of {SIDE} px are not enlarged to 32 px" in said.out + said.err


def test_a_folder_with_one_table_is_that_table_for_the_run(tmp_path: Path) -> None:
    from tests.core.images.makers import mrc_bytes

    folder = tmp_path / "relion"
    folder.mkdir()
    (folder / "a.mrcs").write_bytes(mrc_bytes(images().astype(np.float32)))
    rows = "\n".join(f"{n + 1}@a.mrcs" for n in range(40))
    (folder / "p.star").write_text(f"data_\n\nloop_\n_rlnImageName #1\n{rows}\n")
    RunConfig.model_validate(TINY).save(tmp_path / "tiny.json")
    fixed = ["--config", str(tmp_path / "tiny.json"), "--epochs", "1", "--no-embed"]
    fixed += ["--set", "data.normalise=unit"]
    assert main(["train", str(tmp_path / "run"), "--data", str(folder), *fixed]) == 0
    assert RunFolder(tmp_path / "run").config().data.path == str(folder / "p.star")
