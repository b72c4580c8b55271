"""The words of the window that several rooms say."""

from __future__ import annotations

CLUSTER_METHODS = (
    ("k-means", "k-means"),
    ("Gaussian mixture", "gaussian-mixture"),
    ("agglomerative (Ward)", "ward"),
    ("HDBSCAN", "hdbscan"),
)
