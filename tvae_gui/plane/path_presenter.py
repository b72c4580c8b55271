"""Paths: the line on the plane, the playhead that the probe follows, and saving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QFileDialog

from tvae_core.export.movies import export_gif, export_mp4, export_strip, why_no_mp4
from tvae_core.export.stacks import export_images
from tvae_core.export.tables import export_table
from tvae_core.export.target import Exported
from tvae_core.progress import Cancel
from tvae_core.words import count
from tvae_core.work.request import Progress
from tvae_gui.context import Context
from tvae_gui.plane.path_bar import PathBar
from tvae_gui.plane.plane_view import PlaneView
from tvae_gui.state.path_state import FRAMES, PathState
from tvae_gui.state.walk import PATH, walk

Array = NDArray[Any]
STRIP = 11  # frames of a strip, as wide as a page
MOVIES = {"gif": (export_gif, 256), "mp4": (export_mp4, 512)}  # and the least side in pixels


class PathPresenter:
    """Shows and plays the path."""

    def __init__(self, context: Context, path: PathState, plane: PlaneView, bar: PathBar) -> None:
        self._window, self._state = context.window, context.state
        self._path, self._plane, self._bar = path, plane, bar
        self._tones, self._decoder = context.tones, context.decoder
        self._jobs, self._messages = context.jobs, context.messages
        self._timer = QTimer(context.window)
        self._timer.timeout.connect(path.step)
        self._speed = 1.0
        bar.set_reason("mp4", why_no_mp4())

    def show(self) -> None:
        """Show the path, and play it when it is to be played."""
        path = self._path
        line = path.places() if path.exists else np.empty((0, 2))
        self._plane.path.put(line, path.anchors, path.head)
        self._show_bar()
        if path.playing and not self._timer.isActive():
            self._timer.start(round(1000 / (path.frames_per_second * self._speed)))
        elif not path.playing:
            self._timer.stop()

    def show_head(self) -> None:
        """Move the playhead, and the probe with it."""
        path = self._path
        head = path.head
        if head is not None:
            self._plane.path.put(path.places(), path.anchors, head)
            self._state.move_probe(*head)
        self._show_bar()

    def begin(self) -> None:
        """Put the probe on the first frame of a path that has just been made."""
        if self._path.exists:
            self._path.go_to(0)

    def _show_bar(self) -> None:
        path = self._path
        self._bar.show_path(path.exists, len(path.anchors), path.frame, path.frames, path.playing)

    def set_speed(self, times: float) -> None:
        """Play faster or slower."""
        self._speed = times
        if self._timer.isActive():
            self._timer.start(round(1000 / (self._path.frames_per_second * times)))

    def set_mode(self, mode: Any) -> None:
        """Play once, in a loop, or back and forth."""
        self._path.mode = mode

    def z_list(self) -> Array:
        """Return the z of every frame, (frames, D)."""
        return walk(self._state, self._path, PATH, self._path.frames)

    def ask_save(self, kind: str) -> None:
        """Ask where to save the path."""
        target = self._ask_target(kind, "path")
        if target is not None:
            self.save(kind, target)

    def ask_save_walk(self, kind: str, z_of: Callable[[int], Array]) -> None:
        """Ask where to save a walk whose z (n, D) of n frames `z_of` gives."""
        target = self._ask_target(kind, "walk")
        if target is not None:
            self.save_frames(kind, target, z_of(STRIP if kind == "strip" else FRAMES), {})

    def _ask_target(self, kind: str, stem: str) -> Path | None:
        suffix = {"png": "", "strip": ".png"}.get(kind, f".{kind}")
        name, _ = QFileDialog.getSaveFileName(self._window, f"Save the {stem}", f"{stem}{suffix}")
        return Path(name).with_suffix(suffix) if name else None

    def save(self, kind: str, target: Path) -> None:
        """Save the path as gif, mp4, strip, png (a folder), mrcs or csv in the background."""
        if kind == "strip":
            self.save_frames(kind, target, walk(self._state, self._path, PATH, STRIP), {})
            return
        places = self._path.places()
        self.save_frames(kind, target, self.z_list(), {"x": places[:, 0], "y": places[:, 1]})

    def save_frames(self, kind: str, target: Path, z: Array, columns: dict[str, Array]) -> None:
        """Save frames z (n, D) as a kind of file; a table has also `columns` (n,)."""
        decode = self._decoder.decode_all(self._state.options.grid)
        bounce = self._path.mode == "back and forth"
        rate = self._path.frames_per_second * self._speed
        contrast = self._tones.contrast

        def work(progress: Progress, cancelled: Cancel) -> Any:
            if kind == "csv":
                table = columns | {f"z{d + 1}": z[:, d] for d in range(z.shape[1])}
                return export_table(table, target, overwrite=True)
            images = decode(z, cancelled)
            if kind == "strip":
                return export_strip(images, target, contrast, overwrite=True)
            if kind in MOVIES:
                write, least = MOVIES[kind]
                return write(
                    images, target, frames_per_second=rate, grey_range=contrast,
                    enlarge=max(1, least // images.shape[1]), there_and_back=bounce, overwrite=True,
                )  # fmt: skip
            source = _Frames(images)
            return export_images(
                source, np.arange(len(images)), target, grey_range=contrast, overwrite=True
            )

        self._jobs.run(f"saving {target.name}", work, self._on_saved, self._messages.error)

    def _on_saved(self, done: Exported) -> None:
        words = f"{count(done.count, 'frame')} → {done.path}, verified"
        self._messages.notice(words)


class _Frames:
    """Decoded frames as a source of images."""

    def __init__(self, images: Array) -> None:
        self._images = images

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(self._images[indices], dtype=np.float32)
