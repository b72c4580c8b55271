"""The figures of the paper's tables from what a run found and what is known: numpy in, rows out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis import metrics
from tvae_core.analysis.clustering import cluster

Array = NDArray[np.floating]

METHODS = {"ward": "Ward", "k-means": "k-means", "gaussian-mixture": "Gaussian mixture"}
_UNRELIABLE = "unreliable: the angles have no mean direction"
_CHANCE = "random angles give about 1 / sqrt(images per class)"


@dataclass(frozen=True)
class Row:
    """One figure: `key` for machines, `group` and `name` for people, a note on how it was got."""

    key: str
    group: str
    name: str
    value: float
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Truth:
    """What is known of N images; None or empty where nothing is.

    labels (N,) int from 0, below 0 for none; angle_rad (N,) counter-clockwise; shift_px (N, 2) of
    the model's images, x right, y up; factors: other known values (N,) by name.
    """

    labels: NDArray[np.integer] | None = None
    label_names: tuple[str, ...] = ()
    angle_rad: Array | None = None
    shift_px: Array | None = None
    factors: dict[str, Array] = field(default_factory=dict)

    def taken(self, indices: NDArray[np.integer]) -> Truth:
        """Return the truth of some of the images."""

        def some(values: Array | None) -> Array | None:
            return None if values is None else values[indices]

        factors = {name: values[indices] for name, values in self.factors.items()}
        names = self.label_names
        labels = None if self.labels is None else self.labels[indices]
        return Truth(labels, names, some(self.angle_rad), some(self.shift_px), factors)

    def label_name(self, label: int) -> str:
        """Return the name of a label."""
        return self.label_names[label] if label < len(self.label_names) else str(label)


_SAME_ANGLE_RAD = 1e-3


@dataclass(frozen=True)
class Found:
    """What the model infers of N images: z_mean, z_std (N, D), angle_rad (N,), shift_px (N, 2).

    unturned_rad (N,): the angle inferred once each image is turned back by its true pose.
    """

    z_mean: Array
    z_std: Array
    angle_rad: Array
    shift_px: Array
    unturned_rad: Array | None = None


def elbo_rows(parts: dict[str, float], samples: int) -> list[Row]:
    """Return the ELBO and its parts, nats an image."""
    note = f"{samples} samples of q(z, theta, t, r) per image"
    return [
        Row(f"elbo/{name}", "ELBO", _words(name), value, "nats", note if name == "elbo" else "")
        for name, value in parts.items()
    ]


def clustering_rows(found: Found, truth: Truth, seed: int = 0) -> list[Row]:
    """Return the accuracy of three methods on z alone, and on z beside its spread.

    As many clusters as there are labels, matched one to one (paper section 4.3).
    """
    if truth.labels is None:
        return []
    known = truth.labels >= 0
    count = len(np.unique(truth.labels[known]))
    spaces = {
        "z": found.z_mean[known],
        "z and its spread": np.hstack([found.z_mean, found.z_std])[known],
    }
    rows = []
    for method, words in METHODS.items():
        for space, values in spaces.items():
            made = cluster(method, values, count, seed)
            accuracy = metrics.clustering_accuracy(truth.labels[known], made.labels)
            key = f"clustering/{method}/{'z' if space == 'z' else 'z-and-spread'}"
            note = "; ".join(filter(None, [f"{count} clusters", made.note]))
            rows.append(Row(key, "Clustering accuracy", f"{words} on {space}", accuracy, "", note))
    return rows


def shift_rows(found: Found, truth: Truth) -> list[Row]:
    """Return Pearson's correlations of shifts (table 1)."""
    if truth.shift_px is None:
        return []
    values = metrics.shift_correlation(truth.shift_px, found.shift_px)
    return [
        Row(f"shift/{axis}", "Shift", f"Pearson correlation, {axis}", value)
        for axis, value in zip("xy", values, strict=True)
    ]


def rotation_rows(found: Found, truth: Truth) -> list[Row]:
    """Return both circular correlations and the error under each protocol (tables 1 and 3).

    None for a model that gives every image the same angle: it infers none.
    """
    if truth.angle_rad is None or np.ptp(found.angle_rad) < _SAME_ANGLE_RAD:
        return []
    rows = []
    for key, words, angle in protocols(found, truth):
        rows += _rotation(key, words, truth.angle_rad, angle)
    if truth.labels is not None:
        errors = metrics.rotation_error_by_class(truth.angle_rad, found.angle_rad, truth.labels)
        for label, error in errors.items():
            name = f"RMSE of {truth.label_name(label)}, aligned per class"
            rows.append(Row(f"rotation/class/{label}", "Rotation", name, error.rmse_deg, "deg"))
    return rows


def protocols(found: Found, truth: Truth) -> Iterator[tuple[str, str, Array]]:
    """Yield key, words and found angles (N,) of each way to fix what zero means."""
    yield "plain", "as inferred", found.angle_rad
    if found.unturned_rad is not None:
        yield "unturned", "against the unturned image", found.angle_rad - found.unturned_rad
    if truth.labels is not None and truth.angle_rad is not None:
        aligned = metrics.aligned_by_class(truth.angle_rad, found.angle_rad, truth.labels)
        yield "aligned", "aligned per class", aligned


def turn_rows(errors: metrics.TurnErrors, truth: Truth, turns: int) -> list[Row]:
    """Return the error over known turns, by class and in the mean (table 3)."""
    note = f"{len(errors.unturned_deg)} images, {turns} turns each; shows equivariance, which an "
    note += "untrained group-equivariant encoder has too"
    labels = np.zeros(len(errors.unturned_deg), int) if truth.labels is None else truth.labels
    rows = []
    by_class = errors.by_class(labels)
    means = tuple(np.mean(list(by_class.values()), axis=0).tolist())
    words = "all images" if truth.labels is None else "mean over the classes"
    named = {"mean": (words, means)}
    if truth.labels is not None:
        named |= {str(k): (truth.label_name(k), v) for k, v in by_class.items()}
    for key, (name, (unturned, aligned)) in named.items():
        ways = {"unturned": ("the unturned image", unturned), "aligned": ("its mean", aligned)}
        for way, (words, value) in ways.items():
            text = f"RMSE of {name}, against {words}"
            group = "Rotation over known turns"
            rows.append(Row(f"turns/{way}/{key}", group, text, value, "deg", note))
            note = ""
    return rows


def factor_rows(found: Found, truth: Truth) -> list[Row]:
    """Return how well z tells each known factor that varies."""
    rows = []
    for name, values in truth.factors.items():
        if np.ptp(values) == 0:
            continue
        result = metrics.factor_correlation(found.z_mean, values.astype(np.float64))
        words = _words(name)
        for way, text, value in (
            ("axis", "best absolute Spearman of an axis of z", result.best_axis),
            ("linear", "R of a linear fit on z", result.linear),
        ):
            rows.append(Row(f"factor/{name}/{way}", "Content", f"{words}: {text}", value))
    return rows


def confusion(found: Found, truth: Truth, seed: int = 0) -> NDArray[np.int64] | None:
    """Return Ward's clusters of z against the labels, matched clusters on the diagonal (fig. 3)."""
    if truth.labels is None:
        return None
    known = truth.labels >= 0
    count = int(truth.labels.max()) + 1
    made = cluster("ward", found.z_mean[known], len(np.unique(truth.labels[known])), seed).labels
    match = metrics.matched_clusters(truth.labels[known], made)
    rest = iter(sorted(set(range(count)) - set(match.tolist())))
    columns = np.array([label if label >= 0 else next(rest) for label in match.tolist()])
    counts = np.zeros((count, count), dtype=np.int64)
    np.add.at(counts, (truth.labels[known], columns[made]), 1)
    return counts


def _rotation(key: str, words: str, true_rad: Array, found_rad: Array) -> list[Row]:
    circular = metrics.circular_correlation(true_rad, found_rad)
    error = metrics.rotation_error(true_rad, found_rad)
    rest = np.abs(np.angle(np.exp(1j * (found_rad - true_rad - error.offset_rad))))
    chance = _CHANCE if key == "aligned" else ""
    doubt = "" if circular.jammalamadaka_reliable else _UNRELIABLE
    values = (
        ("uniform", "circular correlation, uniform form", circular.uniform, "", chance),
        ("js", "circular correlation, Jammalamadaka", circular.jammalamadaka, "", doubt),
        ("rmse", "RMSE", error.rmse_deg, "deg", "after the best constant"),
        ("median", "median error", float(np.degrees(np.median(rest))), "deg", ""),
    )
    return [
        Row(f"rotation/{key}/{name}", "Rotation", f"{text}, {words}", value, unit, note)
        for name, text, value, unit, note in values
    ]


def _words(name: str) -> str:
    return {"elbo": "ELBO", "log_likelihood": "log likelihood"}.get(
        name, name.replace("kl_", "KL ").replace("_", " ")
    )
