"""`tvae open PATH ...`: what it is, and how one goes on; in the window where there is a display."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from tvae_core.cli.reporting import tell
from tvae_core.runs.recognise import Recognised, what_are


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae open`."""
    parser.epilog = (
        "A store, a run (also running, stopped or broken), a folder of runs, images of any kind, a "
        "table, or a micrograph. Without a display the next command is printed."
    )
    parser.add_argument("path", nargs="+", type=Path, help="anything")
    parser.add_argument("--print", action="store_true", help="print what it is, open no window")


def run(arguments: argparse.Namespace) -> int:
    """Tell what it is, and open the window; exit status 2 where nothing can be done with it."""
    found = what_are(arguments.path)
    lines = [f"{found.path}: {found.words}"]
    if found.command:
        lines.append(f"go on with: {found.command}")
    facts = {
        "path": str(found.path),
        "kind": found.kind.value,
        "what": found.words,
        "command": found.command,
        "store": None if found.store is None else str(found.store),
        "error": None if found.error is None else str(found.error),
        "others": [str(path) for path in found.others],
    }
    tell(arguments, facts, *lines)
    if found.error is not None:
        sys.stderr.write(f"tvae: error: {found.error}\n")
        return found.error.exit_code
    if not (arguments.print or arguments.json) and may_show():
        show(found)
    return 0


def may_show() -> bool:
    """Return whether there is a display, and the window is installed."""
    if any(importlib.util.find_spec(name) is None for name in ("PyQt6", "pyqtgraph", "tvae_gui")):
        return False
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def show(found: Recognised) -> None:
    """Start the window on what was found, as a process of its own."""
    paths = [str(path) for path in dict.fromkeys((found.path, *found.others))]
    code = "import sys; from tvae_gui.start import main; sys.exit(main(sys.argv[1:]))"
    subprocess.Popen([sys.executable, "-c", code, *paths], start_new_session=True)
