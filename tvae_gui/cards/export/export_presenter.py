"""The export card: what can be exported, the request, and how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tvae_core.colours import UNASSIGNED
from tvae_core.columns import CLUSTER_KEY
from tvae_core.export.particles import why_no_particles
from tvae_core.export.registry import endings_of
from tvae_core.words import count
from tvae_core.work.export import ExportDone, ExportRequest
from tvae_gui.cards.export.export_drawer import ExportChoice, ExportDrawer
from tvae_gui.context import Context


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
        self._drawer.show_command(self._request(choice).shell_line())

    def run(self, choice: ExportChoice) -> None:
        """Export. A selection is first kept as a set, so that the command can repeat it."""
        if self._job.is_running:
            return
        name = self._set_name(choice)
        if choice.source[0] == "selection" and self._state.named_set(name) is None:
            self._state.add_set(name, f"saved for the export to {choice.target}")
            self._session.touch()
        self._session.save()  # the request reads sets, clusters and joined columns from there
        request = self._request(choice)
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

    # --- requests ------------------------------------------------------------------------------
    def _set_name(self, choice: ExportChoice) -> str:
        """Return the name of the set that keeps a selection which is exported."""
        return self._state.free_set_name(choice.target.stem or "exported")

    def _request(self, choice: ExportChoice) -> ExportRequest:
        state = self._state
        assert state.store is not None
        images, particles = choice.what == "images", choice.what == "particles"
        return ExportRequest(
            store=Path(state.store.path),
            output=choice.target,
            labelling=self._state.clustering if self._means_clusters(choice) else "",
            rest=str(_beside(choice.target)) if choice.rest else None,
            with_pose=choice.with_pose,
            images_at=choice.images_at if images or particles else "",
            upright=images and choice.upright,
            model_size=images and choice.model_size,
            overwrite=choice.overwrite,
            **self._chosen(choice),
            **self._added(choice),
        )

    def _chosen(self, choice: ExportChoice) -> dict[str, Any]:
        """Return the option that names the images."""
        kind, data = choice.source
        if kind == "selection":
            return {"named_set": self._set_name(choice)}
        if kind == "cluster":
            return {"cluster": str(data + 1)}  # clusters count from 1, 0 is in none
        return {"named_set": data} if kind == "set" else {}

    def _added(self, choice: ExportChoice) -> dict[str, Any]:
        """Return the options that tell of what is shown and what was added to the run."""
        state = self._state
        if choice.what == "table":
            return {"added": bool(state.joined) or state.clusters is not None}
        if choice.what == "figure" and state.shown is not None:
            return {"plane": state.shown.choice.name, "colour": state.colour.key}
        return {}

    def _means_clusters(self, choice: ExportChoice) -> bool:
        if self._state.clusters is None:
            return False
        drawn = choice.what == "figure" and self._state.colour.key == CLUSTER_KEY
        written = choice.what == "table" or choice.with_pose
        return drawn or written or choice.source[0] == "cluster"


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.stem}-rest{target.suffix}")
