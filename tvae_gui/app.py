"""`tvae-gui [ANYTHING ...]`: the explorer's window."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from PyQt6.QtCore import QLocale, QSize, Qt, QTimer
from PyQt6.QtWidgets import QApplication

from tvae_core.words import use_decimal_comma
from tvae_gui import theme
from tvae_gui.main_window import MainWindow
from tvae_gui.session.desk import Desk
from tvae_gui.session.recent import Recent


def main(arguments: list[str] | None = None) -> int:
    """Run the window, or draw it to a file; return the exit code."""
    options = _parser().parse_args(arguments)
    if options.screenshot:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    app = make_application(options.theme or "system")
    recent = Recent()
    if options.reset:
        recent.clear()
        Desk(recent.folder).clear()
    window = MainWindow(recent=recent)
    sys.excepthook = window.messages.catch
    window.resize(options.size)
    chosen = options.theme or window.desk.get("theme") or "system"
    window.apply_theme(chosen)
    hints = app.styleHints()
    if hints is not None:
        hints.colorSchemeChanged.connect(lambda _: window.follow_system())
    window.show()
    if options.path:
        QTimer.singleShot(0, lambda: window.open(*options.path))
    if options.screenshot:
        return _draw(app, window, Path(options.screenshot))
    return app.exec()


def make_application(chosen: str = "system") -> QApplication:
    """Return the application, dressed."""
    import pyqtgraph as pg

    pg.setConfigOptions(imageAxisOrder="row-major", useOpenGL=False, antialias=False)
    QApplication.setHighDpiScaleFactorRoundingPolicy(
        Qt.HighDpiScaleFactorRoundingPolicy.PassThrough
    )
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    app.setApplicationName("TARGET-VAE")
    app.setDesktopFileName("tvae-gui")
    theme.apply_theme(app, theme.named_theme(chosen))
    use_decimal_comma(QLocale().decimalPoint() == ",")
    return app


def _draw(app: QApplication, window: MainWindow, target: Path) -> int:
    """Draw the window once it has settled, and leave."""
    result = []

    def grab() -> None:
        if window.is_busy and len(waits) < 600:
            waits.append(0)
            QTimer.singleShot(50, grab)
            return
        result.append(window.grab().save(str(target)))
        window.close()
        app.quit()

    waits: list[int] = []
    QTimer.singleShot(400, grab)
    app.exec()
    print(f"screenshot written to {target}")  # noqa: T201 - the answer to --screenshot
    return 0 if result and result[0] else 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tvae-gui", description="Explore a TARGET-VAE run.")
    what = "a store, a run, a folder of runs, images of any kind, a table or a micrograph"
    parser.add_argument("path", nargs="*", type=Path, help=what)
    parser.add_argument("--screenshot", metavar="OUT.png", help="draw the window there and exit")
    parser.add_argument("--size", type=_size, default=QSize(1280, 800), help="as 1280x800")
    parser.add_argument("--theme", choices=("system", "light", "dark"))
    parser.add_argument("--reset", action="store_true", help="forget recent runs and settings")
    return parser


def _size(text: str) -> QSize:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 200 and int(height) >= 200):
        raise argparse.ArgumentTypeError("write WIDTHxHEIGHT, each 200 or more")
    return QSize(int(width), int(height))


if __name__ == "__main__":
    sys.exit(main())
