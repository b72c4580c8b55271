"""Paths: the line on the plane, the playhead that the probe follows, and saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QFileDialog

from tvae_core.export.movies import export_gif, export_mp4, why_no_mp4
from tvae_core.export.stacks import export_images
from tvae_core.export.tables import export_table
from tvae_core.export.target import Exported
from tvae_core.planes import NEIGHBOURS, to_z
from tvae_core.progress import Cancel
from tvae_core.words import count
from tvae_core.work.request import Progress
from tvae_gui.context import Context
from tvae_gui.plane.path_bar import PathBar
from tvae_gui.plane.plane_view import PlaneView
from tvae_gui.state.path_state import PathState

Array = NDArray[Any]
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
        state = self._state
        assert state.shown is not None
        assert state.store is not None
        assert state.probe is not None
        held, made = state.probe.z, []
        for place in self._path.places():
            near = state.index.nearest(float(place[0]), float(place[1]), NEIGHBOURS)
            made.append(to_z(state.shown, state.store, place, held, near))
        return np.stack(made)

    def ask_save(self, kind: str) -> None:
        """Ask where to save the path."""
        suffix = "" if kind == "png" else f".{kind}"
        name, _ = QFileDialog.getSaveFileName(self._window, "Save the path", f"path{suffix}")
        if name:
            self.save(kind, Path(name).with_suffix(suffix))

    def save(self, kind: str, target: Path) -> None:
        """Save the path as gif, mp4, png (a folder), mrcs or csv in the background."""
        z = self.z_list()
        places, decode = self._path.places(), self._decoder.decode_all(self._state.options.grid)
        bounce = self._path.mode == "back and forth"
        rate = self._path.frames_per_second * self._speed
        contrast = self._tones.contrast

        def work(progress: Progress, cancelled: Cancel) -> Any:
            if kind == "csv":
                columns = {"x": places[:, 0], "y": places[:, 1]}
                columns |= {f"z{d + 1}": z[:, d] for d in range(z.shape[1])}
                return export_table(columns, target, overwrite=True)
            images = decode(z, cancelled)
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
