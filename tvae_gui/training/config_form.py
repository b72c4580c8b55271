"""The form of a run's settings, generated from the config models."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tvae_core.words import setting
from tvae_gui.state.config_form import SECTION_TITLES, FormField, FormState
from tvae_gui.widgets import ink

_EDITOR_WIDTH = 136

_HINT = "● differs from the starting values. Help for the selected setting appears here."


class ConfigForm(QWidget):
    """Every setting of a run, in sections; what differs from the preset has a dot.

    Signals: none; what a person types goes to the `FormState`.
    """

    def __init__(self, state: FormState) -> None:
        super().__init__()
        self.state = state
        self.rows: dict[str, SettingRow] = {}
        self.sections: dict[str, FormSection] = {}
        self.search = QLineEdit()
        self.help = ink.QuietLabel()
        self._lay_out()
        state.value_changed.connect(self._on_value_changed)
        state.preset_changed.connect(self._on_preset_changed)
        self.show_help(None)

    def show_help(self, field: FormField | None) -> None:
        """Show a setting's help below the form; None tells what the form does."""
        if field is None:
            self.help.setText(_HINT)
            return
        bounds = f" Give {field.bounds}." if field.bounds and field.kind != "choice" else ""
        self.help.setText(f"{field.help}.{bounds}")

    def filter(self, text: str) -> None:
        """Show only the settings that a search finds, also folded ones."""
        for section in self.sections.values():
            section.filter(text)
        self._nothing.setVisible(bool(text) and not any(row.found for row in self.rows.values()))

    def refresh(self) -> None:
        """Show every value anew."""
        for row in self.rows.values():
            row.refresh()
        for section in self.sections.values():
            section.refresh()

    def closeEvent(self, event: object) -> None:
        """Let go of the state."""
        self.let_go()

    def let_go(self) -> None:
        """Stop listening to the state."""
        self.state.value_changed.disconnect(self._on_value_changed, missing_ok=True)
        self.state.preset_changed.disconnect(self._on_preset_changed, missing_ok=True)

    def _lay_out(self) -> None:
        self.search.setPlaceholderText("Find a setting")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Find a setting")
        self.search.textChanged.connect(self.filter)
        self.help.setMinimumHeight(3 * self.help.fontMetrics().lineSpacing())
        self.help.setAlignment(Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.search)
        column.addWidget(self._scrolled(), 1)
        column.addWidget(self.help)

    def _scrolled(self) -> QScrollArea:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 8, 0)
        column.setSpacing(16)
        for name, text in SECTION_TITLES.items():
            column.addWidget(self._section(name, text))
        self._nothing = ink.QuietLabel("No setting matches.")
        self._nothing.hide()
        column.addWidget(self._nothing)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        return area

    def _section(self, name: str, text: str) -> FormSection:
        fields = [field for field in self.state.fields.values() if field.section == name]
        rows = [SettingRow(self.state, field, self) for field in fields]
        self.rows |= {row.field.key: row for row in rows}
        self.sections[name] = FormSection(text, rows)
        return self.sections[name]

    def _on_value_changed(self, key: str) -> None:
        if key in self.rows:
            self.rows[key].refresh()
            self.sections[self.rows[key].field.section].refresh()

    def _on_preset_changed(self, name: str) -> None:
        self.refresh()


class FormSection(QWidget):
    """The settings of one model, the advanced ones folded.

    Signals: none.
    """

    def __init__(self, text: str, rows: list[SettingRow]) -> None:
        super().__init__()
        self.rows = rows
        self.is_open = False
        self._search = ""
        self.fold = QToolButton()
        self.fold.setAutoRaise(True)
        self.fold.setProperty("role", "quiet")
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.clicked.connect(self._on_fold_clicked)
        self._head = ink.heading(text)
        self._grid = QGridLayout(self)
        self._lay_out()
        self.refresh()

    def filter(self, text: str) -> None:
        """Show only what a search finds."""
        self._search = text
        self.refresh()

    def refresh(self) -> None:
        """Show and hide rows."""
        for row in self.rows:
            row.found = row.field.matches(self._search)
            changed = row.state.differs(row.field.key) or row.state.problem(row.field.key)
            told = changed or row.state.reason(row.field.key)
            basic = not row.field.advanced or self.is_open or bool(told)
            row.set_visible(row.found and (basic or bool(self._search)))
        hidden = sum(row.field.advanced for row in self.rows)
        self.fold.setVisible(hidden > 0 and not self._search)
        arrow = Qt.ArrowType.DownArrow if self.is_open else Qt.ArrowType.RightArrow
        self.fold.setArrowType(arrow)
        self.fold.setText("Advanced" if self.is_open else f"Advanced ({hidden})")
        self._head.setVisible(not self._search or any(row.found for row in self.rows))

    def _lay_out(self) -> None:
        grid = self._grid
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self._head, 0, 0, 1, 6)
        rows = sorted(self.rows, key=lambda row: row.field.advanced)
        for index, row in enumerate(rows):
            line = 1 + 3 * index
            for column, widget in enumerate(row.widgets()):
                grid.addWidget(widget, line, column)
            grid.addWidget(row.note, line + 1, 1, 1, 5)
            grid.addWidget(row.why, line + 2, 1, 1, 5)
        grid.addWidget(self.fold, 2 + 3 * len(rows), 0, 1, 6)

    def _on_fold_clicked(self) -> None:
        self.is_open = not self.is_open
        self.refresh()


class SettingRow(QObject):
    """One setting: dot, label, editor, unit, the way back, what is wrong with it, and why it is so.

    Signals: none.
    """

    def __init__(self, state: FormState, field: FormField, form: ConfigForm) -> None:
        super().__init__(form)
        self.state, self.field, self._form = state, field, form
        self.found = True
        self.dot = QLabel()
        self.label = QLabel(field.label)
        self.editor = _editor(field)
        self.unit = ink.QuietLabel(field.unit)
        self.hint = ink.QuietLabel()
        self.back = QToolButton()
        self.note, self.why = ink.QuietLabel(warns=True), ink.QuietLabel()
        self._set_up()
        self.refresh()

    def widgets(self) -> tuple[QWidget, ...]:
        """Return the widgets of the row, left to right."""
        return self.dot, self.label, self.hint, self.editor, self.unit, self.back

    def set_visible(self, visible: bool) -> None:
        """Show or hide the row."""
        for widget in self.widgets():
            widget.setVisible(visible)
        for words in (self.note, self.why):
            words.setVisible(visible and bool(words.text()))

    def refresh(self) -> None:
        """Show the value, the dot, the way back and the problem."""
        key = self.field.key
        _show_value(self.editor, self.state.value(key))
        differs = self.state.differs(key)
        self.dot.setText("●" if differs else "")
        self.dot.setToolTip("Differs from the preset" if differs else "")
        self.back.setText("↺" if differs else "")
        self.back.setEnabled(differs)
        base = setting(self.state.base(key)) or "nothing"
        self.back.setToolTip(f"Reset to {base}" if differs else "As in the preset")
        problem = self.state.problem(key)
        self.note.setText(problem)
        reason = self.state.reason(key)
        self.why.setText(f"Why: {reason}." if reason and not problem else "")
        for words in (self.note, self.why):
            words.setVisible(bool(words.text()) and not self.editor.isHidden())
        self.hint.setText(self.state.hint(key))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Show the help when the editor takes the keyboard; keep the wheel for scrolling."""
        if event is not None and event.type() == QEvent.Type.FocusIn:
            self._form.show_help(self.field)
        if isinstance(event, QWheelEvent):
            event.ignore()
            return True
        return False

    def _set_up(self) -> None:
        field = self.field
        tip = field.help + (f"\n{field.bounds}" if field.bounds else "")
        for widget in (self.label, self.editor):
            widget.setToolTip(tip)
        self.label.setBuddy(self.editor)
        self.editor.setAccessibleName(field.label)
        self.editor.installEventFilter(self)
        self.dot.setFixedWidth(12)
        ink.paint_text(self.dot, self.dot.palette().highlight().color())
        self.unit.setFixedWidth(28)
        self.hint.setWordWrap(False)
        self.back.setAutoRaise(True)
        self.back.setProperty("role", "quiet")
        self.back.setStyleSheet("padding: 0")
        self.back.setFixedWidth(24)
        self.back.setAccessibleName(f"Reset {field.label}")
        self.back.clicked.connect(lambda: self.state.reset(field.key))
        self._listen()

    def _listen(self) -> None:
        key = self.field.key
        if isinstance(self.editor, QCheckBox):
            self.editor.toggled.connect(lambda on: self.state.set(key, on))
        elif isinstance(self.editor, QComboBox):
            self.editor.textActivated.connect(lambda text: self.state.set(key, text))
        elif isinstance(self.editor, QLineEdit):
            self.editor.textEdited.connect(lambda text: self.state.set(key, text.strip()))


def _editor(field: FormField) -> QWidget:
    editor: QWidget
    if field.kind == "switch":
        editor = QCheckBox()
    elif field.kind == "choice":
        editor = QComboBox()
        editor.addItems(field.choices)
    else:
        editor = QLineEdit()
        if field.kind != "text":
            editor.setAlignment(Qt.AlignmentFlag.AlignRight)
    editor.setFixedWidth(_EDITOR_WIDTH)
    return editor


def _show_value(editor: QWidget, value: object) -> None:
    if isinstance(editor, QCheckBox):
        editor.setChecked(bool(value))
    elif isinstance(editor, QComboBox):
        editor.setCurrentText(str(value))
    elif isinstance(editor, QLineEdit) and not _same(editor.text(), value):
        editor.setText(setting(value))
        editor.setCursorPosition(0)


def _same(text: str, value: object) -> bool:
    """Whether a text being typed already says the value: "2e-3" and "0.0020" are not rewritten."""
    if text.strip() == setting(value):
        return True
    try:
        return isinstance(value, int | float) and float(text) == value
    except ValueError:
        return False
