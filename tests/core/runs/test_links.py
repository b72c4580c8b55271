"""Nothing is written through a link that leads out of a run: the run may be a stranger's."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from tvae_core.config import RunConfig
from tvae_core.errors import TrainingError
from tvae_core.locks import held
from tvae_core.runs.folder import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    RunConfig().save(folder.config_file)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    return folder


@pytest.mark.parametrize("name", ["checkpoints", "previews", "objects"])
def test_a_folder_that_is_a_link_out_is_refused(run: RunFolder, tmp_path: Path, name: str) -> None:
    (run.path / name).symlink_to(tmp_path / "mine")
    with pytest.raises(TrainingError, match=r"leads out of the run, to .*mine"), run.locked():
        pass
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("name", ["log.txt", "progress.jsonl"])
def test_a_journal_that_is_a_link_out_does_not_grow(
    run: RunFolder, tmp_path: Path, name: str
) -> None:
    (run.path / name).symlink_to(tmp_path / "mine.txt")
    with pytest.raises(TrainingError, match="leads out of the run"):
        run.log("a line")
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["run.pid", "config.json", ".run.holder", ".run.lock"])
def test_other_files_are_never_written_through(run: RunFolder, tmp_path: Path, name: str) -> None:
    (run.path / name).unlink(missing_ok=True)
    (run.path / name).symlink_to(tmp_path / "mine.txt")
    with suppress(TrainingError, OSError), run.locked():  # refused in words, or done
        RunConfig().save(run.config_file)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_links_within_a_run_and_to_a_run_are_followed(run: RunFolder, tmp_path: Path) -> None:
    (run.path / "kept").mkdir()
    (run.path / "checkpoints").symlink_to("kept")
    (tmp_path / "here").symlink_to(run.path)
    with RunFolder(tmp_path / "here").locked():
        RunFolder(tmp_path / "here").log("a line")
    assert run.log_file.read_text() == "a line\n"


def test_the_mark_of_a_lock_is_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / ".a.holder").symlink_to(tmp_path / "mine.txt")
    with held(tmp_path / "a"):
        assert not (tmp_path / ".a.holder").is_symlink()
    assert (tmp_path / "mine.txt").read_text() == "mine"
