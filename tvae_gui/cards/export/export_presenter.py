"""The export card: what can be exported, the request, and how it ended."""

from __future__ import annotations

from tvae_core.export.particles import why_no_particles
from tvae_core.export.registry import endings_of
from tvae_core.words import count
from tvae_core.work.export import ExportDone
from tvae_gui.cards.export.export_drawer import ExportDrawer
from tvae_gui.context import Context
from tvae_gui.state.export_choice import (
    ExportChoice,
    Source,
    default_source,
    export_request,
    export_sources,
    keep_selection,
)


class ExportPresenter:
    """Runs exports and shows them on the export drawer."""

    def __init__(self, context: Context, drawer: ExportDrawer) -> None:
        self._state, self._drawer = context.state, drawer
        self._session, self._messages = context.session, context.messages
        self._job = context.card_job(drawer, "Stopped. Nothing was written.")

    def open(self, chosen: Source | None = None) -> None:
        """Show the card, with `chosen` (or the selection, if there is one) to export."""
        store = self._state.store
        if store is None:
            return
        self._drawer.show_particles(
            {s: why_no_particles(store, s) for s in endings_of("particles")}
        )
        self.show_sources(chosen)
        self._drawer.set_folder(store.path.parent, store.path.stem)
        self._drawer.open_drawer()

    def show_sources(self, chosen: Source | None = None) -> None:
        """List selection, sets, clusters and all."""
        entries = export_sources(self._state)
        keys = [data for _, data, _ in entries]
        chosen = chosen if chosen in keys else default_source(self._state)
        self._drawer.show_sources(entries, keys.index(chosen))

    def on_changed(self, choice: ExportChoice) -> None:
        """Show the command."""
        self._drawer.show_command(export_request(self._state, choice).shell_line())

    def run(self, choice: ExportChoice) -> None:
        """Export. A selection is first kept as a set, so that the command can repeat it."""
        if self._job.is_running:
            return
        if keep_selection(self._state, choice):
            self._session.touch()
        self._session.save()  # the request reads sets, clusters and joined columns from there
        request = export_request(self._state, choice)
        self._job.run(
            f"export to {choice.target.name}", request.run, self._on_done, outlives_store=True
        )

    def cancel(self) -> None:
        """Stop; nothing half-written is left."""
        self._job.cancel()

    def _on_done(self, done: ExportDone) -> None:
        noun = {"table": "row", "particles": "particle"}.get(done.what, "image")
        words = f"{count(done.kept.count, noun)} → {done.kept.path}, verified"
        if done.rest is not None:
            words += f"; the remaining {count(done.rest.count)} → {done.rest.path}"
        if done.what == "figure":
            words = f"figure → {done.kept.path}"
        self._drawer.show_running(False, words)
        self._messages.notice(words)
