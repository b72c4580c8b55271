"""Settings chosen for images, and that what the user gave always wins."""

from pathlib import Path

import numpy as np
import pytest

from tests.core.images.test_facts import ellipses, noisy
from tvae_core.config import DataConfig
from tvae_core.errors import ConfigError
from tvae_core.runs import recommend as module
from tvae_core.runs.preflight import Machine
from tvae_core.runs.recommend import Recommendation, recommend
from tvae_core.synthetic import plan_set, write_set
from tvae_core.work.train import TrainRequest

MACHINE = Machine(memory_bytes=8e9, disk_bytes=1e12, cores=2, has_gpu=False)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clean") / "images.npy"
    np.save(path, ellipses(300))
    return path


def of(path: Path, *given: str) -> Recommendation:
    return recommend(path, given=given, machine=MACHINE)


def test_every_choice_stands_in_the_config_and_has_a_reason(clean: Path) -> None:
    found = of(clean)
    assert {"model.likelihood", "model.kernel_px", "data.downsample_px", "train.epochs"} <= {
        choice.key for choice in found.choices
    }
    for choice in found.choices:
        section, name = choice.key.split(".")
        assert getattr(getattr(found.config, section), name) == choice.value
        assert found.reason(choice.key) == choice.reason != ""
        assert choice.line in found.lines()
    assert found.config.changed(list(found.settings)) == found.config
    assert found.seconds is not None
    assert found.seconds > 0


def test_shapes_noise_and_photographs_get_each_their_own(clean: Path, tmp_path: Path) -> None:
    assert of(clean).config.model.likelihood == "bernoulli"
    np.save(tmp_path / "noisy.npy", noisy(300))
    hidden = of(tmp_path / "noisy.npy")
    assert hidden.config.model.likelihood == "gaussian"
    assert hidden.config.data.normalise == "ring"
    grey = 0.4 + 0.2 * ellipses(300) + np.random.default_rng(1).normal(0, 0.005, (300, 48, 48))
    np.save(tmp_path / "grey.npy", grey.astype(np.float32))
    found = of(tmp_path / "grey.npy").config
    assert found.model.likelihood == "gaussian"
    assert found.data.normalise != "ring"


def test_dark_objects_are_turned_bright_and_look_then_as_bright_ones(
    clean: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "dark.npy", 1 - np.load(clean))
    bright, dark = of(clean), of(tmp_path / "dark.npy")
    assert dark.config.data.invert
    assert not bright.config.data.invert
    assert dark.config.model == bright.config.model


def test_a_setting_that_was_given_wins_and_others_follow_it(clean: Path) -> None:
    found = of(clean, "data.downsample_px=24", "model.likelihood=gaussian")
    assert found.config.data.downsample_px == 24
    assert found.config.model.likelihood == "gaussian"
    assert not found.reason("data.downsample_px")
    assert not found.reason("model.likelihood")
    assert found.config.model.kernel_side(24) < 24
    assert found.reason("model.noise_std")  # which a Gaussian likelihood alone asks for


def test_what_was_chosen_gives_way_to_what_was_given(clean: Path, tmp_path: Path) -> None:
    plan = plan_set("hinge", count=60, side=32, snr=0.1)
    stars = write_set(plan, tmp_path / "hinge").star
    assert stars is not None
    assert of(stars).config.data.phase_flip
    through = of(stars, "model.ctf=likelihood")  # which the preset's share of the pixels excludes
    assert through.config.model.likelihood == "gaussian"
    assert not through.config.data.phase_flip
    assert through.config.train.pixel_share == 1
    assert "mixes pixels" in through.reason("train.pixel_share")
    taught = of(stars, "train.content_start=linear")  # which default settings exclude
    assert taught.config.train.content_start == "linear"
    words = ["tvae", "train", str(tmp_path / "run"), "--data", str(stars), "--ctf", "likelihood"]
    request = TrainRequest.parse(words)
    config = request.new_config()
    assert config is not None
    assert config.model.ctf == "likelihood"
    shapes = of(clean, "model.ctf=likelihood")  # whose preset has another likelihood
    assert shapes.config.model.likelihood == "gaussian"
    assert shapes.reason("model.noise_std")  # what depends on it is chosen after it
    for both in (
        ("model.ctf=likelihood", "data.phase_flip=true"),
        ("train.content_start=linear", "model.likelihood=bernoulli"),
        ("train.sampler=cells", "train.samples=1"),
    ):
        with pytest.raises(ConfigError, match=r"set (data|model|train)\."):
            of(stars, *both)


def test_a_kernel_never_exceeds_its_image(tmp_path: Path) -> None:
    for side in (8, 9, 16, 33):
        np.save(tmp_path / f"{side}.npy", np.random.default_rng(0).random((40, side, side)))
        config = of(tmp_path / f"{side}.npy").config
        seen = config.data.downsample_px or config.data.crop_px or side
        assert config.model.kernel_side(seen) <= seen


def test_few_images_are_seen_more_often(clean: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", np.load(clean)[:40])
    assert of(tmp_path / "few.npy").config.train.epochs > 20
    slow = Machine(8e9, 1e12, 1, False)
    many = recommend(clean, given=("data.downsample_px=0",), machine=slow)
    assert many.seconds is not None
    assert many.seconds <= 1.1 * module._LONGEST_S


def test_the_same_images_are_measured_once(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = of(clean)
    monkeypatch.setattr(module, "measure", None)
    assert of(clean).config == first.config
    np.save(clean, np.load(clean)[:200])
    with pytest.raises(TypeError):  # other images: measured again
        of(clean)


def test_bad_pixels_are_replaced_and_said(tmp_path: Path) -> None:
    images = ellipses(60)
    images[3, 4, 5] = np.nan
    np.save(tmp_path / "bad.npy", images)
    found = recommend(tmp_path / "bad.npy", DataConfig(), machine=MACHINE)
    assert found.config.data.bad_pixels == "mean"
    assert "1 pixel" in found.reason("data.bad_pixels")


def test_the_dimensions_follow_how_much_the_shapes_differ(tmp_path: Path) -> None:
    from tests.core.images.test_facts import blobs

    chosen = {}
    for waves in (1, 3, 8):
        np.save(tmp_path / f"{waves}.npy", blobs(1200, waves))
        found = of(tmp_path / f"{waves}.npy")
        chosen[waves] = (found.config.model.z_dim, found.facts.components)
    assert chosen[1][0] == 2
    assert chosen[3][0] == 8
    assert chosen[8][0] == 16
    assert "a plane shows it" in of(tmp_path / "1.npy").reason("model.z_dim")


def test_noisy_particles_get_room_for_more_than_one_motion(tmp_path: Path) -> None:
    made = write_set(plan_set("hinge", count=1300, side=24, snr=0.1, ctf=False), tmp_path / "many")
    found = recommend(made.stack, DataConfig(), machine=MACHINE)
    assert found.facts.is_noisy
    assert found.config.model.z_dim == 4
    assert "more than one way" in found.reason("model.z_dim")
    few = write_set(plan_set("hinge", count=300, side=24, snr=0.1, ctf=False), tmp_path / "few")
    found = recommend(few.stack, DataConfig(), machine=MACHINE)
    assert found.config.model.z_dim == 2
    assert "noisy images cannot fill" in found.reason("model.z_dim")
