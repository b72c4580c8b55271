"""The card of poses: can they be trusted, which symmetry, where the mirror image lies."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from tvae_core.analysis.symmetry import SetSymmetry, Symmetry
from tvae_core.analysis.trust import BAD, CARE, GOOD, InvarianceReport
from tvae_core.words import count
from tvae_gui.cards.poses.symmetry_plot import SymmetryPlot
from tvae_gui.state.trust_state import Subject
from tvae_gui.theme import GRID, SMALL_PX, set_role
from tvae_gui.widgets.controls import muted, row, title, tool_button
from tvae_gui.widgets.drawer import Drawer

_MARKS = {GOOD: "●", CARE: "◐", BAD: "○"}
_ROW_PX = 20


class PoseDrawer(Drawer):
    """Self-test, symmetry and mirror image.

    Signals: test_wanted(thorough), cancel_wanted(), images_wanted(), subject_chosen(Subject),
    mirror_toggled(bool), mirror_visited().
    """

    test_wanted = pyqtSignal(bool)
    cancel_wanted = pyqtSignal()
    images_wanted = pyqtSignal()
    subject_chosen = pyqtSignal(object)
    mirror_toggled = pyqtSignal(bool)
    mirror_visited = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Poses", parent)
        self._content = QWidget()
        self._inside = QVBoxLayout(self._content)
        self._inside.setContentsMargins(0, 0, GRID, 0)
        self._inside.setSpacing(GRID)
        self._build_test()
        self._build_symmetry()
        self._build_mirror()
        self._inside.addStretch(1)
        self.column.addWidget(self._content, 1)
        self.show_report(None)

    # --- parts -------------------------------------------------------------------------------
    def _build_test(self) -> None:
        self.test_button = QPushButton("Test")
        set_role(self.test_button, "primary")
        self.test_button.clicked.connect(self._on_test)
        self.thorough = QCheckBox("thorough: 160 rotations per image")
        self.thorough.setToolTip("64 images, as in the paper's appendix A.3; takes minutes")
        self._progress = QProgressBar()
        self._progress.setRange(0, 1000)
        self._progress.hide()
        self._verdict = _wrapped("strong")
        self._words = _wrapped("small")
        self._find = tool_button("Locate the images…")
        self._find.setToolTip("The original images have moved: choose their new location")
        self._find.clicked.connect(lambda: self.images_wanted.emit())
        self._find.hide()
        self.table = _plain_table(("root mean square", "z", "angle", "shift"), "Self-test results")
        line = row(self.thorough)
        line.addStretch(1)
        line.addWidget(self.test_button)
        self._inside.addWidget(title("Can the poses be trusted?"))
        self._inside.addLayout(line)
        for widget in (self._progress, self._verdict, self._words, self._find, self.table):
            self._inside.addWidget(widget)

    def _build_symmetry(self) -> None:
        self.subject = QComboBox()
        self.subject.setAccessibleName("Symmetry of")
        self.subject.setToolTip("Object whose symmetry is shown")
        self.subject.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.subject.setMinimumContentsLength(4)
        self.subject.activated.connect(lambda: self.subject_chosen.emit(self.subject.currentData()))
        self.plot = SymmetryPlot()
        self._hint = _wrapped("strong")
        self._counts = _wrapped()
        beside = QVBoxLayout()
        beside.addWidget(self.subject)
        beside.addWidget(self._hint)
        beside.addWidget(self._counts)
        beside.addStretch(1)
        line = QHBoxLayout()
        line.addWidget(self.plot)
        line.addLayout(beside, 1)
        self._inside.addWidget(title("Symmetry"))
        self._inside.addLayout(line)

    def _build_mirror(self) -> None:
        self.mirror = QCheckBox("mark the mirror image of the probe (M)")
        self.mirror.toggled.connect(self.mirror_toggled)
        self._mirror_words = _wrapped()
        self.visit = tool_button("Go there")
        set_role(self.visit, "quiet")
        self.visit.clicked.connect(lambda: self.mirror_visited.emit())
        line = row(self._mirror_words)
        line.setStretch(0, 1)
        line.addWidget(self.visit)
        self._inside.addWidget(title("Mirror image"))
        self._inside.addWidget(self.mirror)
        self._inside.addLayout(line)
        self.show_mirror(False, "", "", False)

    # --- what is shown -----------------------------------------------------------------------
    def show_report(self, report: InvarianceReport | None) -> None:
        """Show what the self-test found."""
        self._find.hide()
        self.table.setVisible(report is not None)
        if report is None:
            self._verdict.hide()
            self._say(
                "Rotates and shifts some of the run's own images by known amounts and encodes "
                "them again."
            )
            return
        self._verdict.setText("\n".join(report.verdicts))
        self._verdict.show()
        rows = [
            f"<tr><td>{_MARKS.get(j.level, '–')}</td><td style='padding: 0 8px'>{j.part}</td>"
            f"<td>{j.short}</td></tr>"
            for j in report.judgements
        ]
        self._say(f"<table>{''.join(rows)}</table>")
        said = report.words()[1:]
        self._words.setToolTip("<p>" + "</p><p>".join(said[: len(rows)]) + "</p>")
        self.table.setToolTip("<p>" + "</p><p>".join(said[len(rows) :]) + "</p>")
        self._fill(report)
        self.place()

    def _fill(self, report: InvarianceReport) -> None:
        rows = report.table()[1:]
        self.table.setRowCount(len(rows))
        for at, (kind, _, z, _, _, folded, _, _, shift, _) in enumerate(rows):
            for column, text in enumerate((kind, z, folded, shift.partition(",")[0])):
                item = QTableWidgetItem(text)
                right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                if column:
                    item.setTextAlignment(right)
                self.table.setItem(at, column, item)
        self.table.setFixedHeight((len(rows) + 1) * _ROW_PX + 8)

    def show_running(self, running: bool, words: str = "") -> None:
        """Show that the test goes on; the button stops it."""
        self._progress.setVisible(running)
        self._progress.setValue(0)
        self.test_button.setText("Stop" if running else "Test")
        if words:
            self._say(words)
        self.place()

    def show_progress(self, share: float, words: str = "") -> None:
        """Show how far the test is."""
        self._progress.setValue(round(1000 * share))

    def show_trouble(self, words: str, images_gone: bool) -> None:
        """Say why there is no report, and offer to find the images."""
        self.show_running(False)
        self._verdict.hide()
        self.table.hide()
        self._say(words)
        self._find.setVisible(images_gone)
        self.place()

    def grey_test(self, reason: str) -> None:
        """Grey the test, with the reason."""
        for widget, tip in (
            (self.test_button, "Rotate and shift the run's own images"),
            (self.thorough, "64 images, as in the paper's appendix A.3; takes minutes"),
        ):
            widget.setEnabled(not reason)
            widget.setToolTip(reason or tip)

    def show_subjects(self, entries: list[tuple[str, Subject, int]], chosen: Subject) -> None:
        """List whose symmetry can be asked for."""
        self.subject.blockSignals(True)
        self.subject.clear()
        for words, subject, images in entries:
            many = "" if subject.kind == "probe" else f" · {count(images)}"
            self.subject.addItem(words + many, subject)
        at = [subject for _, subject, _ in entries]
        self.subject.setCurrentIndex(at.index(chosen) if chosen in at else 0)
        self.subject.blockSignals(False)

    def show_symmetry(self, found: SetSymmetry | None, words: str) -> None:
        """Show a symmetry, and words about it or about why there is none."""
        self.plot.show_symmetry(found)
        self._hint.setText("" if found is None else _sentence(_name(found.mean)))
        self._hint.setVisible(found is not None)
        self._counts.setText(words)

    def show_mirror(self, on: bool, words: str, why_not: str, can_visit: bool) -> None:
        """Show where the mirror image lies; `why_not` is why it cannot be looked for."""
        self.mirror.blockSignals(True)
        self.mirror.setChecked(on)
        self.mirror.blockSignals(False)
        self.mirror.setEnabled(not why_not)
        self.mirror.setToolTip(why_not or "The point whose object is the mirror image of this one")
        said = (why_not or words) != self._mirror_words.text() or on != self.visit.isVisible()
        self._mirror_words.setText(why_not or words)
        self.visit.setVisible(on)
        self.visit.setEnabled(can_visit)
        why = "" if can_visit else words or "No mirror image is marked"
        self.visit.setToolTip(why or "Move the probe there")
        if said:
            self.place()

    @property
    def text(self) -> str:
        """All that the test says."""
        return f"{self._verdict.text()} {self._words.text()}"

    @property
    def hint(self) -> str:
        """What the symmetry says."""
        return f"{self._hint.text()} {self._counts.text()}"

    @property
    def mirror_text(self) -> str:
        """What is said of the mirror image."""
        return self._mirror_words.text()

    # --- hands -------------------------------------------------------------------------------
    def _say(self, words: str) -> None:
        self._words.setText(words)
        self._words.setToolTip("")

    def _on_test(self) -> None:
        if self.test_button.text() == "Stop":
            self.cancel_wanted.emit()
        else:
            self.test_wanted.emit(self.thorough.isChecked())


def _wrapped(role: str = "muted") -> QLabel:
    label: Any = muted()
    set_role(label, role)
    label.setWordWrap(True)
    return label  # type: ignore[no-any-return]


def _name(found: Symmetry) -> str:
    return "no symmetry" if found.order == 1 else found.hint


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _plain_table(heads: tuple[str, ...], name: str) -> QTableWidget:
    table = QTableWidget(0, len(heads))
    table.setHorizontalHeaderLabels(list(heads))
    table.setAccessibleName(name)
    table.setShowGrid(False)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    head, side = table.horizontalHeader(), table.verticalHeader()
    assert head is not None
    assert side is not None
    table.setStyleSheet(f"* {{ font-size: {SMALL_PX}px; }}")
    side.hide()
    side.setDefaultSectionSize(_ROW_PX)
    head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    for column, width in ((1, 60), (2, 52), (3, 64)):
        table.setColumnWidth(column, width)
    return table
