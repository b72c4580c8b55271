"""Light and dark, one accent, an 8-pixel grid, two sizes of type."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PyQt6.QtWidgets import QApplication, QWidget

from tvae_core.shipped import shipped

GRID = 8
TEXT_PX, SMALL_PX = 13, 11


@dataclass(frozen=True)
class Theme:
    """The colours of the window, as `#rrggbb`."""

    dark: bool
    window: str
    panel: str
    plane: str
    text: str
    muted: str
    line: str
    control: str
    hover: str
    accent: str
    on_accent: str


DARK = Theme(
    True, "#16171a", "#1d1e22", "#0e0f11", "#e9eaec", "#969aa3", "#2a2c31", "#292b30", "#34373d",
    "#ff5c93", "#1a0a10",
)  # fmt: skip
LIGHT = Theme(
    False, "#f3f3f1", "#fafaf9", "#ffffff", "#1c1d20", "#686c74", "#dfe0e1", "#e9e9e8", "#dededd",
    "#cf1f66", "#ffffff",
)  # fmt: skip

_current = DARK


def theme() -> Theme:
    """Return the theme in use."""
    return _current


def system_theme() -> Theme:
    """Return light or dark, as the system asks."""
    hints = QGuiApplication.styleHints()
    light = hints is not None and hints.colorScheme() == Qt.ColorScheme.Light
    return LIGHT if light else DARK


def named_theme(name: str) -> Theme:
    """Return `light`, `dark`, or what the system asks for."""
    return {"light": LIGHT, "dark": DARK}.get(name) or system_theme()


def apply_theme(app: QApplication, chosen: Theme) -> None:
    """Dress the application."""
    global _current
    _current = chosen
    app.setStyle("Fusion")
    app.setPalette(_palette(chosen))
    app.setStyleSheet(_stylesheet(chosen))


def colour(name: str, alpha: int = 255) -> QColor:
    """Return a colour of the theme in use, or `#rrggbb`, with an opacity of 0..255."""
    found = QColor(getattr(_current, name) if not name.startswith("#") else name)
    found.setAlpha(alpha)
    return found


def font(size_px: int = TEXT_PX, strong: bool = False) -> QFont:
    """Return the system font at one of the two sizes and weights, its digits of one width."""
    made = QFont(QApplication.font())
    made.setPixelSize(size_px)
    made.setWeight(QFont.Weight.DemiBold if strong else QFont.Weight.Normal)
    made.setFeature(QFont.Tag("tnum"), 1)
    return made


def set_role(widget: QWidget, role: str) -> None:
    """Give a widget one of the looks of the style sheet: title, muted, small, primary, chip ..."""
    widget.setProperty("role", role)


def _palette(t: Theme) -> QPalette:
    made = QPalette()
    roles = QPalette.ColorRole
    pairs = {
        roles.Window: t.window, roles.WindowText: t.text, roles.Base: t.panel,
        roles.AlternateBase: t.control, roles.Text: t.text, roles.Button: t.control,
        roles.ButtonText: t.text, roles.ToolTipBase: t.panel, roles.ToolTipText: t.text,
        roles.Highlight: t.accent, roles.HighlightedText: t.on_accent,
        roles.PlaceholderText: t.muted, roles.Link: t.accent, roles.Mid: t.line,
        roles.Dark: t.line, roles.Light: t.hover, roles.Midlight: t.hover, roles.Shadow: t.line,
    }  # fmt: skip
    for role, value in pairs.items():
        made.setColor(role, QColor(value))
    disabled = QPalette.ColorGroup.Disabled
    for role in (roles.Text, roles.ButtonText, roles.WindowText):
        faint = QColor(t.muted)
        faint.setAlpha(150)
        made.setColor(disabled, role, faint)
    return made


def _stylesheet(t: Theme) -> str:
    return _frame_style(t) + _field_style(t) + _box_style(t)


def _frame_style(t: Theme) -> str:
    return f"""
* {{ font-size: {TEXT_PX}px; outline: none; }}
QMainWindow, QDialog {{ background: {t.window}; }}
QMenuBar {{ background: {t.window}; padding: 2px 8px; }}
QMenuBar::item {{ padding: 4px 8px; border-radius: 4px; background: transparent;
  color: {t.muted}; }}
QMenuBar::item:selected {{ background: {t.hover}; color: {t.text}; }}
QMenu {{ background: {t.panel}; border: 1px solid {t.line}; padding: 4px; }}
QMenu::item {{ padding: 6px 24px 6px 16px; border-radius: 4px; }}
QMenu::item:selected {{ background: {t.hover}; color: {t.text}; }}
QMenu::item:disabled {{ color: {t.muted}; }}
QMenu::separator {{ height: 1px; background: {t.line}; margin: 4px 8px; }}
QToolTip {{ background: {t.panel}; color: {t.text}; border: 1px solid {t.line}; padding: 4px; }}
QLabel[role="title"] {{ font-size: {SMALL_PX}px; font-weight: 600; color: {t.muted}; }}
QLabel[role="muted"] {{ font-size: {SMALL_PX}px; color: {t.muted}; }}
QLabel[role="small"] {{ font-size: {SMALL_PX}px; }}
QLabel[role="strong"] {{ font-weight: 600; }}
QLabel[role="accent"] {{ font-size: {SMALL_PX}px; font-weight: 600; color: {t.accent}; }}
QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
QPushButton, QToolButton {{ background: {t.control}; border: none; border-radius: 6px;
  padding: 6px 12px; color: {t.text}; }}
QToolButton {{ padding: 5px 8px; }}
QPushButton:hover, QToolButton:hover {{ background: {t.hover}; }}
QPushButton:focus, QToolButton:focus {{ border: 1px solid {t.muted}; padding: 5px 11px; }}
QToolButton:focus {{ padding: 4px 7px; }}
QPushButton:disabled, QToolButton:disabled {{ color: {t.muted}; background: transparent; }}
QPushButton[role="primary"] {{ background: {t.accent}; color: {t.on_accent}; font-weight: 600; }}
QPushButton[role="primary"]:disabled {{ background: {t.control}; color: {t.muted}; }}
QPushButton[role="quiet"], QToolButton[role="quiet"] {{ background: transparent; }}
QPushButton[role="quiet"]:hover, QToolButton[role="quiet"]:hover {{ background: {t.hover}; }}
QPushButton[role="find"] {{ color: {t.muted}; text-align: left; padding: 6px 12px; }}
QToolButton[role="quiet"]:checked {{ background: {t.hover}; color: {t.accent}; }}
QToolButton:checked {{ background: {t.hover}; color: {t.accent}; }}
"""


def _field_style(t: Theme) -> str:
    mood = "dark" if t.dark else "light"
    icons = shipped("icons").as_posix()
    faint = "rgba(255,255,255,22)" if t.dark else "rgba(0,0,0,22)"
    return f"""
QComboBox {{ background: {t.control}; border: none; border-radius: 6px; padding: 5px 8px; }}
QComboBox:hover {{ background: {t.hover}; }}
QComboBox:focus {{ border: 1px solid {t.muted}; padding: 4px 7px; }}
QComboBox::drop-down {{ border: none; width: 20px; }}
QComboBox::down-arrow {{ image: url({icons}/chevron-{mood}.svg); width: 12px; height: 12px; }}
QComboBox QAbstractItemView {{ background: {t.panel}; border: 1px solid {t.line};
  selection-background-color: {t.hover}; selection-color: {t.text}; padding: 4px; }}
QLineEdit, QSpinBox, QDoubleSpinBox, QPlainTextEdit {{ background: {t.control}; border: none;
  border-radius: 6px; padding: 5px 8px; selection-background-color: {t.accent};
  selection-color: {t.on_accent}; }}
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus {{ border: 1px solid {t.muted};
  padding: 4px 7px; }}
QListView, QTableView, QTreeView {{ background: transparent; border: none;
  selection-background-color: {t.hover}; selection-color: {t.text}; }}
QListView::item, QTableView::item {{ padding: 4px; border-radius: 4px; }}
QListView::item:hover {{ background: {faint}; }}
QListView::item:selected {{ background: {t.hover}; color: {t.text}; }}
QHeaderView, QTableCornerButton::section {{ background: transparent; border: none; }}
QHeaderView::section {{ background: transparent; border: none; color: {t.muted};
  font-size: {SMALL_PX}px; padding: 4px; }}
QScrollArea, QScrollArea > QWidget > QWidget {{ background: transparent; border: none; }}
QScrollBar:vertical {{ background: transparent; width: 8px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 8px; margin: 0; }}
QScrollBar::handle {{ background: {t.hover}; border-radius: 4px; min-height: 24px;
  min-width: 24px; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{
  background: none; border: none; width: 0; height: 0; }}
QSlider::groove:horizontal {{ height: 2px; background: {t.hover}; border-radius: 1px; }}
QSlider::sub-page:horizontal {{ background: {t.muted}; border-radius: 1px; }}
QSlider::handle:horizontal {{ background: {t.text}; width: 12px; height: 12px; margin: -5px 0;
  border-radius: 6px; }}
QSlider::handle:horizontal:hover, QSlider::handle:horizontal:focus {{ background: {t.accent}; }}
QSlider::handle:horizontal:disabled, QSlider::sub-page:horizontal:disabled {{
  background: {t.hover}; }}
QProgressBar {{ background: {t.control}; border: none; border-radius: 3px; height: 6px;
  text-align: center; color: transparent; }}
QProgressBar::chunk {{ background: {t.accent}; border-radius: 3px; }}
QSplitter::handle, QMainWindow::separator {{ background: transparent; }}
QMainWindow::separator {{ width: 8px; height: 8px; }}
QMainWindow::separator:hover {{ background: {t.hover}; }}
QDockWidget {{ color: {t.muted}; font-size: {SMALL_PX}px; }}
QDockWidget::title {{ background: transparent; padding: 2px 4px; text-align: left; }}
QTabBar::tab {{ background: transparent; border: none; padding: 4px 10px; color: {t.muted}; }}
QTabBar::tab:selected {{ color: {t.text}; border-bottom: 2px solid {t.accent}; }}
QTabBar::tab:hover {{ color: {t.text}; }}
#panel {{ background: {t.panel}; border-radius: 8px; }}
#messageBar {{ background: {t.hover}; border-radius: 8px; }}
#palette {{ background: {t.panel}; border: 1px solid {t.hover}; border-radius: 10px; }}
#card {{ background: {t.panel}; border: 1px solid {t.line}; border-radius: 8px; }}
"""


def _box_style(t: Theme) -> str:
    mood, icons = "dark" if t.dark else "light", shipped("icons").as_posix()
    return f"""
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ background: transparent;
  border: none; width: 18px; }}
QAbstractSpinBox::up-arrow {{ image: url({icons}/chevron-up-{mood}.svg); width: 9px; height: 9px; }}
QAbstractSpinBox::down-arrow {{ image: url({icons}/chevron-{mood}.svg); width: 9px; height: 9px; }}
QCheckBox, QRadioButton {{ spacing: 8px; font-size: {SMALL_PX}px; }}
QCheckBox::indicator {{ width: 14px; height: 14px; border-radius: 4px; background: {t.control}; }}
QCheckBox::indicator:hover {{ background: {t.hover}; }}
QCheckBox::indicator:checked {{ background: {t.accent}; image: url({icons}/check-{mood}.svg); }}
QCheckBox:disabled {{ color: {t.muted}; }}
"""
