"""Looking at raw images off the window's thread; the latest request wins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSignal

from tvae_core.config import OPENED_BY, DataConfig
from tvae_core.errors import TvaeError
from tvae_core.files import file_error
from tvae_core.images.look import ImageLook, Images, look_at

if TYPE_CHECKING:
    from tvae_core.runs.recommend import Recommendation

Loader = Callable[[DataConfig], Images]
Adviser = Callable[[DataConfig], "Recommendation"]


def open_raw(data: DataConfig) -> Images:
    """Open the images of `data` as they are in their file."""
    from tvae_core.images.opening import open_data  # every reader: not before it is needed

    return open_data(data)


def advise(data: DataConfig) -> Recommendation:
    """Return the settings recommended for the images of `data`, however they are cut now."""
    from tvae_core.runs.recommend import recommend  # every reader: not before it is needed

    return recommend(data.path, DataConfig(**data.model_dump(include=set(OPENED_BY))))


class LookJob(QObject):
    """Reads a few images of a stack on a thread of its own, then says which settings suit them.

    Signals
    -------
    look_ready(ImageLook)
    look_failed(TvaeError)
    advice_ready(Recommendation or None)
        After `look_ready`; None where nothing can be recommended.
    """

    look_ready = pyqtSignal(object)
    look_failed = pyqtSignal(object)
    advice_ready = pyqtSignal(object)
    _advised = pyqtSignal(int, object)
    _answered = pyqtSignal(int, object)

    def __init__(
        self,
        loader: Loader = open_raw,
        parent: QObject | None = None,
        adviser: Adviser | None = None,
    ) -> None:
        super().__init__(parent)
        self._loader, self._adviser = loader, adviser
        self._lock = threading.Lock()
        self._waiting: tuple[int, DataConfig] | None = None
        self._thread: threading.Thread | None = None
        self._generation = 0
        self._answered.connect(self._on_answered)
        self._advised.connect(self._on_advised)

    def look(self, data: DataConfig) -> None:
        """Look at the images of `data`; a request that waits is forgotten."""
        with self._lock:
            self._generation += 1
            self._waiting = (self._generation, data.model_copy())
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="look", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Forget what waits and let the thread end."""
        with self._lock:
            self._generation += 1
            self._waiting, thread = None, self._thread
        if thread is not None:
            thread.join(timeout=2)

    def _work(self) -> None:
        while (request := self._next()) is not None:
            generation, data = request
            answer = self._answer(data)
            self._answered.emit(generation, answer)
            if self._adviser is not None and isinstance(answer, ImageLook) and self._is_last():
                self._advised.emit(generation, self._advice(data))

    def _is_last(self) -> bool:
        with self._lock:
            return self._waiting is None

    def _advice(self, data: DataConfig) -> Recommendation | None:
        try:
            return None if self._adviser is None else self._adviser(data)
        except (TvaeError, OSError, ValueError, MemoryError):
            return None  # what is wrong with the images is said by the look and the preflight

    def _next(self) -> tuple[int, DataConfig] | None:
        with self._lock:
            request, self._waiting = self._waiting, None
            if request is None:
                self._thread = None
            return request

    def _answer(self, data: DataConfig) -> ImageLook | TvaeError:
        try:
            stack = self._loader(data)
            try:
                return look_at(stack, data.path)
            finally:
                stack.close()
        except TvaeError as error:
            return error
        except OSError as error:
            return file_error(error, data.path)
        except (ValueError, MemoryError) as error:
            return TvaeError(
                f"the images cannot be read: {error}", data.path, "choose another file"
            )

    def _on_advised(self, generation: int, found: object) -> None:
        if generation == self._generation:
            self.advice_ready.emit(found)

    def _on_answered(self, generation: int, answer: object) -> None:
        if generation != self._generation:
            return
        if isinstance(answer, TvaeError):
            self.look_failed.emit(answer)
        else:
            self.look_ready.emit(answer)
