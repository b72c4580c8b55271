"""The main window."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QResizeEvent
from PyQt6.QtWidgets import (
    QApplication,
    QFileDialog,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from tvae_gui.cards.average.average_drawer import AverageDrawer
from tvae_gui.cards.average.average_presenter import CLUSTERS, AveragePresenter
from tvae_gui.cards.clusters.cluster_drawer import ClusterDrawer
from tvae_gui.cards.clusters.cluster_presenter import ClusterPresenter
from tvae_gui.cards.evaluation.evaluation_drawer import EvaluationDrawer
from tvae_gui.cards.export.export_drawer import ExportDrawer
from tvae_gui.cards.export.export_presenter import ExportPresenter
from tvae_gui.cards.poses.pose_presenter import Poses
from tvae_gui.fields.field_presenter import Fields
from tvae_gui.frame.command_palette import CommandPalette
from tvae_gui.frame.explorer_page import ExplorerPage
from tvae_gui.frame.job_bar import JobBar
from tvae_gui.frame.message_bar import MessageBar
from tvae_gui.frame.start_page import StartPage
from tvae_gui.frame.top_bar import TopBar
from tvae_gui.gallery.gallery import Gallery
from tvae_gui.gallery.selection_presenter import SelectionPresenter
from tvae_gui.inspector.data_presenter import DataPresenter
from tvae_gui.inspector.inspector import Inspector
from tvae_gui.inspector.inspector_presenter import InspectorPresenter
from tvae_gui.inspector.set_presenter import SetPresenter
from tvae_gui.jobs.background_job import BackgroundJobs
from tvae_gui.jobs.decode_job import DecodeJob, DecoderFactory, engine_decoder
from tvae_gui.jobs.picture_job import PictureJob
from tvae_gui.main_window.command_table import command_table
from tvae_gui.main_window.commands import Commands
from tvae_gui.main_window.hands import Hands
from tvae_gui.messages import Messages
from tvae_gui.plane.hover_card import HoverCard
from tvae_gui.plane.hover_presenter import HoverPresenter
from tvae_gui.plane.path_bar import PathBar
from tvae_gui.plane.path_presenter import PathPresenter
from tvae_gui.plane.plane_presenter import PlanePresenter
from tvae_gui.plane.plane_tools import PlaneTools
from tvae_gui.plane.plane_view import PROBE, PlaneView
from tvae_gui.probe.probe_panel import ProbePanel
from tvae_gui.probe.probe_presenter import ProbePresenter
from tvae_gui.session.demo import why_no_demo
from tvae_gui.session.recent import Recent
from tvae_gui.session.session import Session
from tvae_gui.state.evaluation_view import facts_of
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.path_state import PathState
from tvae_gui.theme import GRID, apply_theme, named_theme
from tvae_gui.training.training import Training
from tvae_gui.widgets.controls import single_shot

SAVE_MS = 1500
SETTLE_MS = 120
FIND_MS = 50  # after the first paint: reading the ends of many runs takes longer than it


class MainWindow(QMainWindow):
    """The window of `tvae-gui`.

    Parameters
    ----------
    decoder_factory : callable
        Makes a decoder of a store; runs on the decode thread.
    recent : Recent, optional
        Where the lists of recent stores and runs are kept.
    runs_folder : Path, optional
        Where new runs are made; `tvae-runs` in the user's home without it.
    """

    def __init__(
        self,
        decoder_factory: DecoderFactory = engine_decoder,
        recent: Recent | None = None,
        runs_folder: Path | None = None,
    ) -> None:
        super().__init__()
        self.setWindowTitle("TARGET-VAE")
        self.setAcceptDrops(True)
        self.resize(1280, 800)
        self.state = ExplorerState()
        self.path_state = PathState()
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
        self.clusters = ClusterPresenter(
            self.state, self.cluster_drawer, self.jobs, self.decoder, self.pictures, self.probe,
            self.messages,
        )  # fmt: skip
        self.export = ExportPresenter(
            self.state, self.export_drawer, self.jobs, self.session, self.messages
        )
        self.averages = AveragePresenter(
            self.state, self.average_drawer, self.jobs, decoder_factory, self.messages
        )
        self.sets = SetPresenter(
            self.state, self, self.export.open, self.averages.open_set, self.messages
        )
        self.data = DataPresenter(self.state, self.jobs, self.job_bar, self.probe, self.messages)
        self.training = Training(self, self.open, self.messages, self.recent.folder, runs_folder)
        self._timers()
        self.paths = PathPresenter(
            self.state, self.path_state, self.plane, self.path_bar, self._play_timer, self.probe,
            self.decoder, self.jobs, self.messages,
        )  # fmt: skip
        self.inspector_presenter = InspectorPresenter(
            self.state, self.inspector, self.tools, self.plane_presenter, self.selection
        )
        self.poses = Poses(self)
        self.fields = Fields(self)
        self.hands = Hands(
            self.state, self, self.plane_presenter, self.sets, self.clusters, self.data, self.paths
        )
        self.commands = Commands(self, command_table(self))
        self._connect()
        self._show_nothing_open()

    # --- layout -------------------------------------------------------------------------------
    def _build(self) -> None:
        self.inspector = Inspector()
        self.plane = PlaneView()
        self.tools = PlaneTools(self.plane)
        self.hover_card = HoverCard(self.plane)
        self.cluster_drawer = ClusterDrawer(self.plane)
        self.export_drawer = ExportDrawer(self.plane)
        self.evaluation_drawer = EvaluationDrawer(self.plane)
        self.average_drawer = AverageDrawer(self.plane)
        self.path_bar = PathBar()
        self.job_bar = JobBar()
        self.probe_panel = ProbePanel()
        self.gallery = Gallery()
        self.start_page = StartPage()
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start_page)
        centre = (self.plane, self.path_bar, self.job_bar)
        self.page = ExplorerPage(self.inspector, centre, self.probe_panel, self.gallery)
        self.pages.addWidget(self.page)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(GRID, 0, GRID, GRID)
        column.setSpacing(GRID)
        self.top_bar = TopBar()
        column.addWidget(self.top_bar)
        column.addWidget(self.pages, 1)
        self.setCentralWidget(whole)
        self.message_bar = MessageBar(self)
        self.palette_view = CommandPalette(self)
        self.tools.move(7 * GRID, GRID)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the side panels a share of a large screen."""
        super().resizeEvent(event)
        self.message_bar.place()
        self.page.share_out(self.width(), self.height())

    # --- the one wiring diagram ---------------------------------------------------------------
    def _connect(self) -> None:
        """Connect everything with everything: nothing is connected elsewhere."""
        self._connect_state()  # the state tells the views
        self._connect_plane()  # hands on the plane
        self._connect_inspector()  # inspector and gallery
        self._connect_probe()  # probe panel
        self._connect_jobs()  # jobs answer
        self._connect_drawers()  # clusters, sets, export, averages
        self._connect_paths()  # paths
        self._connect_window()  # the window

    def _connect_state(self) -> None:
        s = self.state
        s.store_changed.connect(self._on_store)
        s.plane_changed.connect(self.inspector_presenter.show_plane)
        s.columns_changed.connect(self.inspector_presenter.show_columns)
        s.colour_changed.connect(self.inspector_presenter.show_colour)
        s.filter_changed.connect(self.inspector_presenter.show_filter)
        s.selection_changed.connect(self.inspector_presenter.show_selection)
        s.probe_moved.connect(self.probe.on_probe_moved)
        s.probe_moved.connect(self.plane_presenter.show_probe)
        s.options_changed.connect(self._on_options)
        s.sets_changed.connect(lambda: self.inspector.show_sets(s.sets))
        s.clusters_changed.connect(self.inspector_presenter.show_clusters)
        s.clusters_changed.connect(self.clusters.show)
        for signal in (s.sets_changed, s.clusters_changed, s.colour_changed, s.filter_changed,
                       s.plane_changed, s.probe_moved, s.columns_changed):  # fmt: skip
            signal.connect(self._save_soon)

    def _connect_plane(self) -> None:
        s = self.state
        plane = self.plane
        plane.probe_dragged.connect(s.move_probe)
        plane.nudged.connect(self.hands.on_nudged)
        plane.shape_drawn.connect(self.hands.on_shape)
        plane.shape_cancelled.connect(s.cancel_live)
        plane.hovered.connect(self.hover.on_hovered)
        plane.left_plane.connect(self.hover.hide)
        plane.view_changed.connect(self._settle.start)
        plane.view_changed.connect(self.hover.hide)
        plane.tool_changed.connect(self.tools.show_tool)
        self.tools.tool_chosen.connect(plane.set_tool)
        self.tools.atlas_toggled.connect(lambda on: s.set_options(atlas=on))
        self.tools.fit_wanted.connect(plane.fit)

    def _connect_inspector(self) -> None:
        s = self.state
        i = self.inspector
        self.gallery.image_picked.connect(self.hands.go_to_image)
        i.colour_chosen.connect(self.inspector_presenter.colour_by)
        i.filter_column_chosen.connect(self.inspector_presenter.choose_filter)
        i.filter_changed.connect(self.inspector_presenter.filter_to)
        i.filter_cleared.connect(self.inspector_presenter.clear_filters)
        i.plane_chosen.connect(s.choose_plane)
        i.class_picked.connect(self.hands.on_class_picked)

    def _connect_probe(self) -> None:
        s = self.state
        probe = self.probe_panel
        probe.z_moved.connect(self.hands.on_z_moved)
        probe.angle_turned.connect(lambda a: s.set_probe_pose(angle_rad=a))
        probe.shift_moved.connect(lambda x, y: s.set_probe_pose(shift_px=(x, y)))
        probe.pose_reset.connect(lambda: s.set_probe_pose(0.0, (0.0, 0.0)))
        probe.image_picked.connect(self.hands.go_to_image)
        probe.grid_chosen.connect(lambda times: s.set_options(grid=times))
        probe.map_chosen.connect(lambda name: s.set_options(image_map=name))
        probe.contrast_chosen.connect(lambda a, b: self.probe.set_contrast((a, b)))
        probe.contrast_reset.connect(lambda: self.probe.set_contrast(None))
        probe.overlay_toggled.connect(lambda on: s.set_options(overlay=on))
        probe.smooth_toggled.connect(lambda on: s.set_options(smooth=on))

    def _connect_jobs(self) -> None:
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
        d.centres_decoded.connect(self.clusters.on_centres)
        p.clusters_ready.connect(self.clusters.on_averages)

    def _connect_drawers(self) -> None:
        probe = self.probe_panel
        i = self.inspector
        c, e = self.cluster_drawer, self.export_drawer
        i.clusters_wanted.connect(c.open_drawer)
        c.run_wanted.connect(self.clusters.run)
        c.cancel_wanted.connect(self.clusters.cancel)
        c.renamed.connect(self.clusters.rename)
        c.merge_wanted.connect(self.clusters.merge)
        c.split_wanted.connect(self.clusters.split)
        c.recolour_wanted.connect(self.hands.recolour_cluster)
        c.cluster_picked.connect(self.clusters.select)
        c.clear_wanted.connect(self.clusters.clear)
        e.changed.connect(self.export.on_changed)
        e.export_wanted.connect(self.export.run)
        e.cancel_wanted.connect(self.export.cancel)
        c.averages_wanted.connect(lambda: self.averages.open(CLUSTERS))
        a, v = self.average_drawer, self.averages
        a.average_wanted.connect(v.run)
        a.cancel_wanted.connect(v.cancel)
        a.save_wanted.connect(v.save)
        a.rows_picked.connect(v.show_curves)
        self.state.store_changed.connect(v.forget)
        i.set_picked.connect(self.sets.pick)
        i.set_menu.connect(self.sets.open_menu)
        self.gallery.save_wanted.connect(self.sets.keep)
        self.gallery.export_wanted.connect(lambda: self.export.open())
        i.umap_wanted.connect(self.data.compute_umap)
        self.job_bar.stop_wanted.connect(self.data.cancel)
        probe.copy_wanted.connect(self.data.copy_image)
        probe.save_wanted.connect(self.hands.ask_save_image)

    def _connect_paths(self) -> None:
        s = self.state
        plane = self.plane
        t, bar = self.path_state, self.path_bar
        plane.path_point.connect(t.add_anchor)
        plane.path_drawn.connect(t.draw)
        plane.path_ended.connect(lambda: plane.set_tool(PROBE))
        t.changed.connect(self.paths.show)
        t.head_moved.connect(self.paths.show_head)
        bar.play_toggled.connect(t.play)
        bar.frame_chosen.connect(t.go_to)
        bar.mode_chosen.connect(self.paths.set_mode)
        bar.speed_chosen.connect(self.paths.set_speed)
        bar.save_wanted.connect(self.hands.ask_save_path)
        bar.clear_wanted.connect(t.clear)
        self._play_timer.timeout.connect(t.step)
        s.plane_changed.connect(t.clear)

    def _connect_window(self) -> None:
        self.messages.said.connect(self.message_bar.show_message)
        self.palette_view.chosen.connect(self.commands.run)
        for button, key in (
            (self.top_bar.find_button, "palette"),
            (self.top_bar.open_button, "open"),
            (self.top_bar.export_button, "export"),
            (self.top_bar.train_button, "train"),
        ):
            self.commands.follow(button, key)
        self.start_page.train_wanted.connect(lambda: self.commands.run("train"))
        self.start_page.demo_wanted.connect(lambda: self.commands.run("demo"))
        self.start_page.open_wanted.connect(lambda: self.commands.run("open"))
        self.start_page.recent_picked.connect(lambda path: self.open(Path(path)))
        self.start_page.run_picked.connect(self.training.open_monitor)
        runs = self.training.runs
        runs.changed.connect(lambda: self.start_page.show_runs(runs.runs))

    def _timers(self) -> None:
        self._settle = single_shot(self, SETTLE_MS)
        self._settle.timeout.connect(self.plane_presenter.ask_thumbnails)
        self._save = single_shot(self, SAVE_MS)
        self._save.timeout.connect(self.session.save)
        self._find_runs = single_shot(self, FIND_MS)
        self._find_runs.timeout.connect(self.training.runs.refresh)
        self._play_timer = QTimer(self)

    # --- opening and closing ------------------------------------------------------------------
    def open(self, path: Path) -> bool:
        """Open a store, or a run's folder; a run that made no store yet shows how it goes.

        What is wrong is said, the window lives.
        """
        if self.training.is_without_store(path):
            self.training.open_monitor(path)
            return True
        if not self.session.open(path):
            self.start_page.show_recent(self.recent.paths())
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
                self.take_file(Path(url.toLocalFile()))

    def take_file(self, path: Path) -> None:
        """Open a store, or join a table to the one that is open."""
        if path.suffix.lower() in (".csv", ".tsv", ".star", ".cs") and self.state.store is not None:
            self.data.join(path)
        else:
            self.open(path)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Save, stop and join every thread, then go; runs at work are asked about."""
        if not self.training.may_close():
            if event is not None:
                event.ignore()
            return
        self.session.close()
        self._save.stop()
        self._find_runs.stop()
        self.jobs.stop()
        self.decoder.stop()
        self.pictures.stop()
        super().closeEvent(event)

    def close_run(self) -> None:
        """Go back to the start page."""
        self.message_bar.forget_notice()
        self.session.close()

    def use_tool(self, name: str) -> None:
        """Take a tool of the plane."""
        self.plane.set_tool(name)
        self.plane.setFocus()

    def _show_nothing_open(self) -> None:
        self.decoder.close()
        self.pictures.close()
        self.pages.setCurrentIndex(0)
        self.message_bar.foot_px = 2 * GRID
        self.start_page.show_recent(self.recent.paths())
        self._find_runs.start()
        self.start_page.set_reasons("", why_no_demo())
        self.top_bar.show_run("", "")
        self.setWindowTitle("TARGET-VAE")
        self.commands.refresh()

    # --- handlers -----------------------------------------------------------------------------
    def _on_store(self) -> None:
        store = self.state.store
        if store is None:
            self._show_nothing_open()
            return
        self._find_runs.stop()
        self.pages.setCurrentIndex(1)
        self.message_bar.foot_px = self.gallery.height() + 4 * GRID
        name = store.path.parent.name if store.path.name == "embeddings.h5" else store.path.stem
        self.inspector_presenter.show_store()
        self.top_bar.show_run(name, facts_of(store))
        self.evaluation_drawer.close_drawer()
        self.setWindowTitle(f"{name} – TARGET-VAE")
        self.pictures.open(store.path, store.has_thumbnails)
        self.decoder.open(store.path)
        self.probe.show_store()
        self.plane.setFocus()
        self.inspector_presenter.show_selection(False)
        self.commands.refresh()

    def _on_decoder_ready(self) -> None:
        self.inspector_presenter.show_atlas_switch()
        self.plane_presenter.show_tiles()
        self.probe.on_probe_moved()

    def _on_no_decoder(self, error: Exception) -> None:
        if isinstance(error, ImportError):
            self.messages.notice("Decoding needs torch, which is not installed: previews only.")
        else:
            self.messages.error(error)
        self.probe.on_no_decoder()

    def _on_contrast(self, bounds: tuple[float, float]) -> None:
        self.probe.raw_contrast = bounds
        self.plane_presenter.contrast = bounds
        self.probe.on_probe_moved()
        self.selection.on_selection_changed(False)

    def _on_options(self) -> None:
        self.inspector_presenter.show_atlas_switch()
        self.plane_presenter.show_tiles()
        self.probe.repaint()
        self.inspector_presenter.show_colour()
        self.probe.on_probe_moved()

    def _save_soon(self) -> None:
        self.session.touch()
        self._save.start()

    def apply_theme(self, name: str = "system") -> None:
        """Dress the window light or dark."""
        app = QApplication.instance()
        if isinstance(app, QApplication):
            apply_theme(app, named_theme(name))
        self.tools.apply_theme()
        self.path_bar.apply_theme()
        self.plane_presenter.apply_theme()
        self.inspector_presenter.show_colour()

    @property
    def is_busy(self) -> bool:
        """Whether anything is being read, decoded or computed."""
        return not (self.decoder.idle and self.pictures.idle) or bool(self.jobs.running)
