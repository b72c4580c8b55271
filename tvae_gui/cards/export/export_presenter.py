"""The export card: what can be exported, the request, and how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.colours import UNASSIGNED
from tvae_core.columns import CLUSTER_KEY
from tvae_core.export.particles import why_no_particles
from tvae_core.export.registry import endings_of
from tvae_core.export.target import Exported
from tvae_core.words import count
from tvae_gui.cards.export.export_drawer import ExportChoice, ExportDrawer
from tvae_gui.context import Context
from tvae_gui.jobs.export_job import ExportRequest, FigureLook, run_export

Array = NDArray[Any]


class ExportPresenter:
    """Runs exports and shows them on the export drawer."""

    def __init__(self, context: Context, drawer: ExportDrawer) -> None:
        self._state, self._drawer = context.state, drawer
        self._session, self._messages = context.session, context.messages
        self._job = context.card_job(drawer, "Stopped. Nothing was written.")

    def open(self, chosen: tuple[str, Any] | None = None) -> None:
        """Show the card, with `chosen` (or the selection, if there is one) to export."""
        store = self._state.store
        if store is None:
            return
        self._drawer.show_particles(
            {s: why_no_particles(store, s) for s in endings_of("particles")}
        )
        self.show_sources(chosen)
        stem = "selection" if self._state.selection.count else "all"
        stem = str(chosen[1]) if chosen is not None and chosen[0] == "set" else stem
        self._drawer.set_folder(store.path.parent, f"{store.path.stem}-{stem}".replace(" ", "-"))
        self._drawer.open_drawer()

    def show_sources(self, chosen: tuple[str, Any] | None = None) -> None:
        """List selection, sets, clusters and all."""
        state = self._state
        entries: list[tuple[str, Any, int]] = []
        if state.selection.count:
            entries.append(("the selection", ("selection", ""), state.selection.count))
        entries += [(s.name, ("set", s.name), s.count) for s in state.sets]
        if state.clusters is not None:
            valid = state.clusters.labels[state.clusters.labels >= 0]
            sizes = np.bincount(valid, minlength=len(state.clusters.names))
            for number, name in enumerate(state.clusters.names):
                entries.append((name, ("cluster", number), int(sizes[number])))
            if without := state.images - len(valid):
                entries.append((UNASSIGNED, ("cluster", -1), without))
        entries.append(("all images", ("all", ""), state.images))
        keys = [data for _, data, _ in entries]
        self._drawer.show_sources(entries, keys.index(chosen) if chosen in keys else 0)

    def on_changed(self, choice: ExportChoice) -> None:
        """Show the command."""
        self._drawer.show_command(self._request(choice, self._set_name(choice)).command)

    def run(self, choice: ExportChoice) -> None:
        """Export. A selection is first kept as a set, so that the command can repeat it."""
        if self._job.is_running:
            return
        name = self._set_name(choice)
        keeps = choice.source[0] == "selection" and choice.what != "figure"
        if keeps and self._state.named_set(name) is None:
            self._state.add_set(name, f"saved for the export to {choice.target}")
            self._session.touch()
            self._session.save()
        request = self._request(choice, name)
        others = self._state.images - len(request.indices)
        self._job.run(
            f"export to {request.target.name}",
            lambda progress, cancelled: run_export(request, progress, cancelled),
            lambda done: self._on_done(request, done, others),
            outlives_store=True,
        )

    def cancel(self) -> None:
        """Stop; nothing half-written is left."""
        self._job.cancel()

    def _on_done(self, request: ExportRequest, done: Exported, others: int) -> None:
        noun = {"table": "row", "particles": "particle"}.get(request.what, "image")
        words = f"{count(done.count, noun)} → {done.path}, verified"
        if request.rest is not None:
            words += f"; the remaining {count(others)} → {request.rest}"
        if request.what == "figure":
            words = f"figure → {done.path}"
        self._drawer.show_running(False, words)
        self._messages.notice(words)

    # --- requests ------------------------------------------------------------------------------
    def _set_name(self, choice: ExportChoice) -> str:
        return self._state.free_set_name(choice.target.stem or "exported")

    def _request(self, choice: ExportChoice, name: str) -> ExportRequest:
        state = self._state
        assert state.store is not None
        kind, data = choice.source
        chosen: tuple[str, ...] = ()
        mask = np.ones(state.images, dtype=bool)
        if kind == "selection":
            mask, chosen = state.selection.mask, ("--set", name)
        elif kind == "set":
            mask = next((s.mask for s in state.sets if s.name == data), mask)
            chosen = ("--set", str(data))
        elif kind == "cluster" and state.clusters is not None:
            mask = state.clusters.labels == data
            chosen = ("--cluster", str(data), "--labelling", state.clustering)
        return ExportRequest(
            what=choice.what,  # type: ignore[arg-type]
            store=Path(state.store.path),
            target=choice.target,
            indices=np.flatnonzero(mask),
            upright=choice.upright,
            model_size=choice.model_size,
            overwrite=choice.overwrite,
            images_at=choice.images_at,
            choice=chosen,
            extra_columns=self._extra(),
            look=self._look() if choice.what == "figure" else None,
            rest=_beside(choice.target) if choice.rest else None,
            with_pose=choice.with_pose,
            labelling=state.clustering,
            clusters=None if state.clusters is None else state.clusters.labels,
        )

    def _extra(self) -> dict[str, Array]:
        clusters = self._state.clusters
        return dict(self._state.joined) | ({} if clusters is None else {"cluster": clusters.labels})

    def _look(self) -> FigureLook:
        state = self._state
        assert state.shown is not None
        column, axes = state.colour, (state.shown.x_title, state.shown.y_title)
        if column.kind == "density":
            return FigureLook(state.shown.xy, axes)
        values = state.values(column.key)
        if column.kind == "class":
            colours: tuple[str, ...] = ()
            if column.key == CLUSTER_KEY and state.clusters is not None:
                colours = state.clusters.colours
            return FigureLook(state.shown.xy, axes, values, column.names, colours)
        title = f"{column.title} ({column.unit})" if column.unit else column.title
        return FigureLook(
            state.shown.xy, axes, values=values, value_name=title, cyclic=column.kind == "cyclic"
        )


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.stem}-rest{target.suffix}")
