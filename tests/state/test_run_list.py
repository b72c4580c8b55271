import json
from pathlib import Path

import pytest

from tests.state.records import epoch_line, started_line
from tvae_core.config import RunConfig
from tvae_core.progress import Failed, Finished
from tvae_core.runs.listing import RecentRuns, find_runs, summarise
from tvae_core.runs.process import mark
from tvae_core.runs.status import RunStatus
from tvae_gui.state.run_list import RunList


def make_run(path: Path, epochs: int = 2, last: str = "", z_dim: int = 2) -> Path:
    path.mkdir(parents=True)
    config = RunConfig()
    config.model.z_dim = z_dim
    config.save(path / "config.json")
    lines = [epoch_line(number, 5) for number in range(epochs)]
    (path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    (path / "progress.jsonl").write_text("\n".join([started_line(5), *lines, last]) + "\n")
    return path


@pytest.fixture
def recent(tmp_path: Path) -> RecentRuns:
    return RecentRuns(tmp_path / "settings" / "recent-runs.json")


def test_runs_are_found_two_folders_deep_and_not_within_runs(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "group" / "b")
    make_run(tmp_path / "a" / "inside")
    make_run(tmp_path / "very" / "deep" / "c")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")
    assert [run.name for run in find_runs([tmp_path])] == ["a", "b"]


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (Finished("embeddings.h5", "done", 1).to_json(), RunStatus.FINISHED),
        (Failed("the ELBO became nan", "", "").to_json(), RunStatus.FAILED),
        (Failed("stopped; a checkpoint was written", "", "").to_json(), RunStatus.STOPPED),
        ("", RunStatus.STOPPED),
    ],
)
def test_the_last_word_of_a_run_tells_its_state(
    tmp_path: Path, last: str, status: RunStatus
) -> None:
    assert summarise(make_run(tmp_path / "run", last=last)).status is status


def test_a_run_whose_process_lives_is_running(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "run.pid").write_text(mark())
    assert summarise(run).status is RunStatus.RUNNING


def test_a_run_whose_process_died_has_failed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "run.pid").write_text("999999999")
    assert summarise(run).status is RunStatus.FAILED


def test_the_summary_has_the_best_validation_elbo(tmp_path: Path) -> None:
    summary = summarise(make_run(tmp_path / "run", epochs=3))
    assert summary.best_elbo == -99
    assert (summary.epochs, summary.epochs_planned) == (3, 5)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"runs": 3}', '{"runs": [3, null]}', "\0" * 99])
def test_broken_settings_never_block(recent: RecentRuns, tmp_path: Path, text: str) -> None:
    recent.path.parent.mkdir()
    recent.path.write_text(text)
    assert recent.read() == []
    run = make_run(tmp_path / "run")
    recent.add(run)
    assert recent.read() == [run]


def test_settings_that_are_a_folder_never_block(tmp_path: Path) -> None:
    recent = RecentRuns(tmp_path)
    recent.add(make_run(tmp_path / "run"))
    assert recent.read() == []


def test_recent_runs_are_latest_first_and_gone_ones_are_left_out(
    recent: RecentRuns, tmp_path: Path
) -> None:
    runs = [make_run(tmp_path / name) for name in "abc"]
    for run in runs:
        recent.add(run)
    recent.add(runs[0])
    (runs[2] / "config.json").unlink()
    assert recent.read() == [runs[0], runs[1]]


def test_adding_a_folder_lists_its_runs(recent: RecentRuns, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a")
    make_run(tmp_path / "runs" / "b")
    runs = RunList(recent)
    assert runs.add_folder(tmp_path / "runs") == 2
    assert {run.name for run in runs.runs} == {"a", "b"}
    runs.forget(tmp_path / "runs" / "a")
    assert [run.name for run in runs.runs] == ["b"]
    assert (tmp_path / "runs" / "a").is_dir()


def test_compared_runs_tell_the_settings_in_which_they_differ(
    recent: RecentRuns, tmp_path: Path
) -> None:
    paths = [make_run(tmp_path / "runs" / f"z{z}", z_dim=z) for z in (2, 8)]
    runs = RunList(recent, [tmp_path / "runs"])
    runs.refresh()
    runs.compare(paths)
    assert runs.differences() == {"model.z_dim": [2, 8]}
    assert [len(history.epochs) for history in runs.histories()] == [2, 2]


def test_an_earlier_run_on_the_same_images_gives_its_speed(
    recent: RecentRuns, tmp_path: Path
) -> None:
    make_run(tmp_path / "runs" / "one", epochs=2)
    runs = RunList(recent, [tmp_path / "runs"])
    runs.refresh()
    measured = runs.measured(RunConfig())
    assert measured is not None
    assert (measured.run, measured.images_per_second) == ("one", 50.0)  # 100 images in 2 s
    other = RunConfig()
    other.data.path = "/other.mrcs"
    assert runs.measured(other) is None


def test_a_run_with_an_odd_config_is_listed_without_settings(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "config.json").write_text(json.dumps({"model": 3}))
    assert summarise(run).settings == {}
