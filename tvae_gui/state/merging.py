"""Sets that two windows made of one run: what either changed is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from tvae_core.selection import NamedSet
from tvae_core.sidecar import DeletedSet


def merged_sets(
    before: Iterable[NamedSet], mine: Iterable[NamedSet], theirs: Iterable[NamedSet]
) -> list[NamedSet]:
    """Return the sets that come of two changes of `before`, mine and theirs.

    Where both changed a set, both are kept: theirs under a name of its own. A set that one deleted
    and the other changed stays.
    """
    old, other = _by_name(before), _by_name(theirs)
    own = _by_name(mine)
    merged = [
        one for name, found in own.items() if (one := _mine(found, old.get(name), other.get(name)))
    ]
    for name, found in other.items():
        was = old.get(name)
        if name not in own:
            merged += [] if _same(found, was) else [found]
        elif not (_same(found, was) or _same(found, own[name]) or _same(own[name], was)):
            merged.append(replace(found, name=_free(name, {one.name for one in merged})))
    return merged


def merged_deleted(mine: Iterable[DeletedSet], theirs: Iterable[DeletedSet]) -> list[DeletedSet]:
    """Return the sets that either deleted, each once, mine first."""
    kept = list(mine)
    for one in theirs:
        if not any(one.named.name == d.named.name and _same(one.named, d.named) for d in kept):
            kept.append(one)
    return kept


def _mine(mine: NamedSet, was: NamedSet | None, theirs: NamedSet | None) -> NamedSet | None:
    """Return what becomes of a set of mine: theirs, where only they changed or deleted it."""
    return theirs if _same(mine, was) else mine


def _by_name(sets: Iterable[NamedSet]) -> dict[str, NamedSet]:
    return {one.name: one for one in sets}


def _same(one: NamedSet, other: NamedSet | None) -> bool:
    if other is None or (one.colour, one.note) != (other.colour, other.note):
        return False
    return bool(np.array_equal(one.mask, other.mask))


def _free(name: str, taken: set[str]) -> str:
    return next(free for n in range(2, 1 << 30) if (free := f"{name} ({n})") not in taken)
