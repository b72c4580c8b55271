"""Named sets: keeping, picking, renaming, recolouring, their rule and note."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QPoint
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFileDialog, QWidget

from tvae_core.errors import TvaeError
from tvae_core.selection import How, NamedSet
from tvae_core.words import count
from tvae_gui.context import Context
from tvae_gui.inspector.inspector import menu_at
from tvae_gui.state.carried_sets import carry_set
from tvae_gui.state.rule_words import rule_sentence
from tvae_gui.widgets.questions import ask_colour, ask_text

COMBINATIONS: dict[How, str] = {"union": "or", "intersect": "and", "subtract": "but not"}
Ask = Callable[[str, str, str], str | None]
PickColour = Callable[[str], str | None]


class SetPresenter:
    """Acts on the named sets of the state. `ask` and `pick_colour` are replaced in tests."""

    def __init__(
        self,
        context: Context,
        export: Callable[[tuple[str, str]], None],
        average: Callable[[str], None],
    ) -> None:
        self._state, self._window = context.state, context.window
        self._export, self._average, self._messages = export, average, context.messages
        self.ask: Ask = partial(ask_text, context.window)
        self.ask_run: Callable[[], str] = partial(_ask_run, context.window)
        self.pick_colour: PickColour = partial(ask_colour, context.window)

    def keep(self) -> None:
        """Keep the selection under a name."""
        if not self._state.selection.count:
            return
        name = self.ask("Save as set", "Name of the set", f"set {len(self._state.sets) + 1}")
        if name:
            self._state.add_set(name)

    def select_nearest(self) -> None:
        """Ask how many, and select those nearest to the probe."""
        text = self.ask("Nearest images", "How many images nearest to the probe?", "100")
        if text and text.isdigit():
            self._state.select_nearest(int(text))

    def pick(self, name: str, how: str) -> None:
        """Select the images of a set, or combine them with the selection."""
        named = self._find(name)
        if named is not None:
            combined = self._state.present.combine(named.selection, how)  # type: ignore[arg-type]
            self._state.put_selection(combined)

    def open_menu(self, name: str, at: QPoint) -> None:
        """Show what can be done with a set."""
        entries: tuple[tuple[str, Callable[[str], None]], ...] = (
            ("Rename…", self.rename),
            ("Colour…", self.recolour),
            ("Note…", self.annotate),
            ("Update from its rule", self.reapply),
            ("Apply to another run…", self.carry),
            ("Show how it was made", self.say_rule),
            ("Export…", lambda n: self._export(("set", n))),
            ("Average…", self._average),
            ("Delete", self.delete),
        )
        others = [s.name for s in self._state.sets if s.name != name]
        made: list[tuple[str, Callable[[], object]]] = []
        made += [(words, partial(act, name)) for words, act in entries]
        made[4:4] = [pair for other in others for pair in self._combinations(name, other)]
        made.insert(4, ("Invert", partial(self.invert, name)))
        self._show_menu(made, at)

    def open_combinations(self, source: str, target: str, at: QPoint) -> None:
        """Show what can be made of a set that was dropped onto another."""
        self._show_menu(self._combinations(source, target), at)

    def _combinations(self, one: str, other: str) -> list[tuple[str, Callable[[], object]]]:
        return [
            (f"“{one}” {word} “{other}”", partial(self.combine, one, other, how))
            for how, word in COMBINATIONS.items()
        ]

    def _show_menu(self, entries: Sequence[tuple[str, Callable[[], object]]], at: QPoint) -> None:
        actions = []
        for words, act in entries:
            action = QAction(words, self._window)
            action.triggered.connect(lambda _=False, a=act: a())
            actions.append(action)
        menu_at(self._window, actions, at)

    def combine(self, one: str, other: str, how: How) -> None:
        """Keep the union, the intersection or the difference of two sets as a new one."""
        first, second = self._find(one), self._find(other)
        if first is not None and second is not None:
            name = f"{one} {COMBINATIONS[how]} {other}"
            joined = first.selection.combine(second.selection, how)
            self._state.keep_set(name, joined, f"make set “{name}”")

    def invert(self, name: str) -> None:
        """Keep all images that are not in a set as a new one."""
        named = self._find(name)
        if named is not None:
            self._state.keep_set(f"not {name}", named.selection.invert(), f"invert set “{name}”")

    def carry(self, name: str) -> None:
        """Ask for another run and apply the rule of a set to it."""
        named, store = self._find(name), self._state.store
        target = self.ask_run() if named is not None else ""
        if named is None or store is None or not target:
            return
        try:
            made = carry_set(named, store, Path(target))
        except TvaeError as error:
            self._messages.error(error)
            return
        self._messages.notice(
            f"“{made.name}” holds {count(made.count, 'image')} of {Path(target).name}."
        )

    def rename(self, name: str) -> None:
        """Give a set another name."""
        new = self.ask("Rename the set", "Name of the set", name)
        if new and new != name and self._find(new) is None:
            self._state.change_set(name, f"rename set “{name}”", name=new)
        elif new and new != name:
            self._messages.notice(f"A set called “{new}” already exists.")

    def recolour(self, name: str) -> None:
        """Give a set another colour."""
        named = self._find(name)
        colour = None if named is None else self.pick_colour(named.colour)
        if colour:
            self._state.change_set(name, f"colour of set “{name}”", colour=colour)

    def annotate(self, name: str) -> None:
        """Write a note on a set."""
        named = self._find(name)
        note = None if named is None else self.ask("Note", f"Note on “{name}”", named.note)
        if note is not None:
            self._state.change_set(name, f"note on set “{name}”", note=note)

    def reapply(self, name: str) -> None:
        """Apply the rule that made a set again."""
        named = self._find(name)
        if named is None:
            return
        try:
            fresh = named.reapplied(self._state)
        except TvaeError as error:
            self._messages.error(error)
            return
        self._state.change_set(name, f"update set “{name}”", mask=fresh.mask)
        self._messages.notice(
            f"“{name}” now holds {count(fresh.count)} images, {count(named.count)} before."
        )

    def say_rule(self, name: str) -> None:
        """Say how a set was made."""
        named = self._find(name)
        if named is not None:
            self._messages.notice(rule_sentence(name, named.rule, self._state.columns))

    def delete(self, name: str) -> None:
        """Forget a set; its images stay, and the set among those recently deleted."""
        self._state.delete_set(name)

    def open_deleted(self, at: QPoint) -> None:
        """List the sets recently deleted; a click brings one back."""
        actions = []
        for number, kept in enumerate(self._state.deleted):
            words = f"Restore “{kept.named.name}” ({count(kept.named.count, 'image')})"
            action = QAction(words, self._window)
            action.triggered.connect(lambda _=False, n=number: self._state.restore_set(n))
            actions.append(action)
        menu_at(self._window, actions, at)

    def _find(self, name: str) -> NamedSet | None:
        return self._state.named_set(name)


def _ask_run(parent: QWidget) -> str:
    return QFileDialog.getOpenFileName(
        parent, "Apply the set to another run", "", "Embedding files (*.h5);;All files (*)"
    )[0]
