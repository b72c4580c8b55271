"""Gates 4 and 18, thinned: a disk that is full, and places that are awkward."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.trust.faults import Injector
from tests.trust.gates import Stage, failing
from tests.trust.places import NAMES, can_mount, on_full_disk, without_room

WRITES = ("train", "embed", "cluster", "export npy", "export mrcs", "export tif", "average")


@pytest.mark.parametrize("name", WRITES)
def test_files_that_find_no_room(injector: Injector, staged: dict[str, Stage], name: str) -> None:
    tried = dict(without_room(injector, staged[name]))
    for what in list(tried)[: 1 if name == "train" else 2]:
        assert tried[what]() == [], what


@pytest.mark.parametrize("name", ["embed", "export npy"])
def test_a_full_disk(
    injector: Injector, staged: dict[str, Stage], tmp_path: Path, name: str
) -> None:
    if not can_mount(tmp_path / "disk"):
        pytest.skip("disks may not be mounted here")
    assert on_full_disk(injector, staged[name], tmp_path / "disk", 12_000) == []


def test_a_place_that_takes_no_files(injector: Injector, staged: dict[str, Stage]) -> None:
    stage = staged["export npy"]
    numbers = (errno.EROFS, errno.ENAMETOOLONG)
    for tried, wrong in failing(injector, stage, [stage.operations // 2], numbers):
        assert wrong() == [], tried


@pytest.mark.parametrize("name", NAMES)
def test_strange_names(
    injector: Injector, staged: dict[str, Stage], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / NAMES[name]
    for work in ("cluster", "export mrcs"):
        stage = staged[work]
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(stage.before, folder)
        for file in folder.rglob("*.json"):  # a run knows where its images are
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace(str(stage.before), "elsewhere"), encoding="utf-8")
        words = stage.work.words
        words += ("--images-at", str(folder / "set")) if words[0] == "export" else ()
        trial = injector.trial(words, folder)
        assert "Traceback" not in trial.told, trial.told
        assert trial.exit == 0 or (trial.exit in (2, 3) and trial.one_line), trial.told
        if name != "a line's end":
            assert trial.exit == 0, trial.told
    told = injector.trial(["info", str(folder / "nothing.mrcs")], folder)  # the name is shown
    assert told.exit == 2, told.told
    assert "Traceback" not in told.told


def test_the_users_mask_and_a_files_own_rights_are_kept(
    injector: Injector, staged: dict[str, Stage]
) -> None:
    stage = staged["export npy"]
    with stage.copy() as folder:
        words = ["tests.trust.places:masked", "077", *stage.work.words]
        assert injector.trial(words, folder).exit == 0
        made = folder / "out.npy"
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
        os.chmod(made, 0o640)
        again = ["tests.trust.places:masked", "077", *stage.work.words, "--overwrite"]
        assert injector.trial(again, folder).exit == 0
        assert stat.S_IMODE(made.stat().st_mode) == 0o640
