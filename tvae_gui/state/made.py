"""All that a person made of the open store, as one snapshot that never changes. No Qt.

Two snapshots differ in a few parts. A `Difference` holds those alone, with masks packed into bits:
200 steps of a million images are 25 MB, not 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.columns import DENSITY, Column
from tvae_core.selection import NamedSet, Rule, Selection
from tvae_core.sidecar import DeletedSet
from tvae_gui.state.merging import merged_sets

Array = NDArray[Any]
Filter = tuple[float, float] | frozenset[int]  # from low to high, or these classes
_BY_NAME = ("clusterings", "filters")  # parts of which each name is a part of its own


@dataclass(frozen=True)
class Clusters:
    """A clustering: labels (N,) from 0, -1 for none; names and colours of the clusters."""

    labels: Array
    names: tuple[str, ...]
    colours: tuple[str, ...]
    method: str = ""
    note: str = ""


def merged(clusters: Clusters, numbers: list[int]) -> Clusters:
    """Return a clustering in which several clusters are one, with name and colour of the first."""
    gone = set(numbers[1:])
    kept = [n for n in range(len(clusters.names)) if n not in gone]
    into = np.full(len(clusters.names) + 1, -1, np.int32)  # the last is where -1 points to
    into[kept] = np.arange(len(kept))
    into[numbers[1:]] = into[numbers[0]]
    names, colours = (tuple(v[n] for n in kept) for v in (clusters.names, clusters.colours))
    return replace(clusters, labels=into[clusters.labels], names=names, colours=colours)


@dataclass(frozen=True, eq=False)
class Made:
    """What a person made of a store, and the colour that goes with it.

    Attributes
    ----------
    selection : Selection
        The images chosen now.
    sets : tuple of NamedSet
        In the user's order.
    deleted : tuple of DeletedSet
        Sets deleted or written over lately, the latest first.
    clusterings, clustering : mapping, str
        All clusterings by name, and the name of the one on show.
    filters : mapping
        Of each column that is filtered, the range (low, high) or the classes that are shown.
    colour : Column
        What the plane is coloured by.
    """

    selection: Selection
    sets: tuple[NamedSet, ...] = ()
    deleted: tuple[DeletedSet, ...] = ()
    clusterings: Mapping[str, Clusters] = field(default_factory=dict)
    clustering: str = ""
    filters: Mapping[str, Filter] = field(default_factory=dict)
    colour: Column = DENSITY

    @classmethod
    def nothing(cls, images: int) -> Made:
        """Return what is made of `images` images when nobody did anything yet."""
        return cls(Selection.none(images))


@dataclass(frozen=True, eq=False)
class Difference:
    """Parts of a snapshot: what they are on one side of a step, and on the other."""

    here: Mapping[str, Any]
    there: Mapping[str, Any]

    def put_into(self, made: Made) -> Made:
        """Return a snapshot with the parts as they are here.

        Sets that came from elsewhere since the step stay: another window may have made them.
        """
        parts: dict[str, Any] = {}
        for name, kept in self.here.items():
            if name in _BY_NAME:
                parts[name] = _with_names(getattr(made, name), kept)
            elif name == "sets":
                here, there = _unpacked(kept), _unpacked(self.there[name])
                alone = _same(made.sets, there)
                parts[name] = here if alone else tuple(merged_sets(there, here, made.sets))
            elif name != "colour" or made.colour.key == self.there["colour"].key:
                parts[name] = _unpacked(kept)
        return replace(made, **parts)


def changed_parts(before: Made, after: Made) -> set[str]:
    """Return the names of the parts in which two snapshots differ."""
    return {
        part.name
        for part in fields(Made)
        if not _same(getattr(before, part.name), getattr(after, part.name))
    }


def differences(before: Made, after: Made) -> tuple[Difference, Difference]:
    """Return what leads back from `after` to `before`, and what leads there again."""
    back: dict[str, Any] = {}
    there: dict[str, Any] = {}
    for name in changed_parts(before, after):
        old, new = getattr(before, name), getattr(after, name)
        if name in _BY_NAME:
            changed = [k for k in {**old, **new} if not _same(old.get(k), new.get(k))]
            back[name] = {key: old.get(key) for key in changed}
            there[name] = {key: new.get(key) for key in changed}
        else:
            shared = _identities(old) & _identities(new)
            back[name], there[name] = _packed(old, shared), _packed(new, shared)
    return Difference(back, there), Difference(there, back)


def _with_names(whole: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with some names replaced, and those without a value left out."""
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


def _same(one: Any, two: Any) -> bool:
    if one is two:
        return True
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    if isinstance(one, tuple) and isinstance(two, tuple):
        return len(one) == len(two) and all(map(_same, one, two))
    if isinstance(one, Selection | NamedSet) and type(one) is type(two):
        texts = ("name", "colour", "note", "rule")
        alike = all(getattr(one, t, None) == getattr(two, t, None) for t in texts)
        return alike and np.array_equal(one.mask, two.mask)
    return isinstance(one, str | float | int | frozenset | Column) and bool(one == two)


@dataclass(frozen=True, eq=False)
class _Bits:
    """A mask (N,), eight images to a byte."""

    bits: Array
    images: int

    @classmethod
    def of(cls, mask: Array) -> _Bits:
        return cls(np.packbits(mask), len(mask))

    @property
    def mask(self) -> Array:
        return np.unpackbits(self.bits, count=self.images).astype(bool)


@dataclass(frozen=True, eq=False)
class _PackedSet:
    name: str
    colour: str
    bits: _Bits
    rule: Rule
    note: str


@dataclass(frozen=True, eq=False)
class _PackedSelection:
    bits: _Bits
    rule: Rule


def _identities(value: Any) -> set[int]:
    return {id(entry) for entry in value} if isinstance(value, tuple) else set()


def _packed(value: Any, shared: set[int]) -> Any:
    """Return a part with its masks packed, but for sets that stand on both sides of the step."""
    if isinstance(value, tuple):
        return tuple(e if id(e) in shared else _packed(e, shared) for e in value)
    if isinstance(value, Selection):
        return _PackedSelection(_Bits.of(value.mask), value.rule)
    if isinstance(value, NamedSet):
        return _PackedSet(value.name, value.colour, _Bits.of(value.mask), value.rule, value.note)
    return value


def _unpacked(kept: Any) -> Any:
    if isinstance(kept, tuple):
        return tuple(_unpacked(entry) for entry in kept)
    if isinstance(kept, _PackedSelection):
        return Selection(kept.bits.mask, kept.rule)
    if isinstance(kept, _PackedSet):
        return NamedSet(kept.name, kept.colour, kept.bits.mask, kept.rule, kept.note)
    return kept
