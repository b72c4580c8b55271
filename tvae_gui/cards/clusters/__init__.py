"""The card of clusters: find them, name them, compare them with labels."""
