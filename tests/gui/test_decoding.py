"""The decode thread: the latest wins, nothing queues, nothing urgent waits for what is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.gui.material import HingeDecoder
from tvae_core.errors import Cancelled
from tvae_gui.jobs.decode_job import TILES, Decoded, DecodeJob, engine_decoder
from tvae_gui.jobs.latest_worker import LatestWorker
from tvae_gui.main_window import MainWindow


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
    qtbot.waitUntil(lambda: answers[-1:] == [299], timeout=20_000)
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
    qtbot.waitUntil(lambda: len(answers) == 2, timeout=20_000)
    assert answers == ["probe", "tiles"]


def test_two_patient_questions_do_not_keep_each_other_waiting(
    worker: LatestWorker, qtbot: QtBot
) -> None:
    answers: list[str] = []
    worker.answered.connect(lambda slot, _: answers.append(slot))

    def work(cancelled: Callable[[], bool]) -> Iterator[object]:
        for _ in range(10):
            time.sleep(0.001)
            if cancelled():
                raise Cancelled("something urgent waits")
        yield "done"

    for slot in ("tiles", "hover", "centres"):
        worker.ask(slot, work, patient=True)
    qtbot.waitUntil(lambda: sorted(answers) == ["centres", "hover", "tiles"], timeout=20_000)


def test_an_error_on_the_thread_reaches_the_owner(worker: LatestWorker, qtbot: QtBot) -> None:
    def broken(_: Callable[[], bool]) -> Iterator[object]:
        raise ValueError("no")
        yield

    with qtbot.waitSignal(worker.failed, timeout=20_000) as said:
        worker.ask("probe", broken)
    assert isinstance(said.args[1], ValueError)


def test_the_exact_image_comes_at_the_grid_asked_for(
    hinge_store: Path, qtbot: QtBot, qapp: QApplication
) -> None:
    job = DecodeJob(lambda store: HingeDecoder(store.header.side))
    with qtbot.waitSignal(job.ready, timeout=20_000):
        job.open(hinge_store)
    answers: list[Decoded] = []
    job.decoded.connect(answers.append)
    request = job.ask(np.array([0.3, 0.9]), 0.0, (0.0, 0.0), grid=4)
    qtbot.waitUntil(lambda: bool(answers) and answers[-1].full, timeout=20_000)
    assert [a.image.shape for a in answers] == [(24, 24), (96, 96)]
    assert {a.request for a in answers} == {request}
    assert job.stop()


def test_a_closed_store_answers_no_more(
    hinge_store: Path, qtbot: QtBot, qapp: QApplication
) -> None:
    job = DecodeJob(lambda store: HingeDecoder(store.header.side))
    with qtbot.waitSignal(job.ready, timeout=20_000):
        job.open(hinge_store)
    job.tiles_decoded.connect(lambda _: pytest.fail("an answer of a store that is closed"))
    job.ask_many(TILES, np.zeros((64, 2)), "tag", 24)
    job.close()
    qtbot.waitUntil(lambda: job.idle, timeout=20_000)
    qapp.processEvents()
    assert job.stop()


def test_the_engine_decodes_in_the_window(
    tmp_path: Path, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    pytest.importorskip("torch")
    from tests.factories import store_content
    from tvae_core.config import ModelConfig
    from tvae_core.engine.model.checkpoint import model_bytes
    from tvae_core.engine.model.target_vae import TargetVae
    from tvae_core.engine.using.decode import Decoder
    from tvae_core.files import sha256_of_bytes
    from tvae_core.store import write_store

    size = {"generator_hidden": 16, "fourier_features": 16, "encoder_kernels": 4, "rotations": 4}
    model = TargetVae(ModelConfig(**size), 16, 1)
    weights = model_bytes(model)
    content = store_content(images=50, rotations=4)
    header = replace(content.header, weights_sha256=sha256_of_bytes(weights))
    path = tmp_path / "embeddings.h5"
    write_store(path, replace(content, header=header, weights=weights))

    window = make_window(engine_decoder)
    with qtbot.waitSignal(window.decoder.ready, timeout=30_000):
        assert window.open(path)
    window.state.set_probe_z(np.array([0.4, -0.2]))
    qtbot.waitUntil(lambda: window.probe.is_exact, timeout=10_000)
    exact = Decoder(model).decode(np.array([0.4, -0.2]))[0]
    np.testing.assert_allclose(window.probe.values, exact, atol=1e-5)
    qtbot.waitUntil(lambda: not window.is_busy, timeout=20_000)
