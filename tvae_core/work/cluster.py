"""Clustering: the images of a store by content or by a plane, kept in its sidecar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from tvae_core.errors import Cancelled
from tvae_core.progress import Cancel
from tvae_core.sidecar import Labelling, change_sidecar, load_sidecar
from tvae_core.store import EmbeddingStore
from tvae_core.work.choosing import STORE
from tvae_core.work.request import Option, Place, Progress, Request, never, quiet

if TYPE_CHECKING:
    from tvae_core.analysis.clustering import Clustering


@dataclass(frozen=True)
class Clustered:
    """A clustering, where it was kept, and its accuracy against labels where there are some."""

    found: Clustering
    path: Path
    accuracy: float | None


class ClusterRequest(Request):
    """How to cluster a store, and under which name the labels are kept."""

    name: ClassVar[str] = "cluster"

    store: Annotated[Path, Place(STORE)]
    method: Annotated[
        str,
        Option(
            "auto: umap-ward where it can be computed, otherwise ward; umap-ward: Ward on a UMAP "
            "of the active dimensions of z; ward, k-means, gaussian-mixture or hdbscan",
            metavar="NAME",
        ),
    ] = "auto"
    count: Annotated[
        int | Literal["auto"],
        Option(
            "number of clusters; auto: as many as there are groups with a gap between them",
            metavar="N",
        ),
    ] = "auto"
    seed: Annotated[int, Option("seed of the random numbers", metavar="N"), Field(ge=0)] = 0
    plane: Annotated[
        str,
        Option('cluster the places on this plane, such as "z1 z2" or umap', metavar="NAME"),
    ] = ""
    label_name: Annotated[
        str,
        Option("name of the labelling, by default the method", flag="--name", metavar="NAME"),
    ] = ""

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> Clustered:
        """Cluster and keep the labels; see `Request.run`."""
        from tvae_core.analysis.metrics import clustering_accuracy

        found = self.find(progress, cancelled)
        with EmbeddingStore(self.store) as store:
            kept = Labelling(found.labels, method=found.method, note=found.note)
            name = self.label_name or found.method
            path = change_sidecar(store, lambda notes: notes.labellings.update({name: kept}))
            accuracy = None
            if store.labels is not None:
                accuracy = clustering_accuracy(store.labels, found.labels)
        return Clustered(found, path, accuracy)

    def find(self, progress: Progress = quiet, cancelled: Cancel = never) -> Clustering:
        """Return the clusters and keep nothing; raises as `run`."""
        from tvae_core.analysis.content_clusters import cluster_contents, cluster_places
        from tvae_core.work.plane_look import plane_of

        count = None if self.count == "auto" else self.count
        with EmbeddingStore(self.store) as store:
            if self.plane:
                places, _ = plane_of(store, load_sidecar(store), self.plane)
                found = cluster_places(self.method, places, count, self.seed)
            else:
                found = cluster_contents(
                    self.method, store.z_mean, store.column("content/std"), count, self.seed,
                    lambda share: progress(share, "clusters"), cancelled,
                )  # fmt: skip
        if cancelled():
            raise Cancelled("stopped")
        progress(1.0, "clusters")
        return found
