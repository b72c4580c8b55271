"""Projecting: a UMAP plane into a store's sidecar, and a picture of a plane."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tvae_core.progress import Cancel
from tvae_core.sidecar import Sidecar, change_sidecar, load_sidecar
from tvae_core.store import EmbeddingStore
from tvae_core.work.choosing import STORE
from tvae_core.work.request import Option, Place, Progress, Request, never, quiet


@dataclass(frozen=True)
class Projected:
    """What was made of how many images: the sidecar that keeps a UMAP, the picture; or neither."""

    images: int
    umap: Path | None
    picture: Path | None


class ProjectRequest(Request):
    """Whether to compute a UMAP, how, and where to draw a plane."""

    name: ClassVar[str] = "project"

    store: Annotated[Path, Place(STORE)]
    umap: Annotated[bool, Option("compute UMAP and keep it")] = False
    neighbours: Annotated[int, Option("of UMAP", metavar="N"), Field(ge=2)] = 15
    seed: Annotated[int, Option("of UMAP", metavar="N"), Field(ge=0)] = 0
    output: Annotated[
        Path | None, Option("draw the plane: .png, .svg or .pdf", short="-o", metavar="FILE")
    ] = None
    overwrite: Annotated[bool, Option("replace FILE")] = False

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> Projected:
        """Compute and draw; see `Request.run`."""
        with EmbeddingStore(self.store) as store:
            kept = None
            if self.umap:
                plane = self._umap_of(store, progress, cancelled)
                kept = change_sidecar(store, lambda notes: notes.planes.update({"umap": plane}))
            if self.output is not None:
                self._draw(store, load_sidecar(store), self.output)
            return Projected(store.images, kept, self.output)

    def compute_umap(
        self, progress: Progress = quiet, cancelled: Cancel = never
    ) -> NDArray[np.float32]:
        """Return the UMAP coordinates, (N, 2), and keep nothing; raises as `run`."""
        with EmbeddingStore(self.store) as store:
            return self._umap_of(store, progress, cancelled)

    def _umap_of(
        self, store: EmbeddingStore, progress: Progress, cancelled: Cancel
    ) -> NDArray[np.float32]:
        from tvae_core.analysis.projection import umap_plane

        return umap_plane(
            store.z_mean, lambda share: progress(share, "UMAP"), cancelled,
            seed=self.seed, neighbours=self.neighbours,
        )  # fmt: skip

    def _draw(self, store: EmbeddingStore, sidecar: Sidecar, target: Path) -> None:
        from tvae_core.figures import plane_figure

        umap: NDArray[Any] | None = sidecar.planes.get("umap")
        plane_figure(
            target,
            store.plane("pca").coordinates if umap is None else umap,
            labels=store.labels,
            names=store.label_names,
            axes=("PC 1", "PC 2") if umap is None else ("UMAP 1", "UMAP 2"),
            overwrite=self.overwrite,
        )
