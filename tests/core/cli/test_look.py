"""`tvae look`, `tvae presets`, and training without a preset."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.core.images.test_facts import ellipses
from tvae_core.cli.main import main
from tvae_core.config import load_config
from tvae_core.presets import PRESET_GROUPS, preset_names

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("look") / "images.npy"
    np.save(path, ellipses(60))
    return path


def test_look_says_settings_with_reasons_and_draws_ten_images(
    images: Path, tmp_path: Path, capsys: Capture
) -> None:
    picture = tmp_path / "seen.png"
    assert main(["look", str(images), "-o", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "model.kernel_px=" in said
    assert "tvae train RUN --data" in said
    with Image.open(picture) as opened:
        width, height = opened.size
        assert np.asarray(opened).max() == 255
    assert width / height == pytest.approx(5 / 2)
    assert main(["look", str(images), "-o", str(picture)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_look_says_what_speaks_against_the_images(tmp_path: Path, capsys: Capture) -> None:
    np.save(tmp_path / "few.npy", ellipses(5))
    assert main(["look", str(tmp_path / "few.npy")]) == 0
    said = capsys.readouterr().out
    assert "a look at 5 images" in said
    assert "note: 5 images are few: the model will memorise them" in said
    np.save(tmp_path / "one.npy", ellipses(1))
    assert main(["look", str(tmp_path / "one.npy")]) == 0
    said = capsys.readouterr().out
    assert "a look at 1 image," in said
    assert "1 image is seen" in said
    assert "there is one image" in said
    assert "train so" not in said


def test_look_as_json_holds_the_whole_config(images: Path, capsys: Capture) -> None:
    assert main(["look", str(images), "--json", "--set", "model.z_dim=3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["config"]["model"]["z_dim"] == 3
    assert {"key", "value", "reason"} == set(found["choices"][0])


def test_training_without_a_preset_takes_what_look_recommends(
    images: Path, tmp_path: Path, capsys: Capture
) -> None:
    small = ["--epochs", "1", "--encoder-kernels", "2", "--rotations", "4"]
    small += ["--generator-hidden", "8", "--fourier-features", "8", "--downsample-px", "16"]
    run = tmp_path / "run"
    assert main(["train", str(run), "--data", str(images), *small]) == 0
    said = capsys.readouterr().out
    config = load_config(run / "config.json")
    kept = json.loads((run / "chosen.json").read_text())
    assert kept["config"] == config.model_dump()
    for choice in kept["choices"]:
        assert choice["reason"] in said
    assert config.train.epochs == 1
    assert "train.epochs=" not in said

    other = tmp_path / "other"
    assert main(["train", str(other), "--data", str(images), "--preset", "fast-cpu", *small]) == 0
    assert "chosen from a look" not in capsys.readouterr().out
    assert not (other / "chosen.json").exists()


def test_presets_are_listed_in_groups_each_with_a_line(capsys: Capture) -> None:
    assert main(["presets"]) == 0
    said = capsys.readouterr().out
    places = [said.lower().index(group) for group in PRESET_GROUPS]
    assert places == sorted(places)
    assert main(["presets", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [preset["name"] for preset in listed] == preset_names()
    assert all(len(preset["about"]) > 20 for preset in listed)


@pytest.mark.parametrize("kind", ["noise", "ten"])
def test_of_noise_and_of_ten_images_nothing_was_learned_and_it_is_said(
    kind: str, tmp_path: Path, capsys: Capture
) -> None:
    noise = np.random.default_rng(0).normal(0, 1, (60, 16, 16)).astype(np.float32)
    np.save(tmp_path / "images.npy", noise if kind == "noise" else ellipses(10))
    small = ["--epochs", "1", "--encoder-kernels", "2", "--rotations", "4"]
    small += ["--generator-hidden", "8", "--fourier-features", "8", "--downsample-px", "16"]
    words = ["train", str(tmp_path / "run"), "--data", str(tmp_path / "images.npy"), *small]
    assert main([*words, "--content-start", "none", "--no-embed"]) == 0
    assert "Nothing was learned" in capsys.readouterr().out


def test_constant_images_are_refused_in_words(tmp_path: Path, capsys: Capture) -> None:
    np.save(tmp_path / "images.npy", np.full((50, 16, 16), 7, np.float32))
    assert main(["train", str(tmp_path / "run"), "--data", str(tmp_path / "images.npy")]) == 2
    assert "nothing to learn" in capsys.readouterr().err
