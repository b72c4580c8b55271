"""The two halves of a pass: what was kept and what was rejected, as two exports. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tvae_core.errors import ConfigError
from tvae_core.export.particles import why_no_particles
from tvae_core.export.registry import endings_of
from tvae_core.progress import Cancel
from tvae_core.words import count
from tvae_core.work.export import ALL_BUT, ExportDone, ExportRequest
from tvae_core.work.request import Progress, never, quiet
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.made_state import KEPT, REJECTED


@dataclass(frozen=True)
class Halves:
    """Two exports, one of each half; `neither` images are marked as nothing."""

    requests: tuple[ExportRequest, ExportRequest]
    neither: int = 0

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> list[ExportDone]:
        """Write both halves, each read back."""
        done = []
        for number, request in enumerate(self.requests):
            done.append(request.run(_half_of(progress, number), cancelled))
        return done

    def words(self, done: list[ExportDone]) -> str:
        """Say what was written."""
        parts = [
            f"{count(one.kept.count)} {name} → {one.kept.path}"
            for one, name in zip(done, (KEPT, REJECTED), strict=True)
        ]
        rest = f"; {count(self.neither)} unmarked are in neither" if self.neither else ""
        return "; ".join(parts) + ", verified" + rest + "."


def _half_of(progress: Progress, number: int) -> Progress:
    return lambda share, words: progress(0.5 * (number + share), words)


def halves_endings(state: ExplorerState) -> list[str]:
    """Return how files of the halves may end: particle tables where the run has one, stacks."""
    if state.store is None:
        return []
    tables = [end for end in endings_of("particles") if not why_no_particles(state.store, end)]
    return [*tables, *endings_of("images")]


def halves_of(state: ExplorerState, target: Path, overwrite: bool) -> Halves:
    """Return the exports of what was kept, to `target`, and of what was rejected, beside it.

    With rejected images alone, all others count as kept; with kept images alone, all others count
    as rejected. With both, unmarked images are in neither half.

    Raises
    ------
    ConfigError
        Nothing is marked.
    """
    kept, rejected = (state.named_set(name) for name in (KEPT, REJECTED))
    if state.store is None or (kept is None and rejected is None):
        raise ConfigError("no image is marked", todo="keep or reject images first (K, X)")
    beside = target.with_name(f"{target.stem}-{REJECTED}{target.suffix}")

    def request(output: Path, **chosen: Any) -> ExportRequest:
        assert state.store is not None
        return ExportRequest(
            store=Path(state.store.path), output=output, overwrite=overwrite, **chosen
        )

    both = kept is not None and rejected is not None
    first = request(target, named_set=KEPT)
    second = request(beside, named_set=REJECTED)
    if kept is None:
        first = request(target, named_set=REJECTED, rest=ALL_BUT)
    if rejected is None:
        second = request(beside, named_set=KEPT, rest=ALL_BUT)
    marked = sum(np.count_nonzero(s.mask) for s in (kept, rejected) if s is not None)
    return Halves((first, second), state.images - int(marked) if both else 0)
