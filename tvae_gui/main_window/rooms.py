"""The window with all its rooms, laid out and not yet connected."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import (
    QApplication,
    QFileDialog,
    QGridLayout,
    QInputDialog,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from tvae_core.errors import TvaeError
from tvae_gui.cards.average.average_drawer import AverageDrawer
from tvae_gui.cards.average.average_presenter import AveragePresenter
from tvae_gui.cards.clusters.cluster_drawer import ClusterDrawer
from tvae_gui.cards.clusters.cluster_presenter import ClusterPresenter
from tvae_gui.cards.compare.compare_drawer import CompareDrawer
from tvae_gui.cards.compare.compare_presenter import ComparePresenter
from tvae_gui.cards.evaluation.evaluation_drawer import EvaluationDrawer
from tvae_gui.cards.export.export_drawer import ExportDrawer
from tvae_gui.cards.export.export_presenter import ExportPresenter
from tvae_gui.cards.poses.pose_drawer import PoseDrawer
from tvae_gui.cards.poses.pose_presenter import PosePresenter
from tvae_gui.cards.why.why_drawer import WhyDrawer
from tvae_gui.cards.why.why_presenter import WhyPresenter
from tvae_gui.context import Context
from tvae_gui.fields.field_picture import FieldPicture
from tvae_gui.fields.field_presenter import FieldPresenter
from tvae_gui.fields.field_view import FieldDrawer
from tvae_gui.frame.command_palette import CommandPalette
from tvae_gui.frame.docs_page import AboutBox, DocsPage
from tvae_gui.frame.explorer_page import ExplorerPage
from tvae_gui.frame.job_bar import JobBar
from tvae_gui.frame.keys_page import KeysPage
from tvae_gui.frame.message_bar import MessageBar
from tvae_gui.frame.stage import FIELD, GALLERY, Stage
from tvae_gui.frame.start_page import StartPage
from tvae_gui.frame.top_bar import TopBar
from tvae_gui.gallery.class_presenter import ClassPresenter
from tvae_gui.gallery.gallery import Gallery
from tvae_gui.gallery.gallery_page import GalleryPage
from tvae_gui.gallery.gallery_presenter import GalleryPresenter
from tvae_gui.gallery.halves_presenter import HalvesPresenter
from tvae_gui.gallery.selection_presenter import SelectionPresenter
from tvae_gui.inspector.data_presenter import DataPresenter
from tvae_gui.inspector.filter_chips import FilterChips, FilterPopup
from tvae_gui.inspector.filter_presenter import FilterPresenter
from tvae_gui.inspector.inspector import Inspector
from tvae_gui.inspector.inspector_presenter import InspectorPresenter
from tvae_gui.inspector.set_presenter import SetPresenter
from tvae_gui.jobs.decode_job import DecoderFactory
from tvae_gui.main_window.commands import Commands
from tvae_gui.main_window.door import Door
from tvae_gui.plane.film_strip import FilmStrip
from tvae_gui.plane.hover_card import HoverCard
from tvae_gui.plane.hover_presenter import HoverPresenter
from tvae_gui.plane.path_bar import PathBar
from tvae_gui.plane.path_presenter import PathPresenter
from tvae_gui.plane.plane_note import PlaneNote
from tvae_gui.plane.plane_presenter import PlanePresenter
from tvae_gui.plane.plane_tools import PlaneTools
from tvae_gui.plane.plane_view import PlaneView
from tvae_gui.plane.walk_presenter import WalkPresenter
from tvae_gui.probe.probe_panel import ProbePanel
from tvae_gui.probe.probe_presenter import ProbePresenter
from tvae_gui.session.desk import Desk
from tvae_gui.session.own_layouts import OwnLayouts
from tvae_gui.session.recent import Recent
from tvae_gui.state.class_state import ClassState
from tvae_gui.state.evaluation_view import evaluation_of
from tvae_gui.state.gallery_state import GalleryState
from tvae_gui.state.path_state import PathState
from tvae_gui.theme import GRID, apply_theme, named_theme, set_role
from tvae_gui.training.training import Training
from tvae_gui.widgets.controls import ElidedLabel
from tvae_gui.widgets.drawer import Drawer
from tvae_gui.widgets.file_filters import image_filters

PLANE_HINT = "wheel: zoom · Space and drag: pan · Ctrl+G: gallery · ?: all keys"
FIELD_HINT = (
    "Shift+click: add a pick · drag: move it · Delete: take it away · N: next · wheel: zoom · "
    "Esc: back to the plane"
)
GALLERY_HINT = "K: keep · X: reject · U: take back · arrows: move · Ctrl+G: back to the plane"


class Rooms(QMainWindow):
    """Every widget and every presenter of a window, and the way in and out of a run."""

    def __init__(
        self, make_decoder: DecoderFactory, recent: Recent | None, runs_folder: Path | None
    ) -> None:
        super().__init__()
        self.setWindowTitle("TARGET-VAE")
        self.setAcceptDrops(True)
        self.resize(1280, 800)
        self.recent = recent or Recent()
        self.desk = Desk(self.recent.folder)
        self.layouts = OwnLayouts(self.desk)
        self._theme = "system"
        self._share(Context.of(self, make_decoder))
        self._furnish()
        self._lay_out()
        self._present()
        self.commands = Commands(self)  # filled by the command table
        self.door = Door(self)
        self.training = Training(
            self, self.open_store, self.messages, self.recent.folder, runs_folder, self.jobs
        )

    def _share(self, context: Context) -> None:
        self.context = context
        self.state, self.messages, self.session = context.state, context.messages, context.session
        self.jobs, self.decoder, self.pictures = context.jobs, context.decoder, context.pictures
        self.tiles = context.tiles
        self.path_state = PathState()
        self.gallery_state = GalleryState(self.state)
        self.class_state = ClassState(self.state)

    def _furnish(self) -> None:
        self.inspector = Inspector()
        self.plane = PlaneView()
        self.tools = PlaneTools(self.plane)
        self.plane_note = PlaneNote(self.plane)
        self.hover_card = HoverCard(self.plane)
        self.filter_chips, self.filter_popup = FilterChips(self.plane), FilterPopup(self.plane)
        self.cluster_drawer = ClusterDrawer()
        self.export_drawer = ExportDrawer()
        self.compare_drawer = CompareDrawer()
        self.evaluation_drawer = EvaluationDrawer()
        self.average_drawer = AverageDrawer()
        self.pose_drawer = PoseDrawer()
        self.field_drawer = FieldDrawer()
        self.why_drawer = WhyDrawer()
        self.cards: dict[str, Drawer] = {
            "clusters": self.cluster_drawer, "export": self.export_drawer,
            "evaluation": self.evaluation_drawer, "averages": self.average_drawer,
            "poses": self.pose_drawer, "field": self.field_drawer,
            "compare": self.compare_drawer, "why": self.why_drawer,
        }  # fmt: skip
        self.path_bar = PathBar()
        self.film_strip = FilmStrip()
        self.job_bar = JobBar()
        self.probe_panel = ProbePanel()
        self.gallery = Gallery()
        self.gallery_page = GalleryPage()
        self.field_picture = FieldPicture()
        self.stage = Stage(self.plane, self.gallery_page, self.field_picture)
        self.start_page = StartPage()
        self.top_bar = TopBar()

    def _lay_out(self) -> None:
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start_page)
        centre = (self.stage, self.film_strip, self.path_bar, self.job_bar)
        self.page = ExplorerPage(self.inspector, centre, self.probe_panel, self.gallery)
        for key, card in self.cards.items():
            self.page.add_card(key, card)
        self.pages.addWidget(self.page)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(GRID, 0, GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self.top_bar)
        column.addWidget(self.pages, 1)
        self.hint, self.message_bar = ElidedLabel(), MessageBar()
        set_role(self.hint, "muted")
        self.hint.setContentsMargins(12, 0, 12, 0)  # in line with the panels above
        foot = QGridLayout()  # the room of the messages: while there is none, what hands can do
        foot.addWidget(self.hint, 0, 0)
        foot.addWidget(self.message_bar, 0, 0)
        self.message_bar.stand_for(self.hint)
        column.addLayout(foot)
        self.setCentralWidget(whole)
        self.palette_view = CommandPalette(self)
        self.keys_page = KeysPage(self)
        self.docs_page = DocsPage(self)
        self.tools.move(7 * GRID, GRID)
        self.plane_note.move(7 * GRID, 7 * GRID)

    def _present(self) -> None:
        c = self.context
        self.plane_presenter = PlanePresenter(c, self.plane, self.tools, self.plane_note)
        self.hover = HoverPresenter(c, self.plane, self.hover_card)
        self.paths = PathPresenter(c, self.path_state, self.plane, self.path_bar)
        self.walk = WalkPresenter(c, self.path_state, self.film_strip, self.paths.ask_save_walk)
        self.probe = ProbePresenter(c, self.probe_panel)
        self.selection = SelectionPresenter(c, self.gallery)
        self.sorting = GalleryPresenter(c, self.gallery_page, self.gallery_state)
        page, images = self.gallery_page, self.gallery_state
        self.class_cards = ClassPresenter(c, page, self.class_state, images)
        self.halves = HalvesPresenter(c, self.job_bar)
        self.inspector_presenter = InspectorPresenter(c, self.inspector)
        self.filters = FilterPresenter(c, self.filter_chips, self.filter_popup)
        self.data = DataPresenter(c, self.job_bar)
        self.clusters = ClusterPresenter(c, self.cluster_drawer)
        self.export = ExportPresenter(c, self.export_drawer)
        self.comparison = ComparePresenter(c, self.compare_drawer)
        self.averages = AveragePresenter(c, self.average_drawer)
        self.sets = SetPresenter(c, self.export.open, self.averages.open_set)
        self.poses = PosePresenter(c, self.pose_drawer)
        self.fields = FieldPresenter(c, self.field_drawer, self.field_picture)
        self.why = WhyPresenter(c, self.why_drawer)

    # --- in and out of a run ------------------------------------------------------------------
    def open(self, *paths: Path) -> bool:
        """Open anything: a store, a run, a folder of runs, images, a field, a table.

        Whatever is wrong with it goes to the messages.
        """
        return self.door.take(paths)

    def open_store(self, path: Path) -> bool:
        """Explore a store, or that of a run's folder."""
        if not self.session.open(path):
            self.start_page.show_recent(self.recent.paths())
            return False
        self.recent.add(path)
        self._resume()
        return True

    def _resume(self) -> None:
        """Open the cards that were open, and show what was known of the poses."""
        kept = self.state.remembered
        if kept.get("poses"):
            self.poses.restore(kept["poses"])
        if kept.get("picks"):
            self.fields.restore(kept["picks"])
        for key in kept.get("cards", []):
            if key in self.cards:
                self.commands.run(key)

    def remember_rooms(self) -> None:
        """Note which cards are open and what is known of the poses, to be kept with the view."""
        if self.state.store is None:
            return
        now = {"cards": self.page.open_cards, "poses": self.poses.kept(),
               "picks": self.fields.kept()}  # fmt: skip
        if self.state.remembered != {k: v for k, v in now.items() if v}:
            self.state.remembered = {k: v for k, v in now.items() if v}
            self.session.touch()

    def ask_open(self) -> None:
        """Ask for a file of any kind and open it."""
        some = "Runs, images, tables, anything (*);;Embedding files (*.h5)"
        name, _ = QFileDialog.getOpenFileName(self, "Open", "", f"{some};;{image_filters()}")
        if name:
            self.open(Path(name))

    def ask_open_folder(self) -> None:
        """Ask for a folder, of a run, of runs or of images, and open it."""
        if name := QFileDialog.getExistingDirectory(self, "Open a folder"):
            self.open(Path(name))

    def take_file(self, path: Path) -> None:
        """Open what was dropped, or join a table to the run that is open."""
        self.door.drop([path])

    def close_run(self) -> None:
        """Go back to the start page."""
        self.message_bar.forget_notice()
        if self.session.may_leave():
            self.session.close()

    # --- what concerns several rooms ------------------------------------------------------------
    def toggle_gallery(self) -> None:
        """Show the gallery, or the plane alone."""
        if self.stage.page == GALLERY:
            self.show_plane_alone()
        else:
            self.stage.show_page(GALLERY)
            self.sorting.open()

    def toggle_field(self) -> None:
        """Show the field with its picks, or the plane alone."""
        if self.stage.page == FIELD:
            self.show_plane_alone()
        else:
            self.stage.show_page(FIELD)
            self.field_picture.setFocus()

    def show_plane_alone(self) -> None:
        """Put the page beside the plane away."""
        self.stage.show_page("")
        self.plane.setFocus()

    def on_page_turned(self) -> None:
        """Point to no image any more where the gallery was put away, and say what hands can do."""
        if self.stage.page != GALLERY:
            self.sorting.leave()
        self.say_hint()

    def say_hint(self) -> None:
        """Say what hands can do here: in the gallery, on a field, or with the plane's tool."""
        if self.state.store is None:
            self.hint.setText("")
        elif self.stage.page:
            self.hint.setText(GALLERY_HINT if self.stage.page == GALLERY else FIELD_HINT)
        else:
            self.hint.setText(f"{self.plane.statusTip()} · {PLANE_HINT}")

    def use_tool(self, name: str) -> None:
        """Take a tool of the plane."""
        self.stage.show_plane()
        self.plane.set_tool(name)
        self.plane.setFocus()

    def show_evaluation(self) -> None:
        """Show how well the run did, where it was evaluated."""
        if self.state.store is None:
            return
        try:
            self.evaluation_drawer.show_evaluation(evaluation_of(self.state.store))
        except TvaeError as error:
            self.evaluation_drawer.close_drawer()
            self.messages.error(error)

    def ask_keep_layout(self) -> None:
        """Ask for a name and keep the arrangement of the panels under it."""
        name, agreed = QInputDialog.getText(self, "Keep this layout", "Name of the layout")
        if agreed and name.strip():
            self.layouts.keep(name.strip(), self.page.kept())
            self.on_layouts()
            self.messages.notice(f"Kept as the layout {name.strip()}; it is in the menu View.")

    def show_layout(self, name: str) -> None:
        """Arrange the panels as they were kept; the cards that are open stay so."""
        cards = self.page.open_cards
        self.page.restore(self.layouts.get(name))
        for key in cards:
            self.cards[key].open_drawer()

    def forget_layout(self, name: str) -> None:
        """Forget a layout."""
        self.layouts.forget(name)
        self.on_layouts()

    def on_layouts(self) -> None:
        """Follow the layouts that are kept: each is a command."""
        raise NotImplementedError

    def show_about(self) -> None:
        """Say what the program is, and open the documents when asked to."""
        if AboutBox(self).wants_docs():
            self.docs_page.read()

    def choose_theme(self, name: str) -> None:
        """Dress the window light, dark or as the system is, today and from now on."""
        self.desk.keep("theme", name)
        self.apply_theme(name)

    def follow_system(self) -> None:
        """Dress the window as the system now is, unless one theme was chosen."""
        if self._theme == "system":
            self.apply_theme()

    def apply_theme(self, name: str = "system") -> None:
        """Dress the window light or dark."""
        self._theme = name
        app = QApplication.instance()
        if isinstance(app, QApplication):
            apply_theme(app, named_theme(name))
        self.path_bar.apply_theme()
        self.plane_presenter.apply_theme()
        self.inspector_presenter.show_colour()

    @property
    def is_busy(self) -> bool:
        """Whether anything is being read, decoded or computed."""
        c = self.context
        threads = (self.decoder, self.pictures, self.tiles, c.originals, c.neighbours, c.saves)
        waiting = not self.sorting.originals.resting
        return waiting or not all(thread.idle for thread in threads) or bool(self.jobs.running)

    # --- events of the window -----------------------------------------------------------------
    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files."""
        data = event.mimeData() if event is not None else None
        if event is not None and data is not None and data.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Open what was dropped."""
        data = event.mimeData() if event is not None else None
        if data is not None:
            self.door.drop([Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()])
