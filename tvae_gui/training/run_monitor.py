"""One run as it trains: progress, curves, pictures of every epoch, log."""

from __future__ import annotations

from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QFontDatabase, QTextCursor
from PyQt6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSlider,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from tvae_core.progress import Preview
from tvae_core.runs.status import RunStatus
from tvae_core.words import count, duration, figure
from tvae_gui.state.latent_preview import read_latents
from tvae_gui.state.training_state import METRICS, TrainingState
from tvae_gui.training.latent_preview import LatentPreview
from tvae_gui.widgets import ink
from tvae_gui.widgets.curve_chart import Curve, CurveChart
from tvae_gui.widgets.picture_view import PictureView

_REDRAW_MS = 100
_KL_PARTS = ("kl_angle", "kl_shift", "kl_content")
_BAR_STEPS = 1000
CURVES = (
    "Curves: means over the training images of each epoch, while the model changes. The verdict is "
    "measured afterwards on images held out, so its nats are others."
)


class RunMonitor(QWidget):
    """Follows one `TrainingState`.

    Signals
    -------
    stop_requested(Path)
    resume_requested(Path)
    explore_requested(Path)
        With the run's embedding file.
    so_far_requested(Path)
        The run is to be embedded as it is now, and explored.
    again_requested(Path, dict)
        A new run is to be made like this one, with these settings changed.
    """

    stop_requested = pyqtSignal(object)
    resume_requested = pyqtSignal(object)
    explore_requested = pyqtSignal(object)
    so_far_requested = pyqtSignal(object)
    again_requested = pyqtSignal(object, object)

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self.state = state
        self._curves_due = True
        self._make_widgets()
        self._lay_out()
        self._redraw_soon = QTimer(self)
        self._redraw_soon.setSingleShot(True)
        self._redraw_soon.setInterval(_REDRAW_MS)
        self._redraw_soon.timeout.connect(self.redraw)
        self._connect()
        self.log.setPlainText("\n".join(state.log))
        self.log.moveCursor(QTextCursor.MoveOperation.End)
        self._on_previews_changed()
        self.redraw()

    def redraw(self) -> None:
        """Show the state as it is now."""
        self._show_words()
        self._show_verdict()
        self._show_buttons()
        if self._curves_due:
            self._show_curves()
            self._curves_due = False

    def let_go(self) -> None:
        """Stop listening to the state."""
        state = self.state
        self._redraw_soon.stop()
        state.status_changed.disconnect(self._on_changed, missing_ok=True)
        state.progress_changed.disconnect(self._on_progress, missing_ok=True)
        state.epochs_changed.disconnect(self._on_epochs_changed, missing_ok=True)
        state.preview_added.disconnect(self._on_preview_added, missing_ok=True)
        state.log_added.disconnect(self._on_log_added, missing_ok=True)

    def closeEvent(self, event: object) -> None:
        """Let go of the state."""
        self.let_go()

    # ------------------------------------------------------------------------------- building

    def _make_widgets(self) -> None:
        self.name = ink.title(self.state.folder.name)
        self.headline, self.facts = QLabel(), ink.QuietLabel()
        self.reason, self.todo = ink.QuietLabel(warns=True), ink.QuietLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.stop, self.resume = QPushButton("Stop"), QPushButton("Resume")
        self.explore = QPushButton("Explore")
        self.verdict, self.again = ink.QuietLabel(), QPushButton("Try again so…")
        self._embedding = ""
        self.elbo = CurveChart("ELBO", "nats per image")
        self.likelihood = CurveChart("Log-likelihood", "nats", narrow=True)
        self.kl = CurveChart("KL", "nats", narrow=True)
        self.rate = CurveChart("Learning rate", narrow=True)
        self.grid = PictureView("Decoded images appear after the first epoch")
        self.latents = LatentPreview()
        self.epoch = QSlider(Qt.Orientation.Horizontal)
        self.epoch.setMaximum(0)
        self.epoch.setAccessibleName("Epoch of the pictures")
        self.epoch_words = ink.QuietLabel()
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setMaximumBlockCount(2000)
        self.log.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.log.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.log.setPlaceholderText("No output of this run has been seen here")
        self.log.setAccessibleName("Log")

    def _lay_out(self) -> None:
        upper = QWidget()
        panels = QHBoxLayout(upper)
        panels.setContentsMargins(0, 0, 0, 0)
        panels.setSpacing(24)
        panels.addLayout(self._charts(), 11)
        panels.addLayout(self._pictures(), 8)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(upper)
        split.addWidget(self._log_pane())
        split.setStretchFactor(0, 1)
        split.setSizes([520, 90])
        split.setChildrenCollapsible(True)
        page = QVBoxLayout(self)
        page.setContentsMargins(24, 24, 24, 16)
        page.setSpacing(8)
        page.addLayout(self._head())
        page.addWidget(self.bar)
        for label in (self.reason, self.todo):
            page.addWidget(label)
        page.addLayout(self._judged())
        page.addSpacing(8)
        page.addWidget(split, 1)

    def _head(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        line = QHBoxLayout()
        line.setSpacing(16)
        line.addWidget(self.headline)
        line.addWidget(self.facts, 1)
        self.facts.setWordWrap(False)
        grid.addWidget(self.name, 0, 0)
        grid.addLayout(line, 1, 0)
        grid.setColumnStretch(0, 1)
        for column, button in enumerate((self.stop, self.resume, self.explore), start=1):
            grid.addWidget(button, 0, column, 2, 1, Qt.AlignmentFlag.AlignTop)
        return grid

    def _judged(self) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(16)
        line.addWidget(self.verdict, 1)
        line.addWidget(self.again, 0, Qt.AlignmentFlag.AlignTop)
        return line

    def _charts(self) -> QVBoxLayout:
        small = QHBoxLayout()
        small.setSpacing(16)
        for chart in (self.likelihood, self.kl, self.rate):
            small.addWidget(chart, 1)
        column = QVBoxLayout()
        column.setSpacing(16)
        column.addWidget(self.elbo, 3)
        column.addLayout(small, 2)
        self.curve_words = ink.QuietLabel(CURVES)
        column.addWidget(self.curve_words)
        return column

    def _pictures(self) -> QVBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(8)
        self.epoch_words.setWordWrap(False)
        line.addWidget(self.epoch, 1)
        line.addWidget(self.epoch_words)
        column = QVBoxLayout()
        column.setSpacing(8)
        column.addWidget(ink.heading("Decoded images"))
        column.addWidget(self.grid, 1)
        column.addWidget(ink.heading("Latent plane"))
        column.addWidget(self.latents, 1)
        column.addLayout(line)
        return column

    def _log_pane(self) -> QWidget:
        pane = QWidget()
        column = QVBoxLayout(pane)
        column.setContentsMargins(0, 8, 0, 0)
        column.setSpacing(4)
        column.addWidget(ink.heading("Log"))
        column.addWidget(self.log, 1)
        return pane

    def _connect(self) -> None:
        run = self.state.folder.path
        self.stop.clicked.connect(lambda: self.stop_requested.emit(run))
        self.resume.clicked.connect(lambda: self.resume_requested.emit(run))
        self.explore.clicked.connect(self._on_explore_clicked)
        self.again.clicked.connect(self._on_again_clicked)
        self.epoch.valueChanged.connect(self._show_preview)
        self.state.status_changed.connect(self._on_changed)
        self.state.progress_changed.connect(self._on_progress)
        self.state.epochs_changed.connect(self._on_epochs_changed)
        self.state.preview_added.connect(self._on_preview_added)
        self.state.log_added.connect(self._on_log_added)

    # ------------------------------------------------------------------------------- showing

    def _show_words(self) -> None:
        state = self.state
        self.headline.setText(state.headline)
        self.facts.setText(self._facts())
        failed = state.status is RunStatus.FAILED
        self.reason.setText(state.reason if failed else "")
        self.todo.setText(state.todo if state.status is not RunStatus.RUNNING else "")
        for label in (self.reason, self.todo):
            label.setVisible(bool(label.text()))
        fraction = state.fraction
        busy = fraction is None and state.status.is_live
        self.bar.setRange(0, 0 if busy else _BAR_STEPS)
        self.bar.setValue(round(_BAR_STEPS * (fraction or 0)))

    def _show_verdict(self) -> None:
        judged = self.state.judged
        so_far = "" if judged is None or judged.final else "So far: "
        self.verdict.setText("" if judged is None else so_far + judged.words)
        self.verdict.setVisible(judged is not None)
        changes = {} if judged is None else judged.settings
        self.again.setVisible(bool(changes))
        said = ", ".join(f"{key}={value}" for key, value in changes.items())
        self.again.setToolTip(f"A new run with {said}")

    def show_embedding(self, words: str) -> None:
        """Say how far the embedding of an unfinished run is; nothing when it is over."""
        self._embedding = words
        self.redraw()

    def _facts(self) -> str:
        state, parts = self.state, [self._embedding] if self._embedding else []
        if state.eta_s is not None:
            parts.append(f"about {duration(state.eta_s)} left")
        if state.images_per_second and state.status.is_live:
            parts.append(f"{figure(state.images_per_second)} images/s")
        if state.started is not None:
            parts.append(f"{count(state.started.images)} images on {state.started.device}")
        if (best := state.best()) is not None:
            parts.append(f"best ELBO {figure(best[0])} in epoch {count(best[1])}")
        return " · ".join(parts)

    def _show_buttons(self) -> None:
        status = self.state.status
        starting = status is RunStatus.QUEUED and self.state.folder.works()
        live = status.is_live or starting
        why_not_stop = "" if live else "Nothing is running."
        at_once = status is RunStatus.STOPPING and self.state.is_slow_to_stop
        if status is RunStatus.STOPPING and not at_once:
            why_not_stop = "Stopping, within 10 s."
        why_not_resume = "The run is already training." if live else ""
        if status is RunStatus.FINISHED:
            why_not_resume = "The run is finished: start a new one with more epochs."
        has_store = self.state.folder.store.is_file()
        is_final = has_store and not (live or status is RunStatus.STOPPED)
        self.explore.setText("Explore" if is_final else "Explore so far")
        why_not_explore = "" if is_final else self._why_not_so_far()
        what = "End it without waiting; the checkpoints written so far stay" if at_once else ""
        self.stop.setText("End now" if at_once else "Stop")
        ink.explain(self.stop, what or "Write a checkpoint and stop", why_not_stop)
        ink.explain(self.resume, "Continue from the last checkpoint", why_not_resume)
        ink.explain(self.explore, "Open the latent space of this run", why_not_explore)
        self.resume.setText("Resume" if self.state.folder.begun else "Start")
        self.explore.setDefault(has_store)

    def _why_not_so_far(self) -> str:
        """Return why the run cannot be explored as it is now; empty where it can."""
        if self._embedding:
            return "The images are being embedded."
        folder = self.state.folder
        known = folder.store.is_file() or folder.model.is_file() or folder.has_checkpoint()
        return "" if known else "There is nothing to explore before the first checkpoint."

    def _on_explore_clicked(self) -> None:
        if self.explore.text() == "Explore":
            self.explore_requested.emit(self.state.folder.store)
        else:
            self.so_far_requested.emit(self.state.folder.path)

    def _on_again_clicked(self) -> None:
        if self.state.judged is not None:
            self.again_requested.emit(self.state.folder.path, self.state.judged.settings)

    def _show_curves(self) -> None:
        self.elbo.set_curves(
            [self._curve("elbo", "train", 0), self._curve("validation_elbo", "validation", 1)]
        )
        self.likelihood.set_curves([self._curve("log_likelihood", "train", 0)])
        names = [METRICS[part].removeprefix("KL of ") for part in _KL_PARTS]
        self.kl.set_curves(
            [
                self._curve(p, n, i + 2)
                for i, (p, n) in enumerate(zip(_KL_PARTS, names, strict=True))
            ]
        )
        self.rate.set_curves([self._curve("learning_rate", "now", 7)])

    def _curve(self, metric: str, name: str, colour: int) -> Curve:
        epochs, values = self.state.history(metric)
        return Curve(name, epochs, values, colour)

    def _show_preview(self, index: int) -> None:
        previews = self.state.previews
        if not 0 <= index < len(previews):
            return
        preview = previews[index]
        self.grid.show_file(self.state.path_of(preview.decoded_grid))
        path = self.state.path_of(preview.latents)
        self.latents.show_plane(read_latents(path), f"{path.name} is missing or damaged")
        self.epoch_words.setText(f"epoch {count(preview.epoch + 1)}")

    # ------------------------------------------------------------------------------- hearing

    def _on_changed(self, status: RunStatus) -> None:
        self._redraw_soon.start()

    def _on_progress(self) -> None:
        if not self._redraw_soon.isActive():
            self._redraw_soon.start()

    def _on_epochs_changed(self) -> None:
        self._curves_due = True
        self._on_progress()

    def _on_preview_added(self, preview: Preview) -> None:
        self._on_previews_changed()

    def _on_previews_changed(self) -> None:
        count = len(self.state.previews)
        at_end = self.epoch.value() >= self.epoch.maximum()
        self.epoch.setVisible(count > 1)
        self.epoch.setMaximum(max(0, count - 1))
        if not count:
            return
        if at_end and self.epoch.value() != count - 1:
            self.epoch.setValue(count - 1)
        else:
            self._show_preview(self.epoch.value())

    def _on_log_added(self, text: str) -> None:
        self.log.appendPlainText(text)
