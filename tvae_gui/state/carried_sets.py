"""A set applied to another run: its rule again, or the same images by their content. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.nearness import Whitening
from tvae_core.columns import CLUSTER_KEY, column_values
from tvae_core.errors import ConfigError
from tvae_core.images.identity import UNKNOWN, match
from tvae_core.planes import PlaneChoice, shown_plane
from tvae_core.selection import NamedSet, Rule, apply_rule
from tvae_core.sidecar import Sidecar, change_sidecar, load_sidecar
from tvae_core.store import EmbeddingStore, Plane

Array = NDArray[Any]
_PICKED = ("hand", "indices")  # kinds of rules that mean these images and no others


@dataclass(frozen=True)
class _Source:
    """Where rules look planes, columns and distances of a run up."""

    store: EmbeddingStore
    notes: Sidecar

    @property
    def images(self) -> int:
        """Number N of images."""
        return self.store.images

    def plane(self, name: str) -> Array:
        """Return plane coordinates (N, 2)."""
        planes = {key: Plane(coordinates) for key, coordinates in self.notes.planes.items()}
        return shown_plane(self.store, PlaneChoice.named(name), planes).xy

    def column(self, name: str) -> Array:
        """Return a column (N,)."""
        if name == CLUSTER_KEY and self.notes.labellings:
            return next(iter(self.notes.labellings.values())).labels
        return column_values(self.store, self.notes.columns, name)

    def distance(self, z: Any) -> Array:
        """Return how far each image is from z (D,), whitened, (N,)."""
        place = self._whiten(np.asarray(z, np.float32)[None])
        return np.asarray(np.linalg.norm(self._whiten(self.store.z_mean) - place, axis=1))

    @cached_property
    def _whiten(self) -> Whitening:
        return Whitening(self.store.z_mean, self.store.column("content/std"))


def carry_set(named: NamedSet, source: EmbeddingStore, target: Path) -> NamedSet:
    """Add a set to the notes of another run and return it as it is there.

    A rule is applied again, to the images of the other run. Images picked by hand are found there
    by their content.

    Raises
    ------
    StoreError, ConfigError
        The other run cannot be opened or lacks what the rule names, or the images are not known by
        content.
    """
    with EmbeddingStore(target) as other:
        if other.identity == source.identity:
            raise ConfigError("this is the same run", target, "choose another one")
        notes = load_sidecar(other)
        if _is_picked(named.rule):
            mask = _same_images(named, source, other)
        else:
            mask = apply_rule(named.rule, _Source(other, notes))
        free = _free_name(named.name, {kept.name for kept in notes.sets})
        made = replace(named, name=free, mask=mask)
        change_sidecar(other, lambda sidecar: sidecar.sets.append(made))
    return made


def _is_picked(rule: Rule) -> bool:
    return rule["kind"] in _PICKED or any(map(_is_picked, rule.get("of", ())))


def _same_images(named: NamedSet, source: EmbeddingStore, other: EmbeddingStore) -> Array:
    mine, theirs = source.prints, other.prints
    if mine is None or theirs is None:
        raise ConfigError(
            "images picked by hand are found in another run by their content, which is not known",
            todo="embed both runs again",
        )
    wanted = mine[named.mask]
    places = match(wanted[wanted != UNKNOWN], theirs)
    mask = np.zeros(other.images, dtype=bool)
    mask[places[places >= 0]] = True
    return mask


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted} {number}"
    return name
