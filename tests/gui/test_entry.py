"""Starting the window where it cannot be opened: one line, exit 3, no abort."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tvae_gui import start


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    hidden = {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


MAIN = "import sys; from tvae_gui.start import main; sys.exit(main({words}))"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are Linux's")
def test_without_a_display_it_says_so_in_one_line() -> None:
    done = run(MAIN.format(words=[]))
    assert done.returncode == 3
    assert done.stderr.startswith("tvae-gui: error: there is no display")
    assert done.stderr.count("\n") == 1


def test_help_needs_no_display() -> None:
    done = run(MAIN.format(words=["--help"]))
    assert done.returncode == 0
    assert "usage: tvae-gui" in done.stdout


def test_a_missing_package_is_named_with_its_remedy() -> None:
    hide = "import sys; sys.modules['PyQt6'] = None; "
    done = run(hide + MAIN.format(words=[]))
    assert done.returncode == 3
    assert "pip install 'target-vae[gui]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_missing_libraries_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_not_found", lambda _: ["libEGL.so.1", "libmine.so"])
    found = start.missing_libraries([])
    assert found == "Qt cannot find libEGL.so.1 (sudo apt-get install libegl1)"


def test_ldd_tells_what_is_not_found() -> None:
    assert start._not_found(Path(sys.executable)) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X is asked on Linux")
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DISPLAY", ":987", "the display :987 does not answer"),
        ("DISPLAY", "nowhere.invalid:0", "does not answer"),
        ("QT_QPA_PLATFORM", "xcb", "does not answer"),
        ("QT_QPA_PLATFORM", "paper", "Qt has no platform 'paper'"),
    ],
)
def test_a_display_that_does_not_answer_is_one_line_and_no_abort(
    name: str, value: str, said: str
) -> None:
    done = run(MAIN.format(words=[]), **{name: value})
    assert done.returncode == 3
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
