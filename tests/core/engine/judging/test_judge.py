"""`tvae evaluate`: figures on the images held out, against known truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.core.engine.model.models import blob_images, small_model
from tests.core.engine.runs import TINY
from tvae_core.cli.main import main
from tvae_core.config import RunConfig
from tvae_core.engine.judging.evaluate import turned_angles, turned_back
from tvae_core.engine.judging.judge import Effort, evaluate, held_out, turned_images
from tvae_core.errors import Cancelled, CheckpointError, ConfigError
from tvae_core.evaluation.file import load_evaluation
from tvae_core.geometry import wrap_angle
from tvae_core.synthetic import place


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge")
    RunConfig.model_validate(TINY).save(folder / "config.json")
    assert main(["synth", "digits-u", str(folder / "set"), "--count", "120"]) == 0
    words = ["train", str(folder / "run"), "--data", str(folder / "set" / "images.npy")]
    words += ["--config", str(folder / "config.json"), "--epochs", "1"]
    assert main([*words, "--validation-share", "0.25"]) == 0
    return folder / "run"


def test_a_run_is_judged_on_the_images_held_out(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), "--turned-images", "1", "--turns", "4"]) == 0
    text = capsys.readouterr().out
    assert "30 images held out of 120" in text
    found = load_evaluation(run / "evaluation.json")
    assert found.about["truth"] == "truth.csv"
    assert found.about["parameters"] > 100
    keys = {row.key for row in found.rows}
    wanted = {"elbo/elbo", "clustering/ward/z", "clustering/gaussian-mixture/z-and-spread"}
    wanted |= {"shift/x", "rotation/unturned/uniform", "rotation/aligned/rmse"}
    assert keys >= wanted | {"rotation/class/3", "turns/unturned/mean"}
    assert 0.1 <= found.value("clustering/ward/z") <= 1
    files = [run / file for file, _ in found.figures]
    assert {file.name for file in files} >= {"plane.png", "confusion.png", "rotation.png"}
    for file in files:
        with Image.open(file) as picture:
            assert min(picture.size) > 300
    assert json.loads((run / "evaluation.json").read_text())["version"] == 1


def test_the_same_seed_gives_the_same_figures(run: Path) -> None:
    effort = Effort(turned_images=0, samples=2, threads=1)
    first, second = evaluate(run, effort=effort), evaluate(run, effort=effort)
    assert first.evaluation.rows == second.evaluation.rows
    assert first.path == run / "evaluation.json"


def test_a_given_truth_takes_the_place_of_the_sets_own(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("label\n" + "left\nright\n" * 60)
    found = evaluate(run, tmp_path / "mine.csv", Effort(turned_images=0)).evaluation
    assert "2 clusters" in next(row.note for row in found.rows if row.key == "clustering/ward/z")
    assert not any(row.key.startswith("rotation") for row in found.rows)
    (tmp_path / "short.csv").write_text("label\n1\n2\n")
    with pytest.raises(ConfigError, match="2 rows"):
        evaluate(run, tmp_path / "short.csv")


def test_a_store_of_another_model_is_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "run"
    (other / "checkpoints").mkdir(parents=True)
    for name in ("config.json", "embeddings.h5"):
        (other / name).write_bytes((run / name).read_bytes())
    with pytest.raises(CheckpointError, match="no model"):
        evaluate(other)
    from tvae_core.engine.model.checkpoint import model_bytes

    (other / "model.safetensors").write_bytes(model_bytes(small_model(side=24)))
    with pytest.raises(CheckpointError, match="another model"):
        evaluate(other)


def test_test_images_go_before_validation_images() -> None:
    config = RunConfig()
    assert held_out(config, 100)[0] == "validation"
    tested = config.changed(["data.test_share=0.2"])
    name, held = held_out(tested, 100)
    assert (name, len(held)) == ("test", 20)
    name, held = held_out(config.changed(["data.validation_share=0"]), 7)
    assert (name, held.tolist()) == ("all", list(range(7)))


def test_so_many_images_of_each_class_are_turned() -> None:
    labels = np.repeat([0, 1, 2], 20)
    chosen = turned_images(labels, 60, 4, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [4, 4, 4]
    assert len(turned_images(None, 60, 5, 0)) == 5


def test_an_equivariant_model_follows_quarter_turns_exactly() -> None:
    model, images = small_model(), blob_images(4).numpy()
    turns = np.arange(4) * np.pi / 2
    found = turned_angles(model, images, turns)
    # quarter turns move pixels onto pixels, and kernels of C_8 onto kernels
    rest = wrap_angle(found - found[:, :1] - turns)
    np.testing.assert_allclose(rest, 0, atol=1e-3)


def test_a_pose_taken_out_leaves_the_object_upright() -> None:
    upright = np.zeros((28, 28))
    upright[8:20, 12:16] = upright[8:11, 12:20] = 1.0
    posed = place(upright, 0.9, (3.0, -2.0), 41).astype(np.float32)
    plain = place(upright, 0.0, (0.0, 0.0), 41)
    back = turned_back(posed[None, None], np.array([0.9]), np.array([[3.0, -2.0]]))[0, 0]
    assert np.corrcoef(back.ravel(), plain.ravel())[0, 1] > 0.97  # interpolated twice


def test_an_evaluation_stops_when_asked_and_leaves_the_one_that_was_there(run: Path) -> None:
    effort = Effort(turned_images=1, turns=4, samples=1, threads=1)
    evaluate(run, effort=effort)
    before = (run / "evaluation.json").read_bytes()
    told: list[float] = []
    evaluate(run, effort=effort, progress=told.append)
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] < 1
    shares: list[float] = []
    with pytest.raises(Cancelled, match="nothing was written"):
        evaluate(run, effort=effort, progress=shares.append, cancelled=lambda: len(shares) > 1)
    assert len(shares) == 2
    with pytest.raises(Cancelled):
        evaluate(run, effort=effort, cancelled=lambda: True)
    assert (run / "evaluation.json").read_bytes() == before
