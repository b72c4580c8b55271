"""What a plane can be coloured and filtered by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tvae_core.colours import UNASSIGNED
from tvae_core.geometry import wrap_angle
from tvae_core.particles.numbers import single_precision
from tvae_core.selection import NamedSet
from tvae_core.store import EmbeddingStore

Array = NDArray[Any]
Kind = Literal["density", "magnitude", "cyclic", "class"]
MOST_CLASSES = 64


@dataclass(frozen=True)
class Column:
    """One number for each image, with the words to show it.

    A class column holds whole numbers from 0, -1 for none; `names` are those of its classes, and
    `rest` is what is said of images that have none.
    """

    key: str
    title: str
    kind: Kind
    unit: str = ""
    names: tuple[str, ...] = ()
    rest: str = UNASSIGNED


_NO_VALUE = "no value"
_WHOLE_TURNS = ("angle_rot_deg", "angle_psi_deg")
_UNITS = {"_angstrom": "Å", "_angstrom2": "Å²", "_deg": "°", "_px": "px", "_kv": "kV", "_mm": "mm"}
DENSITY = Column("density", "density", "density")
CLUSTER_KEY = "cluster"
SETS_KEY = "sets"
_SEVERAL, _SEVERAL_COLOUR = "several sets", "#bd1f01"
_FIXED = (
    Column("angle", "angle", "cyclic", "rad"),
    Column("shift", "shift, length", "magnitude", "px"),
    Column("shift x", "shift, x", "magnitude", "px"),
    Column("shift y", "shift, y", "magnitude", "px"),
    Column("spread of z", "spread of z", "magnitude"),
    Column("spread of angle", "spread of angle", "magnitude", "rad"),
    Column("entropy", "entropy of q(t, r)", "magnitude", "nats"),
    Column("peak", "peak of q(t, r)", "magnitude"),
    Column("error", "reconstruction error", "magnitude"),
    Column("elbo", "ELBO", "magnitude", "nats"),
)

JUNK = Column("junk", "junk score", "magnitude")


def columns_of(
    store: EmbeddingStore, joined: Mapping[str, Array], clusters: tuple[str, ...]
) -> list[Column]:
    """Return all that can be coloured by, in the order of the menu."""
    found = [DENSITY]
    if clusters:
        found.append(Column(CLUSTER_KEY, "cluster", "class", names=clusters))
    if store.labels is not None:
        found.append(Column("label", "label", "class", names=label_names(store)))
    found += _FIXED
    found += [JUNK] if "quality/junk" in store.names else []
    found += [Column(f"z{i + 1}", f"z{i + 1}", "magnitude") for i in range(min(store.z_dim, 64))]
    found += [_described_column(store, name) for name in store.table_names]
    found += [_table_column(f"joined/{name}", name, values) for name, values in joined.items()]
    return found


def column_values(store: EmbeddingStore, joined: Mapping[str, Array], key: str) -> Array:
    """Return the numbers of a column, (N,): float32, or int for classes."""
    if key in _READ:
        return np.asarray(_READ[key](store))
    if key.startswith("z") and key[1:].isdigit():
        return np.asarray(store.z_mean[:, int(key[1:]) - 1])
    if key == "label":
        return np.asarray(store.labels)
    if key.startswith("joined/"):
        return _numbers(joined[key.removeprefix("joined/")])
    values = _numbers(store.column(key))
    if key.rpartition("/")[2] in _WHOLE_TURNS:
        return np.asarray(wrap_angle(np.deg2rad(values)), dtype=np.float32)
    return values


def sets_column(sets: Sequence[NamedSet]) -> Column:
    """Return the column of which set an image is in."""
    names = (*(named.name for named in sets), _SEVERAL)
    return Column(SETS_KEY, "set", "class", names=names, rest="in no set")


def sets_colours(sets: Sequence[NamedSet]) -> tuple[str, ...]:
    """Return the colours of the classes of `sets_column`."""
    return (*(named.colour for named in sets), _SEVERAL_COLOUR)


def sets_labels(sets: Sequence[NamedSet], images: int) -> NDArray[np.int32]:
    """Return which set each image is in, (N,); len(sets) for several, -1 for none."""
    labels = np.full(images, -1, np.int32)
    for number, named in enumerate(sets):
        again = labels[named.mask] >= 0
        labels[named.mask] = np.where(again, len(sets), number)
    return labels


_READ = {
    "angle": lambda s: s.angle_rad,
    "shift": lambda s: np.hypot(s.shift_px[:, 0], s.shift_px[:, 1]),
    "shift x": lambda s: s.shift_px[:, 0],
    "shift y": lambda s: s.shift_px[:, 1],
    "spread of z": lambda s: s.column("content/std").mean(axis=1),
    "spread of angle": lambda s: s.column("pose/angle_std_rad"),
    "entropy": lambda s: s.column("posterior/entropy"),
    "peak": lambda s: s.column("posterior/peak"),
    "error": lambda s: s.column("quality/reconstruction_error"),
    "elbo": lambda s: s.column("quality/elbo"),
    "junk": lambda s: s.column("quality/junk"),
}


def label_names(store: EmbeddingStore) -> tuple[str, ...]:
    """Return the names of the store's labels; their numbers when they have none, 64 at most."""
    if store.label_names:
        return tuple(store.label_names)
    top = int(store.labels.max()) if store.labels is not None and len(store.labels) else -1
    return tuple(str(i) for i in range(min(top + 1, MOST_CLASSES)))


def _described_column(store: EmbeddingStore, key: str) -> Column:
    """Return a column of the particle table, its unit taken from its name."""
    name = key.rpartition("/")[2]
    names = store.categories(key)
    if names and len(names) <= MOST_CLASSES:
        return Column(key, _spaced(name), "class", names=tuple(names), rest=_NO_VALUE)
    if names:
        return Column(key, f"{_spaced(name)}, by number", "magnitude")
    if name in _WHOLE_TURNS:
        return Column(key, _spaced(name.removesuffix("_deg")), "cyclic", "rad")
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            return Column(key, _spaced(name.removesuffix(suffix)), "magnitude", unit)
    return _table_column(key, name, store.column(key))


def _spaced(name: str) -> str:
    return f"table: {name.replace('_', ' ')}"


def _table_column(key: str, title: str, values: Array) -> Column:
    """Return a joined column: text is classes while they are few, else the numbers of its words."""
    if values.dtype.kind not in "US":
        return Column(key, title, "magnitude")
    words = _words(values)
    if len(words) > MOST_CLASSES:
        return Column(key, f"{title}, by number", "magnitude")
    return Column(key, title, "class", names=tuple(map(str, words)), rest=_NO_VALUE)


def _words(values: Array) -> Array:
    """Return the words of a column of text, sorted; an empty one is none."""
    words = np.unique(values)
    return np.asarray(words[words != words.dtype.type("")])


def _numbers(values: Array) -> Array:
    if values.dtype.kind in "US":
        words = _words(values)
        codes = np.where(np.isin(values, words), np.searchsorted(words, values), -1)
        if len(words) > MOST_CLASSES:
            return np.where(codes < 0, np.nan, codes).astype(np.float32)
        return codes
    if values.dtype == np.float32:
        return values
    return np.asarray(single_precision(values.astype(np.float64)))
