"""What to try again with: first what the images ask for, then more time."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.core.images.test_facts import noisy
from tvae_core.analysis.verdict import Verdict
from tvae_core.images.opening import open_stack
from tvae_core.presets import load_preset
from tvae_core.runs.advice import command_again, keep_verdict, settings_again, try_again
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.recommend import recommend
from tvae_core.work.train import TrainRequest


def of(learned: str, turns: bool = False) -> Verdict:
    return Verdict(learned, "", "", turns=turns)  # type: ignore[arg-type]


def test_a_run_with_other_settings_than_its_images_ask_for_is_told_those(tmp_path: Path) -> None:
    np.save(tmp_path / "noisy.npy", noisy(120))
    config = load_preset("fast-cpu").changed([f"data.path={tmp_path / 'noisy.npy'}"])
    with open_stack(tmp_path / "noisy.npy") as stack:
        settings = try_again(of("nothing"), config, stack)
        assert settings["model.likelihood"] == "gaussian"
        assert settings["data.normalise"] == "ring"
        followed = recommend(stack).config
        longer = try_again(of("nothing"), followed, stack)
    assert set(longer) == {"train.epochs"}
    assert int(longer["train.epochs"]) > followed.train.epochs


@pytest.mark.parametrize(
    ("verdict", "key"),
    [(of("pose"), "train.epochs"), (of("nothing"), "train.epochs"),
     (of("all", turns=True), "model.rotations")],
)  # fmt: skip
def test_without_images_there_is_advice_as_well(verdict: Verdict, key: str) -> None:
    assert key in try_again(verdict, load_preset("fast-cpu"), None)


def test_what_learned_needs_no_change() -> None:
    assert try_again(of("all"), load_preset("fast-cpu"), None) == {}
    assert try_again(of("content"), load_preset("fast-cpu"), None) == {}


def test_the_command_is_one_that_tvae_takes_with_the_settings_of_the_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "my run")
    run.create(load_preset("fast-cpu").changed(["data.path=/images.npy", "model.z_dim=3"]))
    again = command_again(run, {"model.rotations": "16", "train.epochs": "9"})
    request = TrainRequest.parse(shlex.split(again))
    config = request.new_config()
    assert config is not None
    assert (config.model.rotations, config.model.z_dim, config.train.epochs) == (16, 3, 9)
    assert Path(request.folder) != run.path
    assert command_again(run, {}) == ""


def test_what_to_try_again_with_is_kept_in_the_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert settings_again(run) == {}
    keep_verdict(run, of("pose"), {"model.z_dim": "4"})
    assert settings_again(run) == {"model.z_dim": "4"}
    assert Verdict.from_json(run.verdict_text()) == of("pose")


def test_a_run_that_kept_no_settings_is_told_those_of_its_verdict(tmp_path: Path) -> None:
    run, config = RunFolder(tmp_path), load_preset("fast-cpu")
    run.create(config)
    run.verdict_file.write_text(of("nothing").to_json())
    assert settings_again(run) == try_again(of("nothing"), config, None) != {}
