"""Exports what was kept and what was rejected: the button, a name, done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PyQt6.QtWidgets import QFileDialog, QWidget

from tvae_core.work.export import ExportDone
from tvae_gui.context import Context
from tvae_gui.jobs.card_job import JobCard
from tvae_gui.state.halves import Halves, halves_endings, halves_of

Ask = Callable[[Path, list[str]], Path | None]


class HalvesPresenter:
    """Asks for a name and writes both halves. `ask` is replaced in tests."""

    def __init__(self, context: Context, bar: JobCard) -> None:
        self._state, self._session = context.state, context.session
        self._messages, self._bar = context.messages, bar
        self._job = context.card_job(bar, "Stopped.")
        self.ask: Ask = partial(_ask_target, context.window)

    def export(self) -> None:
        """Ask for the file of the kept images, and write it and that of the rejected ones."""
        store = self._state.store
        if store is None or self._job.is_running:
            return
        endings = halves_endings(self._state)
        target = self.ask(store.path.parent / f"kept{endings[0]}", endings)
        if target is None:
            return
        self._session.touch()
        self._session.save()  # the request reads the sets from there
        halves = halves_of(self._state, target, target.exists())
        self._job.run(
            f"export to {target.name}",
            halves.run,
            lambda done: self._on_done(halves, done),
            words="Exporting the kept and the rejected",
            failed=self._on_failed,
            outlives_store=True,
        )

    def cancel(self) -> None:
        """Stop."""
        if self._job.is_running:
            self._job.cancel()

    def _on_failed(self, error: BaseException) -> None:
        self._bar.show_running(False)
        self._messages.error(error)

    def _on_done(self, halves: Halves, done: list[ExportDone]) -> None:
        self._bar.show_running(False)
        self._messages.notice(halves.words(done))


def _ask_target(parent: QWidget, proposed: Path, endings: list[str]) -> Path | None:
    kinds = ";;".join(f"*{ending}" for ending in endings)
    name, _ = QFileDialog.getSaveFileName(
        parent, "Export the kept images; the rejected ones go beside", str(proposed), kinds
    )
    return Path(name) if name else None
