"""The window: views and jobs put together. `MainWindow._connect` is the only wiring diagram."""

from tvae_gui.main_window.window import MainWindow

__all__ = ["MainWindow"]
