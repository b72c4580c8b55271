"""A trained run passes the self-test, an untrained one does not, on the same images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core.engine.runs import tiny_run, write_images
from tvae_core.analysis.invariance import TURNED
from tvae_core.analysis.trust import BAD, GOOD, InvarianceReport
from tvae_core.cli.main import main
from tvae_core.engine.judging.selftest import SelfTestSize, selftest
from tvae_core.engine.model.checkpoint import model_bytes
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.train import train
from tvae_core.engine.using.embed import embed
from tvae_core.errors import Cancelled, ImageFileError
from tvae_core.runs.folder import RunFolder
from tvae_core.shipped import shipped
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic import plan_set, write_set

SMALL = SelfTestSize(images=24, turns=8, shifts=4)


def _run(folder: Path, images: Path, weights: bytes, example: EmbeddingStore) -> RunFolder:
    """Embed images with a model: a run without its training."""
    run = RunFolder(folder)
    settings = [f"data.path={images}", "train.threads=1", "embed.atlas_nodes=0"]
    run.create(example.header.config.changed(settings))
    run.model.write_bytes(weights)
    list(embed(run))
    return run


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, InvarianceReport]:
    folder = tmp_path_factory.mktemp("selftest")
    write_set(plan_set("hinge", count=150, side=48, snr=1.0, shift_std_px=1.5), folder / "images")
    images = folder / "images" / "particles.star"
    with EmbeddingStore(shipped("example.h5")) as example:
        torch.manual_seed(0)
        fresh = TargetVae(example.header.config.model, 48, 1)
        models = {"trained": example.weights(), "untrained": model_bytes(fresh)}
        runs = {n: _run(folder / n, images, w, example) for n, w in models.items()}
    made = {}
    for name, run in runs.items():
        with EmbeddingStore(run.path) as store:
            made[name] = selftest(store, SMALL)
    return made


def test_a_trained_run_and_an_untrained_one_are_told_apart(
    reports: dict[str, InvarianceReport],
) -> None:
    trained, untrained = reports["trained"], reports["untrained"]
    assert (trained.level, untrained.level) == (GOOD, BAD)
    assert trained.verdict.startswith("Poses: yes")
    assert untrained.verdict.startswith("Poses: no")
    # turning along with the image is built into the encoder; fitting the image is learned
    assert trained.fit_share > 0.98
    assert untrained.fit_share < 0.8
    turned = trained.measure(TURNED)
    assert turned is not None
    assert turned.trials == 24 * 8
    assert turned.angle_rmse_deg < 4
    assert turned.shift_rmse_px < 0.4


def test_the_report_says_what_was_tested(reports: dict[str, InvarianceReport]) -> None:
    trained = reports["trained"]
    assert (trained.images, trained.side_px, trained.z_dimensions) == (24, 48, 2)
    assert trained.pixel_size_angstrom == pytest.approx(3.0)
    assert sum(trained.symmetries.values()) == 24
    assert trained.active_dimensions == 2
    assert reports["untrained"].active_dimensions == 0
    assert "Å" in " ".join(trained.words())


def test_stopping_and_images_that_are_not_the_runs(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path), "train.epochs=1")
    list(train(run))
    list(embed(run))
    np.save(tmp_path / "few.npy", np.zeros((5, 12, 12), np.float32))
    np.save(tmp_path / "large.npy", np.zeros((60, 16, 16), np.float32))
    with EmbeddingStore(run.path) as store:
        with pytest.raises(Cancelled):
            selftest(store, SMALL, cancelled=lambda: True)
        with pytest.raises(ImageFileError, match="no such file"):
            selftest(store, SMALL, str(tmp_path / "gone.npy"))
        with pytest.raises(ImageFileError, match="none of the 60 is among the 5 here"):
            selftest(store, SMALL, str(tmp_path / "few.npy"))
        with pytest.raises(ImageFileError, match="16 x 16 px"):
            selftest(store, SMALL, str(tmp_path / "large.npy"))


def test_colour_images_are_tested_too_and_the_command_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path, channels=3), "train.epochs=1")
    list(train(run))
    list(embed(run))
    words = ["selftest", str(run.path), "--images", "6", "--turns", "4"]
    target = tmp_path / "report.json"
    assert main([*words, "--report", str(target)]) == 0
    text = capsys.readouterr().out
    assert "turned on the grid" in text
    facts = json.loads(target.read_text())
    assert facts["verdict"] in text
    assert facts["limits"]["angle_median_deg"] == {"good": 5.0, "usable": 15.0}
    assert {m["kind"] for m in facts["measures"]} >= {"turned", "shifted", "corners left on"}
    assert main([*words, "--report", str(target)]) == 2  # never overwritten silently
    assert main([*words[:2], "--turns", "-3"]) == 2


def test_a_run_that_sees_through_the_microscope_is_tested_through_it(tmp_path: Path) -> None:
    plan = plan_set("hinge", count=30, side=16, snr=1.0, shift_std_px=1.0)
    write_set(plan, tmp_path / "images")
    settings = ["model.ctf=likelihood", "train.pixel_share=1", "train.epochs=1"]
    settings += ["model.likelihood=gaussian", "data.normalise=ring", "embed.atlas_nodes=0"]
    run = tiny_run(tmp_path / "run", tmp_path / "images" / "particles.star", *settings)
    list(train(run))
    list(embed(run))
    with EmbeddingStore(run.path) as store:
        report = selftest(store, SelfTestSize(images=6, turns=4, shifts=2))
    assert report.images == 6
    assert np.isfinite([report.fit_share, report.measures[0].drift]).all()
