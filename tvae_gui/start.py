"""The entry point of `tvae-gui`: says in one line what keeps a window from opening, then opens it.

Qt aborts the process when there is no display or one of its libraries is missing, and names the
wrong library; so both are looked at before Qt is loaded.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

_PACKAGES = ("PyQt6", "pyqtgraph")
_LIBRARIES = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libglib-2.0.so.0": "libglib2.0-0",
}


_ELSEWHERE = (
    "log in with `ssh -X`, start it on a desktop, or draw the window to a file with --screenshot"
)


def main(arguments: list[str] | None = None) -> int:
    """Open the window, or say why it cannot be opened; return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    problem = missing_packages() or missing_display(words) or missing_libraries(words)
    if problem:
        print(f"tvae-gui: error: {problem}", file=sys.stderr)  # noqa: T201
        return 3
    from tvae_gui import app

    return app.main(arguments)


def missing_packages() -> str:
    """Return which packages of the window are not installed and how to get them, or nothing."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return f"the window needs {' and '.join(missing)} (pip install 'target-vae[gui]')"


def missing_display(words: list[str]) -> str:
    """Return that there is no display, where the window would need one, or nothing."""
    if not sys.platform.startswith("linux") or _needs_none(words):
        return ""
    asked, x, wayland = (
        os.environ.get(name, "") for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")
    )
    if asked and not asked.startswith("xcb"):
        return _missing_platform(asked)
    if not (x or wayland or asked):
        return f"there is no display ({_ELSEWHERE})"
    if not wayland and not _answers():
        return f"the display {x or 'of X'} does not answer ({_ELSEWHERE})"
    return ""


def _missing_platform(asked: str) -> str:
    """Return that Qt has no such platform as QT_QPA_PLATFORM asks for, or nothing."""
    folder, name = _platforms(), asked.partition(":")[0]
    if not folder.is_dir() or (folder / f"libq{name}.so").exists():
        return ""
    known = ", ".join(sorted(path.name[4:-3] for path in folder.glob("libq*.so")))
    return f"Qt has no platform {name!r} (set QT_QPA_PLATFORM to one of {known}, or unset it)"


def _answers() -> bool:
    """Return whether the X display lets this process in; True where that cannot be asked."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True  # said with the other libraries that are missing
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed


def missing_libraries(words: list[str]) -> str:
    """Return the Debian packages of the libraries that Qt's plugin cannot find, or nothing."""
    if not sys.platform.startswith("linux") or {"-h", "--help"} & set(words):
        return ""
    plugin = "libqxcb.so" if os.environ.get("DISPLAY") else "libqoffscreen.so"
    path = _platforms() / plugin
    if not path.exists():
        return ""
    missing = [name for name in _not_found(path) if name in _LIBRARIES]
    if not missing:
        return ""
    packages = " ".join(sorted({_LIBRARIES[name] for name in missing}))
    return f"Qt cannot find {', '.join(missing)} (sudo apt-get install {packages})"


def _platforms() -> Path:
    spec = importlib.util.find_spec("PyQt6")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    return folder / "Qt6" / "plugins" / "platforms"


def _needs_none(words: list[str]) -> bool:
    return any(word in ("-h", "--help") or word.startswith("--screenshot") for word in words)


def _not_found(library: Path) -> list[str]:
    """Return the libraries that `ldd` does not find for another; none where there is no `ldd`."""
    try:
        done = subprocess.run(["ldd", library], capture_output=True, text=True, check=False)
    except OSError:
        return []
    return [line.split()[0] for line in done.stdout.splitlines() if "not found" in line]
