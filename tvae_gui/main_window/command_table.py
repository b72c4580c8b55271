"""The table of all commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtWidgets import QMessageBox

from tvae_gui.main_window.commands import Command, always
from tvae_gui.views.plane_view import CIRCLE, LASSO, PATH, PROBE, RECTANGLE

if TYPE_CHECKING:
    from tvae_gui.main_window.window import MainWindow


def command_table(w: MainWindow) -> list[Command]:
    """Return the commands of a window in the order of the menus."""
    return [*_file(w), *_select(w), *_view(w), *_probe(w), *_help(w)]


def _file(w: MainWindow) -> list[Command]:
    return [
        Command("open", "Open…", "File", w.ask_open, ("Ctrl+O",)),
        Command("close run", "Close the run", "File", w.close_run, (), lambda: _no_run(w)),
        Command("quit", "Quit", "File", w.close, ("Ctrl+Q",), separated=True),
    ]


def _select(w: MainWindow) -> list[Command]:
    s = w.state

    def tool(name: str) -> None:
        w.plane.set_tool(name)
        w.plane.setFocus()

    return [
        Command("probe tool", "Probe", "Select", lambda: tool(PROBE), ("V",)),
        Command("lasso", "Lasso", "Select", lambda: tool(LASSO), ("L",)),
        Command("rectangle", "Rectangle", "Select", lambda: tool(RECTANGLE), ("R",)),
        Command("circle", "Circle", "Select", lambda: tool(CIRCLE), ("C",)),
        Command("path tool", "Draw a path", "Select", lambda: tool(PATH), ("P",)),
        Command("all", "Select all", "Select", lambda: s.select({"kind": "all"}), ("Ctrl+A",),
                lambda: _no_run(w), separated=True),
        Command("none", "Select nothing", "Select", s.clear_selection, ("Ctrl+D",),
                lambda: _no_selection(w)),
        Command("invert", "Invert the selection", "Select", s.invert_selection, ("I",),
                lambda: _no_run(w)),
        Command("undo", "Undo", "Select", s.undo, ("Ctrl+Z",),
                lambda: "" if s.history.past else "Nothing to undo", separated=True),
        Command("redo", "Redo", "Select", s.redo, ("Ctrl+Shift+Z", "Ctrl+Y"),
                lambda: "" if s.history.future else "Nothing to redo"),
    ]  # fmt: skip


def _view(w: MainWindow) -> list[Command]:
    s = w.state
    made = [
        Command("fit", "Show everything", "View", w.plane.fit, ("F",), lambda: _no_run(w)),
        Command("zoom in", "Zoom in", "View", lambda: w.plane.zoom(0.7), ("+", "="),
                lambda: _no_run(w)),
        Command("zoom out", "Zoom out", "View", lambda: w.plane.zoom(1 / 0.7), ("-",),
                lambda: _no_run(w)),
        Command("atlas", "Decoded images as background", "View",
                lambda: s.set_options(atlas=not s.options.atlas), ("A",),
                w.plane_presenter.why_no_tiles),
        Command("palette", "Find a command…", "View",
                lambda: w.palette_view.open(w.commands.entries()),
                ("Ctrl+K", "Ctrl+Shift+P"), always),
    ]  # fmt: skip
    for number in range(1, 10):
        made.append(
            Command(
                f"colour {number}",
                f"Colour by entry {number}",
                "View",
                lambda n=number: w.colour_by_number(n),
                (str(number),),
                lambda: _no_run(w),
                separated=number == 1,
            )
        )
    return made


def _probe(w: MainWindow) -> list[Command]:
    s = w.state
    return [
        Command("pose zero", "Put the pose back to zero", "Probe",
                lambda: s.set_probe_pose(0.0, (0.0, 0.0)), ("0",), lambda: _no_run(w)),
    ]  # fmt: skip


def _help(w: MainWindow) -> list[Command]:
    return [Command("keys", "Keys", "Help", lambda: _show_keys(w), ("?", "F1"))]


def _show_keys(w: MainWindow) -> None:
    box = QMessageBox(w)
    box.setWindowTitle("Keys")
    box.setModal(False)
    box.setText(f"<table>{w.commands.keys_text()}</table>")
    box.open()


def _no_run(w: MainWindow) -> str:
    return "" if w.state.store is not None else "Open a run first"


def _no_selection(w: MainWindow) -> str:
    return "" if w.state.selection.count else "Nothing is selected"
