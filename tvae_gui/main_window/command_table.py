"""The table of all commands."""

from __future__ import annotations

from functools import partial

from tvae_core.export.movies import why_no_mp4
from tvae_gui.fields.field_presenter import NO_FIELD
from tvae_gui.frame.explorer_page import LAYOUTS
from tvae_gui.main_window.commands import Command, always
from tvae_gui.main_window.rooms import Rooms
from tvae_gui.plane.path_bar import SAVES
from tvae_gui.plane.plane_view import CIRCLE, LASSO, PATH, PROBE, RECTANGLE
from tvae_gui.session.demo import demo_path, why_no_demo
from tvae_gui.state.evaluation_view import why_no_evaluation
from tvae_gui.words import ATLAS, NO_RUN

OWN = "own layout "


def command_table(w: Rooms) -> list[Command]:
    """Return the commands of a window in the order of the menus."""
    return [*_file(w), *_select(w), *_view(w), *_desk(w), *_probe(w), *_path(w), *_help(w)]


def _file(w: Rooms) -> list[Command]:
    return [
        Command("open", "Open…", "File", w.ask_open, ("Ctrl+O",)),
        Command("open folder", "Open a folder…", "File", w.ask_open_folder, ("Ctrl+Shift+O",)),
        Command("train", "Train on images…", "File", w.training.open_dialog, ("Ctrl+T",)),
        Command("runs", "Runs…", "File", w.training.open_runs, ("Ctrl+R",)),
        Command("demo", "Explore the demo", "File", lambda: w.open(demo_path()), (), why_no_demo),
        Command("join", "Join a table…", "File", w.data.ask_join, (),
                lambda: _no_run(w), separated=True),
        Command("field", "Find objects in an image…", "File", w.fields.open, ("Ctrl+F",),
                lambda: _no_run(w)),
        Command("export", "Export…", "File", w.export.open, ("Ctrl+E",), lambda: _no_run(w)),
        Command("close run", "Close the run", "File", w.close_run, (), lambda: _no_run(w)),
        Command("quit", "Quit", "File", w.close, ("Ctrl+Q",), separated=True),
    ]  # fmt: skip


def _select(w: Rooms) -> list[Command]:
    s = w.state

    return [
        Command("probe tool", "Probe", "Select", lambda: w.use_tool(PROBE), ("V",)),
        Command("lasso", "Lasso", "Select", lambda: w.use_tool(LASSO), ("L",)),
        Command("rectangle", "Rectangle", "Select", lambda: w.use_tool(RECTANGLE), ("R",)),
        Command("circle", "Circle", "Select", lambda: w.use_tool(CIRCLE), ("C",)),
        Command("all", "Select all", "Select", lambda: s.select({"kind": "all"}), ("Ctrl+A",),
                lambda: _no_run(w), separated=True),
        Command("none", "Select nothing", "Select", s.clear_selection, ("Ctrl+D",),
                lambda: _no_selection(w)),
        Command("invert", "Invert the selection", "Select", s.invert_selection, ("I",),
                lambda: _no_run(w)),
        Command("nearest", "Select images nearest to the probe…", "Select",
                w.sets.select_nearest, ("N",), lambda: _no_run(w)),
        Command("around", "Select images around the probe", "Select",
                s.select_around_probe, ("Shift+N",), lambda: _no_run(w)),
        Command("keep", "Save the selection as a set…", "Select", w.sets.keep, ("Ctrl+S",),
                lambda: _no_selection(w)),
        Command("averages", "Class averages…", "Select", w.averages.open, ("Ctrl+Shift+G",),
                lambda: _no_run(w)),
        Command("compare", "Compare two selections…", "Select", w.comparison.open, ("Shift+D",),
                lambda: _no_run(w)),
        Command("undo", "Undo", "Select", s.undo, ("Ctrl+Z",),
                lambda: "" if s.stack.undo_name else "Nothing to undo", separated=True,
                named=lambda: f"Undo {s.stack.undo_name}".strip()),
        Command("redo", "Redo", "Select", s.redo, ("Ctrl+Shift+Z", "Ctrl+Y"),
                lambda: "" if s.stack.redo_name else "Nothing to redo",
                named=lambda: f"Redo {s.stack.redo_name}".strip()),
    ]  # fmt: skip


def _view(w: Rooms) -> list[Command]:
    s = w.state
    made = [
        Command("gallery", "Gallery", "View", w.toggle_gallery, ("Ctrl+G",), lambda: _no_run(w)),
        Command("field page", "Field with its picks", "View", w.toggle_field, ("Ctrl+Shift+F",),
                lambda: _no_run(w) or ("" if w.fields.state.fields else NO_FIELD)),
        Command("fit", "Zoom to fit", "View", w.plane.fit, ("F",), lambda: _no_run(w)),
        Command("zoom in", "Zoom in", "View", lambda: w.plane.zoom(0.7), ("+", "="),
                lambda: _no_run(w)),
        Command("zoom out", "Zoom out", "View", lambda: w.plane.zoom(1 / 0.7), ("-",),
                lambda: _no_run(w)),
        Command("atlas", ATLAS, "View",
                lambda: s.set_options(atlas=not s.options.atlas), ("A",),
                w.plane_presenter.why_no_tiles),
        Command("clusters", "Find clusters…", "View", w.cluster_drawer.open_drawer, ("K",),
                lambda: _no_run(w)),
        Command("evaluation", "Show the evaluation", "View", w.show_evaluation, (),
                lambda: why_no_evaluation(s.store)),
        Command("poses", "Check the poses…", "View", w.poses.open, ("T",), lambda: _no_run(w)),
        Command("umap", "Compute a UMAP", "View", w.data.compute_umap, (), lambda: _no_run(w)),
        Command("palette", "Find a command…", "View",
                lambda: w.palette_view.open(w.commands.entries()),
                ("Ctrl+K", "Ctrl+Shift+P"), always),
    ]  # fmt: skip
    made += [
        Command(f"colour {n}", f"Colour by column {n}", "View",
                partial(w.inspector_presenter.colour_by_number, n), (str(n),),
                partial(w.inspector_presenter.why_no_colour, n), separated=n == 1,
                named=partial(w.inspector_presenter.colour_words, n))
        for n in range(1, 10)
    ]  # fmt: skip
    return made


def _desk(w: Rooms) -> list[Command]:
    """Return the commands that arrange the window."""
    return [
        *[
            Command(f"layout {name}", f"Layout: {name.title()}", "View",
                    partial(w.page.arrange, name), (), lambda: _no_run(w),
                    separated=name == "explore")
            for name in LAYOUTS
        ],
        Command("keep layout", "Keep this layout…", "View", w.ask_keep_layout, (),
                lambda: _no_run(w)),
        *[
            Command(f"panel {key}", f"Show or hide: {dock.windowTitle().lower()}", "View",
                    partial(w.page.toggle, key), (), lambda: _no_run(w))
            for key, dock in w.page.docks.items() if key not in w.cards
        ],
        *[
            Command(f"theme {name}", f"Theme: {name}", "View", partial(w.choose_theme, name),
                    separated=name == "system")
            for name in ("system", "dark", "light")
        ],
    ]  # fmt: skip


def own_layouts(w: Rooms) -> list[Command]:
    """Return the commands of the layouts that a person kept."""
    names = w.layouts.names
    return [
        *[
            Command(f"{OWN}show {name}", f"Layout: {name}", "View", partial(w.show_layout, name),
                    (), lambda: _no_run(w), separated=name == names[0])
            for name in names
        ],
        *[
            Command(f"{OWN}forget {name}", f"Forget the layout {name}", "View",
                    partial(w.forget_layout, name))
            for name in names
        ],
    ]  # fmt: skip


def _probe(w: Rooms) -> list[Command]:
    s = w.state
    return [
        Command("pose zero", "Reset the pose to zero", "Probe",
                lambda: s.set_probe_pose(0.0, (0.0, 0.0)), ("0",), lambda: _no_run(w)),
        Command("mirror", "Mark the mirror image", "Probe", w.poses.toggle_mirror, ("M",),
                w.poses.why_no_mirror),
        Command("why", "Why is this image here?", "Probe", w.why.open, ("Y",), w.why.why_not),
        Command("reference", "Keep the decoded image as the reference", "Probe",
                w.probe.keep_reference, ("B",), lambda: _no_run(w)),
        Command("copy", "Copy the decoded image", "Probe", w.probe.copy_image, ("Ctrl+C",),
                lambda: _no_run(w)),
        Command("save image", "Save the decoded image…", "Probe", w.probe.ask_save_image, (),
                lambda: _no_run(w)),
        *[
            Command(f"grid {n}", f"Decode at {n}× sampling", "Probe",
                    partial(s.set_options, grid=n), (f"Ctrl+{n}",), lambda: _no_run(w),
                    separated=n == 1)
            for n in (1, 2, 4)
        ],
    ]  # fmt: skip


def _path(w: Rooms) -> list[Command]:
    t = w.path_state

    def why() -> str:
        return "" if t.exists else "Draw a path first: press P, then click points or drag"

    def why_mp4() -> str:
        return why_no_mp4() or why()

    return [
        Command("path tool", "Draw a path", "Path", lambda: w.use_tool(PATH), ("P",),
                lambda: _no_run(w)),
        Command("walk", "Walk: film strip below the plane", "Path", w.walk.toggle, ("W",),
                w.walk.why_not),
        Command("play", "Play", "Path", lambda: t.play(not t.playing), ("Ctrl+Space",), why),
        *[
            Command(f"save path {kind}", f"Save the {words}", "Path",
                    partial(w.paths.ask_save, kind), (), why_mp4 if kind == "mp4" else why)
            for words, kind in SAVES
        ],
        Command("clear path", "Clear the path", "Path", t.clear, (), why, separated=True),
    ]  # fmt: skip


def _help(w: Rooms) -> list[Command]:
    return [
        Command("docs", "Documentation", "Help", w.docs_page.read, ("Shift+F1",)),
        Command("keys", "Keys", "Help",
                lambda: w.keys_page.show_keys(w.commands.keys_by_menu()), ("?", "F1")),
        Command("about", "About TARGET-VAE", "Help", w.show_about, separated=True),
    ]  # fmt: skip


def _no_run(w: Rooms) -> str:
    return "" if w.state.store is not None else NO_RUN


def _no_selection(w: Rooms) -> str:
    return "" if w.state.selection.count else "Nothing is selected"
