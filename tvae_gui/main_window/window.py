"""The main window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPoint, QSize, Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QResizeEvent
from PyQt6.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from tvae_core.errors import TvaeError
from tvae_gui.jobs.background_job import BackgroundJobs
from tvae_gui.jobs.decode_job import DecodeJob, DecoderFactory, engine_decoder
from tvae_gui.jobs.picture_job import PictureJob
from tvae_gui.main_window.command_table import command_table
from tvae_gui.main_window.commands import Commands
from tvae_gui.main_window.hover_presenter import HoverPresenter
from tvae_gui.main_window.plane_presenter import PlanePresenter
from tvae_gui.main_window.probe_presenter import ProbePresenter
from tvae_gui.main_window.recent import Recent
from tvae_gui.main_window.selection_presenter import SelectionPresenter
from tvae_gui.main_window.session import Session
from tvae_gui.messages import MessageBar, Messages
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.scatter_frame import legend
from tvae_gui.state.words import count
from tvae_gui.theme import GRID, apply_theme, named_theme, set_role, theme
from tvae_gui.views.command_palette import CommandPalette
from tvae_gui.views.controls import muted
from tvae_gui.views.gallery import Gallery
from tvae_gui.views.hover_card import HoverCard
from tvae_gui.views.inspector import Inspector
from tvae_gui.views.plane_tools import PlaneTools
from tvae_gui.views.plane_view import PlaneView
from tvae_gui.views.probe_panel import ProbePanel
from tvae_gui.views.start_page import StartPage

Array = NDArray[Any]
SAVE_MS = 1500
SETTLE_MS = 120


class MainWindow(QMainWindow):
    """The window of `tvae-gui`.

    Parameters
    ----------
    decoder_factory : callable
        Makes a decoder of a store; runs on the decode thread.
    recent : Recent, optional
        Where the list of recent runs is kept.
    """

    def __init__(
        self, decoder_factory: DecoderFactory = engine_decoder, recent: Recent | None = None
    ) -> None:
        super().__init__()
        self.setWindowTitle("TARGET-VAE")
        self.setAcceptDrops(True)
        self.resize(1280, 800)
        self.state = ExplorerState()
        self.messages = Messages(self)
        self.recent = recent or Recent()
        self.decoder = DecodeJob(decoder_factory, self)
        self.pictures = PictureJob(self)
        self.jobs = BackgroundJobs(self)
        self._build()
        self.session = Session(self.state, self.messages)
        self.plane_presenter = PlanePresenter(self.state, self.plane, self.decoder, self.pictures)
        self.probe = ProbePresenter(self.state, self.probe_panel, self.decoder, self.pictures)
        self.selection = SelectionPresenter(
            self.state, self.gallery, self.pictures, self.decoder, self.probe
        )
        self.hover = HoverPresenter(
            self.state, self.plane, self.hover_card, self.decoder, self.pictures, self.probe
        )
        self.commands = Commands(self, command_table(self))
        self._timers()
        self._connect()
        self._show_nothing_open()

    # --- layout ----------------------------------------------------------------------------------
    def _build(self) -> None:
        self.inspector = Inspector()
        self.plane = PlaneView()
        self.tools = PlaneTools(self.plane)
        self.hover_card = HoverCard(self.plane)
        self.probe_panel = ProbePanel()
        self.gallery = Gallery()
        self.start_page = StartPage()
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start_page)
        self.pages.addWidget(self._explorer_page())
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(GRID, 0, GRID, GRID)
        column.setSpacing(GRID)
        column.addLayout(self._top_bar())
        column.addWidget(self.pages, 1)
        self.setCentralWidget(whole)
        self.message_bar = MessageBar(self)
        self.palette_view = CommandPalette(self)
        self.tools.move(7 * GRID, GRID)

    def _explorer_page(self) -> QWidget:
        self._columns = QSplitter(Qt.Orientation.Horizontal)
        self._columns.setHandleWidth(GRID)
        self._columns.setChildrenCollapsible(False)
        self.centre = QWidget()
        self.centre_column = QVBoxLayout(self.centre)
        self.centre_column.setContentsMargins(0, 0, 0, 0)
        self.centre_column.setSpacing(GRID)
        self.centre_column.addWidget(self.plane, 1)
        for widget in (self.inspector, self.centre, self.probe_panel):
            self._columns.addWidget(widget)
        self._columns.setStretchFactor(0, 0)
        self._columns.setStretchFactor(1, 1)
        self._columns.setStretchFactor(2, 0)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        column.addWidget(self._columns, 1)
        column.addWidget(self.gallery)
        return page

    def _top_bar(self) -> QHBoxLayout:
        self.open_button = QPushButton("Open")
        self.train_button = QPushButton("Train")
        self.export_button = QPushButton("Export")
        self.heading = QLabel()
        set_role(self.heading, "strong")
        self.subheading = muted()
        self.find_button = QPushButton("Find a command    Ctrl+K")
        set_role(self.find_button, "find")
        self.find_button.setMinimumWidth(216)
        made = QHBoxLayout()
        made.setSpacing(GRID)
        for button in (self.open_button, self.train_button, self.export_button):
            made.addWidget(button)
        made.addSpacing(2 * GRID)
        made.addWidget(self.heading)
        made.addWidget(self.subheading)
        made.addStretch(1)
        made.addWidget(self.find_button)
        return made

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the side panels a share of a large screen."""
        super().resizeEvent(event)
        self.message_bar.place()
        width = self.width()
        left = int(min(max(232, 0.16 * width), 320))
        right = int(min(max(296, 0.24 * width), 0.52 * self.height(), 640))
        self._columns.setSizes([left, max(200, width - left - right - 4 * GRID), right])

    # --- the one wiring diagram --------------------------------------------------------------------
    def _connect(self) -> None:
        s, plane, probe = self.state, self.plane, self.probe_panel
        # the state tells the views
        s.store_changed.connect(self._on_store)
        s.plane_changed.connect(self._on_plane)
        s.columns_changed.connect(self._on_columns)
        s.colour_changed.connect(self._on_colour)
        s.filter_changed.connect(self._on_filter)
        s.selection_changed.connect(self._on_selection)
        s.probe_moved.connect(self.probe.on_probe_moved)
        s.probe_moved.connect(self.plane_presenter.show_probe)
        s.options_changed.connect(self._on_options)
        s.sets_changed.connect(lambda: self.inspector.show_sets(s.sets))
        s.clusters_changed.connect(self._on_clusters)
        for signal in (s.sets_changed, s.clusters_changed, s.colour_changed, s.filter_changed,
                       s.plane_changed, s.probe_moved, s.columns_changed):  # fmt: skip
            signal.connect(self._save_soon)
        # hands on the plane
        plane.probe_dragged.connect(s.move_probe)
        plane.nudged.connect(self._on_nudged)
        plane.shape_drawn.connect(self._on_shape)
        plane.shape_cancelled.connect(s.cancel_live)
        plane.hovered.connect(self.hover.on_hovered)
        plane.left_plane.connect(self.hover.hide)
        plane.view_changed.connect(self._settle.start)
        plane.view_changed.connect(self.hover.hide)
        plane.tool_changed.connect(self.tools.show_tool)
        self.tools.tool_chosen.connect(plane.set_tool)
        self.tools.atlas_toggled.connect(lambda on: s.set_options(atlas=on))
        self.tools.fit_wanted.connect(plane.fit)
        # inspector
        i = self.inspector
        i.colour_chosen.connect(s.colour_by)
        i.filter_column_chosen.connect(self._on_filter_column)
        i.filter_changed.connect(lambda a, b: s.set_filter(self.filter_key, (a, b)))
        i.filter_cleared.connect(self._on_filter_cleared)
        i.plane_chosen.connect(s.choose_plane)
        i.class_picked.connect(self._on_class_picked)
        # probe panel
        probe.z_moved.connect(self._on_z_moved)
        probe.angle_turned.connect(lambda a: s.set_probe_pose(angle_rad=a))
        probe.shift_moved.connect(lambda x, y: s.set_probe_pose(shift_px=(x, y)))
        probe.pose_reset.connect(lambda: s.set_probe_pose(0.0, (0.0, 0.0)))
        probe.image_picked.connect(self._go_to_image)
        probe.grid_chosen.connect(lambda times: s.set_options(grid=times))
        probe.map_chosen.connect(lambda name: s.set_options(image_map=name))
        probe.contrast_chosen.connect(lambda a, b: self.probe.set_contrast((a, b)))
        probe.contrast_reset.connect(lambda: self.probe.set_contrast(None))
        probe.overlay_toggled.connect(lambda on: s.set_options(overlay=on))
        probe.smooth_toggled.connect(lambda on: s.set_options(smooth=on))
        # gallery
        self.gallery.image_picked.connect(self._go_to_image)
        # jobs answer
        d, p = self.decoder, self.pictures
        d.ready.connect(lambda _: self._on_decoder_ready())
        d.unavailable.connect(self._on_no_decoder)
        d.decoded.connect(self.probe.on_decoded)
        d.tiles_decoded.connect(self.plane_presenter.on_tiles)
        d.hover_decoded.connect(self.hover.on_decoded)
        d.extra_decoded.connect(self.selection.on_extra)
        d.failed.connect(self.messages.error)
        p.selection_ready.connect(self.selection.on_pictures)
        p.nearest_ready.connect(self.probe.on_nearest)
        p.points_ready.connect(self.plane_presenter.on_thumbnails)
        p.hover_ready.connect(self.hover.on_thumbnails)
        p.contrast_ready.connect(self._on_contrast)
        p.failed.connect(self.messages.error)
        # the window
        self.messages.said.connect(self.message_bar.show_message)
        self.palette_view.chosen.connect(self.commands.run)
        self.find_button.clicked.connect(lambda: self.commands.run("palette"))
        self.open_button.clicked.connect(lambda: self.commands.run("open"))
        self.start_page.open_wanted.connect(lambda: self.commands.run("open"))
        self.start_page.recent_picked.connect(lambda path: self.open(Path(path)))

    def _timers(self) -> None:
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settle.timeout.connect(self.plane_presenter.ask_thumbnails)
        self._save = QTimer(self, singleShot=True, interval=SAVE_MS)
        self._save.timeout.connect(self.session.save)

    # --- opening and closing -----------------------------------------------------------------------
    def open(self, path: Path) -> bool:
        """Open a store or a run's folder; what is wrong is said, the window lives."""
        if not self.session.open(path):
            return False
        self.recent.add(path)
        return True

    def ask_open(self) -> None:
        """Ask for a file and open it."""
        name, _ = QFileDialog.getOpenFileName(
            self, "Open a run", "", "Embedding files (*.h5);;All files (*)"
        )
        if name:
            self.open(Path(name))

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files."""
        data = event.mimeData() if event is not None else None
        if event is not None and data is not None and data.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Open the dropped file."""
        data = event.mimeData() if event is not None else None
        if data is not None:
            for url in data.urls()[:1]:
                self.open(Path(url.toLocalFile()))

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Save, stop and join every thread, then go."""
        self._save.stop()
        self.session.close()
        self.jobs.stop()
        self.decoder.stop()
        self.pictures.stop()
        super().closeEvent(event)

    def close_run(self) -> None:
        """Go back to the start page."""
        self.session.close()
        self.decoder.close()
        self.pictures.close()
        self._show_nothing_open()

    def colour_by_number(self, number: int) -> None:
        """Colour by the n-th entry of the list."""
        columns = self.state.columns
        if number <= len(columns):
            self.state.colour_by(columns[number - 1].key)

    def _show_nothing_open(self) -> None:
        self.pages.setCurrentIndex(0)
        self.start_page.show_recent(self.recent.paths())
        self.heading.setText("")
        self.subheading.setText("")

    # --- handlers ------------------------------------------------------------------------------------
    def _on_store(self) -> None:
        store = self.state.store
        if store is None:
            self._show_nothing_open()
            return
        self.pages.setCurrentIndex(1)
        self.filter_key = "error"
        name = store.path.parent.name if store.path.name == "embeddings.h5" else store.path.stem
        self.heading.setText(name)
        model = store.header.config.model
        facts = [count(len(store), "image"), f"z {store.z_dim}", f"P{model.rotations}"]
        self.subheading.setText(" · ".join(facts))
        self.setWindowTitle(f"{name} – TARGET-VAE")
        self.pictures.open(store.path, store.has_thumbnails)
        self.decoder.open(store.path)
        self.probe.show_store()
        self.plane.setFocus()
        self._on_selection(False)

    def _on_plane(self) -> None:
        state = self.state
        self.plane_presenter.show_plane()
        self.plane_presenter.show_probe()
        self._show_atlas_switch()
        if state.store is not None and state.shown is not None:
            names = state.plane_names
            self.inspector.show_planes(
                state.store.z_dim, names, state.shown.choice, state.shown.how, "umap" in names
            )

    def _on_columns(self) -> None:
        state = self.state
        self.inspector.show_columns(state.columns, state.colour.key, self.filter_key)
        self._on_filter_column(self.filter_key)
        self._on_plane_names()
        self._on_colour()

    def _on_plane_names(self) -> None:
        state = self.state
        if state.store is not None and state.shown is not None:
            names = state.plane_names
            shown = state.shown
            self.inspector.show_planes(
                state.store.z_dim, names, shown.choice, shown.how, "umap" in names
            )

    def _on_colour(self) -> None:
        if self.state.store is not None:
            self.inspector.show_legend(legend(self.state, theme().dark))
            self.plane_presenter.show_points()

    def _on_filter_column(self, key: str) -> None:
        self.filter_key = key
        state = self.state
        if state.store is None:
            return
        column = next((c for c in state.columns if c.key == key), None)
        self.inspector.histogram.set_values(state.values(key), column.unit if column else "")
        self.inspector.histogram.set_range(state.filters.get(key))

    def _on_filter_cleared(self) -> None:
        for key in list(self.state.filters):
            self.state.set_filter(key, None)
        self.inspector.histogram.set_range(None)

    def _on_filter(self) -> None:
        state = self.state
        shown = state.images if state.visible is None else int(np.count_nonzero(state.visible))
        self.inspector.show_filter(shown, state.images, bool(state.filters))
        self.plane_presenter.show_points()
        if not state.selection.count:
            self.selection.on_selection_changed(True)

    def _on_selection(self, live: bool) -> None:
        self.plane_presenter.show_points()
        self.selection.on_selection_changed(live)
        if not live:
            self.plane_presenter.show_selection_shape()
        self._on_filter_words()

    def _on_filter_words(self) -> None:
        state = self.state
        shown = state.images if state.visible is None else int(np.count_nonzero(state.visible))
        self.inspector.show_filter(shown, state.images, bool(state.filters))

    def _on_options(self) -> None:
        self._show_atlas_switch()
        self.plane_presenter.show_tiles()
        self.probe.repaint()
        self._on_colour()
        self.probe.on_probe_moved()

    def _show_atlas_switch(self) -> None:
        reason = self.plane_presenter.why_no_tiles()
        self.tools.show_atlas(self.state.options.atlas and not reason, reason)

    def _on_clusters(self) -> None:
        clusters = self.state.clusters
        words = "none yet" if clusters is None else f"{len(clusters.names)} by {clusters.method}"
        self.inspector.show_clusters(words)

    def _on_decoder_ready(self) -> None:
        self._show_atlas_switch()
        self.plane_presenter.show_tiles()
        self.probe.on_probe_moved()

    def _on_no_decoder(self, error: Exception) -> None:
        if isinstance(error, TvaeError):
            self.messages.error(error)
        elif isinstance(error, ImportError):
            self.messages.notice("Decoding needs torch, which is not installed: previews only.")
        else:
            self.messages.error(error)
        self.probe.on_no_decoder()

    def _on_contrast(self, bounds: tuple[float, float]) -> None:
        self.probe.raw_contrast = bounds
        self.plane_presenter.contrast = bounds
        self.probe.on_probe_moved()
        self.selection.on_selection_changed(False)

    def _on_shape(self, kind: str, points: Array, how: Any, finished: bool) -> None:
        rule = self.plane_presenter.rule_of(kind, points)
        if rule is not None:
            self.state.select(rule, how, live=not finished)

    def _on_nudged(self, dx: float, dy: float) -> None:
        if self.state.probe is not None:
            x, y = self.state.probe.xy
            self.state.move_probe(x + dx, y + dy)

    def _on_z_moved(self, dimension: int, value: float) -> None:
        if self.state.probe is not None:
            z = self.state.probe.z.copy()
            z[dimension] = value
            self.state.set_probe_z(z)

    def _on_class_picked(self, number: int, adds: bool) -> None:
        rule = {"kind": "values", "column": self.state.colour.key, "values": [number]}
        self.state.select(rule, "union" if adds else "replace")

    def _go_to_image(self, number: int) -> None:
        if self.state.store is not None:
            self.state.set_probe_z(self.state.store.z_mean[number])

    def _save_soon(self) -> None:
        self.session.touch()
        self._save.start()

    def apply_theme(self, name: str = "system") -> None:
        """Dress the window light or dark."""
        app = QApplication.instance()
        if isinstance(app, QApplication):
            apply_theme(app, named_theme(name))
        self.tools.apply_theme()
        self.plane_presenter.apply_theme()
        self._on_colour()

    @property
    def is_busy(self) -> bool:
        """Whether anything is being read, decoded or computed."""
        return not (self.decoder.idle and self.pictures.idle) or bool(self.jobs.running)

    def place_of_tools(self) -> QPoint:
        """Return where the tools are on the plane."""
        return self.tools.pos()

    def sizeHint(self) -> QSize:
        """Return a good size."""
        return QSize(1280, 800)
