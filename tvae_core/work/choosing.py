"""Which images a request means: a named set, a cluster, or all; told by a store's sidecar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ConfigError
from tvae_core.selection import NamedSet
from tvae_core.sidecar import Labelling, Sidecar, load_sidecar
from tvae_core.store import EmbeddingStore

TRUTH = "truth"


def named_set(store: EmbeddingStore, name: str) -> NamedSet:
    """Return a named set of a store.

    Raises
    ------
    ConfigError
        There is none of this name.
    """
    sets = {found.name: found for found in load_sidecar(store).sets}
    if name not in sets:
        known = ", ".join(sets) or "none"
        raise ConfigError(f"no set {name!r}", store.path, f"sets: {known}")
    return sets[name]


def labelling_of(sidecar: Sidecar, store: EmbeddingStore, name: str = "") -> Labelling:
    """Return a clustering of a store, the first one where no name is given.

    Raises
    ------
    ConfigError
        It was not clustered, or not under this name.
    """
    if not sidecar.labellings:
        raise ConfigError("not clustered yet", store.path, "run `tvae cluster` on it")
    name = name or next(iter(sidecar.labellings))
    if name not in sidecar.labellings:
        known = ", ".join(sidecar.labellings)
        raise ConfigError(f"no labelling {name!r}", store.path, f"labellings: {known}")
    return sidecar.labellings[name]


def labels_or_truth(store: EmbeddingStore, name: str) -> Labelling:
    """Return a clustering of a store, or, by the name `truth`, the labels of its images.

    Raises
    ------
    ConfigError
        There are no such labels.
    """
    sidecar = load_sidecar(store)
    if name in sidecar.labellings:
        return sidecar.labellings[name]
    if name == TRUTH and store.labels is not None:
        return Labelling(store.labels, tuple(store.label_names))
    known = [*sidecar.labellings, *([TRUTH] if store.labels is not None else [])]
    todo = f"there are: {', '.join(known)}" if known else "run `tvae cluster` on it"
    raise ConfigError(f"no labels {name!r}", store.path, todo)


def numbers_in(file: Path, images: int) -> NDArray[np.int64]:
    """Return the image numbers of a text file.

    Raises
    ------
    ConfigError
        It cannot be read, or a number is of no image.
    """
    try:
        numbers = np.loadtxt(file, dtype=np.int64, ndmin=1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read image numbers ({error})", file) from None
    if numbers.size and (numbers.min() < 0 or numbers.max() >= images):
        raise ConfigError(f"numbers must lie in 0..{images - 1}", file)
    return numbers
