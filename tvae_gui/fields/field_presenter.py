"""The card of fields, wired: objects found in the background, picks shown, one put on the plane."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtWidgets import QFileDialog

from tvae_core.errors import Cancelled, TvaeError
from tvae_core.words import count, degrees, figure
from tvae_core.work.detect import Detected, DetectRequest
from tvae_gui.context import Context
from tvae_gui.fields.field_view import FieldDrawer
from tvae_gui.fields.replace_question import ReplaceQuestion
from tvae_gui.state.field_state import FieldState
from tvae_gui.widgets.file_filters import image_filters
from tvae_gui.widgets.image_panel import picture_of

_KINDS = {"RELION (*.star)": ".star", "EMAN (*.box)": ".box", "CSV (*.csv)": ".csv"}


class FieldPresenter:
    """Everything about larger images of many objects that the window shows."""

    def __init__(self, context: Context, drawer: FieldDrawer) -> None:
        self._window, self._state, self._messages = context.window, context.state, context.messages
        self.state, self.drawer = FieldState(), drawer
        self._job = context.card_job(drawer)
        self._connect()

    def _connect(self) -> None:
        s, d = self.state, self.drawer
        s.fields_changed.connect(self._show_fields)
        s.picks_changed.connect(self._show_picks)
        s.pick_chosen.connect(self._on_pick)
        d.open_wanted.connect(self.ask_open)
        d.cancel_wanted.connect(self.cancel)
        d.threshold_moved.connect(s.set_threshold)
        d.image_chosen.connect(s.go_to)
        d.drawn_toggled.connect(s.set_drawn)
        d.save_wanted.connect(self.ask_save)
        d.picture.clicked.connect(s.choose_at)

    def open(self) -> None:
        """Show the card."""
        if self._state.store is not None:
            self.drawer.open_drawer()

    def on_store(self) -> None:
        """Begin with another store."""
        self.drawer.close_drawer()
        self.state.clear()

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
            self._on_found,
            words=words,
            failed=self._on_failed,
        )

    def cancel(self) -> None:
        """Stop looking."""
        self._job.cancel()

    def _on_found(self, found: Detected) -> None:
        self.state.show(str(found.path), found.calibration, found.fields)

    def _on_failed(self, error: BaseException) -> None:
        self._job.say(error)
        if isinstance(error, Cancelled):
            self._show_picks()

    # --- showing ---------------------------------------------------------------------------------
    def _show_fields(self) -> None:
        self.drawer.show_fields(len(self.state.fields), self.state.threshold)
        self._show_picks()

    def _show_picks(self) -> None:
        picture, picks = self.state.picture(), self.state.picks
        if picture is None or picks is None or self.state.calibration is None:
            self.drawer.show_words("Any image larger than the run's own, such as a micrograph")
            return
        image = picture_of(*picture, self._state.options.image_map)
        self.drawer.picture.show_field(image, self.state.circles(), self.state.chosen)
        words = f"{count(len(picks), 'object')}. Automatic: {self.state.calibration.words()}."
        number = self.state.chosen
        if number is not None:
            words = (
                f"confidence {figure(float(picks.confidence[number]))}, "
                f"angle {degrees(float(picks.angle_rad[number]))}"
            )
        self.drawer.show_words(words)

    def _on_pick(self) -> None:
        """Put the probe on the content of the pick."""
        picks, number = self.state.picks, self.state.chosen
        if picks is not None and number is not None:
            self._state.set_probe_z(picks.z[number])
        self._show_picks()

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
        found = Detected(request.image, calibration, self.state.fields)
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

    def request_of(self, path: Path) -> DetectRequest | None:
        """Return the request that writes the picks on show to `path`; None without any."""
        store, state = self._state.store, self.state
        if store is None or not state.fields:
            return None
        return DetectRequest(
            store=Path(store.path),
            image=Path(state.path),
            outputs=(path,),
            threshold=state.threshold,
            overwrite=True,
        )

    def _ask(self, files: list[Path]) -> bool:
        return ReplaceQuestion(files, self._window).answer()


def with_suffix_of(name: str, kind: str) -> Path:
    """Return a path that ends as the kind of file chosen in the dialog where it has no suffix."""
    path = Path(name)
    return path if path.suffix else path.with_name(path.name + _KINDS.get(kind, ".star"))
