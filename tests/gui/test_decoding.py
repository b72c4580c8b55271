"""The decode thread: the latest wins, nothing queues, nothing urgent waits for what is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.gui.material import HingeDecoder
from tvae_core.errors import Cancelled
from tvae_gui.jobs.decode_job import TILES, Decoded, DecodeJob
from tvae_gui.jobs.latest_worker import LatestWorker


@pytest.fixture
def worker(qapp: QApplication) -> Iterator[LatestWorker]:
    made = LatestWorker("test")
    yield made
    assert made.stop()


def test_of_many_questions_the_last_is_answered(worker: LatestWorker, qtbot: QtBot) -> None:
    answers: list[object] = []
    worker.answered.connect(lambda _, answer: answers.append(answer))

    def work(number: int) -> Callable[[Callable[[], bool]], Iterator[object]]:
        def run(cancelled: Callable[[], bool]) -> Iterator[object]:
            for _ in range(20):
                time.sleep(0.0005)
                if cancelled():
                    raise Cancelled("newer")
            yield number

        return run

    for number in range(300):
        worker.ask("probe", work(number))
    qtbot.waitUntil(lambda: answers[-1:] == [299])
    assert len(answers) < 100
    assert answers == sorted(answers)  # type: ignore[type-var]


def test_a_patient_question_steps_aside_and_is_answered_later(
    worker: LatestWorker, qtbot: QtBot
) -> None:
    answers: list[str] = []
    worker.answered.connect(lambda slot, _: answers.append(slot))
    began, steps = threading.Event(), []

    def slow(cancelled: Callable[[], bool]) -> Iterator[object]:
        began.set()
        while len(steps) < 40:
            if cancelled():
                raise Cancelled("something urgent waits")
            time.sleep(0.001)
            steps.append(0)
        yield "tiles"

    worker.ask("tiles", slow, patient=True)
    assert began.wait(5)
    worker.ask("probe", lambda _: iter(["image"]))
    qtbot.waitUntil(lambda: len(answers) == 2)
    assert answers == ["probe", "tiles"]


def test_an_error_on_the_thread_reaches_the_owner(worker: LatestWorker, qtbot: QtBot) -> None:
    def broken(_: Callable[[], bool]) -> Iterator[object]:
        raise ValueError("no")
        yield

    with qtbot.waitSignal(worker.failed) as said:
        worker.ask("probe", broken)
    assert isinstance(said.args[1], ValueError)


def test_the_exact_image_comes_at_the_grid_asked_for(
    hinge_store: Path, qtbot: QtBot, qapp: QApplication
) -> None:
    job = DecodeJob(lambda store: HingeDecoder(store.header.side))
    with qtbot.waitSignal(job.ready):
        job.open(hinge_store)
    answers: list[Decoded] = []
    job.decoded.connect(answers.append)
    request = job.ask(np.array([0.3, 0.9]), 0.0, (0.0, 0.0), grid=4)
    qtbot.waitUntil(lambda: bool(answers) and answers[-1].full)
    assert [a.image.shape for a in answers] == [(24, 24), (96, 96)]
    assert {a.request for a in answers} == {request}
    assert job.stop()


def test_a_closed_store_answers_no_more(
    hinge_store: Path, qtbot: QtBot, qapp: QApplication
) -> None:
    job = DecodeJob(lambda store: HingeDecoder(store.header.side))
    with qtbot.waitSignal(job.ready):
        job.open(hinge_store)
    job.tiles_decoded.connect(lambda _: pytest.fail("an answer of a store that is closed"))
    job.ask_many(TILES, np.zeros((64, 2)), "tag", 24)
    job.close()
    qtbot.waitUntil(lambda: job.idle)
    qapp.processEvents()
    assert job.stop()
