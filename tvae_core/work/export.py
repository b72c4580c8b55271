"""Exporting: chosen images as a stack, a table, a figure of the plane, or rows of their table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ConfigError
from tvae_core.export.file_form import FileForm
from tvae_core.export.registry import What, kind_of
from tvae_core.export.target import Exported, new_file, refuse_existing, verify
from tvae_core.images_of import (
    IMAGES_AT,
    open_images_of,
    open_prepared_of,
    refuse_sources,
    table_of,
)
from tvae_core.particles.index_file import read_image_numbers
from tvae_core.progress import Cancel
from tvae_core.sidecar import load_sidecar
from tvae_core.store import EmbeddingStore
from tvae_core.work.choosing import STORE, in_clusters, labelling_of, named_set
from tvae_core.work.request import Option, Place, Progress, Request, never, quiet

Chosen = NDArray[np.int64]
ALL_BUT = ""  # `--rest` without a path


@dataclass(frozen=True)
class ExportDone:
    """What was written; of particles also where the others went, and the rows of their table."""

    what: What
    kept: Exported
    rest: Exported | None = None
    rows: int = 0


class ExportRequest(Request):
    """What to write where; what it is, the name of `output` says."""

    name: ClassVar[str] = "export"

    store: Annotated[Path, Place(STORE)]
    output: Annotated[Path | None, Place("file or folder to write")] = None
    table_kind: Annotated[
        Literal["star", "cs", "csg"] | None,
        Option("particle table; without OUT it goes beside the store", flag="--as"),
    ] = None
    named_set: Annotated[
        str | None, Option("a named set", flag="--set", metavar="NAME", group="chosen")
    ] = None
    cluster: Annotated[
        str | None,
        Option(
            "clusters, by their numbers from 1, such as 2,3; 0: images in none",
            metavar="N",
            group="chosen",
        ),
    ] = None
    indices: Annotated[
        Path | None,
        Option("a file of image numbers, from 0", metavar="FILE", group="chosen"),
    ] = None
    labelling: Annotated[
        str, Option("which clustering to use; by default the first", metavar="NAME")
    ] = ""
    rest: Annotated[
        str | None,
        Option(
            "all images except those chosen; with PATH, the particles not chosen go there",
            metavar="PATH",
            bare=ALL_BUT,
        ),
    ] = None
    with_pose: Annotated[bool, Option("particles: add inferred poses and clusters")] = False
    images_at: Annotated[str, Option(IMAGES_AT, metavar="PATH", old=("--table",))] = ""
    upright: Annotated[bool, Option("images: turned and shifted back")] = False
    model_size: Annotated[bool, Option("images: as the model sees them")] = False
    added: Annotated[
        bool, Option("no longer needed: a table holds every column, joined ones and clusters too")
    ] = False
    plane: Annotated[
        str, Option('figures: which plane, such as "z1 z2", pca or umap', metavar="NAME")
    ] = ""
    colour: Annotated[
        str,
        Option(
            "figures: the column to colour by, such as density, label, cluster, angle or error",
            metavar="NAME",
        ),
    ] = ""
    overwrite: Annotated[bool, Option("replace existing files")] = False

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> ExportDone:
        """Write it, read it back and count it; see `Request.run`."""
        with EmbeddingStore(self.store) as store:
            target = self.target(store)
            refuse_existing(target, self.overwrite, folder=not target.suffix)
            refuse_sources(store, target, self.images_at)
            what = kind_of(target).what
            self._refuse_what_does_not_apply(what, target)
            job = _Job(self, store, target, self._chosen(store), progress, cancelled)
            return _WRITERS[what](job)

    def target(self, store: EmbeddingStore) -> Path:
        """Return where it goes: OUT, or a name beside the store where --as says the kind."""
        ending = f".{self.table_kind}" if self.table_kind else ""
        if self.output is None:
            if not ending:
                raise ConfigError("give OUT, or --as star, cs or csg")
            return store.path.parent / f"{self._stem().replace('/', '-')}{ending}"
        if ending and self.output.suffix.lower() != ending:
            raise ConfigError(
                f"--as {self.table_kind} and the name differ", self.output, f"name it *{ending}"
            )
        return self.output

    def _stem(self) -> str:
        cluster = "" if self.cluster is None else f"cluster-{self.cluster}"
        return self.named_set or cluster or ("indices" if self.indices else "all")

    def _refuse_what_does_not_apply(self, what: What, target: Path) -> None:
        if what == "particles":
            return
        wrong = "--with-pose" if self.with_pose else "--rest PATH" if self.rest else ""
        if wrong:
            raise ConfigError(
                f"{wrong} is for particle tables", target, "name it .star, .cs or .csg"
            )

    def _chosen(self, store: EmbeddingStore) -> Chosen:
        mask = np.ones(store.images, dtype=bool)
        if self.named_set is not None:
            mask = np.asarray(named_set(store, self.named_set).mask)
        elif self.cluster is not None:
            labelling = labelling_of(load_sidecar(store), store, self.labelling)
            mask = in_clusters(store, labelling, self.cluster)
        elif self.indices is not None:
            mask = np.zeros(store.images, dtype=bool)
            mask[read_image_numbers(self.indices, store.images)] = True
        return np.flatnonzero(~mask if self.rest == ALL_BUT else mask)


@dataclass(frozen=True)
class _Job:
    """A request on an open store, with the images it means."""

    request: ExportRequest
    store: EmbeddingStore
    target: Path
    chosen: Chosen
    progress: Progress
    cancelled: Cancel

    def told(self, share: float) -> None:
        self.progress(share, "images")


def _images(job: _Job) -> ExportDone:
    from tvae_core.export.sources import ModelImages
    from tvae_core.export.stacks import Poses, export_images

    request, header, pixel = job.request, job.store.header, job.store.header.pixel_size_angstrom
    if pixel is not None and not request.model_size:
        pixel /= header.scale
    with (
        open_prepared_of(job.store, request.images_at)
        if request.model_size
        else open_images_of(job.store, request.images_at)
    ) as source:
        done = export_images(
            ModelImages(source) if request.model_size else source,
            job.chosen,
            job.target,
            poses=Poses.of_store(job.store, request.model_size) if request.upright else None,
            pixel_size_angstrom=pixel,
            overwrite=request.overwrite,
            progress=job.told,
            cancelled=job.cancelled,
        )
    return ExportDone("images", done)


def _table(job: _Job) -> ExportDone:
    from tvae_core.export.tables import every_column, export_table

    notes = load_sidecar(job.store)
    if job.request.labelling:
        labelling_of(notes, job.store, job.request.labelling)  # refuses an unknown name
    columns = every_column(job.store, notes, job.request.labelling)
    done = export_table(
        columns, job.target, indices=job.chosen, overwrite=job.request.overwrite,
        progress=job.told, cancelled=job.cancelled,
    )  # fmt: skip
    return ExportDone("table", done)


def _figure(job: _Job) -> ExportDone:
    from tvae_core.work.plane_look import PlaneLook, draw_plane

    request = job.request
    look = PlaneLook(request.plane, request.colour, request.labelling)
    draw_plane(job.store, job.target, job.chosen, look, request.overwrite)
    return ExportDone("figure", Exported(job.target, len(job.chosen)))


def _particles(job: _Job) -> ExportDone:
    from tvae_core.export.particles import export_particles

    request, sidecar = job.request, load_sidecar(job.store)
    cluster = None
    if request.with_pose and sidecar.labellings:
        cluster = labelling_of(sidecar, job.store, request.labelling).labels
    done = export_particles(
        job.store,
        job.chosen,
        job.target,
        rest=request.rest or None,
        pose=request.with_pose,
        cluster=cluster,
        table=table_of(job.store, request.images_at),
        overwrite=request.overwrite,
        progress=job.told,
        cancelled=job.cancelled,
    )
    return ExportDone("particles", done.kept, done.rest, done.rows)


def _other(job: _Job) -> ExportDone:
    form = kind_of(job.target).form
    assert isinstance(form, FileForm)
    with new_file(job.target, job.request.overwrite) as part:
        form.write(job.store, job.chosen, part)
        verify(len(job.chosen), form.count(part), job.target)
    return ExportDone("other", Exported(job.target, len(job.chosen)))


_WRITERS = {
    "images": _images, "table": _table, "figure": _figure, "particles": _particles, "other": _other,
}  # fmt: skip
