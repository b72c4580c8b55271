"""`import tvae_core as tvae`: five lines from an array to a table of the same values."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tvae_core as tvae
from tests.core.engine.model.models import blob_images
from tests.core.engine.runs import SIDE, TINY
from tvae_core.errors import Cancelled, ConfigError, ImageFileError, StoreError
from tvae_core.images.opening import open_stack

SETTINGS: dict[str, Any] = TINY["model"] | TINY["train"] | TINY["embed"] | {"epochs": 2}
IMAGES = blob_images(40, SIDE).numpy()[:, 0]


@pytest.fixture(scope="module")
def told() -> list[tuple[float, str]]:
    return []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, told: list[tuple[float, str]]) -> tvae.Run:
    place = tmp_path_factory.mktemp("fit") / "run"
    return tvae.fit(IMAGES, place, progress=lambda s, w: told.append((s, w)), **SETTINGS)


def test_a_fit_tells_how_far_it_is(run: tvae.Run, told: list[tuple[float, str]]) -> None:
    assert [share for share, words in told if words == "training"] == [0.5, 1.0]
    assert told[-1] == (1.0, "embedding")
    assert [epoch.epoch for epoch in run.history] == [0, 1]


def test_settings_given_by_name_are_those_of_the_run(run: tvae.Run) -> None:
    config = run.config
    wanted = {name: value for section in TINY.values() for name, value in section.items()}
    wanted["epochs"] = 2
    kept = {**config.model.model_dump(), **config.train.model_dump(), **config.embed.model_dump()}
    assert {name: kept[name] for name in wanted} == wanted


def test_image_i_of_a_store_is_image_i_of_the_array(run: tvae.Run) -> None:
    store = run.store
    assert len(store) == len(store.images) == len(IMAGES)
    np.testing.assert_array_equal(store.images[7], IMAGES[7])
    np.testing.assert_array_equal(store.images[-1], IMAGES[-1])
    np.testing.assert_array_equal(store.images[3:6], IMAGES[3:6])
    np.testing.assert_array_equal(store.images[[5, 2]], IMAGES[[5, 2]])
    np.testing.assert_array_equal(store.images[np.arange(40) == 9], IMAGES[9:10])
    np.testing.assert_array_equal(next(iter(store.images)), IMAGES[0])
    assert store.model_images[:2].shape == (2, SIDE, SIDE)
    with pytest.raises(IndexError):
        store.images[40]


def test_embedding_the_same_images_again_gives_the_same_content_and_pose(run: tvae.Run) -> None:
    some = run.embed(IMAGES[10:20])
    np.testing.assert_allclose(some.z, run.store.z[10:20], atol=1e-6)
    np.testing.assert_allclose(some.angle_rad, run.store.angle_rad[10:20], atol=1e-5)
    np.testing.assert_array_equal(some.images[0], IMAGES[10])
    assert some.path.name == "embedded-1.h5"
    assert run.embed(IMAGES[:3]).path.name == "embedded-2.h5"  # nothing is replaced


def test_a_decoded_image_turns_and_moves_as_asked(run: tvae.Run) -> None:
    store = run.store
    z = store.z[4]
    upright = store.decode(z)
    assert upright.shape == (SIDE, SIDE)
    # a quarter turn and a whole pixel are exact on the grid
    np.testing.assert_allclose(store.decode(z, np.pi / 2), np.rot90(upright), atol=1e-4)
    moved = store.decode(z, shift_px=(1, 0))
    np.testing.assert_allclose(moved[:, 1:], upright[:, :-1], atol=1e-4)
    assert store.decode(store.z[:3], size_px=20).shape == (3, 20, 20)
    with pytest.raises(ConfigError, match="2 dimensions"):
        store.decode(np.zeros(3))


def test_a_run_is_opened_again_with_what_it_found(run: tvae.Run) -> None:
    again = tvae.open_run(run.path)
    np.testing.assert_array_equal(again.store.z, run.store.z)
    assert again.history == run.history
    with tvae.open_store(run.path) as store:
        assert store.planes["pca"].shape == (40, 2)
    with pytest.raises(ConfigError, match="no run here"):
        tvae.open_run(run.path.parent)
    with pytest.raises(StoreError):
        tvae.open_store(run.path.parent)


@pytest.mark.parametrize("kind", ["path", "text", "stack"])
def test_a_file_is_taken_where_it_lies(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "given.npy"
    np.save(file, IMAGES[:20])
    images = {"path": file, "text": str(file), "stack": open_stack(file)}[kind]
    run = tvae.fit(images, tmp_path / "run", **SETTINGS | {"epochs": 1})
    assert run.config.data.path == str(file)
    assert not (run.path / "images.npy").exists()
    np.testing.assert_array_equal(run.store.images[5], IMAGES[5])


@pytest.mark.parametrize("shape", ["NYXC", "NCYX", "NP", "list"])
def test_an_array_is_read_by_its_axes(tmp_path: Path, shape: str) -> None:
    colour = blob_images(3, SIDE, 3).numpy()  # three images: the number says nothing of the axes
    images: Any = {
        "NCYX": colour,
        "NYXC": np.moveaxis(colour, 1, -1),
        "NP": colour[:, 0].reshape(3, -1),
        "list": list(colour[:, 0]),
    }[shape]
    run = tvae.fit(images, tmp_path / "run", anyway=True, **SETTINGS | {"epochs": 1})
    wanted = np.moveaxis(colour, 1, -1) if shape[-1] in "CX" else colour[:, 0]
    np.testing.assert_array_equal(run.store.images[:], wanted)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([np.zeros((4, 4)), np.zeros((5, 5))], "several sizes"),
        (np.zeros((3, 4, 4), complex), "real numbers"),
        (np.zeros(5), "not images"),
        (np.zeros((0, 4, 4)), "not images"),
        (np.full((30, 12, 12), 0.5), "constant|same|blank|learned"),
    ],
)
def test_what_is_no_images_is_told_in_one_line_and_leaves_nothing(
    tmp_path: Path, images: Any, words: str
) -> None:
    with pytest.raises(ImageFileError, match=words):
        tvae.fit(images, tmp_path / "run", **SETTINGS)
    assert list(tmp_path.rglob("*.*")) == []


def test_a_wrong_setting_is_told_with_the_one_meant(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'z_dim'"):
        tvae.fit(IMAGES, tmp_path / "run", z_dims=3)
    with pytest.raises(ConfigError, match=r"train\.epochs"):
        tvae.fit(IMAGES, tmp_path / "run", **SETTINGS | {"epochs": 0})
    assert not list(tmp_path.rglob("*.npy"))


def test_a_folder_in_use_is_not_trained_into(run: tvae.Run) -> None:
    with pytest.raises(ConfigError, match="not empty"):
        tvae.fit(IMAGES, run.path, **SETTINGS)


def test_a_fit_that_is_stopped_can_be_resumed(tmp_path: Path) -> None:
    calls = iter([False] * 3 + [True] * 1000)
    with pytest.raises(Cancelled):
        tvae.fit(IMAGES, tmp_path / "run", cancelled=lambda: next(calls), **SETTINGS)
    run = tvae.open_run(tmp_path / "run").resume(epochs=3)
    assert [epoch.epoch for epoch in run.history] == [0, 1, 2]
    assert len(run.store) == len(IMAGES)
    with pytest.raises(ConfigError, match="only --epochs"):
        run.resume(z_dim=3)


def _loaded_by(statement: str) -> set[str]:
    """Return the packages that a fresh interpreter has loaded after a statement."""
    program = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(answer.stdout.split())


def test_importing_loads_nothing_heavy(run: tvae.Run) -> None:
    heavy = {"torch", "sklearn", "scipy", "h5py", "numpy", "pydantic", "matplotlib", "pandas"}
    loaded = _loaded_by("import tvae_core as tvae; tvae.__version__; dir(tvae)")
    assert loaded & (heavy | {"escnn", "anndata", "PyQt6", "umap"}) == set()
    opened = _loaded_by(
        f"import tvae_core as tvae; s = tvae.open_store({str(run.path)!r}); s.z; s.images[0]"
    )
    assert opened & {"torch", "sklearn", "escnn", "pandas", "anndata", "PyQt6"} == set()


@pytest.mark.parametrize("call", ["s.decode(s.z[0])", "tvae.fit(s.images[:], {out!r})"])
def test_without_torch_one_line_names_the_extra(run: tvae.Run, tmp_path: Path, call: str) -> None:
    call = call.format(out=str(tmp_path / "new"))
    program = (
        "import sys; sys.modules['torch'] = None\nimport tvae_core as tvae\n"
        f"s = tvae.open_store({str(run.path)!r}); len(s)\n"
        f"try:\n    {call}\nexcept tvae.TvaeError as error:\n    print(error)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "torch" in answer.stdout
    assert "pip install 'target-vae[train]'" in answer.stdout


@pytest.mark.parametrize(
    "fit",
    ["tvae.fit(x, {out!r}, preset='fast-cpu')", "tvae.TargetVAE(preset='fast-cpu').fit(x)"],
)
def test_threads_sleep_before_torch_is_loaded(tmp_path: Path, fit: str) -> None:
    """Spinning threads made a fit beside busy processes a hundred times slower."""
    program = (
        "import os, sys\nimport numpy as np, tvae_core as tvae\n"
        "class Seen:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch':\n"
        "            print(os.environ.get('OMP_WAIT_POLICY'))\n"
        "            os._exit(0)\n"
        "sys.meta_path.insert(0, Seen())\n"
        "x = np.random.default_rng(0).random((40, 12, 12), np.float32)\n"
        f"{fit.format(out=str(tmp_path / 'run'))}"
    )
    clean = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    answer = subprocess.run(
        [sys.executable, "-uc", program], capture_output=True, text=True, check=True, env=clean
    )
    assert answer.stdout == "passive\n"


def test_every_name_offered_is_there_and_documented() -> None:
    for name in tvae.__all__:
        found = getattr(tvae, name)
        assert name in dir(tvae)
        assert isinstance(found, str) or (found.__doc__ or "").strip()
    with pytest.raises(AttributeError, match="fits"):
        tvae.fits  # noqa: B018


def test_a_recommendation_reads_as_lines_and_is_what_a_fit_takes(tmp_path: Path) -> None:
    found = tvae.recommend(1 - IMAGES, z_dim=3)
    assert found.config.model.z_dim == 3
    lines = str(found).splitlines()
    assert any(line.startswith("data.invert=true: ") for line in lines)  # dark on bright
    few = {"epochs": 1, "encoder_kernels": 4, "generator_hidden": 16, "atlas_nodes": 2}
    run = tvae.fit(1 - IMAGES, tmp_path / "run", z_dim=3, **few)
    assert run.config.data.invert
    assert run.config.model.kernel_px == found.config.model.kernel_px
    assert any(line.startswith("data.invert=true: ") for line in run.remarks)
