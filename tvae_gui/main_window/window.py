"""The main window: the one wiring diagram, and what follows when a run is opened or closed."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtGui import QCloseEvent

from tvae_gui.cards.average.average_presenter import CLUSTERS
from tvae_gui.frame.stage import FIELD, GALLERY
from tvae_gui.jobs.decode_job import DecoderFactory, engine_decoder
from tvae_gui.main_window.command_table import OWN, command_table, own_layouts
from tvae_gui.main_window.rooms import Rooms
from tvae_gui.plane.plane_view import PROBE
from tvae_gui.session.demo import why_no_demo
from tvae_gui.session.recent import Recent
from tvae_gui.session.saving import Saving
from tvae_gui.state.evaluation_view import facts_of
from tvae_gui.widgets.controls import single_shot
from tvae_gui.widgets.wheel import WheelGuard

PLANE_MENU = ("why", "nearest", "around", "walk", "reference", "copy", "all", "none", "invert",
              "keep", "export", "fit")  # fmt: skip
SAVE_MS = 1500
SETTLE_MS = 120
FIND_MS = 50  # after the first paint: reading the ends of many runs takes longer than it


class MainWindow(Rooms):
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
        super().__init__(decoder_factory, recent, runs_folder)
        self.commands.add(command_table(self))
        self.on_layouts()
        self._timers()
        self._connect()
        self._show_nothing_open()
        if self.desk.get("panels"):
            self.page.restore(self.desk.get("panels"))
        self._wheel = WheelGuard(self)
        self._wheel.watch(self)

    # --- the one wiring diagram ---------------------------------------------------------------
    def _connect(self) -> None:
        """Connect the rooms: of signals between them, none is connected elsewhere."""
        self._connect_state()  # the state tells the rooms: the store and its plane
        self._connect_selection()  # filter, selection, probe, sets and clusters
        self._connect_plane()  # hands on the plane
        self._connect_inspector()  # inspector and gallery
        self._connect_gallery()  # the page of the gallery, and the plane beside it
        self._connect_classes()  # its cards of classes
        self._connect_probe()  # probe panel
        self._connect_jobs()  # jobs answer
        self._connect_drawers()  # clusters, sets, export, averages
        self._connect_poses()  # poses, and which cards are open
        self._connect_filters()  # chips over the plane
        self._connect_comparison()  # two selections compared
        self._connect_paths()  # paths
        self._connect_walk()  # the film strip
        self._connect_fields()  # larger images and their picks
        self._connect_why()  # the card of one image
        self._connect_window()  # the window

    def _connect_state(self) -> None:
        s, inspector, plane = self.state, self.inspector_presenter, self.plane_presenter
        s.store_changed.connect(self.poses.on_store)
        s.store_changed.connect(self.fields.on_store)
        s.store_changed.connect(self._on_store)
        s.store_changed.connect(self.averages.forget)
        s.store_changed.connect(self.export_drawer.close_drawer)  # it lists sets of the former run
        s.plane_changed.connect(self.poses.show_mirror)
        s.plane_changed.connect(plane.show_plane)
        s.plane_changed.connect(plane.show_probe)
        s.plane_changed.connect(plane.show_atlas_switch)
        s.plane_changed.connect(inspector.show_plane_names)
        s.columns_changed.connect(inspector.show_columns)
        s.columns_changed.connect(plane.show_points)
        s.colour_changed.connect(inspector.show_colour)
        s.colour_changed.connect(plane.show_points)
        s.options_changed.connect(plane.show_atlas_switch)
        s.options_changed.connect(plane.show_tiles)
        s.options_changed.connect(self.probe.repaint)
        s.options_changed.connect(inspector.show_colour)
        s.options_changed.connect(plane.show_points)
        s.options_changed.connect(self.probe.on_probe_moved)
        for signal in (s.sets_changed, s.clusters_changed, s.colour_changed, s.filter_changed,
                       s.plane_changed, s.probe_moved, s.columns_changed):  # fmt: skip
            signal.connect(self._save_soon)

    def _connect_selection(self) -> None:
        s, inspector, plane = self.state, self.inspector_presenter, self.plane_presenter
        s.filter_changed.connect(inspector.show_filter)
        s.filter_changed.connect(plane.show_points)
        s.filter_changed.connect(self.selection.on_filter_changed)
        s.selection_changed.connect(self.poses.on_selection)
        s.selection_changed.connect(plane.show_selection)
        s.selection_changed.connect(self.selection.on_selection_changed)
        s.selection_changed.connect(lambda _: inspector.say_shown())
        s.probe_moved.connect(self.poses.on_probe)
        s.probe_moved.connect(self.probe.on_probe_moved)
        s.probe_moved.connect(plane.show_probe)
        s.neighbours_wanted.connect(self.context.neighbours.ask)
        s.neighbours_changed.connect(self.probe.on_neighbours)
        s.sets_changed.connect(self.poses.show_subjects)
        s.sets_changed.connect(lambda: self.inspector.show_sets(s.sets))
        s.sets_changed.connect(lambda: self.inspector.show_deleted(len(s.deleted)))
        s.stack.changed.connect(self.commands.refresh_buttons)
        s.clusters_changed.connect(inspector.show_clusters)
        s.clusters_changed.connect(self.clusters.show)

    def _connect_plane(self) -> None:
        s = self.state
        plane = self.plane
        plane.probe_dragged.connect(s.move_probe)
        plane.nudged.connect(self.plane_presenter.on_nudged)
        plane.shape_drawn.connect(self.plane_presenter.on_shape)
        plane.shape_cancelled.connect(s.cancel_live)
        plane.hovered.connect(self.hover.on_hovered)
        plane.left_plane.connect(self.hover.hide)
        plane.view_changed.connect(self._settle.start)
        plane.view_changed.connect(self.hover.hide)
        plane.difference_held.connect(self.probe.compare)
        plane.menu_wanted.connect(lambda at: self.commands.popup(PLANE_MENU, at))
        plane.tool_changed.connect(self.tools.show_tool)
        plane.tool_changed.connect(lambda _: self.say_hint())
        plane.tool_changed.connect(lambda name: self.selection.on_tool(name != PROBE))
        plane.mode_changed.connect(self.tools.show_mode)
        self.tools.tool_chosen.connect(plane.set_tool)
        self.tools.mode_chosen.connect(plane.set_mode)
        self.tools.atlas_toggled.connect(lambda on: s.set_options(atlas=on))
        self.tools.fit_wanted.connect(plane.fit)

    def _connect_inspector(self) -> None:
        s = self.state
        i = self.inspector
        self.gallery.image_picked.connect(s.go_to_image)
        i.colour_chosen.connect(self.inspector_presenter.colour_by)
        i.filter_column_chosen.connect(self.inspector_presenter.choose_filter)
        i.filter_changed.connect(self.inspector_presenter.filter_to)
        i.filter_cleared.connect(self.inspector_presenter.clear_filters)
        i.filter_settled.connect(s.stack.end_gesture)
        i.plane_chosen.connect(s.choose_plane)
        i.class_picked.connect(self.inspector_presenter.on_class_picked)

    def _connect_probe(self) -> None:
        s = self.state
        probe = self.probe_panel
        probe.z_moved.connect(self.probe.on_z_moved)
        probe.angle_turned.connect(lambda a: s.set_probe_pose(angle_rad=a))
        probe.shift_moved.connect(lambda x, y: s.set_probe_pose(shift_px=(x, y)))
        probe.pose_reset.connect(lambda: s.set_probe_pose(0.0, (0.0, 0.0)))
        probe.image_picked.connect(s.go_to_image)
        probe.grid_chosen.connect(lambda times: s.set_options(grid=times))
        probe.map_chosen.connect(lambda name: s.set_options(image_map=name))
        probe.contrast_chosen.connect(lambda a, b: self.probe.set_contrast((a, b)))
        probe.contrast_reset.connect(lambda: self.probe.set_contrast(None))
        probe.contrast_chosen.connect(lambda *_: self.plane_presenter.show_tiles())
        probe.contrast_reset.connect(self.plane_presenter.show_tiles)
        probe.overlay_toggled.connect(lambda on: s.set_options(overlay=on))
        probe.smooth_toggled.connect(lambda on: s.set_options(smooth=on))

    def _connect_gallery(self) -> None:
        s, g, page, shows = self.state, self.gallery_state, self.gallery_page, self.sorting
        s.store_changed.connect(shows.on_store)
        s.sets_changed.connect(shows.on_sets)
        s.clusters_changed.connect(shows.show_choices)
        s.columns_changed.connect(shows.show_choices)
        s.filter_changed.connect(shows.on_filter)
        s.options_changed.connect(page.grid.repaint_all)
        g.listed.connect(shows.show_listed)
        g.moved.connect(shows.show_moved)
        g.looks_changed.connect(shows.show_looks)
        g.pointed.connect(self.plane_presenter.light)
        page.subject_chosen.connect(shows.choose_subject)
        page.sort_chosen.connect(shows.choose_sort)
        page.picture_chosen.connect(shows.choose_picture)
        page.size_chosen.connect(lambda px: g.set_looks(tile_px=px))
        page.mark_wanted.connect(self._mark)
        page.select_wanted.connect(g.select_on_plane)
        page.halves_wanted.connect(self.halves.export)
        self._connect_grid()
        self.pictures.hover_ready.connect(shows.on_hovered_on_plane)
        self.plane.left_plane.connect(shows.light_none)
        self.tiles.arrived.connect(page.grid.repaint_all)
        self.tiles.failed.connect(self.messages.error)
        self.context.originals.arrived.connect(shows.originals.on_arrived)
        self.context.originals.refused.connect(shows.originals.on_refused)
        self.decoder.gallery_decoded.connect(shows.on_decoded)

    def _connect_grid(self) -> None:
        grid, g, shows = self.gallery_page.grid, self.gallery_state, self.sorting
        grid.gone_to.connect(g.go_to)
        grid.stepped.connect(g.step)
        grid.mark_wanted.connect(shows.mark)
        grid.all_wanted.connect(g.choose_all)
        grid.none_wanted.connect(g.choose_none)
        grid.opened.connect(shows.go_to_probe)
        grid.hovered.connect(shows.on_hovered)
        grid.zoomed.connect(shows.zoom)

    def _connect_classes(self) -> None:
        s, page = self.state, self.gallery_page
        k, cards = self.class_state, self.class_cards
        s.store_changed.connect(cards.on_store)
        s.sets_changed.connect(cards.refresh)
        s.clusters_changed.connect(cards.refresh)
        k.listed.connect(cards.show_listed)
        k.moved.connect(cards.show_moved)
        page.classes_wanted.connect(lambda on: cards.open() if on else cards.close())
        page.grouping_chosen.connect(k.show)
        deck = page.classes
        deck.gone_to.connect(k.go_to)
        deck.stepped.connect(k.step)
        deck.mark_wanted.connect(k.mark)
        deck.opened.connect(cards.open_card)
        deck.other_wanted.connect(cards.close)
        page.grid.other_wanted.connect(cards.open)
        deck.merge_wanted.connect(k.merge)
        self.tiles.class_ready.connect(cards.on_picture)

    def _connect_jobs(self) -> None:
        d, p = self.decoder, self.pictures
        d.ready.connect(lambda _: self.poses.on_decoder())
        d.ready.connect(lambda _: self.plane_presenter.show_atlas_switch())
        d.ready.connect(lambda _: self.plane_presenter.show_tiles())
        d.ready.connect(lambda _: self.probe.on_probe_moved())
        d.unavailable.connect(lambda _: self.poses.on_decoder())
        d.unavailable.connect(self._on_no_decoder)
        d.symmetry_decoded.connect(self.poses.on_symmetry)
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

    def _connect_filters(self) -> None:
        s, chips, popup = self.state, self.filter_chips, self.filter_popup
        s.store_changed.connect(self.filters.on_store)
        s.filter_changed.connect(self.filters.show)
        s.columns_changed.connect(self.filters.show_columns)
        s.columns_changed.connect(self.filters.show)
        chips.added.connect(self.filters.open)
        chips.edited.connect(self.filters.open)
        chips.removed.connect(lambda key: s.set_filter(key, None))
        popup.range_changed.connect(lambda key, low, high: s.set_filter(key, (low, high)))
        popup.classes_changed.connect(s.set_filter)
        popup.cleared.connect(lambda key: s.set_filter(key, None))
        popup.settled.connect(s.stack.end_gesture)

    def _connect_comparison(self) -> None:
        self.state.store_changed.connect(self.comparison.on_store)
        self.compare_drawer.groups_chosen.connect(self.comparison.choose)
        self.compare_drawer.column_picked.connect(self.inspector_presenter.colour_by)

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
        c.recolour_wanted.connect(self.clusters.ask_colour)
        c.cluster_picked.connect(self.clusters.select)
        c.clear_wanted.connect(self.clusters.clear)
        c.clustering_wanted.connect(self.state.show_clustering)
        e.changed.connect(self.export.on_changed)
        e.export_wanted.connect(self.export.run)
        e.cancel_wanted.connect(self.export.cancel)
        c.averages_wanted.connect(lambda: self.averages.open(CLUSTERS))
        a, v = self.average_drawer, self.averages
        a.average_wanted.connect(v.run)
        a.cancel_wanted.connect(v.cancel)
        a.save_wanted.connect(v.save)
        a.rows_picked.connect(v.show_curves)
        i.set_picked.connect(self.sets.pick)
        i.set_menu.connect(self.sets.open_menu)
        i.deleted_wanted.connect(self.sets.open_deleted)
        i.sets_dropped.connect(self.sets.open_combinations)
        self.gallery.save_wanted.connect(self.sets.keep)
        self.gallery.export_wanted.connect(lambda: self.export.open())
        i.umap_wanted.connect(self.data.compute_umap)
        self.job_bar.cancel_wanted.connect(self.data.cancel)
        self.job_bar.cancel_wanted.connect(self.halves.cancel)
        probe.copy_wanted.connect(self.probe.copy_image)
        probe.save_wanted.connect(self.probe.ask_save_image)

    def _connect_poses(self) -> None:
        self.inspector.poses_wanted.connect(self.poses.open)
        self.poses.report_shown.connect(self.inspector.show_poses)
        self.poses.report_shown.connect(lambda _: self._on_arranged())
        self.poses.mirror_placed.connect(self.plane_presenter.show_mirror)
        self.page.arranged.connect(self._on_arranged)

    def _connect_paths(self) -> None:
        s = self.state
        plane = self.plane
        t, bar = self.path_state, self.path_bar
        plane.path_point.connect(t.add_anchor)
        plane.path_drawn.connect(t.draw)
        plane.path_ended.connect(lambda: plane.set_tool(PROBE))
        plane.path_point.connect(lambda *_: self.paths.begin())
        plane.path_drawn.connect(lambda _: self.paths.begin())
        t.changed.connect(self.paths.show)
        t.head_moved.connect(self.paths.show_head)
        bar.play_toggled.connect(t.play)
        bar.frame_chosen.connect(t.go_to)
        bar.mode_chosen.connect(self.paths.set_mode)
        bar.speed_chosen.connect(self.paths.set_speed)
        bar.save_wanted.connect(self.paths.ask_save)
        bar.clear_wanted.connect(t.clear)
        s.store_changed.connect(t.clear)
        s.plane_changed.connect(t.clear)

    def _connect_why(self) -> None:
        self.why_drawer.image_picked.connect(self.state.go_to_image)
        self.why_drawer.image_picked.connect(self.why.explain)
        self.why_drawer.another_wanted.connect(self.why.open)
        self.state.store_changed.connect(self.why_drawer.close_drawer)

    def _connect_fields(self) -> None:
        s, f = self.state, self.fields
        f.found.connect(lambda: self.stage.show_page(FIELD))
        f.image_met.connect(self.sorting.go_to_image)
        self.gallery_state.moved.connect(self._on_image_gone_to)
        f.edited.connect(self._on_arranged)
        s.columns_changed.connect(f.on_columns)
        s.options_changed.connect(f.repaint)
        self.field_picture.left.connect(self.show_plane_alone)
        self.stage.turned.connect(self.on_page_turned)

    def _on_image_gone_to(self) -> None:
        """Choose on the field, for when it is shown again, the pick most like the image."""
        if self.stage.page == GALLERY:
            self.fields.point_to(self.gallery_state.number)

    def _connect_walk(self) -> None:
        s, strip, walk = self.state, self.film_strip, self.walk
        s.store_changed.connect(walk.forget)
        s.plane_changed.connect(walk.show_ways)
        s.probe_moved.connect(walk.show)
        s.options_changed.connect(walk.show)
        self.path_state.changed.connect(walk.on_path)
        self.decoder.ready.connect(lambda _: walk.show())
        self.decoder.walk_decoded.connect(walk.on_decoded)
        strip.way_chosen.connect(walk.choose)
        strip.frame_picked.connect(walk.pick)
        strip.save_wanted.connect(walk.ask_save)
        strip.closed.connect(walk.toggle)
        strip.room_changed.connect(walk.show)

    def _connect_window(self) -> None:
        self.messages.said.connect(self.message_bar.show_message)
        self.context.saves.ended.connect(self._on_saved)
        self.palette_view.chosen.connect(self.commands.run)
        self.commands.refused.connect(self.messages.notice)
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
        self._save.timeout.connect(self._save_behind)
        self._find_runs = single_shot(self, FIND_MS)
        self._find_runs.timeout.connect(self.training.runs.refresh)

    # --- a run opens, or none is -----------------------------------------------------------------
    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Save, stop and join every thread, then go; runs at work are asked about."""
        if not self.session.may_leave() or not self.training.may_close():
            if event is not None:
                event.ignore()
            return
        self.remember_rooms()
        self.session.close()
        self.desk.keep("panels", self.page.kept())
        self._save.stop()
        self._find_runs.stop()
        self.context.stop()
        super().closeEvent(event)

    def on_layouts(self) -> None:
        """Follow the layouts that are kept: each is a command."""
        self.commands.renew(OWN, own_layouts(self))

    def _show_nothing_open(self) -> None:
        self.decoder.close()
        self.pictures.close()
        self.tiles.close()
        self.context.originals.close()
        self.stage.show_page("")
        self.pages.setCurrentIndex(0)
        self.start_page.show_recent(self.recent.paths())
        self._find_runs.start()
        self.start_page.set_reasons("", why_no_demo())
        self.say_hint()
        self.top_bar.show_run("", "")
        self.setWindowTitle("TARGET-VAE")
        self.commands.refresh_buttons()

    def _on_store(self) -> None:
        store = self.state.store
        if store is None:
            self._show_nothing_open()
            return
        self._find_runs.stop()
        self.pages.setCurrentIndex(1)
        name = store.path.parent.name if store.path.name == "embeddings.h5" else store.path.stem
        self.inspector_presenter.show_store()
        self.say_hint()
        self.top_bar.show_run(name, facts_of(store))
        self.evaluation_drawer.close_drawer()
        self.setWindowTitle(f"{name} – TARGET-VAE")
        self.pictures.open(store.path, store.has_thumbnails)
        self.tiles.open(store.path, store.has_thumbnails)
        self.context.originals.open(store.path)
        self.decoder.open(store.path)
        self.probe.show_store()
        self.plane.setFocus()
        self.plane_presenter.show_selection(False)
        self.selection.on_selection_changed(False)
        self.inspector_presenter.say_shown()
        self.commands.refresh_buttons()

    def _mark(self, mark: str) -> None:
        """Keep, reject or take back what is in view: images, or whole classes."""
        if self.gallery_page.classes.isVisible():
            self.class_state.mark(mark)
        else:
            self.sorting.mark(mark)

    def _on_no_decoder(self, error: Exception) -> None:
        if isinstance(error, ImportError):
            self.messages.notice("Decoding needs torch, which is not installed: only previews.")
        else:
            self.messages.error(error)
        self.probe.on_no_decoder()

    def _on_contrast(self, bounds: tuple[float, float]) -> None:
        self.context.tones.thumbnails = bounds
        self.probe.on_probe_moved()
        self.selection.on_selection_changed(False)

    def _on_arranged(self) -> None:
        self.remember_rooms()
        self._save.start()

    def _save_behind(self) -> None:
        """Save what was added without holding a hand up."""
        saving = self.session.begin_saving()
        if saving is not None:
            self.context.saves.start(saving)

    def _on_saved(self, saving: Saving) -> None:
        self.session.end_saving(saving)
        if self.session.is_dirty and saving.error is None:
            self._save.start()  # what changed meanwhile

    def _save_soon(self) -> None:
        self.session.touch()
        self._save.start()
