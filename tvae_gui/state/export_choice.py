"""What the export card can write, and the request that what was chosen there makes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tvae_core.colours import UNASSIGNED
from tvae_core.columns import CLUSTER_KEY
from tvae_core.work.export import ExportRequest
from tvae_gui.state.explorer_state import ExplorerState

Source = tuple[str, Any]  # which images: ("selection" | "set" | "cluster" | "all", name or number)


@dataclass(frozen=True)
class ExportChoice:
    """What is chosen on the card: which images, as what, and where to."""

    source: Source
    what: str
    target: Path
    upright: bool = False
    model_size: bool = False
    overwrite: bool = False
    images_at: str = ""
    rest: bool = False
    with_pose: bool = False


def export_sources(state: ExplorerState) -> list[tuple[str, Source, int]]:
    """Return what can be exported: words, source, number of images."""
    entries: list[tuple[str, Source, int]] = []
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
    return [*entries, ("all images", ("all", ""), state.images)]


def default_source(state: ExplorerState) -> Source:
    """Return what is exported unless something else is chosen: the selection, else all images."""
    return ("selection", "") if state.selection.count else ("all", "")


def file_stem(words: str, source: Source) -> str:
    """Return what a file is called after the images it holds, in letters that files may have."""
    stem = words if source[0] in ("set", "cluster") else source[0]
    return re.sub(r"[^\w.+-]+", "-", stem).strip("-.") or source[0]


def keep_selection(state: ExplorerState, choice: ExportChoice) -> bool:
    """Keep a selection that is exported as a set, so that the command can repeat it.

    Returns
    -------
    bool
        Whether a set was added.
    """
    name = _set_name(state, choice)
    if choice.source[0] != "selection" or state.named_set(name) is not None:
        return False
    state.add_set(name, f"saved for the export to {choice.target}")
    return True


def export_request(state: ExplorerState, choice: ExportChoice) -> ExportRequest:
    """Return the request of what was chosen; it reads sets and clusters from the run's notes."""
    assert state.store is not None
    images, particles = choice.what == "images", choice.what == "particles"
    return ExportRequest(
        store=Path(state.store.path),
        output=choice.target,
        labelling=state.clustering if _means_clusters(state, choice) else "",
        rest=str(_beside(choice.target)) if choice.rest else None,
        with_pose=choice.with_pose,
        images_at=choice.images_at if images or particles else "",
        upright=images and choice.upright,
        model_size=images and choice.model_size,
        overwrite=choice.overwrite,
        **_chosen(state, choice),
        **_added(state, choice),
    )


def _set_name(state: ExplorerState, choice: ExportChoice) -> str:
    """Return the name of the set that keeps a selection which is exported."""
    return state.free_set_name(choice.target.stem or "exported")


def _chosen(state: ExplorerState, choice: ExportChoice) -> dict[str, Any]:
    """Return the option that names the images."""
    kind, data = choice.source
    if kind == "selection":
        return {"named_set": _set_name(state, choice)}
    if kind == "cluster":
        return {"cluster": str(data + 1)}  # clusters count from 1, 0 is in none
    return {"named_set": data} if kind == "set" else {}


def _added(state: ExplorerState, choice: ExportChoice) -> dict[str, Any]:
    """Return the options that tell of what is shown."""
    if choice.what == "figure" and state.shown is not None:
        return {"plane": state.shown.choice.name, "colour": state.colour.key}
    return {}


def _means_clusters(state: ExplorerState, choice: ExportChoice) -> bool:
    if state.clusters is None:
        return False
    drawn = choice.what == "figure" and state.colour.key == CLUSTER_KEY
    written = choice.what == "table" or choice.with_pose
    return drawn or written or choice.source[0] == "cluster"


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.stem}-rest{target.suffix}")
