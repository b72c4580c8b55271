"""What the New run dialog shows: images, settings, estimates, command and what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from psygnal import Signal

from tvae_core.config import OPENED_BY, RunConfig
from tvae_core.errors import OutsideError, TvaeError
from tvae_core.images.look import ImageLook
from tvae_core.presets import presets
from tvae_core.runs.costs import model_side
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.preflight import (
    Machine,
    MeasuredSpeed,
    Preflight,
    Problem,
    preflight,
    this_machine,
)
from tvae_core.runs.recommend import Recommendation
from tvae_core.words import count
from tvae_core.work.settings import DEFAULT_PRESET
from tvae_core.work.train import TrainRequest
from tvae_gui.state.config_form import RECOMMENDED, FormState

_PLAIN_NAMES = {"images", "particles", "stack", "data"}
_LOADING_KEYS = tuple(f"data.{name}" for name in OPENED_BY if name != "path")


class NewRunState:
    """A run in the making.

    Signals
    -------
    look_wanted(DataConfig)
        Other images were chosen: someone should look at them and answer with `show_look`.
    look_changed()
        A look came, failed or is awaited.
    checked()
        Estimates, problems, command or place changed.
    """

    look_wanted = Signal(object)
    look_changed = Signal()
    checked = Signal()

    def __init__(
        self,
        folder: Path,
        preset: str = DEFAULT_PRESET,
        machine: Callable[[Path], Machine] = this_machine,
        measured: Callable[[RunConfig], MeasuredSpeed | None] = lambda config: None,
    ) -> None:
        self.form = FormState(preset)
        self.folder = folder
        self.name = free_name(folder, "run")
        self.look: ImageLook | None = None
        self.look_error: TvaeError | None = None
        self.is_looking = False
        self.preflight: Preflight | None = None
        self.recommendation: Recommendation | None = None
        self.is_advising = False
        self._named_by_hand = False
        self._machine, self._measured = machine, measured
        self.form.value_changed.connect(self._on_value_changed)
        self.form.preset_changed.connect(self._on_preset_changed)

    @property
    def run(self) -> Path:
        """The folder of the run to be."""
        return self.folder / self.name

    @property
    def command(self) -> str:
        """The command that does what Start does."""
        return train_command(self.run, self.form)

    @property
    def why_not(self) -> str:
        """Why the run cannot start; empty when it can."""
        if not self.form.data_path:
            return "Choose images first."
        if self.is_looking:
            return "The images are still being read."
        if isinstance(self.look_error, OutsideError):
            return "The table leads to images elsewhere: say whether to read them."
        if self.look_error is not None:
            return "The images cannot be read."
        if self.is_advising and self.form.preset == RECOMMENDED:
            return "Settings are still being chosen from the images."
        if problems := self.form.problems():
            label = self.form.fields[next(iter(problems))].label
            return f"Correct this setting first: {label}."
        return self._place_problem() or self._blocking_words()

    def choose_images(self, path: str) -> None:
        """Take other images."""
        path = os.path.abspath(path) if path else ""
        others = path != self.form.data_path
        self.form.data_path = path
        if others and self.form.config().data.allow_outside:
            self.form.reset("data.allow_outside")  # what is allowed is so of one table
        if not self._named_by_hand and path:
            self.name = free_name(self.folder, name_for(Path(path)))
        self._ask_for_look()

    def start_from(self, config: RunConfig) -> None:
        """Take the images and settings of an earlier run."""
        self.form.choose_preset(DEFAULT_PRESET)
        self.form.choose_config(config)
        self.choose_images(config.data.path)

    def show_look(self, look: ImageLook) -> None:
        """Take the look at the chosen images."""
        self.look, self.look_error, self.is_looking = look, None, False
        self.look_changed.emit()
        self._check()

    def show_recommendation(self, found: Recommendation | None) -> None:
        """Take what is recommended for the images; None where nothing could be."""
        self.recommendation, self.is_advising = found, False
        if found is not None:
            reasons = {choice.key: choice.reason for choice in found.choices}
            self.form.take_recommendation(found.config, found.preset, reasons)
        self._check()

    @property
    def about(self) -> str:
        """What the starting values are, in words."""
        if self.form.preset != RECOMMENDED:
            return next((p.about for p in presets() if p.name == self.form.preset), "")
        found = self.recommendation
        if found is None:
            waiting = "Settings are being chosen from a look at the images …"
            return waiting if self.is_advising else "Settings are chosen once there are images."
        looked_at = count(found.facts.values.looked_at, "image")
        said = [f"Chosen from a look at {looked_at}", *found.notes]
        return f"{'. '.join(s[:1].upper() + s[1:].rstrip('.') for s in said)}."

    def allow_outside(self) -> None:
        """Take the user's word that the table may lead out of its project folder; look again."""
        self.form.set("data.allow_outside", True)

    def show_look_error(self, error: TvaeError) -> None:
        """Take the reason why the images cannot be looked at."""
        self.look, self.look_error, self.is_looking = None, error, False
        self.is_advising = False
        self.look_changed.emit()
        self._check()

    def rename(self, name: str) -> None:
        """Take another name for the run."""
        self._named_by_hand = True
        self.name = name.strip()
        self.checked.emit()

    def move(self, folder: Path) -> None:
        """Take another folder for the run."""
        self.folder = folder
        if not self._named_by_hand:
            self.name = free_name(folder, self.name)
        self._check()

    def mend(self, problem: Problem) -> None:
        """Take the setting that mends a problem."""
        if problem.key:
            for key, value in (*problem.also, (problem.key, problem.value)):
                self.form.set(key, value)

    def _ask_for_look(self) -> None:
        self.look = self.look_error = None
        self.is_looking = self.is_advising = bool(self.form.data_path)
        self.recommendation = None
        self.form.forget_recommendation()
        self.look_changed.emit()
        self._check()
        if self.is_looking:
            self.look_wanted.emit(self.form.config().data)

    def _on_value_changed(self, key: str) -> None:
        if key in _LOADING_KEYS and self.form.data_path:
            self._ask_for_look()
        elif key != "data.path":
            self._check()

    def _on_preset_changed(self, name: str) -> None:
        self._check()

    def _check(self) -> None:
        self.preflight = None
        if self.look is not None:
            config = self.form.config()
            self.preflight = preflight(
                config, self.look, self._machine(self.folder), self._measured(config)
            )
            self._tell_form_the_side(config)
        self.checked.emit()

    def _tell_form_the_side(self, config: RunConfig) -> None:
        look, form = self.look, self.form
        side = model_side(config, look) if look else config.data.downsample_px
        if side != form.image_side:
            form.image_side = side
            form.value_changed.emit("model.kernel_px")
            form.value_changed.emit("model.shift_prior_std_px")

    def _place_problem(self) -> str:
        if not self.name or "/" in self.name or self.name in (".", ".."):
            return "Give the run a name without slashes."
        if RunFolder(self.run).is_used():
            return f"{self.name} already exists: choose another name."
        return ""

    def _blocking_words(self) -> str:
        if self.preflight is None or self.preflight.blocking is None:
            return ""
        return self.preflight.blocking.what


def train_command(run: Path, form: FormState) -> str:
    """Return the shell command of a run with these settings."""
    preset, settings = form.for_command()
    request = TrainRequest(
        folder=run, data=form.data_path or "IMAGES", preset=preset, settings=tuple(settings)
    )
    return request.shell_line()


def name_for(images: Path) -> str:
    """Return a run name for images; "images.npy" and the like are called after their folder."""
    plain = images.stem.lower() in _PLAIN_NAMES
    return (images.parent.name if plain else images.stem) or "run"


def free_name(folder: Path, wanted: str) -> str:
    """Return a name like the one wanted that nothing in the folder has yet."""
    name, number = wanted, 1
    while (folder / name).exists():
        number += 1
        name = f"{wanted}-{number}"
    return name
