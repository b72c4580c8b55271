"""Fields, wired: objects found in the background, picks shown and edited, one put on the plane."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from PyQt6.QtWidgets import QFileDialog

from tvae_core.analysis.picks import Picks
from tvae_core.columns import Column
from tvae_core.errors import Cancelled, TvaeError
from tvae_core.export.registry import PICKS
from tvae_core.words import count, degrees, figure
from tvae_core.work.detect import Detected, DetectRequest, FieldPixels
from tvae_gui.context import Context
from tvae_gui.fields.field_picture import FieldPicture
from tvae_gui.fields.field_view import FieldDrawer
from tvae_gui.fields.replace_question import ReplaceQuestion
from tvae_gui.state.field_colours import is_own, pick_colours, pick_columns
from tvae_gui.state.field_edits import SURE
from tvae_gui.state.field_state import FieldState
from tvae_gui.widgets.file_filters import image_filters

Array = NDArray[Any]
NO_FIELD = "Open an image larger than the run's own, such as a micrograph"
_KINDS = {f"{kind.words.replace(f'({kind.ending})', '').strip()} (*{kind.ending})": kind.ending
          for kind in PICKS}  # fmt: skip


class FieldPresenter:
    """Everything about larger images of many objects that the window shows.

    Signals: found() when a search has ended and there is something to see, image_met(number) of
    the image of the run that is most like the pick chosen, edited() when there is something to
    keep.
    """

    found: ClassVar[Signal] = Signal()
    image_met: ClassVar[Signal] = Signal(int)
    edited: ClassVar[Signal] = Signal()

    def __init__(self, context: Context, drawer: FieldDrawer, picture: FieldPicture) -> None:
        self._window, self._state, self._messages = context.window, context.state, context.messages
        self.state = FieldState(context.state.stack)
        self.drawer, self.picture = drawer, picture
        self._job = context.card_job(drawer)
        self._pixels, self._looks, self._near = (context.card_job() for _ in range(3))
        self._column: Column | None = None
        self._met = -1  # the image of the run that was gone to last
        self._nearest: dict[tuple[float, ...], int] = {}
        picture.show_words(NO_FIELD)
        self._connect()

    def _connect(self) -> None:
        s, d, p = self.state, self.drawer, self.picture
        s.fields_changed.connect(self._show_fields)
        s.looks_changed.connect(self._show_picture)
        s.picks_changed.connect(self._on_picks)
        s.pick_chosen.connect(self._on_pick)
        s.edits_changed.connect(self.edited.emit)
        d.open_wanted.connect(self.ask_open)
        d.cancel_wanted.connect(self.cancel)
        d.threshold_moved.connect(s.set_threshold)
        d.image_chosen.connect(s.go_to)
        d.look_chosen.connect(self._on_look)
        d.contrast_chosen.connect(lambda low, high: s.set_contrast((low, high)))
        d.contrast_reset.connect(lambda: s.set_contrast(None))
        d.colour_chosen.connect(self.colour_by)
        d.save_wanted.connect(self.ask_save)
        p.clicked.connect(s.choose_at)
        p.placed.connect(s.add_at)
        p.dragged.connect(s.move_chosen)
        p.nudged.connect(s.nudge_chosen)
        p.delete_wanted.connect(s.delete_chosen)
        p.next_wanted.connect(s.step)
        p.image_wanted.connect(lambda by: s.go_to(s.image + by))

    def open(self) -> None:
        """Show the card."""
        if self._state.store is not None:
            self.drawer.open_drawer()
            if self.state.fields:
                self.found.emit()

    def on_store(self) -> None:
        """Begin with another store."""
        self.drawer.close_drawer()
        self._column = None
        self._nearest.clear()
        self.state.clear()

    def kept(self) -> list[dict[str, Any]]:
        """Return what was changed by hand, to be kept with the view."""
        return self.state.kept()

    def restore(self, kept: Any) -> None:
        """Take what `kept` returned; it shows when the same file is searched again."""
        self.state.restore(kept)

    # --- looking ---------------------------------------------------------------------------------
    def ask_open(self) -> None:
        """Ask for an image and look for objects on it."""
        name, _ = QFileDialog.getOpenFileName(
            self._window, "Open an image with many objects", "", image_filters()
        )
        if name:
            self.search(Path(name))

    def search(self, path: Path) -> None:
        """Look for objects in the images of a file in the background."""
        store = self._state.store
        if store is None:
            return
        request = DetectRequest(store=Path(store.path), image=path)
        words = "Calibrating the threshold on the run's own images, then searching …"
        self._job.run(
            "objects",
            request.find,
            self.show,
            words=words,
            failed=self._on_failed,
        )

    def cancel(self) -> None:
        """Stop looking."""
        self._job.cancel()

    def show(self, found: Detected) -> None:
        """Show the objects found in the images of a file."""
        self.state.show(str(found.path), found.calibration, found.fields)
        self.found.emit()
        self.picture.setFocus()

    def _on_failed(self, error: BaseException) -> None:
        self._job.say(error)
        if isinstance(error, Cancelled):
            self._show_picks()

    # --- the picture -----------------------------------------------------------------------------
    def _show_fields(self) -> None:
        s = self.state
        self.drawer.show_fields(len(s.fields), s.threshold)
        columns = pick_columns(self._state)
        self.drawer.show_columns([(c.title, c.key) for c in columns], "")
        self._column = None
        self._show_picture()
        self._show_picks()
        self._read_pixels()

    def _show_picture(self) -> None:
        s, field, picture = self.state, self.state.field, self.state.picture
        if field is None or picture is None:
            self.picture.show_image(None, 1, 1)
            return
        height, width = field.raw_shape
        self.picture.show_image(picture, width, height)
        self.picture.show_look(*s.levels, self._state.options.image_map)
        self.picture.show_scale(s.pixel_size_angstrom)
        self.drawer.show_image(s.image, s.look)
        self.drawer.show_contrast(picture.some, s.levels)
        self._read_pixels()

    def repaint(self) -> None:
        """Show the picture in the colour map in use."""
        self.picture.show_look(*self.state.levels, self._state.options.image_map)

    def _on_look(self, look: str) -> None:
        self.state.set_look(look)

    def _read_pixels(self) -> None:
        """Read the pixels of the file where they are to be seen and have not been read."""
        s = self.state
        if s.wants_pixels and (request := self.request_of()) is not None:
            image = s.image
            self._pixels.run(
                "pixels of the field", lambda *_: request.pixels(image), self._on_pixels
            )

    def _on_pixels(self, pixels: FieldPixels) -> None:
        self.state.set_pixels(pixels.image, pixels.values, pixels.pixel_size_angstrom)

    # --- the picks -------------------------------------------------------------------------------
    def _on_picks(self) -> None:
        self._show_picks()
        self._read_picks()

    def _show_picks(self) -> None:
        picks, s = self.state.picks, self.state
        if picks is None or s.calibration is None:
            if not self._job.is_running:
                self.drawer.show_words(NO_FIELD)
            self.picture.show_circles(np.zeros((0, 3)), None, None)
            return
        self.picture.show_circles(s.circles(), self._colours(picks), s.chosen)
        self.drawer.show_words(self._words(picks))

    def _words(self, picks: Picks) -> str:
        number, calibration = self.state.chosen, self.state.calibration
        if number is not None:
            sure = float(picks.confidence[number])
            words = f"confidence {figure(sure)}" if sure < SURE else "placed by hand"
            known = bool(np.isfinite(picks.score[number]))
            return words + (f", angle {degrees(float(picks.angle_rad[number]))}" if known else "")
        assert calibration is not None
        by_hand = int(np.count_nonzero(picks.confidence >= SURE))
        hands = f", {count(by_hand)} of them by hand" if by_hand else ""
        return (
            f"{count(len(picks), 'pick')} in this image{hands}. The automatic threshold was not "
            f"measured on it, so some objects may be missing: {calibration.words()}."
        )

    def _on_pick(self) -> None:
        """Put the probe on the content of the pick, and point to the image most like it."""
        picks, number = self.state.picks, self.state.chosen
        if picks is not None and number is not None:
            self.picture.bring(*self.state.circles()[number][:2])
            if np.isfinite(picks.z[number]).all():
                self._state.set_probe_z(picks.z[number])
                probe = self._state.probe
                if probe is not None and len(probe.nearest):
                    self._met = int(probe.nearest[0])
                    self.image_met.emit(self._met)
        self._show_picks()

    def point_to(self, number: int) -> None:
        """Choose the pick most like an image of the run; the probe stays where it is."""
        picks, store, near = self.state.picks, self._state.store, self._state.nearness
        if picks is None or store is None or near is None or not 0 <= number < len(store):
            return
        if number == self._met:  # the image of the pick that is chosen
            return
        self._met = number
        away = near.whiten(picks.z) - near.whiten(store.z_mean[number])
        squared = (away * away).sum(axis=1)
        if np.isfinite(squared).any():
            self.state.chosen = int(np.nanargmin(squared))
            self.picture.bring(*self.state.circles()[self.state.chosen][:2])
            self._show_picks()

    def _read_picks(self) -> None:
        """Let the encoder look at what was placed by hand."""
        s, request = self.state, self.request_of()
        places, field = s.unread(), s.field
        if request is None or field is None or not places or self._looks.is_running:
            return
        image = s.image
        self._looks.run(
            "picks by hand", lambda *_: request.look(field, np.array(places)),
            lambda picks: self._on_read(image, places, picks),
        )  # fmt: skip

    def _on_read(self, image: int, places: list[tuple[float, float]], picks: Picks) -> None:
        self.state.take_read(image, places, picks)

    # --- colours ---------------------------------------------------------------------------------
    def colour_by(self, key: str) -> None:
        """Colour the picks by a column; no key gives them one colour."""
        columns = pick_columns(self._state)
        self._column = next((c for c in columns if c.key == key), None)
        self._show_picks()

    def _colours(self, picks: Picks) -> Array | None:
        column = self._column
        if column is None:
            self.drawer.show_legend(None)
            return None
        nearest = None if is_own(column) else self._nearest_of(picks)
        found = pick_colours(self._state, column, picks, nearest)
        self.drawer.show_legend(found.legend)
        return found.rgb

    def _nearest_of(self, picks: Picks) -> Array:
        """Return the image nearest to each pick, (n,), -1 where it is still looked for."""
        keys = [tuple(z) for z in picks.z.tolist()]
        missing = picks.z[[key not in self._nearest for key in keys]]
        near = self._state.nearness
        if len(missing) and near is not None and not self._near.is_running:
            self._near.run(
                "images like the picks", lambda *_: near.nearest_each(missing),
                lambda found: self._on_nearest(missing, found),
            )  # fmt: skip
        return np.array([self._nearest.get(key, -1) for key in keys], np.int64)

    def _on_nearest(self, z: Array, found: Array) -> None:
        keys = map(tuple, z.tolist())
        self._nearest.update(zip(keys, (int(n) for n in found), strict=True))
        self._show_picks()

    def on_columns(self) -> None:
        """List the columns there are now, and take their colours."""
        if not self.state.fields:
            return
        columns = pick_columns(self._state)
        key = "" if self._column is None else self._column.key
        self.drawer.show_columns([(c.title, c.key) for c in columns], key)
        self.colour_by(key)

    # --- saving ----------------------------------------------------------------------------------
    def ask_save(self) -> None:
        """Ask where to save the picks."""
        name, kind = QFileDialog.getSaveFileName(
            self._window,
            "Save the picks",
            "picks.star",
            ";;".join(_KINDS),
            options=QFileDialog.Option.DontConfirmOverwrite,  # `save` asks: it knows the files
        )
        if name:
            self.save(with_suffix_of(name, kind))

    def save(self, path: Path) -> None:
        """Write the picks of all images at the threshold, and ask before files are replaced."""
        from tvae_core.export.picks import pick_files  # scipy comes with it

        request, calibration = self.request_of(path), self.state.calibration
        if request is None or calibration is None:
            return
        found = Detected(request.image, calibration, self.state.edited)
        try:
            there = [file for file in pick_files(path, len(found.fields)) if file.exists()]
            if there and not self._ask(there):
                return
            done = request.write(found)
        except TvaeError as error:
            self._messages.error(error)
            return
        total = sum(one.count for one in done)
        self._messages.notice(f"{count(total, 'pick')} written and read back: {path.name}")

    def request_of(self, *outputs: Path) -> DetectRequest | None:
        """Return the request that finds and writes the picks on show; None without any."""
        store, state = self._state.store, self.state
        if store is None or not state.fields:
            return None
        return DetectRequest(
            store=Path(store.path),
            image=Path(state.path),
            outputs=outputs,
            threshold=state.threshold,
            overwrite=True,
        )

    def _ask(self, files: list[Path]) -> bool:
        return ReplaceQuestion(files, self._window).answer()


def with_suffix_of(name: str, kind: str) -> Path:
    """Return a path that ends as the kind of file chosen in the dialog where it has no suffix."""
    path = Path(name)
    return path if path.suffix else path.with_name(path.name + _KINDS.get(kind, ".star"))
