"""The entry point of `tvae-gui`: says in one line what keeps a window from opening, then opens it.

Qt aborts the process when there is no display or one of its libraries is missing, and names the
wrong library; so both are looked at before Qt is loaded.
"""

from __future__ import annotations

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
    shown = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
    if shown or not sys.platform.startswith("linux") or _needs_none(words):
        return ""
    return (
        "there is no display (log in with `ssh -X`, start it on a desktop, or draw the window to "
        "a file with --screenshot)"
    )


def missing_libraries(words: list[str]) -> str:
    """Return the Debian packages of the libraries that Qt's plugin cannot find, or nothing."""
    if not sys.platform.startswith("linux") or {"-h", "--help"} & set(words):
        return ""
    plugin = "libqxcb.so" if os.environ.get("DISPLAY") else "libqoffscreen.so"
    spec = importlib.util.find_spec("PyQt6")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    path = folder / "Qt6" / "plugins" / "platforms" / plugin
    if not path.exists():
        return ""
    missing = [name for name in _not_found(path) if name in _LIBRARIES]
    if not missing:
        return ""
    packages = " ".join(sorted({_LIBRARIES[name] for name in missing}))
    return f"Qt cannot find {', '.join(missing)} (sudo apt-get install {packages})"


def _needs_none(words: list[str]) -> bool:
    return any(word in ("-h", "--help") or word.startswith("--screenshot") for word in words)


def _not_found(library: Path) -> list[str]:
    """Return the libraries that `ldd` does not find for another; none where there is no `ldd`."""
    try:
        done = subprocess.run(["ldd", library], capture_output=True, text=True, check=False)
    except OSError:
        return []
    return [line.split()[0] for line in done.stdout.splitlines() if "not found" in line]
