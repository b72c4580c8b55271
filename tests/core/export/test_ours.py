"""Nothing that is not ours is deleted, and a killed export leaves the old folder or the new one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.factories import make_store
from tvae_core.config import RunConfig
from tvae_core.errors import ImageFileError
from tvae_core.export import ours
from tvae_core.export.ours import MANIFEST, RUN_FILES, RUN_FOLDERS
from tvae_core.export.sources import InMemory
from tvae_core.export.stacks import export_images
from tvae_core.export.target import new_file, new_folder
from tvae_core.images.opening import open_stack
from tvae_core.runs.folder import RunFolder
from tvae_core.sidecar import Sidecar, save_sidecar
from tvae_core.store import EmbeddingStore

IMAGES = InMemory(np.random.default_rng(0).random((5, 8, 8)).astype(np.float32))


def export(path: Path, count: int = 5) -> None:
    export_images(IMAGES, np.arange(count), path, overwrite=True)


def pictures(path: Path) -> int:
    return len(list(path.glob("*.png")))


def state(folder: Path) -> dict[str, bytes]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_folder_that_an_export_wrote_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(out)
    export(out, 3)
    assert pictures(out) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    (tmp_path / "empty").mkdir()
    export(tmp_path / "empty")
    (tmp_path / "link").symlink_to(out)
    export(tmp_path / "link", 4)
    assert pictures(out) == 4


@pytest.mark.parametrize(
    "thing", ["notes.txt", "figures/figure.ai", "000006.png", ".hidden", "000001.png"]
)
def test_a_folder_that_holds_another_thing_is_left_as_it_is(tmp_path: Path, thing: str) -> None:
    out = tmp_path / "out"
    export(out)
    (out / thing).parent.mkdir(exist_ok=True)
    (out / thing).write_text("three weeks of work\n")
    before = state(tmp_path)
    with pytest.raises(ImageFileError, match=thing.partition("/")[0]):
        export(out)
    assert state(tmp_path) == before


@pytest.mark.parametrize("manifest", ["", "{}", "[]", '{"format": "tvae-export", "version": 9}'])
def test_a_folder_without_a_sound_manifest_is_not_ours(tmp_path: Path, manifest: str) -> None:
    out = tmp_path / "out"
    export(out)
    (out / MANIFEST).write_text(manifest)
    with pytest.raises(ImageFileError, match=r"holds other things: 000001\.png"):
        export(out)
    assert pictures(out) == 5


def make_run(folder: Path) -> RunFolder:
    run = RunFolder(folder)
    run.create(RunConfig())
    make_store(run.store, images=5)
    with EmbeddingStore(run.store) as store:
        save_sidecar(Sidecar.of(store), store)
    return run


def test_a_run_and_the_folders_above_it_are_never_replaced(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "one")
    before = state(tmp_path)
    for folder in (run.path, run.path.parent, run.checkpoints.parent):
        with pytest.raises(ImageFileError, match="holds other things"):
            export(folder)
    assert state(tmp_path) == before


def test_no_file_of_a_run_is_replaced(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one")
    named = {value for value in vars(RunFolder).values() if isinstance(value, property)}
    paths = {value.fget(run) for value in named if value.fget is not None}
    files = {path for path in paths if isinstance(path, Path)}
    assert {path.name for path in files} <= RUN_FILES | RUN_FOLDERS
    checkpoint = run.checkpoints / "step-1.json"
    for path in [*(run.path / name for name in RUN_FILES), checkpoint]:
        if not path.exists():
            path.write_text("what the run wrote")
        before = path.read_bytes()
        with pytest.raises(ImageFileError, match=r"part of a run"), new_file(path, True) as part:
            part.write_text("an export")
        assert path.read_bytes() == before


def test_a_store_and_its_notes_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one")
    run.store.rename(tmp_path / "kept.h5")
    (run.path / "embeddings.analysis.h5").rename(tmp_path / "kept.analysis.h5")
    for name in ("kept.h5", "kept.analysis.h5"):
        with pytest.raises(ImageFileError, match="an export does not replace it"):
            export(tmp_path / name)
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(ImageFileError, match="is a folder"):
        export(tmp_path / "folder.npy")
    export(tmp_path / "mine.h5")
    export(tmp_path / "mine.h5", 3)
    whole = (tmp_path / "mine.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageFileError, match="an HDF5 file that cannot be read"):
        export(tmp_path / "cut.h5")


def test_a_folder_that_was_exported_can_be_read_again(tmp_path: Path) -> None:
    export(tmp_path / "out")
    with open_stack(tmp_path / "out") as stack:
        assert len(stack) == 5
        assert stack.remarks == ()


@pytest.mark.parametrize("swaps", [True, False])
def test_an_export_killed_at_any_step_leaves_the_old_folder_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swaps: bool
) -> None:
    if not swaps:  # as on a disk that cannot exchange two names in one step
        monkeypatch.setattr(ours, "swap", lambda _one, _other: False)
    out = tmp_path / "out"
    with new_folder(out, False) as part:
        (part / "old.png").write_text("old")
    seen = set()
    for step in range(1, 200):
        if not _killed_at(step, tmp_path):
            break
        if not swaps and not out.exists():
            ours.take_back(out)  # as the next export does
        names = {path.name for path in out.iterdir()} - {MANIFEST}
        assert names in ({"old.png"}, {"new.png"}), step
        seen |= names
        if names == {"new.png"}:
            with new_folder(out, True) as part:
                (part / "old.png").write_text("old")
    assert step > 10
    assert seen == {"old.png", "new.png"}
    assert (out / "new.png").exists()


def _killed_at(step: int, folder: Path) -> bool:
    """Replace `folder/out` in a child that dies at its step-th call that touches `folder`."""
    child = os.fork()
    if child == 0:
        left = [step]

        def die(event: str, arguments: tuple[Any, ...]) -> None:
            touched = any(str(folder) in str(argument) for argument in arguments)
            if touched and event.startswith(("os.", "open", "shutil.")):
                left[0] -= 1
                if not left[0]:
                    os._exit(9)

        sys.addaudithook(die)
        with new_folder(folder / "out", True) as part:
            (part / "new.png").write_text("new")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
