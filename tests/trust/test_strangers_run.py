"""A run folder of a stranger: what its small files say is checked before anything is done with it.

Names of jobs become words of `scancel` or numbers of processes; JSON may be nested without end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.engine.runs import TINY
from tests.trust.faults import Injector
from tvae_core.config import RunConfig
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.job import QUEUED, Job, cancel_job, job_file, live_job, write_job

WORDS = {"executor": "slurm", "number": "12_3", "state": QUEUED}
WORDS |= {"since_s": 0.0, "requeues": 0, "machine": "node1"}
DEEP = "[" * 200_000
SMALL_FILES = (
    "config.json", "job.json", "verdict.json", "evaluation.json", "run.pid", "launch.pid",
    ".run.holder", "metrics.jsonl", "chosen.json", "advice.json", "prepared/about.json",
    "checkpoints/step-000000001.json", "checkpoints/best.json",
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A folder with a config and nothing else."""
    found = RunFolder(tmp_path / "run")
    (found.path / "checkpoints").mkdir(parents=True)
    (found.path / "prepared").mkdir()
    RunConfig.model_validate(TINY).save(found.config_file)
    return found


def test_a_job_of_ours_is_read_as_it_was_written(run: RunFolder) -> None:
    job = write_job(run.path, Job("slurm", "12_3"))
    assert live_job(run.path) == job


@pytest.mark.parametrize(
    "strange",
    [
        {"number": "--me"}, {"number": "-1", "executor": "local"}, {"number": "0"}, {"number": 7},
        {"number": "1 2"}, {"number": "1\n"}, {"number": "9" * 40}, {"executor": "sh"},
        {"state": "flying"}, {"since_s": "yesterday"}, {"requeues": []}, {"machine": {}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_job_is_nothing_to_cancel(run: RunFolder, strange: dict[str, object]) -> None:
    job_file(run.path).write_text(json.dumps(WORDS | strange))
    assert live_job(run.path) is None
    assert not cancel_job(run.path)


def test_a_process_that_carries_no_job_is_left_alone(run: RunFolder) -> None:
    """Its number may be anybody's: only what submitit started is interrupted."""
    program = "import sys; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        write_job(run.path, Job("local", str(other.pid)))
        assert cancel_job(run.path)
        _, told = other.communicate("", timeout=60)
        assert (other.returncode, told) == (0, None)


@pytest.mark.parametrize("name", SMALL_FILES)
def test_json_without_end_is_told_in_one_line(
    injector: Injector, run: RunFolder, name: str
) -> None:
    (run.path / name).write_text(DEEP)
    for words in (["info", "run"], ["jobs", "."], ["embed", "run"], ["train", "run", "--resume"]):
        trial = injector.trial(words, run.path.parent)
        assert "Traceback" not in trial.told, (words, trial.told[-500:])
        assert trial.exit == 0 or (trial.exit in (2, 3, 4) and trial.one_line), (words, trial.told)


@pytest.mark.parametrize("name", SMALL_FILES)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(
    injector: Injector, run: RunFolder, name: str
) -> None:
    (run.path / name).unlink(missing_ok=True)
    os.mkfifo(run.path / name)
    for words in (["info", "run"], ["jobs", "."], ["embed", "run"]):
        trial = injector.trial(words, run.path.parent, limit=30)
        assert not trial.late, words
        assert "Traceback" not in trial.told, (words, trial.told[-500:])


def test_the_cache_lets_go_only_of_what_it_named(injector: Injector, tmp_path: Path) -> None:
    """Its folder may hold what somebody else put there."""
    mine = tmp_path / "cache" / "prepared" / "my particles"
    made = tmp_path / "cache" / "prepared" / ("0123456789abcdef" * 2)
    for folder in (mine, made):
        folder.mkdir(parents=True)
        (folder / "images.npy").write_bytes(b"work of weeks")
        os.utime(folder, (1, 1))
    (tmp_path / "cache" / "prepared" / ("f" * 32)).symlink_to(mine)
    trial = injector.trial(["tests.trust.places:with_cache", str(tmp_path / "cache")], tmp_path)
    assert trial.exit == 0, trial.told
    assert (mine / "images.npy").exists()
    assert not made.exists()
