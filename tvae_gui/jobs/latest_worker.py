"""One thread with one slot for each kind of question: the latest question wins, nothing queues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PyQt6.QtCore import QObject, pyqtSignal

from tvae_core.errors import Cancelled
from tvae_core.progress import Cancel

Work = Callable[[Cancel], Iterator[object]]


@dataclass(frozen=True)
class _Question:
    slot: str
    generation: int
    work: Work
    stubborn: bool
    patient: bool


class LatestWorker(QObject):
    """Answers questions on one thread.

    A question is a generator of answers, ever better ones. A newer question in the same slot
    cancels it, unless it is `stubborn`: then its first answer still comes. Answers that are older
    than one already given are dropped. A `patient` question steps aside when one that is not waits,
    and is asked again afterwards: its work should keep what it has done so far.

    Signals: answered(slot, answer), failed(slot, error): both arrive on the thread of the owner.
    """

    answered = pyqtSignal(str, object)
    failed = pyqtSignal(str, object)
    _came = pyqtSignal(str, int, bool, object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._condition = threading.Condition()
        self._waiting: dict[str, _Question] = {}
        self._newest: dict[str, int] = {}
        self._given: dict[str, int] = {}
        self._stopping = False
        self._busy = False
        self._came.connect(self._on_came)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ask(self, slot: str, work: Work, stubborn: bool = False, patient: bool = False) -> int:
        """Put a question into a slot; what waited there is dropped. Returns its generation."""
        with self._condition:
            generation = self._newest.get(slot, 0) + 1
            self._newest[slot] = generation
            self._waiting.pop(slot, None)
            self._waiting[slot] = _Question(slot, generation, work, stubborn, patient)
            self._condition.notify_all()
        return generation

    def forget(self, slot: str) -> None:
        """Cancel what is asked in a slot; its answers are dropped."""
        with self._condition:
            self._newest[slot] = self._newest.get(slot, 0) + 1
            self._given[slot] = self._newest[slot]
            self._waiting.pop(slot, None)

    def rest(self, seconds: float, cancelled: Cancel) -> None:
        """Wait on the worker's thread until `seconds` pass with no newer question.

        Raises
        ------
        Cancelled
            A newer question came.
        """
        with self._condition:
            self._condition.wait_for(cancelled, seconds)
        if cancelled():
            raise Cancelled("a newer question came")

    @property
    def idle(self) -> bool:
        """Whether nothing is asked and nothing is being answered."""
        with self._condition:
            return not self._waiting and not self._busy

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Cancel everything and join the thread; return whether it ended."""
        with self._condition:
            self._stopping = True
            self._waiting.clear()
            self._condition.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._busy = False
                self._condition.wait_for(lambda: self._stopping or bool(self._waiting))
                if self._stopping:
                    return
                first = min(self._waiting.values(), key=lambda question: question.patient)
                question = self._waiting.pop(first.slot)
                self._busy = True
            self._answer(question)

    def _answer(self, question: _Question) -> None:
        given = 0

        def cancelled() -> bool:
            newer = self._newest[question.slot] != question.generation
            waiting = list(self._waiting.values())
            aside = question.patient and any(not other.patient for other in waiting)
            return self._stopping or aside or (newer and not (question.stubborn and given == 0))

        try:
            for answer in question.work(cancelled):
                if cancelled() and not question.patient:
                    return
                given += 1
                self._emit(question, True, answer)
        except Cancelled:
            self._ask_again(question)
        except Exception as error:  # noqa: BLE001 - handed to the one door for errors
            self._emit(question, False, error)

    def _ask_again(self, question: _Question) -> None:
        with self._condition:
            newest = self._newest[question.slot] == question.generation
            if question.patient and newest and not self._stopping:
                self._waiting.setdefault(question.slot, question)

    def _emit(self, question: _Question, good: bool, answer: object) -> None:
        if not self._stopping:
            self._came.emit(question.slot, question.generation, good, answer)

    def _on_came(self, slot: str, generation: int, good: bool, answer: object) -> None:
        if self._stopping or generation < self._given.get(slot, 0):
            return
        self._given[slot] = generation
        (self.answered if good else self.failed).emit(slot, answer)
