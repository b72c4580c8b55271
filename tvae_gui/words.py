"""Words that several rooms of the window use."""

from __future__ import annotations

CLUSTER_METHODS = (
    ("automatic", "auto"),
    ("UMAP, then Ward", "umap-ward"),
    ("k-means", "k-means"),
    ("Gaussian mixture", "gaussian-mixture"),
    ("agglomerative (Ward)", "ward"),
    ("HDBSCAN", "hdbscan"),
)
# Why something is grey.
NO_RUN = "Open a run first"
NO_IMAGES = "It contains no images"
NO_MODEL = "The model of this run is not loaded"
NO_THUMBNAILS = "This run has no thumbnails"
FILE_EXISTS = "A file of that name exists: tick “replace existing files” or change the name"
# What writes files.
REPLACE = "replace existing files"
CHOOSE_OUTPUT = "Choose the output file"
OUTPUT_FILE = "Output file"
ORIGINAL_LOCATION = "original location"
# The decoded image and its background.
SEE_DECODED = "Open a run to see decoded images"
ATLAS = "Decoded images as background"
OVERLAY = "Lay the nearest real image over the decoded one, turned and shifted like it"
