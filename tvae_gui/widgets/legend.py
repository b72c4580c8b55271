"""What the colours mean: a gradient, a histogram in colour, or classes with their counts."""

from __future__ import annotations

from PyQt6.QtCore import QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from tvae_core.words import count, degrees, figure
from tvae_gui.state.scatter_frame import Legend, LegendRow
from tvae_gui.theme import TEXT_PX, colour, font
from tvae_gui.widgets.histogram import GradientBar

_ROW = 22


class ClassList(QWidget):
    """Classes with colour, name and count.

    Signals: picked(class number, adds): a class was clicked, with shift to add.
    """

    picked = pyqtSignal(int, bool)
    MOST = 12

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._classes: tuple[LegendRow, ...] = ()
        self._shown: tuple[LegendRow, ...] = ()
        self._hovered = -1
        self.setMouseTracking(True)
        self.setAccessibleName("Classes")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip("Click to select these images, shift-click to add them")

    def set_classes(self, classes: tuple[LegendRow, ...]) -> None:
        """Show name, colour and count of each class."""
        self._classes = classes
        self._shown = classes[: self.MOST]
        if len(classes) > self.MOST and classes[-1].number < 0:  # never left out
            self._shown = (*classes[: self.MOST - 1], classes[-1])
        self.setFixedHeight(_ROW * min(len(classes), self.MOST + 1))
        self.update()

    def sizeHint(self) -> QSize:
        """Return a good size."""
        return QSize(200, self.height())

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(TEXT_PX))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for k, (_, name, ink, images) in enumerate(self._shown):
            line = QRectF(0, k * _ROW, self.width(), _ROW)
            painter.setPen(Qt.PenStyle.NoPen)
            if k == self._hovered:
                painter.setBrush(colour("hover"))
                painter.drawRoundedRect(line, 4, 4)
            painter.setBrush(colour(ink))
            painter.drawEllipse(QRectF(4, k * _ROW + 6, 10, 10))
            painter.setPen(colour("text"))
            words = painter.fontMetrics().elidedText(
                name, Qt.TextElideMode.ElideRight, self.width() - 96
            )
            painter.drawText(line.adjusted(24, 0, 0, 0), int(Qt.AlignmentFlag.AlignVCenter), words)
            painter.setPen(colour("muted"))
            painter.drawText(line.adjusted(0, 0, -4, 0), int(right), count(images))
        if len(self._classes) > self.MOST:
            painter.setPen(colour("muted"))
            line = QRectF(24, self.MOST * _ROW, self.width(), _ROW)
            more = f"and {len(self._classes) - self.MOST} more"
            painter.drawText(line, int(Qt.AlignmentFlag.AlignVCenter), more)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Mark the class under the mouse."""
        if event is not None:
            self._hovered = int(event.position().y() // _ROW)
            self.update()

    def leaveEvent(self, event: object) -> None:
        """Mark none."""
        self._hovered = -1
        self.update()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Go from class to class with the arrows; Space or Enter picks one, with Shift adds it."""
        if event is None:
            return
        steps = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
        key = Qt.Key(event.key())
        if key in steps and self._shown:
            self._hovered = (max(self._hovered, -1) + steps[key]) % len(self._shown)
            self.update()
        elif key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if 0 <= self._hovered < len(self._shown):
                adds = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
                self.picked.emit(self._shown[self._hovered].number, adds)
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        """Mark none."""
        self._hovered = -1
        self.update()
        super().focusOutEvent(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Pick a class."""
        if event is None:
            return
        row = int(event.position().y() // _ROW)
        if 0 <= row < len(self._shown):
            adds = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.picked.emit(self._shown[row].number, adds)


class LegendView(QWidget):
    """The legend of the plane. Signals: class_picked(class number, adds)."""

    class_picked = pyqtSignal(int, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bar = GradientBar()
        self._classes = ClassList()
        self._classes.picked.connect(self.class_picked)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._bar)
        column.addWidget(self._classes)

    def show_legend(self, legend: Legend) -> None:
        """Show what the colours mean."""
        kind = legend.column.kind
        self._bar.setVisible(kind != "class")
        self._classes.setVisible(kind == "class")
        if kind == "class":
            self._classes.set_classes(legend.classes)
        elif kind == "density":
            self._bar.set_table(legend.table, "few", "many images")
        elif kind == "cyclic":
            self._bar.set_table(legend.table, degrees(legend.low), degrees(legend.high))
        else:
            unit = legend.column.unit
            self._bar.set_table(legend.table, figure(legend.low), figure(legend.high, unit))
