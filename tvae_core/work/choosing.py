"""Which images a request means: a named set, a cluster, or all; told by a store's sidecar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ConfigError
from tvae_core.selection import NamedSet
from tvae_core.sidecar import Labelling, Sidecar, load_sidecar
from tvae_core.store import EmbeddingStore
from tvae_core.words import listed

TRUTH = "truth"
STORE = "store (embeddings.h5), or the folder of its run"


def named_set(store: EmbeddingStore, name: str) -> NamedSet:
    """Return a named set of a store.

    Raises
    ------
    ConfigError
        There is none of this name.
    """
    sets = {found.name: found for found in load_sidecar(store).sets}
    if name not in sets:
        known = listed(sets) or "none"
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
        known = f"labellings: {listed(sidecar.labellings)}"
        raise ConfigError(f"no labelling {name!r}", store.path, known)
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


def in_clusters(store: EmbeddingStore, labelling: Labelling, numbers: str) -> NDArray[np.bool_]:
    """Return which images (N,) are in clusters told as a person counts them.

    Parameters
    ----------
    store : EmbeddingStore
    labelling : Labelling
    numbers : str
        Numbers from 1, such as `2,3`; 0 is in no cluster.

    Raises
    ------
    ConfigError
        They are no numbers, or one is of no cluster.
    """
    try:
        wanted = [int(word) for word in numbers.split(",")]
    except ValueError:
        what = f"--cluster {numbers!r} is not a number"
        raise ConfigError(what, "", "such as 2, or 2,3") from None
    count = int(labelling.labels.max(initial=-1)) + 1
    for number in wanted:
        if not 0 <= number <= count:
            raise ConfigError(
                f"no cluster {number}: they count from 1 to {count}, 0 is in none", store.path
            )
    mask = np.isin(labelling.labels, np.array(wanted) - 1)
    if not mask.any():
        what = "every image is in a cluster" if set(wanted) == {0} else f"no image in {numbers}"
        raise ConfigError(what, store.path, f"clusters count from 1 to {count}")
    return mask
