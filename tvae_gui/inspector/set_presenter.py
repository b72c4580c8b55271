"""Named sets: keeping, picking, renaming, recolouring, their rule and note."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PyQt6.QtCore import QPoint
from PyQt6.QtGui import QAction

from tvae_core.errors import TvaeError
from tvae_core.selection import NamedSet
from tvae_core.words import count
from tvae_gui.context import Context
from tvae_gui.inspector.inspector import menu_at
from tvae_gui.state.rule_words import rule_sentence
from tvae_gui.widgets.questions import ask_colour, ask_text

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
            ("Show how it was made", self.say_rule),
            ("Export…", lambda n: self._export(("set", n))),
            ("Average…", self._average),
            ("Delete", self.delete),
        )
        actions = []
        for words, act in entries:
            action = QAction(words, self._window)
            action.triggered.connect(lambda _=False, a=act: a(name))
            actions.append(action)
        menu_at(self._window, actions, at)

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
        self._messages.notice(f"“{name}” now holds {fresh.count:,} images, {named.count:,} before.")

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
