"""Subsets of the particle table a run was made from: its own rows, unchanged, or with poses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TableError
from tvae_core.export.target import Exported, new_file, report
from tvae_core.particles import ParticleTable, find_again, read_table
from tvae_core.particles.group import group_text, parts_of_table
from tvae_core.particles.posed import InferredPoses, with_poses
from tvae_core.particles.poses import to_relion
from tvae_core.progress import Cancel, Share
from tvae_core.store import EmbeddingStore

SUFFIXES = (".star", ".cs", ".csg")


@dataclass(frozen=True)
class ParticlesExported:
    """What was written: the chosen rows, the others when asked, and the table they are of."""

    kept: Exported
    rest: Exported | None
    source: Path
    rows: int


def why_no_particles(store: EmbeddingStore, suffix: str = "") -> str:
    """Return why a store's particles cannot be exported as `suffix`, empty when they can.

    Whether the table is still there and unchanged is found out by the export itself.
    """
    record = store.header.table
    if record is None and store.header.original is None:
        return "the run was embedded by an older version that kept no table: embed it again"
    if record is None:
        return "the images did not come from a particle table"
    kind = Path(record.path).suffix.lower()
    if suffix and (kind == ".star") != (suffix == ".star"):
        other = ".star" if kind == ".star" else ".cs or .csg"
        return f"the run has a {kind} table: its rows can only be written as {other}"
    return ""


def export_particles(
    store: EmbeddingStore,
    indices: NDArray[np.integer],
    path: Path | str,
    *,
    rest: Path | str | None = None,
    pose: bool = False,
    cluster: NDArray[np.integer] | None = None,
    table: str = "",
    overwrite: bool = False,
    progress: Share | None = None,
    cancelled: Cancel | None = None,
) -> ParticlesExported:
    """Write the rows of chosen images, each as the run's own table has it.

    Parameters
    ----------
    store : EmbeddingStore
        Of a run on a particle table.
    indices : (n,) int
        The chosen images; their rows keep the table's order.
    path : Path or str
        `.star` of a RELION table; `.cs`, or `.csg` with a `.cs` beside it, of a cryoSPARC table.
    rest : Path or str, optional
        Where the rows of all other images go, of the same kind.
    pose : bool
        Add what was inferred (`with_poses`).
    cluster : (N,) int, optional
        Cluster of every image, written with the poses.
    table : str
        Where the table is now, when it has moved.
    overwrite : bool
    progress, cancelled : callable, optional

    Returns
    -------
    ParticlesExported
        Counts of rows read back, each equal to what was to be written.

    Raises
    ------
    TableError
        There is no table, it moved or changed, or it cannot be written as this kind.
    ImageFileError
        A file of that name is there.
    Cancelled
        `cancelled` said so; nothing is left behind.
    """
    original = open_original(store, Path(path).suffix.lower(), table)
    report(1, 10, progress, cancelled)
    inferred = _inferred(store, cluster) if pose else None
    kept, *others = _written(
        _Writer(store, original, inferred, overwrite),
        _halves(store.images, indices, Path(path), rest),
        lambda done: report(done, 10, progress, cancelled),
    )
    report(1, 1, progress)
    return ParticlesExported(kept, others[0] if others else None, original.path, len(original))


def _written(
    writer: _Writer,
    halves: list[tuple[Path, NDArray[np.int64]]],
    tell: Callable[[int], None],
) -> list[Exported]:
    """Write each half aside; both are put in place once both are whole."""
    done = []
    with ExitStack() as files:
        for step, (target, chosen) in enumerate(halves):
            tell(2 + 4 * step)
            done.append(writer.write(target, chosen, files))
    return done


def _halves(
    images: int, indices: NDArray[np.integer], path: Path, rest: Path | str | None
) -> list[tuple[Path, NDArray[np.int64]]]:
    """Return each file to write with its images: the chosen ones, and the others when asked."""
    chosen = np.unique(np.asarray(indices, dtype=np.int64))
    if rest is None:
        return [(path, chosen)]
    others = np.ones(images, dtype=bool)
    others[chosen] = False
    return [(path, chosen), (_rest_path(path, Path(rest)), np.flatnonzero(others))]


def open_original(store: EmbeddingStore, suffix: str, instead: str = "") -> ParticleTable:
    """Return the unchanged table of a store's run, to be written as `suffix`; see the export."""
    if suffix not in SUFFIXES:
        raise TableError(
            f"particle tables cannot be written as {suffix!r}", "", "use .star, .cs or .csg"
        )
    reason = why_no_particles(store, suffix)
    record = store.header.table
    if reason or record is None:
        raise TableError(reason, store.path)
    return find_again(record, instead, lambda table: _other_row(store, table))


def _other_row(store: EmbeddingStore, table: ParticleTable) -> str:
    """Return the first row that is another image than it was, in words."""
    files, file_index, image_index = table.image_references()
    old_index = store.column("source/index")
    old_names = np.asarray(store.source_files, dtype=object)[store.column("source/file_index")]
    names = np.asarray(files, dtype=object)[file_index]
    differs = (names != old_names) | (image_index != old_index)
    if "source/uid" in store.names and table.uid is not None:
        differs |= table.uid != store.column("source/uid")
    if not differs.any():
        return ""
    row = int(np.flatnonzero(differs)[0])
    now, was = f"{image_index[row] + 1}@{names[row]}", f"{old_index[row] + 1}@{old_names[row]}"
    return f"row {row + 1} is {now}, was {was}" + (", of another uid" if now == was else "")


def _rest_path(path: Path, rest: Path) -> Path:
    if rest.suffix.lower() != path.suffix.lower():
        raise TableError(f"the rest must end in {path.suffix} as well", rest)
    if rest.absolute() == path.absolute():
        raise TableError("the rest must go to another file", rest)
    return rest


def _inferred(store: EmbeddingStore, cluster: NDArray[np.integer] | None) -> InferredPoses:
    frame = store.header.original
    assert frame is not None
    poses = to_relion(store.angle_rad, store.shift_px, frame)
    shape = (frame.height_px, frame.width_px)
    return InferredPoses(poses, store.column("posterior/peak"), cluster, shape)


@dataclass(frozen=True)
class _Writer:
    """Writes rows of the run's own table, with what was inferred of them when that is asked."""

    store: EmbeddingStore
    original: ParticleTable
    inferred: InferredPoses | None
    overwrite: bool

    def write(self, target: Path, chosen: NDArray[np.int64], files: ExitStack) -> Exported:
        """Write one half aside and compare what was written; `files` puts all in place."""
        subset = self._rows(chosen)
        main = target.with_suffix(".cs") if target.suffix.lower() == ".csg" else target
        refuse_original(self.original.path, main)
        part = files.enter_context(new_file(main, self.overwrite))
        subset.write(part)
        difference = subset.difference_from(read_table(part))
        if difference:
            raise TableError(f"what was read back is not what was written: {difference}", main)
        if target.suffix.lower() == ".csg":
            text = group_text(subset.column_names, len(subset), main.name, target.stem)
            group = files.enter_context(new_file(target, self.overwrite))
            group.write_text(text, encoding="utf-8")
        return Exported(target, len(subset))

    def _rows(self, chosen: NDArray[np.int64]) -> ParticleTable:
        subset = self.original.subset(self.store.column("source/row")[chosen])
        return subset if self.inferred is None else with_poses(subset, self.inferred.take(chosen))


def refuse_original(original: Path, target: Path) -> None:
    """Raise a TableError when `target` is the table itself, or one that a group is made of."""
    if target.exists() and any(target.samefile(part) for part in parts_of_table(original)):
        raise TableError("would replace the table it was read from", target, "choose a name")
