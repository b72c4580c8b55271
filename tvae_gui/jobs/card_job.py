"""The one way in which a card runs one job on one store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tvae_core.errors import Cancelled, TvaeError
from tvae_core.store import EmbeddingStore
from tvae_gui.jobs.background_job import BackgroundJob, BackgroundJobs, Work
from tvae_gui.messages import Messages, sentence_of
from tvae_gui.state.explorer_state import ExplorerState

CHANGED = "The data changed while this was running. Start it again."


class JobCard(Protocol):
    """What shows a job: a card, or the bar below the plane."""

    def show_running(self, running: bool, words: str = "") -> None:
        """Show that a job began, or that it ended and how."""

    def show_progress(self, share: float, words: str = "") -> None:
        """Show how far it is, 0 to 1."""


class _NoCard:
    """Shows nothing, for a job that no card stands for."""

    def show_running(self, running: bool, words: str = "") -> None:
        """Show nothing."""

    def show_progress(self, share: float, words: str = "") -> None:
        """Show nothing."""


@dataclass(frozen=True)
class _Asked:
    """A question: what it was asked of, and what follows its answer."""

    store: EmbeddingStore
    done: Callable[[Any], None]
    failed: Callable[[BaseException], None]
    still: Callable[[], bool] | None
    outlives_store: bool
    stoppable: bool


class CardJob:
    """The job of one card: at most one at a time, and only for the store it was asked of.

    A second job is refused while one runs. An answer is dropped when another store is open by
    then, or none, when the job was dropped, or when what it was asked about has changed.

    Parameters
    ----------
    card : JobCard, optional
        What shows that the job runs, how far it is and how it ended.
    stopped : str
        What the card says when a job was stopped.
    """

    def __init__(
        self,
        jobs: BackgroundJobs,
        state: ExplorerState,
        messages: Messages,
        card: JobCard | None = None,
        stopped: str = "Stopped.",
    ) -> None:
        self._jobs, self._state, self._messages = jobs, state, messages
        self._has_card, self._stopped = card is not None, stopped
        self._card: JobCard = card or _NoCard()
        self._asked: _Asked | None = None
        self._job: BackgroundJob | None = None
        state.store_changed.connect(self._on_store)

    @property
    def is_running(self) -> bool:
        """Whether a job runs, so that another one would be refused."""
        return self._asked is not None

    def run(
        self,
        title: str,
        work: Work,
        done: Callable[[Any], None],
        *,
        words: str = "",
        failed: Callable[[BaseException], None] | None = None,
        still: Callable[[], bool] | None = None,
        outlives_store: bool = False,
        stoppable: bool = True,
    ) -> bool:
        """Start `work(progress, cancelled)` on a thread of its own; `done(answer)` follows.

        Parameters
        ----------
        words : str
            What the card says meanwhile.
        failed : callable, optional
            Takes any error, `Cancelled` among them, in place of the card and the messages.
        still : callable, optional
            Whether what was asked about is still the same; the answer is dropped when not.
        outlives_store : bool
            The job writes a file and needs no open store: it goes on when another is opened.
        stoppable : bool
            Whether `cancel` can stop it.

        Returns
        -------
        bool
            False when it was refused: no store is open, or a job runs.
        """
        store = self._state.store
        if store is None or self._asked is not None:
            return False
        asked = _Asked(store, done, failed or self.say, still, outlives_store, stoppable)
        self._asked = asked
        self._card.show_running(True, words)
        self._job = self._jobs.run(
            title, work, lambda answer: self._on_done(asked, answer),
            lambda error: self._on_failed(asked, error),
            lambda share, words: self._on_progress(asked, share, words),
        )  # fmt: skip
        return True

    def cancel(self) -> None:
        """Ask the job to stop; the card is free again once it has."""
        if self._job is not None and self._asked is not None and self._asked.stoppable:
            self._job.cancel()

    def drop(self, words: str = "") -> None:
        """Stop the job and leave room for the next at once: its answer is dropped."""
        if self._job is not None and self._asked is not None:
            self._job.cancel()
            self._asked = self._job = None
            self._card.show_running(False, words)

    def say(self, error: BaseException) -> None:
        """Say how a job failed: on the card where it can be foreseen, else in the messages."""
        if isinstance(error, Cancelled):
            self._card.show_running(False, self._stopped)
        elif isinstance(error, TvaeError) and self._has_card:
            self._card.show_running(False, sentence_of(error))
        else:
            self._card.show_running(False)
            self._messages.error(error)

    def _on_store(self) -> None:
        if self._asked is not None and not self._asked.outlives_store:
            self.drop()

    def _on_progress(self, asked: _Asked, share: float, words: str) -> None:
        if asked is self._asked:
            self._card.show_progress(share, words)

    def _take(self, asked: _Asked) -> bool:
        """Return whether an answer is the one waited for; none is waited for any more."""
        if asked is not self._asked:
            return False
        self._asked = self._job = None
        return True

    def _on_done(self, asked: _Asked, answer: Any) -> None:
        if not self._take(asked):
            return
        if asked.still is not None and not asked.still():
            self._card.show_running(False, CHANGED)
            return
        self._card.show_running(False)
        asked.done(answer)

    def _on_failed(self, asked: _Asked, error: BaseException) -> None:
        if self._take(asked):
            asked.failed(error)
