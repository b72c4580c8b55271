"""What is shown of a run's evaluation, and why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tvae_core.evaluation.file import NAME, Evaluation, load_evaluation, shown
from tvae_core.store import EmbeddingStore
from tvae_core.words import count
from tvae_gui.words import NO_RUN


@dataclass(frozen=True)
class Line:
    """A row of the table: the title of a group (no value), or a figure; `note` says how it came."""

    name: str
    value: str = ""
    note: str = ""


@dataclass(frozen=True)
class EvaluationView:
    """An evaluation as the card shows it: figures are (file, caption) of pictures that exist."""

    headline: str
    note: str
    lines: tuple[Line, ...]
    pictures: tuple[tuple[Path, str], ...]


def why_no_evaluation(store: EmbeddingStore | None) -> str:
    """Return why a store has nothing to show, empty when it has."""
    if store is None:
        return NO_RUN
    if not (store.path.parent / NAME).exists():
        return f"Not evaluated yet: tvae evaluate {store.path.parent}"
    return ""


def evaluation_of(store: EmbeddingStore) -> EvaluationView:
    """Return the view of the evaluation beside a store.

    Raises
    ------
    StoreError
        There is none, or it cannot be read.
    """
    folder = store.path.parent
    return view_of(load_evaluation(folder / NAME), folder, store.header.weights_sha256)


def view_of(evaluation: Evaluation, folder: Path, weights_sha256: str = "") -> EvaluationView:
    """Return the view of an evaluation whose pictures lie in `folder`."""
    about = evaluation.about
    lines: list[Line] = []
    for group, rows in evaluation.groups():
        lines.append(Line(group))
        lines += [Line(row.name, shown(row), row.note) for row in rows]
    found = [(folder / file, caption) for file, caption in evaluation.figures]
    note = f"{about['system']}, {count(about['parameters'])} free parameters; truth: "
    note += str(about["truth"])
    if weights_sha256 and about.get("weights", weights_sha256) != weights_sha256:
        note = "Of an earlier training of this run: evaluate it again. " + note
    return EvaluationView(
        headline=evaluation.on,
        note=note,
        lines=tuple(lines),
        pictures=tuple((path, caption) for path, caption in found if path.exists()),
    )


def facts_of(store: EmbeddingStore) -> str:
    """Return what a store is in a few words: images, dimensions of z, group or system."""
    model = store.header.config.model
    kind = f"P{model.rotations}" if model.rotation_cells > 1 else "no rotation axis"
    kind = kind if model.system == "target-vae" else model.system
    return " · ".join([count(len(store), "image"), f"z {store.z_dim}", kind])
