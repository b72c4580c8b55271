"""What a card asked of one run never reaches another: in the window, on a card or in a sidecar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.material import HingeDecoder, make_hinge_store
from tvae_core.errors import Cancelled, TableError
from tvae_core.sidecar import load_sidecar
from tvae_core.store import EmbeddingStore
from tvae_gui.jobs.background_job import BackgroundJob, BackgroundJobs
from tvae_gui.jobs.card_job import CardJob
from tvae_gui.main_window import MainWindow
from tvae_gui.messages import Messages
from tvae_gui.state.explorer_state import ExplorerState

Make = Callable[..., MainWindow]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> Iterator[Callable[[], None]]:
    """Hold every job back until the returned function lets them work, one after the other."""
    waiting: list[BackgroundJob] = []
    start = BackgroundJob.start
    monkeypatch.setattr(BackgroundJob, "start", lambda job: waiting.append(job))

    def release() -> None:
        while waiting:
            job = waiting.pop(0)
            start(job)
            assert job.join(60)
        QApplication.processEvents()

    yield release
    release()


@pytest.fixture
def other_store(tmp_path: Path) -> Path:
    """Another run, of as many images as the first: an answer for either fits both."""
    (tmp_path / "other").mkdir()
    return make_hinge_store(tmp_path / "other" / "embeddings.h5", images=600, side=24, seed=5)


def _averages(window: MainWindow) -> None:
    window.averages.open()
    window.average_drawer.button.click()


ASKED: dict[str, Callable[[MainWindow], None]] = {
    "clusters": lambda w: w.clusters.run("k-means", 3, False),
    "umap": lambda w: w.data.compute_umap(),
    "mirror": lambda w: w.poses.mark_mirror(True),
    "averages": _averages,
}


def added_to(window: MainWindow) -> dict[str, Any]:
    """Return all that a job can add to the open run."""
    return {
        "clusters": window.state.clusters,
        "planes": window.state.planes,
        "mirrors": window.poses.trust.mirrors,
        "averages": window.averages.averaged,
        "report": window.poses.trust.report,
        "fields": window.fields.state.fields,
    }


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("by_closing", [False, True])
def test_an_answer_for_one_run_never_reaches_another(
    what: str,
    by_closing: bool,
    window: MainWindow,
    other_store: Path,
    held: Callable[[], None],
    qtbot: QtBot,
) -> None:
    if what == "umap":
        pytest.importorskip("umap", reason="UMAP is an extra")
    ASKED[what](window)
    assert len(window.jobs.running) == 1
    if by_closing:
        window.close_run()
    assert window.open(other_store)
    before = added_to(window)
    held()
    settle(qtbot, window)
    assert added_to(window) == before
    assert not window.average_drawer.is_running
    assert not window.job_bar.isVisible()
    assert not window.cluster_drawer.is_running
    window.session.touch()
    window.session.save()
    with EmbeddingStore(other_store) as store:
        kept = load_sidecar(store)
    assert not kept.labellings
    assert not kept.planes


def test_clusters_asked_for_are_kept_with_the_run_they_are_of(
    window: MainWindow, held: Callable[[], None], qtbot: QtBot
) -> None:
    window.clusters.run("k-means", 3, False)
    held()
    settle(qtbot, window)
    assert window.state.clusters is not None
    window.session.save()
    assert window.state.store is not None
    assert set(load_sidecar(window.state.store).labellings) == {"clusters"}


def test_a_split_of_clusters_that_changed_meanwhile_is_dropped(
    window: MainWindow, held: Callable[[], None], qtbot: QtBot
) -> None:
    window.clusters.run("k-means", 3, False)
    held()
    window.clusters.split(0)
    window.clusters.rename(0, "closed")  # the same clusters under another name
    held()
    clusters = window.state.clusters
    assert clusters is not None
    assert clusters.names == ("closed", "cluster 2", "cluster 3", "cluster 4")
    window.clusters.split(0)
    window.clusters.merge([1, 2])
    held()
    settle(qtbot, window)
    clusters = window.state.clusters
    assert clusters is not None
    assert clusters.names == ("closed", "cluster 2", "cluster 4")
    assert clusters.labels.max() == 2
    assert "changed" in window.cluster_drawer.note


def test_an_export_outlives_its_run_and_counts_the_images_of_that_run(
    window: MainWindow, other_store: Path, tmp_path: Path, held: Callable[[], None], qtbot: QtBot
) -> None:
    window.export.open(("all", ""))
    drawer = window.export_drawer
    drawer.format.setCurrentIndex(5)
    drawer.target.setText(str(tmp_path / "all.csv"))
    drawer.target.textEdited.emit("")
    drawer.button.click()
    assert window.open(other_store)
    held()
    settle(qtbot, window)
    assert drawer.outcome == f"600 rows → {tmp_path / 'all.csv'}, verified"
    assert (tmp_path / "all.csv").read_text().count("\n") == 601


def test_a_film_shows_the_run_it_was_asked_of(
    make_window: Make,
    own_store: Path,
    other_store: Path,
    tmp_path: Path,
    held: Callable[[], None],
    qtbot: QtBot,
) -> None:
    def decoder(store: EmbeddingStore) -> HingeDecoder:
        made = HingeDecoder(store.header.side, store.z_dim)
        if store.path == other_store:  # a model of its own: it decodes nothing but noughts
            made.decode = lambda z, *_, side=None, **__: np.zeros((len(z), 24, 24))  # type: ignore[method-assign,misc]
        return made

    window = make_window(decoder)
    assert window.open(own_store)
    settle(qtbot, window)
    for place in ((-1.5, 0.0), (1.5, 0.0)):
        window.path_state.add_anchor(*place)
    window.paths.save("mrcs", tmp_path / "path.mrcs")
    assert window.open(other_store)
    qtbot.waitUntil(lambda: window.decoder.is_ready, timeout=10_000)
    held()
    settle(qtbot, window)
    from tvae_core.images.opening import open_stack

    with open_stack(tmp_path / "path.mrcs") as stack:
        assert stack.read([0]).max() > 0.5


def test_nothing_of_one_run_is_shown_for_another(
    window: MainWindow, other_store: Path, held: Callable[[], None], qtbot: QtBot
) -> None:
    window.state.select({"kind": "all"})
    window.state.add_set("everything")
    window.clusters.run("k-means", 3, False)
    held()
    window.export.open(("set", "everything"))
    assert window.cluster_drawer.table.rowCount() == 3
    assert window.inspector.sets.topLevelItemCount() == 1
    window.close_run()
    assert window.open(other_store)
    settle(qtbot, window)
    assert window.cluster_drawer.table.rowCount() == 0
    assert window.inspector.sets.topLevelItemCount() == 0
    assert not window.export_drawer.isVisible()


def test_tiles_that_were_asked_of_a_run_are_asked_again_once_it_is_reopened(
    window: MainWindow, own_store: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        window.decoder, "ask_many", lambda slot, z, tag, side: asked.append(tag) or None
    )
    for _ in range(2):
        asked.clear()
        qtbot.waitUntil(lambda: window.decoder.is_ready, timeout=10_000)
        window.plane.fit()
        window.plane.zoom(0.1)
        window.grab()
        QApplication.processEvents()
        assert asked
        assert window.open(own_store)


def test_a_path_that_plays_ends_with_its_run(window: MainWindow) -> None:
    for place in ((-1.5, 0.0), (1.5, 0.0)):
        window.path_state.add_anchor(*place)
    window.path_state.play(True)
    window.close_run()
    assert not window.path_state.exists
    assert not window.path_state.playing


# --- the one way itself ------------------------------------------------------------------------


class Card:
    """A card that notes what it is told to show."""

    def __init__(self) -> None:
        self.running, self.words, self.share = False, "", 0.0

    def show_running(self, running: bool, words: str = "") -> None:
        """Note it."""
        self.running, self.words = running, words

    def show_progress(self, share: float, words: str = "") -> None:
        """Note it."""
        self.share = share


@pytest.fixture
def state(own_store: Path) -> Iterator[ExplorerState]:
    """A state with a store open."""
    made = ExplorerState()
    made.open(EmbeddingStore(own_store))
    yield made
    made.close()


@pytest.fixture
def said() -> list[tuple[str, str]]:
    """What the messages said."""
    return []


@pytest.fixture
def card_job(
    state: ExplorerState, said: list[tuple[str, str]], qapp: QApplication
) -> Iterator[tuple[CardJob, Card, BackgroundJobs]]:
    """A card's job with its card."""
    jobs, messages, card = BackgroundJobs(), Messages(), Card()
    messages.said.connect(lambda level, words, _: said.append((level, words)))
    yield CardJob(jobs, state, messages, card, stopped="Stopped. Nothing was written."), card, jobs
    jobs.stop()
    jobs.deleteLater()
    messages.deleteLater()


Parts = tuple[CardJob, Card, BackgroundJobs]


def _wait(job: BackgroundJobs, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not job.running, timeout=10_000)


def test_a_job_shows_how_far_it_is_and_gives_its_answer(card_job: Parts, qtbot: QtBot) -> None:
    job, card, jobs = card_job
    answers: list[int] = []

    def work(progress: Callable[[float, str], None], cancelled: Callable[[], bool]) -> int:
        progress(0.5, "half")
        return 7

    assert job.run("sums", work, answers.append, words="Adding …")
    assert (card.running, card.words, job.is_running) == (True, "Adding …", True)
    _wait(jobs, qtbot)
    assert (answers, card.running, card.share, job.is_running) == ([7], False, 0.5, False)


def test_a_second_job_is_refused_while_one_works(card_job: Parts, qtbot: QtBot) -> None:
    job, _, jobs = card_job
    answers: list[int] = []
    assert job.run("first", lambda *_: 1, answers.append)
    assert not job.run("second", lambda *_: 2, answers.append)
    _wait(jobs, qtbot)
    assert answers == [1]
    assert job.run("third", lambda *_: 3, answers.append)
    _wait(jobs, qtbot)
    assert answers == [1, 3]


def test_nothing_runs_where_no_store_is_open(card_job: Parts, state: ExplorerState) -> None:
    job, card, _ = card_job
    state.close()
    assert not job.run("sums", lambda *_: 1, lambda _: None)
    assert not card.running


def test_a_stopped_job_says_so_and_its_answer_is_dropped(
    card_job: Parts, held: Callable[[], None], qtbot: QtBot
) -> None:
    job, card, _ = card_job
    answers: list[int] = []
    job.run("sums", lambda *_: 1, answers.append)
    job.cancel()
    assert not job.run("again", lambda *_: 2, answers.append)  # what it wrote is not yet away
    held()
    assert (answers, card.running, card.words) == ([], False, "Stopped. Nothing was written.")


def test_a_dropped_job_leaves_room_for_the_next(card_job: Parts, held: Callable[[], None]) -> None:
    job, card, _ = card_job
    answers: list[int] = []
    job.run("sums", lambda *_: 1, answers.append)
    job.drop("Stopped.")
    assert (card.running, card.words) == (False, "Stopped.")
    assert job.run("again", lambda *_: 2, answers.append)
    held()
    assert (answers, card.running) == ([2], False)


@pytest.mark.parametrize(
    ("error", "words", "level"),
    [
        (TableError("the disk is full", "a.csv", "free some space"),
         "The disk is full — a.csv. Free some space.", None),
        (ZeroDivisionError("by zero"), "", "error"),
        (Cancelled("stopped"), "Stopped. Nothing was written.", None),
    ],
)  # fmt: skip
def test_an_error_is_said_once(
    error: Exception,
    words: str,
    level: str | None,
    card_job: Parts,
    said: list[tuple[str, str]],
    qtbot: QtBot,
) -> None:
    job, card, jobs = card_job

    def fail(*_: Any) -> None:
        raise error

    job.run("sums", fail, lambda _: None)
    _wait(jobs, qtbot)
    assert (card.running, card.words) == (False, words)
    assert [kind for kind, _ in said] == ([level] if level else [])


def test_a_job_may_outlive_its_store(
    card_job: Parts, state: ExplorerState, held: Callable[[], None]
) -> None:
    job, card, _ = card_job
    answers: list[int] = []
    job.run("writing", lambda *_: 1, answers.append, outlives_store=True)
    state.close()
    assert card.running
    held()
    assert (answers, card.running) == ([1], False)
