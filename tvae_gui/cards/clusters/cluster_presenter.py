"""Clustering as a job, and the edits of its labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.clustering import Clustering, split
from tvae_core.analysis.metrics import clustering_accuracy, confusion_matrix
from tvae_core.colours import class_colours
from tvae_core.columns import CLUSTER_KEY, MOST_CLASSES, label_names
from tvae_core.words import count
from tvae_core.work.cluster import ClusterRequest
from tvae_gui.cards.clusters.cluster_drawer import AUTO_COUNT, ClusterDrawer
from tvae_gui.context import Context
from tvae_gui.jobs.decode_job import CENTRES, DecodedMany
from tvae_gui.jobs.picture_job import ClusterAverages
from tvae_gui.state.atlas_view import blend_at
from tvae_gui.state.made import Clusters, merged
from tvae_gui.state.made_state import CLUSTERING
from tvae_gui.widgets.questions import ask_colour

Array = NDArray[Any]


class ClusterPresenter:
    """Runs the methods in the background and shows the clusters."""

    def __init__(self, context: Context, drawer: ClusterDrawer) -> None:
        self._window, self._state, self._drawer = context.window, context.state, drawer
        self._decoder, self._pictures = context.decoder, context.pictures
        self._tones, self._session = context.tones, context.session
        self._job = context.card_job(drawer)
        self._found: Clustering | None = None

    def run(self, method: str, how_many: int, on_plane: bool) -> None:
        """Find clusters in the background; a number of `AUTO_COUNT` is to be proposed."""
        state = self._state
        if state.store is None or state.shown is None:
            return
        self._session.save()  # the request finds a plane of this session there
        request = ClusterRequest(
            store=Path(state.store.path),
            method=method,
            count="auto" if how_many == AUTO_COUNT else how_many,
            plane=state.shown.choice.name if on_plane else "",
            label_name=CLUSTERING,
        )
        words = f"Finding clusters in {count(state.images)} images …"
        self._job.run("clusters", request.find, self._on_found, words=words)

    def cancel(self) -> None:
        """Stop at once: most methods cannot be interrupted, so that their answer is dropped."""
        self._job.drop("Stopped.")

    def _on_found(self, found: Clustering) -> None:
        if not found.count:
            self._drawer.show_running(False, "No clusters found: the images form a single group.")
            return
        names = tuple(f"cluster {n + 1}" for n in range(found.count))
        made = Clusters(found.labels, names, class_colours(found.count), found.method, found.note)
        self._found = found
        self._state.set_clusters(made, CLUSTERING)

    def show(self) -> None:
        """Show the clusters of the state and ask for their centres."""
        clusters, store = self._state.clusters, self._state.store
        self._show_confusion()
        found = self._found
        is_shown = found is not None and clusters is not None and clusters.labels is found.labels
        self._drawer.show_proposal(found.proposal if found is not None and is_shown else None)
        self._drawer.show_clusterings(list(self._state.clusterings), self._state.clustering)
        if clusters is None or store is None:
            self._drawer.show_clusters(None, [])
            return
        labels = clusters.labels
        valid = labels >= 0
        sizes = np.bincount(labels[valid], minlength=len(clusters.names))
        self._drawer.show_clusters(clusters, sizes.tolist(), int(np.count_nonzero(~valid)))
        sums = np.stack(
            [np.bincount(labels[valid], column[valid], len(sizes)) for column in store.z_mean.T], 1
        )
        centres = sums / np.maximum(sizes, 1)[:, None]
        blends = [b for z in centres if (b := blend_at(self._state, z)) is not None]
        if len(blends) == len(centres):
            self._drawer.show_centres([self._tones.decoded(b) for b in blends])
        self._decoder.ask_many(CENTRES, centres, labels, 40)
        self._pictures.ask_clusters(labels, len(sizes))

    def on_averages(self, answer: ClusterAverages) -> None:
        """Show the upright averages, in the contrast of the decoded images beside them."""
        store, clusters = self._state.store, self._state.clusters
        if store is None or clusters is None or clusters.labels is not answer.labels:
            return
        low, high = store.thumbnail_range
        self._drawer.show_averages(
            [
                None if a is None else self._tones.decoded(a / 255 * (high - low) + low)
                for a in answer.averages
            ]
        )

    def _show_confusion(self) -> None:
        clusters, store = self._state.clusters, self._state.store
        table = self._drawer.confusion
        if clusters is None or store is None or store.labels is None:
            table.show_counts(None, (), (), (), 0.0)
            return
        counts = confusion_matrix(store.labels, clusters.labels)
        names = label_names(store) + tuple(str(n) for n in range(MOST_CLASSES, len(counts)))
        whole = np.zeros((len(names), len(clusters.names)), np.int64)
        whole[: counts.shape[0], : counts.shape[1]] = counts
        agreement = clustering_accuracy(store.labels, clusters.labels)
        table.show_counts(whole, names, clusters.names, clusters.colours, agreement)

    def on_centres(self, answer: DecodedMany) -> None:
        """Show the decoded centres, unless they are of clusters that have changed since."""
        clusters = self._state.clusters
        if clusters is None or clusters.labels is not answer.tag:
            return
        self._drawer.show_centres([self._tones.decoded(i) for i in answer.images])

    # --- edits ---------------------------------------------------------------------------------
    def rename(self, number: int, name: str) -> None:
        """Give a cluster another name."""
        clusters = self._state.clusters
        if clusters is not None and name and clusters.names[number] != name:
            names = (*clusters.names[:number], name, *clusters.names[number + 1 :])
            words = f"rename cluster “{clusters.names[number]}”"
            self._state.set_clusters(replace(clusters, names=names), words=words)

    def ask_colour(self, number: int) -> None:
        """Ask for a colour and give it to a cluster."""
        clusters = self._state.clusters
        colour = None if clusters is None else ask_colour(self._window, clusters.colours[number])
        if colour:
            self.recolour(number, colour)

    def recolour(self, number: int, colour: str) -> None:
        """Give a cluster another colour."""
        clusters = self._state.clusters
        if clusters is not None:
            colours = (*clusters.colours[:number], colour, *clusters.colours[number + 1 :])
            words = f"colour of cluster “{clusters.names[number]}”"
            self._state.set_clusters(replace(clusters, colours=colours), words=words)

    def merge(self, numbers: list[int]) -> None:
        """Make one cluster of several; it keeps the name of the first."""
        clusters = self._state.clusters
        if clusters is None or len(numbers) < 2:
            return
        words = f"merge {len(numbers)} clusters"
        self._state.set_clusters(merged(clusters, numbers), words=words)

    def split(self, number: int) -> None:
        """Cut a cluster in two in the background."""
        clusters, store = self._state.clusters, self._state.store
        if clusters is None or store is None:
            return
        labels, z = clusters.labels, store.z_mean

        def still() -> bool:
            now = self._state.clusters
            return now is not None and now.labels is labels

        self._job.run("split", lambda *_: split(labels, number, z), self._on_split, still=still)

    def _on_split(self, labels: Array) -> None:
        clusters = self._state.clusters
        if clusters is None:
            return
        total = int(labels.max()) + 1
        extra = range(len(clusters.names), total)
        names = (*clusters.names, *(f"cluster {n + 1}" for n in extra))
        colours = (*clusters.colours, *class_colours(total)[len(clusters.colours) :])
        fresh = replace(clusters, labels=np.asarray(labels), names=names, colours=colours)
        self._state.set_clusters(fresh, words="split a cluster")

    def select(self, numbers: list[int]) -> None:
        """Select the images of clusters."""
        if self._state.clusters is not None:
            self._state.select({"kind": "values", "column": CLUSTER_KEY, "values": numbers})

    def clear(self) -> None:
        """Drop the clustering."""
        self._state.set_clusters(None)
