"""The classes of a run as cards: clusters or sets, marked, merged and opened. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.gallery_state import Subject
from tvae_gui.state.made import merged
from tvae_gui.state.made_state import KEPT, MARKS, REJECTED

Array = NDArray[Any]
Grouping = Literal["clusters", "sets"]
GROUPINGS: tuple[Grouping, ...] = ("clusters", "sets")


@dataclass(frozen=True)
class ClassCard:
    """A cluster or a set: what it is, its name, colour and size, and how it is marked.

    `mark` is `kept` or `rejected` when all its images are, `mixed` when some are marked.
    """

    subject: Subject
    name: str
    colour: str
    count: int
    mark: str = ""


class ClassState:
    """The cards, the one with the keyboard and those chosen.

    Signals: listed (other cards), moved (marks, the current card or those chosen).
    """

    listed: ClassVar[Signal] = Signal()
    moved: ClassVar[Signal] = Signal()

    def __init__(self, state: ExplorerState) -> None:
        self._state = state
        self.grouping: Grouping = "clusters"
        self.cards: list[ClassCard] = []
        self.current = 0
        self.chosen: set[int] = set()

    # --- the cards -----------------------------------------------------------------------------
    def show(self, grouping: str) -> None:
        """Show `clusters` or `sets`."""
        self.grouping = "sets" if grouping == "sets" else "clusters"
        self.refresh()

    def refresh(self) -> None:
        """Make the cards again; those chosen stay so while the cards are the same."""
        before = [card.subject for card in self.cards]
        self.cards = self._made()
        if [card.subject for card in self.cards] != before:
            self.chosen.clear()
        self.current = min(self.current, max(0, len(self.cards) - 1))
        self.listed.emit()

    def _made(self) -> list[ClassCard]:
        state, marks = self._state, self._marks()
        if state.store is None:
            return []
        if self.grouping == "clusters" and state.clusters is not None:
            clusters = state.clusters
            number = len(clusters.names)
            valid = clusters.labels >= 0
            sizes, kept, rejected = (
                np.bincount(clusters.labels[valid & mask], minlength=number)
                for mask in (valid, *marks)
            )
            return [
                ClassCard(Subject("cluster", name, n), name, clusters.colours[n], int(sizes[n]),
                          _mark(int(sizes[n]), int(kept[n]), int(rejected[n])))
                for n, name in enumerate(clusters.names)
            ]  # fmt: skip
        return [
            ClassCard(
                Subject("set", s.name), s.name, s.colour, s.count,
                _mark(s.count, *(int(np.count_nonzero(s.mask & mark)) for mark in marks)),
            )
            for s in state.sets if s.name not in MARKS
        ]  # fmt: skip

    def _marks(self) -> tuple[Array, Array]:
        none = np.zeros(self._state.images, dtype=bool)
        kept, rejected = (self._state.named_set(name) for name in (KEPT, REJECTED))
        return (none if kept is None else kept.mask, none if rejected is None else rejected.mask)

    def mask(self, card: ClassCard) -> Array:
        """Return the images of a card, (N,) bool."""
        if card.subject.kind == "cluster" and self._state.clusters is not None:
            return np.asarray(self._state.clusters.labels == card.subject.number)
        named = self._state.named_set(card.subject.name)
        return np.zeros(self._state.images, dtype=bool) if named is None else named.mask

    # --- hands ---------------------------------------------------------------------------------
    def go_to(self, number: int, extend: bool = False, toggle: bool = False) -> None:
        """Go to a card, as a click does: alone, with Shift, or with Ctrl."""
        if not 0 <= number < len(self.cards):
            return
        if extend:
            low, high = sorted((self.current, number))
            self.chosen |= set(range(low, high + 1))
        elif toggle:
            self.chosen ^= {number}
        else:
            self.chosen.clear()
        self.current = number
        self.moved.emit()

    def step(self, by: int, extend: bool = False) -> None:
        """Move the keyboard by some cards."""
        if self.cards:
            self.go_to(min(max(self.current + by, 0), len(self.cards) - 1), extend)

    @property
    def picked(self) -> list[int]:
        """The cards an action is for: those chosen, else the current one."""
        return sorted(self.chosen) or ([self.current] if self.current < len(self.cards) else [])

    def mark(self, mark: str) -> None:
        """Keep or reject all images of the cards chosen, else of the current one and go on."""
        mask = np.zeros(self._state.images, dtype=bool)
        for number in self.picked:
            mask |= self.mask(self.cards[number])
        alone = not self.chosen
        self._state.mark_images(mask, mark)
        if alone and mark:
            self.step(1)

    def merge(self, source: int, target: int) -> None:
        """Put the images of one card into another, whose name stays."""
        if source == target or max(source, target) >= len(self.cards):
            return
        one, other = self.cards[source], self.cards[target]
        if one.subject.kind == "cluster" and self._state.clusters is not None:
            numbers = [other.subject.number, one.subject.number]
            words = f"merge “{one.name}” into “{other.name}”"
            self._state.set_clusters(merged(self._state.clusters, numbers), words=words)
        elif one.subject.kind == "set":
            self._state.merge_sets(one.name, other.name)


def _mark(count: int, kept: int, rejected: int) -> str:
    if count and kept == count:
        return KEPT
    if count and rejected == count:
        return REJECTED
    return "mixed" if kept or rejected else ""
