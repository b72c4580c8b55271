"""Classes as cards: click, mark, and drag one onto another to merge them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PyQt6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PyQt6.QtWidgets import QApplication, QWidget

from tvae_core.words import count
from tvae_gui.gallery.keyed_grid import KeyedGrid
from tvae_gui.gallery.marks import VEIL, draw_mark
from tvae_gui.state.class_state import ClassCard
from tvae_gui.theme import GRID, SMALL_PX, TEXT_PX, colour, font

AVERAGE_PX, FIRST_PX = 112, 34
CARD = QSize(AVERAGE_PX + 3 * (FIRST_PX + 4) + 3 * GRID, AVERAGE_PX + 3 * GRID + 24)


@dataclass(frozen=True)
class CardFace:
    """A card as it is drawn."""

    card: ClassCard
    average: QImage | None = None
    first: tuple[QImage, ...] = ()
    resolution: str = ""


class ClassGrid(KeyedGrid):
    """Cards in rows; the keyboard is on one of them.

    Signals: those of `KeyedGrid`, merge_wanted(source, target).
    """

    merge_wanted = pyqtSignal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Classes", parent)
        self._faces: list[CardFace] = []
        self._chosen = set[int]()
        self._words = ""
        self._pressed: tuple[int, QPoint] | None = None
        self._dragged: QPoint | None = None

    # --- what is shown -------------------------------------------------------------------------
    def show_cards(self, cards: list[ClassCard], words: str) -> None:
        """Show cards; those of the same class keep their pictures. `words` stand where none are."""
        before = {(f.card.subject, f.card.count): f for f in self._faces}
        self._faces = [
            replace(before.get((card.subject, card.count), CardFace(card)), card=card)
            for card in cards
        ]
        self._words = words
        self._set_bars()
        self._repaint()

    def show_picture(
        self, number: int, average: QImage, first: tuple[QImage, ...], resolution: str
    ) -> None:
        """Show what a class looks like."""
        if number < len(self._faces):
            face = self._faces[number]
            self._faces[number] = CardFace(face.card, average, first, resolution)
            self._repaint()

    def show_current(self, number: int, chosen: set[int]) -> None:
        """Put the keyboard on a card and bring it into view."""
        self._current, self._chosen = number, set(chosen)
        bar, place = self.verticalScrollBar(), self.place_of(number)
        assert bar is not None
        if place.top() < 0:
            bar.setValue(bar.value() + place.top() - GRID)
        elif place.bottom() > self._height:
            bar.setValue(bar.value() + place.bottom() - self._height + GRID)
        self._repaint()

    @property
    def faces(self) -> list[CardFace]:
        """The cards as they are drawn."""
        return list(self._faces)

    @property
    def columns(self) -> int:
        """How many cards stand in a row."""
        width = self.viewport().width() - GRID  # type: ignore[union-attr]
        return max(1, width // (CARD.width() + GRID))

    def place_of(self, number: int) -> QRect:
        """Return where a card is drawn, in the viewport's pixels."""
        row, column = divmod(number, self.columns)
        left = GRID + column * (CARD.width() + GRID)
        top = GRID + row * (CARD.height() + GRID)
        offset = self.verticalScrollBar().value()  # type: ignore[union-attr]
        return QRect(QPoint(left, top - offset), CARD)

    def card_at(self, at: QPoint) -> int:
        """Return the number of the card drawn there, -1 for none."""
        inside = (n for n in range(len(self._faces)) if self.place_of(n).contains(at))
        return next(inside, -1)

    @property
    def _height(self) -> int:
        return int(self.viewport().height())  # type: ignore[union-attr]

    def _repaint(self) -> None:
        self.viewport().update()  # type: ignore[union-attr]

    def _set_bars(self) -> None:
        rows = -(-len(self._faces) // self.columns)
        bar = self.verticalScrollBar()
        assert bar is not None
        whole = rows * (CARD.height() + GRID) + GRID
        bar.setRange(0, max(0, whole - self._height))
        bar.setSingleStep(CARD.height() // 3)
        bar.setPageStep(max(GRID, self._height - CARD.height()))

    # --- drawing -------------------------------------------------------------------------------
    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Lay the rows out again."""
        super().resizeEvent(event)
        self._set_bars()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the cards in view."""
        painter = QPainter(self.viewport())
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        view = self.viewport().rect()  # type: ignore[union-attr]
        painter.fillRect(view, colour("plane"))
        if not self._faces:
            painter.setPen(colour("muted"))
            painter.setFont(font(TEXT_PX))
            painter.drawText(QRectF(view), int(Qt.AlignmentFlag.AlignCenter), self._words)
        for number, face in enumerate(self._faces):
            place = self.place_of(number)
            if place.intersects(view):
                self._draw_card(painter, number, face, place)
        if self._dragged is not None and self._pressed is not None:
            self._draw_dragged(painter, self._dragged)

    def _draw_card(self, painter: QPainter, number: int, face: CardFace, place: QRect) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("panel"))
        painter.drawRoundedRect(QRectF(place), 8, 8)
        corner = place.topLeft() + QPoint(GRID, GRID)
        square = QRect(corner, QSize(AVERAGE_PX, AVERAGE_PX))
        if face.average is None:
            painter.fillRect(square, colour("control"))
        else:
            painter.drawImage(square, face.average)
        for k, image in enumerate(face.first):
            row, column = divmod(k, 3)
            at = corner + QPoint(AVERAGE_PX + GRID + column * (FIRST_PX + 4), row * (FIRST_PX + 4))
            painter.drawImage(QRect(at, QSize(FIRST_PX, FIRST_PX)), image)
        self._draw_words(painter, face, place, square)
        if face.card.mark == "rejected":
            painter.fillRect(square, QColor(VEIL))
        draw_mark(painter, square, face.card.mark)
        target = self._dragged is not None and self.card_at(self._dragged) == number
        if number in self._chosen or target:
            _outline(painter, place, colour("accent"))
        elif number == self._current and self.hasFocus():
            _outline(painter, place, colour("text"))

    def _draw_words(self, painter: QPainter, face: CardFace, place: QRect, square: QRect) -> None:
        line = QRectF(place.left() + GRID, square.bottom() + GRID, place.width() - 2 * GRID, 18)
        painter.setBrush(QColor(face.card.colour))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(QPointF(line.left() + 5, line.center().y()), 5, 5)
        painter.setPen(colour("text"))
        painter.setFont(font(TEXT_PX, strong=True))
        left = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(line.adjusted(16, 0, -60, 0), left, face.card.name)
        painter.drawText(line, right, count(face.card.count))
        painter.setFont(font(SMALL_PX))
        painter.setPen(colour("muted"))
        beside = QRectF(square.right() + GRID, square.bottom() - 18, place.right() - square.right()
                        - 2 * GRID, 18)  # fmt: skip
        painter.drawText(beside, left, face.resolution)

    def _draw_dragged(self, painter: QPainter, at: QPoint) -> None:
        assert self._pressed is not None
        image = self._faces[self._pressed[0]].average
        square = QRect(at - QPoint(28, 28), QSize(56, 56))
        painter.setOpacity(0.8)
        if image is not None:
            painter.drawImage(square, image)
        _outline(painter, square, colour("accent"))
        painter.setOpacity(1.0)

    # --- hands ---------------------------------------------------------------------------------
    @property
    def places(self) -> int:
        """How many cards there are."""
        return len(self._faces)

    @property
    def page(self) -> int:
        """How many cards a page holds."""
        rows = self.viewport().height() // CARD.height()  # type: ignore[union-attr]
        return self.columns * max(1, rows)

    def give_up(self) -> bool:
        """Let the card that is dragged go."""
        dragged, self._pressed, self._dragged = self._dragged, None, None
        self._repaint()
        return dragged is not None

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Take a card; it is dragged when the mouse moves on."""
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        at = event.position().toPoint()
        number = self.card_at(at)
        if number >= 0:
            self._pressed = number, at
            held = event.modifiers()
            extend = bool(held & Qt.KeyboardModifier.ShiftModifier)
            toggle = bool(held & Qt.KeyboardModifier.ControlModifier)
            self.gone_to.emit(number, extend, toggle)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Drag the card that was taken."""
        if event is None or self._pressed is None:
            return
        at = event.position().toPoint()
        far = (at - self._pressed[1]).manhattanLength() >= QApplication.startDragDistance()
        if far or self._dragged is not None:
            self._dragged = at
            self._repaint()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Let go: onto another card, merge the two."""
        pressed, dragged = self._pressed, self._dragged
        self._pressed = self._dragged = None
        self._repaint()
        if pressed is not None and dragged is not None:
            target = self.card_at(dragged)
            if target >= 0 and target != pressed[0]:
                self.merge_wanted.emit(pressed[0], target)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Open a card."""
        number = -1 if event is None else self.card_at(event.position().toPoint())
        if number >= 0:
            self.gone_to.emit(number, False, False)
            self.opened.emit(number)

    def sizeHint(self) -> QSize:
        """Return a good size."""
        return QSize(640, 480)


def _outline(painter: QPainter, place: QRect, ink: QColor) -> None:
    painter.setPen(QPen(ink, 2))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(QRectF(place).adjusted(1, 1, -1, -1), 8, 8)
