"""What a person makes of the open store: selection, filters, sets, clusterings. No Qt.

Every change goes through `_change`: one snapshot takes the place of another, the step between them
goes on the one undo stack, and the signals of what differs are emitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from tvae_core.colours import CLASS_COLOURS
from tvae_core.columns import CLUSTER_KEY, DENSITY, SETS_KEY, Column, sets_column
from tvae_core.selection import HAND, How, NamedSet, Rule, Selection, apply_rule
from tvae_core.sidecar import DeletedSet
from tvae_core.words import count as number_of
from tvae_gui.state.made import Clusters, Difference, Filter, Made, changed_parts, differences
from tvae_gui.state.undo import Step, UndoStack

Array = NDArray[Any]
CLUSTERING = "clusters"  # the name of the clustering that is found in the window
KEPT, REJECTED = "kept", "rejected"  # the sets of images marked one by one
# none of the colours of classes: a mark is no cluster
MARKS = {KEPT: "#2fb58d", REJECTED: "#5a5f68"}
CLOSINGS_KEPT = 2  # a deleted set is forgotten when its store is closed so often


class MadeState:
    """What a person made, and the one stack of undo.

    Signals: columns_changed, colour_changed, filter_changed, selection_changed(live: bool),
    sets_changed, clusters_changed.
    """

    columns_changed: ClassVar[Signal] = Signal()
    colour_changed: ClassVar[Signal] = Signal()
    filter_changed: ClassVar[Signal] = Signal()
    selection_changed: ClassVar[Signal] = Signal(bool)
    sets_changed: ClassVar[Signal] = Signal()
    clusters_changed: ClassVar[Signal] = Signal()

    def __init__(self) -> None:
        self.stack = UndoStack()
        self._forget_made(0)

    def _forget_made(self, images: int) -> None:
        self.made = Made.nothing(images)
        self._caught: tuple[DeletedSet, ...] = ()  # sets that only a step taken back knows
        self._live: Selection | None = None
        self._visible: Array | None = None
        self.stack.clear()

    # --- what the explorer knows of the store ------------------------------------------------
    @property
    def images(self) -> int:
        """Number N of images; 0 when nothing is open."""
        raise NotImplementedError

    @property
    def columns(self) -> list[Column]:
        """All that can be coloured by."""
        raise NotImplementedError

    def column(self, name: str) -> Array:
        """Return the numbers of a column, (N,)."""
        raise NotImplementedError

    def plane(self, name: str) -> Array:
        """Return plane coordinates (N, 2)."""
        raise NotImplementedError

    def distance(self, z: Any) -> Array:
        """Return how far each image is from z (D,), (N,), in whitened z."""
        raise NotImplementedError

    # --- one door to every change ------------------------------------------------------------
    def _change(self, words: str, gesture: str = "", **parts: Any) -> None:
        """Change parts of what was made, as one step that can be taken back."""
        before = self.made
        after = replace(before, **parts)
        if not changed_parts(before, after):
            return
        back, there = differences(before, after)
        self._show(after)
        self.stack.push(Step(words, lambda: self._put(back), lambda: self._put(there), gesture))

    def _put(self, difference: Difference) -> None:
        self._caught += tuple(map(DeletedSet, self.made.sets)) + self.made.deleted
        self._show(difference.put_into(self.made))

    def _show(self, made: Made) -> None:
        """Take a snapshot as the present one and tell what differs."""
        made = replace(made, colour=self._colour_of(made))
        self._caught = _lost(self._caught, made)
        parts = changed_parts(self.made, made)
        if "sets" in parts:
            parts |= _told_by_sets(self.made, made)
        if self._live is not None:
            parts.add("selection")
        self.made, self._live = made, None
        if parts & {"filters", "clusterings", "clustering"}:
            self._visible = self._filter_mask()
        tells = (
            ("filters", self.filter_changed),
            ("columns", self.columns_changed),
            ("clusters", self.clusters_changed),
            ("colour", self.colour_changed),
            ("sets", self.sets_changed),
        )
        if parts & {"clusterings", "clustering"}:
            parts |= {"clusters", "columns", "colour"}
        if "deleted" in parts:
            parts.add("sets")
        for part, signal in tells:
            if part in parts:
                signal.emit()
        if "selection" in parts:
            self.selection_changed.emit(False)

    def _colour_of(self, made: Made) -> Column:
        """Return the colour with the classes of the clustering on show; density without one."""
        if made.colour.key == SETS_KEY:
            return sets_column(made.sets) if made.sets else DENSITY
        if made.colour.key != CLUSTER_KEY:
            return made.colour
        clusters = made.clusterings.get(made.clustering)
        return DENSITY if clusters is None else replace(made.colour, names=clusters.names)

    def undo(self) -> None:
        """Take the last change back."""
        self.stack.undo()

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        self.stack.redo()

    # --- filters -----------------------------------------------------------------------------
    @property
    def filters(self) -> Mapping[str, Filter]:
        """Of each filtered column, the range or the classes that are shown."""
        return self.made.filters

    def range_of(self, key: str) -> tuple[float, float] | None:
        """Return the range of a column that is shown; None where it has no such filter."""
        kept = self.filters.get(key)
        return kept if isinstance(kept, tuple) else None

    def set_filter(self, key: str, bounds: Filter | None) -> None:
        """Show only images whose `key` lies within bounds, or is of some classes; None shows all.

        The bounds belong to the range; classes are numbers, -1 for images without one.
        """
        if not self.images:
            return
        kept = {name: range_ for name, range_ in self.filters.items() if name != key}
        if bounds is None:
            self._change(f"remove the filter by {self.title_of(key)}", filters=kept)
            return
        kept = {**self.filters, key: bounds}
        self._change(f"filter by {self.title_of(key)}", f"filter {key}", filters=kept)

    def clear_filters(self) -> None:
        """Show all images."""
        self._change("remove all filters", filters={})

    @property
    def visible(self) -> Array | None:
        """Which images pass all filters, (N,) bool; None when there is no filter."""
        return self._visible

    def _filter_mask(self) -> Array | None:
        if not self.filters:
            return None
        mask = np.ones(self.images, dtype=bool)
        for rule in self._filter_rules():
            mask &= apply_rule(rule, self)
        return mask

    def _filter_rules(self) -> list[Rule]:
        return [_rule_of(key, kept) for key, kept in self.filters.items()]

    def title_of(self, key: str) -> str:
        """Return what a column is called."""
        return next((column.title for column in self.columns if column.key == key), key)

    # --- selection ---------------------------------------------------------------------------
    @property
    def present(self) -> Selection:
        """The selection, without the one being drawn."""
        return self.made.selection

    @property
    def selection(self) -> Selection:
        """The selection as shown: the one being drawn, else the present one."""
        return self._live if self._live is not None else self.present

    def select(self, rule: Rule, how: How = "replace", live: bool = False) -> None:
        """Select by a rule, over all images that pass the filters.

        With `live` the result is shown but is no step yet.
        """
        if not self.images:
            return
        mask = apply_rule(rule, self)
        if self._visible is not None:
            mask = mask & self._visible
            rule = {"kind": "intersect", "of": [rule, *self._filter_rules()]}
        chosen = self.present.combine(Selection(mask, rule), how)
        if live:
            self._live = chosen
            self.selection_changed.emit(True)
        else:
            self.put_selection(chosen)

    def put_selection(self, selection: Selection, words: str = "selection") -> None:
        """Make `selection` the present one."""
        self._change(words, selection=selection)
        self.cancel_live()  # where it was the present one already

    def select_indices(self, indices: Iterable[int]) -> None:
        """Select some images by number."""
        self.select({"kind": "indices", "indices": [int(i) for i in indices]})

    def cancel_live(self) -> None:
        """Drop the selection being drawn."""
        if self._live is not None:
            self._live = None
            self.selection_changed.emit(False)

    def clear_selection(self) -> None:
        """Select nothing."""
        if self.selection.count:
            self.put_selection(Selection.none(self.images), "select nothing")

    def invert_selection(self) -> None:
        """Select what is not selected, of the images that pass the filters."""
        if not self.images:
            return
        others, visible = self.present.invert(), self.visible
        if visible is not None:
            rule = {"kind": "intersect", "of": [others.rule, *self._filter_rules()]}
            others = Selection(others.mask & visible, rule)
        self.put_selection(others, "invert the selection")

    # --- named sets --------------------------------------------------------------------------
    @property
    def sets(self) -> list[NamedSet]:
        """The named sets in the user's order."""
        return list(self.made.sets)

    @property
    def deleted(self) -> tuple[DeletedSet, ...]:
        """Sets deleted, written over or taken back lately."""
        return self._caught + self.made.deleted

    def named_set(self, name: str) -> NamedSet | None:
        """Return the set of that name, None when there is none."""
        return next((named for named in self.made.sets if named.name == name), None)

    def free_set_name(self, wanted: str) -> str:
        """Return `wanted`, with a number behind where a set of other images has that name."""
        return self._free_name(wanted, self.present.mask)

    def _free_name(self, wanted: str, mask: Array) -> str:
        name, number = wanted, 1
        while (there := self.named_set(name)) is not None:
            if np.array_equal(there.mask, mask):
                break
            number += 1
            name = f"{wanted} {number}"
        return name

    def add_set(self, name: str, note: str = "") -> NamedSet:
        """Keep the selection under a name; a set of that name is replaced."""
        colour = CLASS_COLOURS[len(self.made.sets) % len(CLASS_COLOURS)]
        made = NamedSet(name, colour, self.present.mask, self.present.rule, note)
        self._put_set(name, made, f"save set “{name}”")
        return made

    def change_set(self, name: str, words: str, /, **changes: Any) -> None:
        """Change name, colour, note, or mask and rule of a set; `words` name the step."""
        named = self.named_set(name)
        if named is not None:
            self._put_set(name, replace(named, **changes), words)

    def delete_set(self, name: str) -> None:
        """Take a set away; it is kept among those recently deleted."""
        self._put_set(name, None, f"delete set “{name}”")

    def keep_set(self, wanted: str, selection: Selection, words: str) -> NamedSet:
        """Keep some images under a name that is free; `words` name the step."""
        name = self._free_name(wanted, selection.mask)
        colour = CLASS_COLOURS[len(self.made.sets) % len(CLASS_COLOURS)]
        made = NamedSet(name, colour, selection.mask, selection.rule)
        self._put_set(name, made, words)
        return made

    def merge_sets(self, source: str, target: str) -> None:
        """Put the images of one set into another, whose name stays; both can be had back."""
        one, other = self.named_set(source), self.named_set(target)
        if one is None or other is None or one is other:
            return
        joined = other.selection.union(one.selection)
        fresh = replace(other, mask=joined.mask, rule=joined.rule)
        sets = tuple(fresh if s is other else s for s in self.made.sets if s is not one)
        gone = (DeletedSet(one), DeletedSet(other), *self.made.deleted)
        self._change(f"merge set “{source}” into “{target}”", sets=sets, deleted=gone)

    def restore_set(self, number: int) -> None:
        """Bring back a set recently deleted, under a free name."""
        named = self.deleted[number].named
        fresh = replace(named, name=self._free_name(named.name, named.mask))
        kept = [s for s in self.made.sets if s.name != fresh.name]
        rest = tuple(d for d in self.made.deleted if d.named is not named)
        self._change(f"restore set “{named.name}”", sets=(*kept, fresh), deleted=rest)

    def replace_sets(
        self, sets: Iterable[NamedSet], deleted: Iterable[DeletedSet] | None = None
    ) -> None:
        """Show these named sets, and those recently deleted."""
        gone = self.made.deleted if deleted is None else tuple(deleted)
        self._change("change the sets", sets=tuple(sets), deleted=gone)

    def take_sets(self, sets: Iterable[NamedSet], deleted: Iterable[DeletedSet]) -> None:
        """Take what another window made of the sets; it is no step, and undo leaves it alone."""
        self._show(replace(self.made, sets=tuple(sets), deleted=tuple(deleted)))

    # --- images marked one by one --------------------------------------------------------------
    def mark_images(self, chosen: Array, mark: str) -> int:
        """Mark images as kept or rejected, or take their marks back where `mark` is empty.

        The marks are the sets “kept” and “rejected”. Returns how many images changed.

        Parameters
        ----------
        chosen : (N,) bool or (n,) int
        mark : str
            `KEPT`, `REJECTED` or nothing.
        """
        sets, gone = list(self.made.sets), self.made.deleted
        meant, changed = (np.zeros(self.images, dtype=bool) for _ in range(2))
        meant[chosen] = True
        for name, colour in MARKS.items():
            old = self.named_set(name)
            before = np.zeros(self.images, dtype=bool) if old is None else old.mask
            mask = before | meant if name == mark else before & ~meant
            changed |= mask != before
            if old is not None and old.rule != HAND:
                gone = (DeletedSet(old), *gone)
            fresh = NamedSet(name, colour, mask, HAND)
            if old is not None:
                fresh = replace(old, mask=mask, rule=HAND)
            sets = [s for s in sets if s is not old] if not mask.any() else _with(sets, old, fresh)
        count = int(np.count_nonzero(changed))
        if count:
            verb = {KEPT: "keep", REJECTED: "reject"}.get(mark, "take back")
            words = f"{verb} {number_of(count, 'image')}"
            self._change(words, sets=tuple(sets), deleted=gone)
        return count

    def marks_of(self, numbers: Array) -> tuple[Array, Array]:
        """Return which of some images (n,) are marked as kept, and which as rejected."""
        none = np.zeros(len(numbers), dtype=bool)
        kept, rejected = (self.named_set(name) for name in MARKS)
        return (
            none if kept is None else kept.mask[numbers],
            none if rejected is None else rejected.mask[numbers],
        )

    def _put_set(self, name: str, fresh: NamedSet | None, words: str) -> None:
        """Put a set in the place of the one of that name, whose images are not lost."""
        old = self.named_set(name)
        sets = [fresh if s is old else s for s in self.made.sets]
        if old is None:
            sets.append(fresh)
        lost = fresh is None or (old is not None and not np.array_equal(old.mask, fresh.mask))
        gone = self.made.deleted
        if old is not None and lost:
            gone = (DeletedSet(old), *gone)
        self._change(words, sets=tuple(s for s in sets if s is not None), deleted=gone)

    def age_deleted(self) -> bool:
        """Count a closing of the store; return whether any set was recently deleted."""
        older = [DeletedSet(d.named, d.closings + 1) for d in self.deleted]
        kept = tuple(d for d in older if d.closings < CLOSINGS_KEPT)
        self.made, self._caught = replace(self.made, deleted=kept), ()
        return bool(older)

    # --- clusterings -------------------------------------------------------------------------
    @property
    def clusterings(self) -> Mapping[str, Clusters]:
        """All clusterings, by name."""
        return self.made.clusterings

    @property
    def clustering(self) -> str:
        """The name of the clustering on show; empty when there is none."""
        return self.made.clustering

    @property
    def clusters(self) -> Clusters | None:
        """The clustering that is shown, of all `clusterings`."""
        return self.made.clusterings.get(self.made.clustering)

    def set_clusters(
        self, clusters: Clusters | None, name: str = "", words: str = "find clusters"
    ) -> None:
        """Keep a clustering under `name`, show it and colour by it; None forgets the one shown.

        Without a name it takes the place of the one that is shown. `words` name the step.
        """
        kept = dict(self.clusterings)
        if clusters is None:
            if kept.pop(self.clustering, None) is None:
                return
            self._show_clustering("remove the clustering", "", kept)
            return
        name = name or self.clustering or CLUSTERING
        kept[name] = clusters
        self._show_clustering(words, name, kept)

    def keep_clusterings(self, clusterings: Mapping[str, Clusters]) -> None:
        """Keep clusterings that came from elsewhere under their names; it is no step."""
        if clusterings:
            self._show(replace(self.made, clusterings={**self.clusterings, **clusterings}))

    def show_clustering(self, name: str) -> None:
        """Show another of the clusterings and colour by it."""
        if name in self.clusterings and name != self.clustering:
            self._show_clustering(f"show clustering “{name}”", name, self.clusterings)

    def _show_clustering(self, words: str, name: str, clusterings: Mapping[str, Clusters]) -> None:
        filters = {key: kept for key, kept in self.filters.items() if key != CLUSTER_KEY}
        found = clusterings.get(name)
        colour = DENSITY if found is None else Column(CLUSTER_KEY, "cluster", "class")
        self._change(
            words, clusterings=clusterings, clustering=name, filters=filters, colour=colour
        )


def _rule_of(key: str, kept: Filter) -> Rule:
    if isinstance(kept, frozenset):
        return {"kind": "values", "column": key, "values": sorted(kept)}
    low, high = kept
    return {"kind": "range", "column": key, "low": float(low), "high": float(high)}


def _told_by_sets(before: Made, after: Made) -> set[str]:
    """Return what else differs where sets do: the list of columns, and what is coloured by them."""
    names = ([s.name for s in made.sets] for made in (before, after))
    columns = {"columns"} if next(names) != next(names) else set()
    return columns | ({"colour"} if after.colour.key == SETS_KEY else set())


def _with(sets: list[NamedSet], old: NamedSet | None, fresh: NamedSet) -> list[NamedSet]:
    """Return sets with a fresh one in the place of the old, or at the end."""
    if old is None:
        return [*sets, fresh]
    return [fresh if named is old else named for named in sets]


def _lost(sets: tuple[DeletedSet, ...], made: Made) -> tuple[DeletedSet, ...]:
    """Return those of some sets, each once, whose images are no set and not recently deleted."""
    there = [*made.sets, *(d.named for d in made.deleted)]
    known = [s.mask for s in there if s.rule != HAND]  # what marks hold now, the next key changes
    lost = []
    for one in sets:
        marks = one.named.rule == HAND  # each mark taken back leaves one
        if not marks and not any(np.array_equal(one.named.mask, mask) for mask in known):
            known.append(one.named.mask)
            lost.append(one)
    return tuple(lost)
