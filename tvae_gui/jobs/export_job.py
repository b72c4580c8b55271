"""One export: images, a table or a figure of some images, and its equivalent command."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from tvae_core.export.stacks import Poses, export_images
from tvae_core.export.tables import export_table, store_columns
from tvae_core.export.target import Exported
from tvae_core.store import EmbeddingStore

Array = NDArray[Any]
What = Literal["images", "table", "figure", "particles"]


@dataclass(frozen=True)
class FigureLook:
    """What a figure of the plane shows; arrays are of all N images."""

    xy: Array
    axes: tuple[str, str]
    labels: Array | None = None
    names: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    values: Array | None = None
    value_name: str = ""
    cyclic: bool = False


@dataclass(frozen=True)
class ExportRequest:
    """What to write where. `images_at` replaces a path of the images, or their table, that moved.

    Of particles, `rest` is where those not chosen go; `labelling` names the clusters (N,) that are
    written with the poses.
    """

    what: What
    store: Path
    target: Path
    indices: Array
    upright: bool = False
    model_size: bool = False
    overwrite: bool = False
    images_at: str = ""
    choice: tuple[str, ...] = ()
    extra_columns: dict[str, Array] = field(default_factory=dict)
    look: FigureLook | None = None
    rest: Path | None = None
    with_pose: bool = False
    labelling: str = ""
    clusters: Array | None = None

    @property
    def command(self) -> str:
        """The command that writes the same."""
        words = ["tvae", "export", str(self.store), str(self.target), *self.choice]
        if self.what == "images":
            words += ["--upright"] if self.upright else []
            words += ["--model-size"] if self.model_size else []
        if self.what == "particles":
            words += ["--rest", str(self.rest)] if self.rest else []
            words += ["--with-pose"] if self.with_pose else []
            named = self.with_pose and self.labelling and "--labelling" not in self.choice
            words += ["--labelling", self.labelling] if named else []
            words += ["--table", self.images_at] if self.images_at else []
        words += ["--overwrite"] if self.overwrite else []
        return shlex.join(words)


def run_export(
    request: ExportRequest, progress: Callable[[float, str], None], cancelled: Callable[[], bool]
) -> Exported:
    """Do it; called on a thread of its own.

    Raises
    ------
    TvaeError
        As the exports of `tvae_core.export`.
    """
    with EmbeddingStore(request.store) as store:
        if request.what == "figure":
            return _figure(request)
        if request.what == "table":
            columns = store_columns(store) | request.extra_columns
            return export_table(
                columns, request.target, indices=request.indices, overwrite=request.overwrite,
                progress=lambda share: progress(share, "rows"), cancelled=cancelled,
            )  # fmt: skip
        if request.what == "particles":
            return _particles(store, request, progress, cancelled)
        return _images(store, request, progress, cancelled)


def _particles(
    store: EmbeddingStore,
    request: ExportRequest,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
) -> Exported:
    from tvae_core.export.particles import export_particles

    done = export_particles(
        store,
        request.indices,
        request.target,
        rest=request.rest,
        pose=request.with_pose,
        cluster=request.clusters,
        table=request.images_at,
        overwrite=request.overwrite,
        progress=lambda share: progress(share, "rows"),
        cancelled=cancelled,
    )
    return done.kept


def _images(
    store: EmbeddingStore,
    request: ExportRequest,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
) -> Exported:
    from tvae_core.export.sources import ModelImages
    from tvae_core.images_of import open_images_of, open_prepared_of

    header = store.header
    pixel = header.pixel_size_angstrom
    if request.model_size:
        source: Any = ModelImages(open_prepared_of(store, request.images_at))
    else:
        source = open_images_of(store, request.images_at)
        pixel = None if pixel is None else pixel / header.scale
    return export_images(
        source,
        request.indices,
        request.target,
        poses=Poses.of_store(store, request.model_size) if request.upright else None,
        pixel_size_angstrom=pixel,
        overwrite=request.overwrite,
        progress=lambda share: progress(share, "images"),
        cancelled=cancelled,
    )


def _figure(request: ExportRequest) -> Exported:
    from tvae_core.figures import plane_figure

    look = request.look
    assert look is not None
    some = request.indices
    plane_figure(
        request.target,
        look.xy[some],
        labels=None if look.labels is None else look.labels[some],
        names=look.names,
        values=None if look.values is None else look.values[some],
        value_name=look.value_name,
        cyclic=look.cyclic,
        axes=look.axes,
        overwrite=request.overwrite,
        colours=look.colours,
    )
    return Exported(request.target, len(some))
