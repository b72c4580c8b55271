"""Which image is which: files that change behind a run give the right images or a refusal."""

from __future__ import annotations

import re
import shutil
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.core.engine.model.models import blob_images
from tests.core.engine.runs import SIDE, TINY
from tests.core.images.makers import mrc_bytes
from tests.factories import make_store
from tvae_core.cli.main import main
from tvae_core.config import RunConfig, load_config
from tvae_core.engine.training.train import train as train_run
from tvae_core.errors import Cancelled
from tvae_core.images.identity import UNKNOWN
from tvae_core.runs.begin import begin
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.images import load_run_images
from tvae_core.store import EmbeddingStore

COUNT = 20
Capture = pytest.CaptureFixture[str]


def numbered(count: int = COUNT, seed: int = 0) -> NDArray[np.uint8]:
    """Return blobs (count, SIDE, SIDE) whose pixel [0, 0] is their number."""
    images = (blob_images(count, SIDE, 1, seed).numpy()[:, 0] * 100 + 20).astype(np.uint8)
    images[:, 0, 0] = np.arange(count)
    return images


def write_table(path: Path, order: NDArray[np.int64]) -> None:
    rows = "\n".join(f"{i + 1:06d}@s.mrcs" for i in order)
    path.write_text(f"data_\n\nloop_\n_rlnImageName\n{rows}\n")


def write_stack(path: Path, images: NDArray[np.uint8]) -> None:
    path.write_bytes(mrc_bytes(images.astype(np.float32)))


def write_pictures(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, image in enumerate(numbered()):
        Image.fromarray(image).save(folder / f"cell_{number:03d}.png")


def train(folder: Path, data: Path, *words: str) -> Path:
    """Train a run of one epoch on `data` and return its folder."""
    RunConfig.model_validate(TINY).save(folder / "settings.json")
    run = folder / "run"
    settings = ["--config", str(folder / "settings.json"), "--epochs", "1", *words]
    assert main(["train", str(run), "--data", str(data), *settings]) == 0
    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One trained run on a folder of pictures, one on a table; each in a folder of its own."""
    pictures, particles = (tmp_path_factory.mktemp(name) for name in ("pictures", "particles"))
    write_pictures(pictures / "cells")
    train(pictures, pictures / "cells")
    write_stack(particles / "s.mrcs", numbered())
    write_table(particles / "p.star", np.arange(COUNT))
    train(particles, particles / "p.star")
    return {"pictures": pictures, "particles": particles}


@pytest.fixture
def pictures(made: dict[str, Path]) -> Path:
    return as_new(made["pictures"])


@pytest.fixture
def particles(made: dict[str, Path]) -> Path:
    return as_new(made["particles"])


def as_new(folder: Path) -> Path:
    """Return `folder` as it was when its run was made: a test may change all but the path."""
    kept = folder.with_name(folder.name + "-kept")
    if kept.exists():
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
    else:
        shutil.copytree(folder, kept)
    return folder


def exported(folder: Path, *words: str) -> list[int]:
    """Export images 5, 6, 7 of the run and return their numbers."""
    (folder / "indices.txt").write_text("5\n6\n7\n")
    out = folder / "o.npy"
    words = ("--indices", str(folder / "indices.txt"), "--overwrite", *words)
    assert main(["export", str(folder / "run"), str(out), *words]) == 0
    return [int(number) for number in np.load(out)[:, 0, 0]]


def error_of(words: list[str], capsys: Capture, code: int = 2) -> str:
    """Run a command that must be refused in one line, and return the line."""
    capsys.readouterr()
    assert main(words) == code
    line = capsys.readouterr().err
    assert line.count("\n") == 1, line
    assert line.startswith("tvae: error: ")
    return line


def test_a_store_knows_each_image_by_its_content(pictures: Path) -> None:
    with EmbeddingStore(pictures / "run") as store:
        prints = store.images_known_by.prints
        assert prints is not None
        assert len(np.unique(prints)) == COUNT
        assert store.images_known_by.name(5) == "image 5 (cell_005.png)"


def test_info_says_how_far_images_are_known(
    pictures: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main(["info", str(pictures / "run" / "embeddings.h5")]) == 0
    assert "name and content" in capsys.readouterr().out
    older = make_store(tmp_path / "older.h5", images=5)
    assert main(["info", str(older)]) == 0
    assert "name or position only (embed the run again" in capsys.readouterr().out


def test_a_folder_that_gained_and_lost_files_gives_the_right_images(
    pictures: Path, capsys: Capture
) -> None:
    Image.fromarray(np.full((SIDE, SIDE), 250, np.uint8)).save(pictures / "cells" / "a_new.png")
    assert exported(pictures) == [5, 6, 7]
    run = str(pictures / "run")
    assert main(["average", run, str(pictures / "a.mrcs")]) == 0
    assert main(["selftest", run, "--images", "4", "--turns", "2"]) == 0
    (pictures / "cells" / "cell_006.png").unlink()
    words = ["export", run, str(pictures / "p.npy"), "--indices", str(pictures / "indices.txt")]
    line = error_of(words, capsys)
    assert "image 6 (cell_006.png) is missing" in line
    assert "--images-at" in line
    assert not (pictures / "p.npy").exists()


def test_files_that_were_renamed_are_found_by_their_content(pictures: Path) -> None:
    for number in range(COUNT):
        old = pictures / "cells" / f"cell_{number:03d}.png"
        old.rename(old.with_name(f"new_{COUNT - number:03d}.png"))
    assert exported(pictures) == [5, 6, 7]


def test_a_table_in_another_order_gives_the_right_images_and_poses(particles: Path) -> None:
    run, average = str(particles / "run"), particles / "a.mrcs"
    assert main(["average", run, str(average)]) == 0
    before = average.read_bytes()[1024:]
    write_table(particles / "p.star", np.arange(COUNT)[::-1])
    assert exported(particles) == [5, 6, 7]
    assert exported(particles, "--model-size")
    assert main(["average", run, str(average), "--overwrite"]) == 0
    assert average.read_bytes()[1024:] == before


@pytest.mark.parametrize("command", ["export", "average", "selftest"])
def test_a_stack_of_the_same_size_in_its_place_is_refused(
    particles: Path, capsys: Capture, command: str
) -> None:
    write_stack(particles / "s.mrcs", numbered(seed=9))
    out = [] if command == "selftest" else [str(particles / "x.mrcs")]
    line = error_of([command, str(particles / "run"), *out], capsys)
    assert "have changed since the run embedded them: none of the 20 is" in line
    assert not (particles / "x.mrcs").exists()


# --- a run that goes on


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a stack that was stopped after its first epoch."""
    folder = tmp_path_factory.mktemp("stopped")
    write_stack(folder / "s.mrcs", numbered())
    RunConfig.model_validate(TINY).save(folder / "settings.json")
    config = load_config(folder / "settings.json").changed(
        [f"data.path={folder / 's.mrcs'}", "train.epochs=4"]
    )
    run = RunFolder(folder / "run")
    list(begin(run, config))
    asked = count()
    with pytest.raises(Cancelled):
        list(train_run(run, cancelled=lambda: next(asked) >= 5))
    return folder


@pytest.fixture
def stopped(stopped_once: Path) -> Path:
    return as_new(stopped_once)


LATER = {
    "fewer": (numbered()[:10], "10 images here, but there were 20 when the run was started"),
    "more": (np.concatenate([numbered(), numbered(seed=3)]), "40 images here, but there were 20"),
    "other": (numbered(seed=9), "have changed since the run was started: none of the 20"),
    "one": (np.concatenate([numbered()[:19], numbered(seed=9)[19:]]), r"image 19 \(20@s.mrcs\)"),
    "size": (np.pad(numbered(), ((0, 0), (2, 2), (2, 2))), "16 x 16 px, those of the run 12 x 12"),
}


@pytest.mark.parametrize("name", LATER)
def test_a_run_does_not_go_on_with_other_images(stopped: Path, capsys: Capture, name: str) -> None:
    images, message = LATER[name]
    write_stack(stopped / "s.mrcs", images)
    before = {path: path.read_bytes() for path in (stopped / "run").rglob("*.npz")}
    line = error_of(["train", str(stopped / "run"), "--resume"], capsys)
    assert re.search(message, line), line
    assert "--images-at" in line
    assert {path: path.read_bytes() for path in (stopped / "run").rglob("*.npz")} == before


def test_a_run_goes_on_with_the_same_images_in_another_order(stopped: Path) -> None:
    run = stopped / "run"
    write_stack(stopped / "s.mrcs", numbered()[::-1])
    assert main(["train", str(run), "--resume"]) == 0
    with EmbeddingStore(run) as store:
        assert store.column("source/index").tolist() == list(range(COUNT))[::-1]
    assert exported(stopped) == [5, 6, 7]


def test_a_run_of_an_older_program_goes_on_and_learns_its_images(stopped: Path) -> None:
    (stopped / "run" / "images.npz").unlink()
    assert main(["train", str(stopped / "run"), "--resume"]) == 0
    kept = load_run_images(RunFolder(stopped / "run"))
    assert kept is not None
    assert kept.identity.prints is not None
    assert (kept.identity.prints != UNKNOWN).all()


@pytest.mark.parametrize("option", ["--images-at", "--data"])
def test_a_run_goes_on_with_images_that_moved_and_remembers_where(
    stopped: Path, capsys: Capture, option: str
) -> None:
    run = stopped / "run"
    (stopped / "new").mkdir()
    (stopped / "s.mrcs").rename(stopped / "new" / "s.mrcs")
    assert "--images-at" in error_of(["train", str(run), "--resume"], capsys)
    assert main(["train", str(run), "--resume", option, str(stopped / "new" / "s.mrcs")]) == 0
    assert exported(stopped) == [5, 6, 7]
    for command in ("embed", "evaluate"):
        assert main([command, str(run)]) == 0


def test_a_damaged_list_of_images_is_said(stopped: Path, capsys: Capture) -> None:
    path = stopped / "run" / "images.npz"
    path.write_bytes(path.read_bytes()[:200])
    line = error_of(["train", str(stopped / "run"), "--resume"], capsys, 4)
    assert "images.npz" in line


def test_embedding_again_takes_the_images_of_the_run(pictures: Path, capsys: Capture) -> None:
    Image.fromarray(np.full((SIDE, SIDE), 250, np.uint8)).save(pictures / "cells" / "a_new.png")
    assert main(["embed", str(pictures / "run")]) == 0
    assert "1 more image is here that the run does not know" in capsys.readouterr().out
    with EmbeddingStore(pictures / "run") as store:
        assert store.images == COUNT
        assert store.images_known_by.name(5) == "image 5 (cell_005.png)"
    every = pictures / "every.h5"
    words = ["embed", str(pictures / "run"), "--data", str(pictures / "cells"), "-o", str(every)]
    assert main(words) == 0
    with EmbeddingStore(every) as store:
        assert store.images == COUNT + 1


# --- notes


def test_clusters_are_kept_when_the_run_is_embedded_again(particles: Path, capsys: Capture) -> None:
    run = str(particles / "run")
    assert main(["cluster", run, "--count", "3"]) == 0
    export = ["export", run, str(particles / "c.npy"), "--cluster", "1", "--overwrite"]
    assert main(export) == 0
    before = np.load(particles / "c.npy")
    write_table(particles / "p.star", np.arange(COUNT)[::-1])
    assert main(["embed", run]) == 0
    assert main(export) == 0
    np.testing.assert_array_equal(np.load(particles / "c.npy"), before)
    np.save(particles / "few.npy", numbered()[:7])
    others = ["embed", run, "--data", str(particles / "few.npy")]
    line = error_of(others, capsys)
    assert "its notes (1 clustering) belong to images that are not among these 7" in line
    assert "--new-notes" in line
    assert main([*others, "--new-notes"]) == 0
    assert "embeddings.analysis.kept-1.h5" in capsys.readouterr().out


# --- what an export may replace


def test_no_export_replaces_the_images_of_the_run(
    pictures: Path, particles: Path, capsys: Capture
) -> None:
    cells, stack = pictures / "cells", particles / "s.mrcs"
    picture = cells / "cell_003.png"
    before = {path: path.read_bytes() for path in (picture, stack, particles / "p.star")}
    run, other = str(pictures / "run"), str(particles / "run")
    for words in (
        ["export", run, str(picture)],
        ["export", run, str(cells)],
        ["export", run, str(pictures)],
        ["export", other, str(stack)],
        ["average", other, str(stack)],
        ["decode", other, "-o", str(stack)],
        ["export", other, str(particles / "p.star")],
    ):
        line = error_of([*words, "--overwrite"], capsys)
        assert "choose" in line
    assert {path: path.read_bytes() for path in before} == before
    assert len(list(cells.iterdir())) == COUNT


def test_a_folder_of_other_things_is_not_replaced(particles: Path, capsys: Capture) -> None:
    results = particles / "results"
    (results / "figures").mkdir(parents=True)
    for name in ("notes.txt", "figures/figure.ai"):
        (results / name).write_text("three weeks of work\n")
    line = error_of(["export", str(particles / "run"), str(results), "--overwrite"], capsys)
    assert "holds other things: figures" in line
    assert (results / "notes.txt").read_text() == "three weeks of work\n"
    assert (results / "figures" / "figure.ai").exists()


# --- images that moved


def test_where_the_images_are_now_is_said_once(particles: Path, capsys: Capture) -> None:
    run = str(particles / "run")
    assert exported(particles) == [5, 6, 7]
    (particles / "old").mkdir()
    for name in ("s.mrcs", "p.star"):
        (particles / name).rename(particles / "old" / name)
    commands = [
        ["export", run, str(particles / "x.npy")],
        ["export", run, str(particles / "x.star")],
        ["selftest", run, "--images", "4", "--turns", "2"],
        ["evaluate", run],
        ["train", run, "--resume"],
    ]
    for words in commands:
        assert "--images-at" in error_of(words, capsys), words
    assert exported(particles, "--images-at", str(particles / "old")) == [5, 6, 7]
    assert exported(particles) == [5, 6, 7]
    for words in [*commands[:3], ["average", run, str(particles / "a.mrcs")]]:
        assert main(words) == 0, words
    assert "thumbnails" not in capsys.readouterr().out
    for words in (["evaluate", run], ["train", run, "--resume"]):
        assert main(words) == 0, words


def test_other_images_at_another_place_are_not_remembered(particles: Path, capsys: Capture) -> None:
    (particles / "old").mkdir()
    write_stack(particles / "old" / "s.mrcs", numbered(seed=9))
    write_table(particles / "old" / "p.star", np.arange(COUNT))
    words = ["export", str(particles / "run"), str(particles / "x.npy")]
    assert "have changed" in error_of([*words, "--images-at", str(particles / "old")], capsys)
    assert exported(particles) == [5, 6, 7]
