import json
import os
from pathlib import Path

import pytest

from tests.state.records import epoch_line, started_line, step_line
from tvae_core.progress import Embedded, Failed, Finished, Preview
from tvae_core.runs.process import mark
from tvae_core.runs.status import RunStatus
from tvae_gui.state.training_state import TrainingState


@pytest.fixture
def state(tmp_path: Path) -> TrainingState:
    return TrainingState(tmp_path)


def test_records_make_a_history_for_each_metric(state: TrainingState) -> None:
    state.feed_lines([started_line(), epoch_line(0), epoch_line(1)])
    epochs, values = state.history("elbo")
    assert epochs.tolist() == [1, 2]
    assert values.tolist() == [-100, -99]
    assert state.status is RunStatus.RUNNING
    assert state.best() == (-100.0, 2)


def test_lines_that_are_no_records_go_to_the_log(state: TrainingState) -> None:
    lines = ["Traceback", '{"kind": "epoch"}', '{"kind": "new"}', '{"kind', "[" * 100_000, "[1]"]
    state.feed_lines([*lines, json.dumps({"kind": "started", "run": 1})])
    assert len(state.log) == 7
    assert state.status is RunStatus.QUEUED


def test_an_epoch_with_words_for_numbers_is_logged_not_kept(state: TrainingState) -> None:
    state.feed_lines([epoch_line(0).replace('"epoch": 0', '"epoch": "zero"')])
    assert state.epochs == []
    assert len(state.log) == 1


def test_an_elbo_that_is_not_finite_is_left_out_of_the_curve(state: TrainingState) -> None:
    state.feed_lines([epoch_line(0), epoch_line(1, elbo=float("nan"))])
    assert state.history("elbo")[0].tolist() == [1]


def test_a_resume_drops_the_epochs_that_are_done_again(state: TrainingState) -> None:
    state.feed_lines([started_line(9), *(epoch_line(n, 9) for n in range(5)), started_line(9, 3)])
    assert state.last_epoch == 2
    state.feed_lines([epoch_line(3, 9, elbo=-50)])
    assert state.history("elbo")[1].tolist() == [-100, -99, -98, -47]


def test_progress_counts_steps_within_the_epoch(state: TrainingState) -> None:
    state.feed_lines([started_line(4), epoch_line(0, 4), step_line(1, 5, 10)])
    assert state.fraction == pytest.approx(1.5 / 4)
    assert state.eta_s == 60
    assert state.headline == "Training epoch 2 of 4"


def test_many_steps_tell_of_progress_once(state: TrainingState) -> None:
    told = []
    state.progress_changed.connect(lambda: told.append(1))
    state.feed_lines([step_line(0, number, 1000) for number in range(1000)])
    assert len(told) == 1
    assert state.step is not None
    assert state.step.step == 999


def test_embedding_has_its_own_progress(state: TrainingState) -> None:
    state.feed_lines([started_line(1), epoch_line(0, 1)])
    state.feed(Embedded(250, 1000, 50.0))
    assert state.fraction == 0.25
    assert state.eta_s == 15
    assert state.headline == "Embedding 250 of 1,000 images"


def test_a_finished_run_has_its_store(state: TrainingState) -> None:
    state.feed_lines([started_line(1), epoch_line(0, 1)])
    state.feed(Finished(str(state.folder.store), "all epochs done", 1))
    assert state.status is RunStatus.FINISHED
    assert state.store == state.folder.store


def test_a_failure_is_told_with_what_to_do(state: TrainingState) -> None:
    state.feed(Failed("the ELBO became nan", "run", "lower the learning rate"))
    assert state.status is RunStatus.FAILED
    assert "ELBO became nan" in state.reason
    assert state.todo == "lower the learning rate"


def test_a_stop_that_was_asked_for_is_no_failure(state: TrainingState) -> None:
    state.feed_lines([started_line(), epoch_line(0)])
    state.feed(Failed("stopped; a checkpoint was written", "run", "add --resume"))
    assert state.status is RunStatus.STOPPED


def test_a_process_that_dies_without_a_word_has_failed(state: TrainingState) -> None:
    state.feed_lines([started_line(), epoch_line(0)])
    state.folder.pid_file.write_text("999999999")
    state.folder.log_file.write_text("loading\nKilled\n")
    state.settle()
    assert state.status is RunStatus.FAILED
    assert "Killed" in state.reason
    assert "Resume" in state.todo


def test_previews_of_an_epoch_done_again_are_replaced(state: TrainingState) -> None:
    for name in ("a", "b"):
        state.feed(Preview(0, f"{name}.png", f"{name}.png", f"{name}.npz"))
    assert [preview.decoded_grid for preview in state.previews] == ["b.png"]


def test_a_run_trained_in_a_terminal_is_rebuilt_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("\n".join(epoch_line(n) for n in range(3)) + "\n")
    (tmp_path / "previews").mkdir()
    for number in (2, 10):
        (tmp_path / "previews" / f"decoded_grid_{number:04d}.png").touch()
    state = TrainingState.from_folder(tmp_path)
    assert state.last_epoch == 2
    assert state.epochs_planned == 3
    assert [preview.epoch for preview in state.previews] == [2, 10]
    assert state.status is RunStatus.STOPPED


def test_a_living_process_makes_the_rebuilt_run_running(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(epoch_line(0) + "\n")
    (tmp_path / "run.pid").write_text(mark())
    assert TrainingState.from_folder(tmp_path).status is RunStatus.RUNNING


def test_a_process_number_given_out_again_is_not_the_run(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(epoch_line(0) + "\n")
    (tmp_path / "run.pid").write_text(str(os.getpid()))
    assert TrainingState.from_folder(tmp_path).status is RunStatus.FAILED


def test_records_in_the_log_read_as_sentences(state: TrainingState) -> None:
    state.feed_log(f"{epoch_line(0)}\n{started_line()}\nwarning: odd\n")
    assert list(state.log) == ["Epoch 1: 2 s", "Training 100 images on cpu", "warning: odd"]
