"""Starting: quick, and with nothing heavy in tow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tvae_gui.jobs.picture_job import Thumbnails
from tvae_gui.main_window import MainWindow

_HEAVY = [
    "torch",
    "escnn",
    "umap",
    "sklearn",
    "scipy",
    "matplotlib",
    "mrcfile",
    "tifffile",
    "PIL",
    "pandas",
    "numba",
]
_SCRIPT = """
import sys
from tvae_gui.app import make_application
from tvae_gui.main_window import MainWindow
from tvae_gui.session.recent import Recent
from pathlib import Path
app = make_application()
window = MainWindow(recent=Recent(Path(sys.argv[1])), runs_folder=Path(sys.argv[1]))
window.show()
app.processEvents()
print(*[name for name in sys.argv[2:] if name in sys.modules])
window.close()
"""


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=60, env=environment
    )


def test_the_first_window_needs_no_heavy_module(tmp_path: Path) -> None:
    done = _run("-c", _SCRIPT, str(tmp_path), *_HEAVY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_the_window_is_drawn_to_a_file_without_a_display(hinge_store: Path, tmp_path: Path) -> None:
    picture = tmp_path / "window.png"
    done = _run(
        "-m", "tvae_gui.app", str(hinge_store), "--screenshot", str(picture), "--size", "1000x700"
    )
    assert done.returncode == 0, done.stderr
    with Image.open(picture) as image:
        assert image.size == (1000, 700)


@pytest.mark.parametrize("size", ["big", "10", "0x0"])
def test_a_size_that_is_none_is_refused_in_one_line(size: str, tmp_path: Path) -> None:
    done = _run("-m", "tvae_gui.app", "--screenshot", str(tmp_path / "a.png"), "--size", size)
    assert done.returncode == 2
    assert "WIDTHxHEIGHT" in done.stderr


def test_images_that_come_late_are_not_drawn_where_none_are_shown(window: MainWindow) -> None:
    window.plane.fit()  # everything in view: too many for images
    few = np.arange(3)
    late = Thumbnails(few, np.zeros((3, 8, 8), np.uint8))
    window.plane_presenter.on_thumbnails(late)
    assert not len(window.plane.thumbnails.shown)
