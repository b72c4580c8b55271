"""Settings for a set of images, each with its reason in words, from a look at the images.

`recommend` measures the images (`tvae_core.images.facts`), decides, and gives a configuration and
the choices in which it differs from the preset it starts from. A setting that the user gave always
wins, and what depends on it follows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tvae_core import words
from tvae_core.config import OPENED_BY, DataConfig, RunConfig, parse_config
from tvae_core.errors import ConfigError
from tvae_core.files import write_text
from tvae_core.images.boxes import CHANGE_BOX
from tvae_core.images.facts import ImageFacts, drawn, measure
from tvae_core.images.look import ImageLook, look_at
from tvae_core.images.opening import open_data
from tvae_core.images.prepared import PreparedStack
from tvae_core.images.stack import ImageStack
from tvae_core.images.values import settled
from tvae_core.presets import load_preset
from tvae_core.progress import Chosen
from tvae_core.runs.costs import model_side, training_images
from tvae_core.runs.preflight import Machine, Problem, other_problems, seconds_of, this_machine

SIDE = 32  # px: the best single advice on every set tried
_PASSES = 60_000  # images seen: more gains little on the sets tried
_LONGEST_S = 900.0
_FEWEST_EPOCHS = 6
_MOST_EPOCHS = 200
_MANY_IMAGES = 1000  # from here on classes are told apart better by more dimensions of z
_FEW_COMPONENTS, _MANY_COMPONENTS = 4, 12  # of what differs between objects: plane, 8 or 16
_LARGE_Z, _LARGEST_Z, _NOISY_Z = 8, 16, 4
_UPRIGHT_RAD = 0.3  # digits and letters lean by less; 0.5 lets a model turn one into another
_NOISE_IMAGES = 256
_DECIDE = {"crop_px", *OPENED_BY} - {"path"}
STARTS = ("fast-particles", "fast-cpu", "fast-cells")  # the presets that a choice changes
DECIDES = frozenset(
    {
        "data.bad_pixels", "data.channel", "data.phase_flip", "data.invert", "data.crop_px",
        "data.fit", "data.side_px", "data.pick", "data.box_px",
        "data.downsample_px", "data.mask", "data.normalise", "model.likelihood",
        "model.noise_std", "model.kernel_px", "model.shift_prior_std_px", "model.rotation_prior",
        "model.rotation_prior_std_rad", "model.z_dim", "train.content_start", "train.epochs",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """One setting as `section.name`, its value, and why, in words."""

    key: str
    value: Any
    reason: str

    @property
    def line(self) -> str:
        """The choice as the command line takes it, with its reason."""
        return f"{self.key}={words_of(self.value)}: {self.reason}"


@dataclass(frozen=True)
class Recommendation:
    """A configuration, and why.

    Attributes
    ----------
    config : RunConfig
        With what the user gave taken in.
    preset : str
        The preset that the choices change; its reason is the first of `notes`.
    choices : tuple of Choice
        What was decided, without what the user gave; some agree with the preset.
    notes : tuple of str
        What else a person should know of these images.
    facts : ImageFacts
        What the choices rest on.
    remarks : tuple of str
        Oddities of the files, one line each.
    problems : tuple of Problem
        What speaks against a run with these settings, the refusals first.
    seconds : float or None
        What the training will take on this machine, None where that is not known.
    """

    config: RunConfig
    preset: str
    choices: tuple[Choice, ...]
    notes: tuple[str, ...]
    facts: ImageFacts
    seconds: float | None
    remarks: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def reason(self, key: str) -> str:
        """Return why `section.name` was chosen so, empty where nothing was decided."""
        return next((choice.reason for choice in self.choices if choice.key == key), "")

    @property
    def settings(self) -> tuple[str, ...]:
        """The choices as `--set` takes them."""
        return tuple(f"{choice.key}={words_of(choice.value)}" for choice in self.choices)

    def lines(self) -> list[str]:
        """Return the recommendation as a person reads it: a line a choice, then the notes."""
        about = f"settings chosen from a look at {self.looked_at}"
        return [
            f"{about}, starting from {self.preset}",
            *(choice.line for choice in self.choices),
            *self.notes,
        ]

    @property
    def looked_at(self) -> str:
        """How many images were looked at, in words."""
        return words.count(self.facts.values.looked_at, "image")

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def records(self) -> Iterator[Chosen]:
        """Return the same lines as records of progress."""
        first, *_ = self.lines()
        yield Chosen("", "", first)
        for choice in self.choices:
            yield Chosen(choice.key, words_of(choice.value), choice.reason)
        for note in self.notes:
            yield Chosen("", "", note)

    def save(self, path: Path) -> None:
        """Write it as JSON, atomically."""
        write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "preset": self.preset,
            "choices": [{"key": c.key, "value": c.value, "reason": c.reason} for c in self.choices],
            "notes": list(self.notes),
            "seconds": self.seconds,
            "config": self.config.model_dump(),
        }


def words_of(value: Any) -> str:
    """Return a value as the command line takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def recommend(
    images: ImageStack | Path | str,
    data: DataConfig | None = None,
    given: Sequence[str] = (),
    machine: Machine | None = None,
) -> Recommendation:
    """Look at up to a thousand images and return the settings that suit them, with reasons.

    Parameters
    ----------
    images : ImageStack or path
    data : DataConfig, optional
        How they are opened (data set, axes, channel, image root).
    given : sequence of str
        Settings `section.name=value` that the user gave: they win.
    machine : Machine, optional
        What the run will have; this machine by default.

    Raises
    ------
    ImageFileError
        The images cannot be read.
    ConfigError
        A given setting is unknown or out of bounds.
    """
    if isinstance(images, ImageStack):
        return _recommend(images, data or DataConfig(path=str(images.path)), given, machine)
    data = (data or DataConfig()).model_copy(update={"path": str(Path(images).absolute())})
    asked = RunConfig(data=data).changed(list(given), settled=False)
    with open_data(asked.data) as stack:
        return _recommend(stack, data, given, machine)


def _recommend(
    stack: ImageStack, data: DataConfig, given: Sequence[str], machine: Machine | None
) -> Recommendation:
    asked = RunConfig(data=data).changed(list(given), settled=False)
    facts, look = _looked(_Identity(stack, asked.data))
    names = {setting.partition("=")[0].strip() for setting in given}
    chooser = _Chooser(stack, facts, look, data, list(given), names)
    return chooser.result(machine or this_machine(Path.cwd()))


class _Identity:
    """A stack as a key of a cache: its files as they are now, and how they are cut."""

    def __init__(self, stack: ImageStack, data: DataConfig) -> None:
        self.stack, self.data = stack, data
        path = Path(stack.path)
        stat = path.stat() if path.exists() else None
        when = (stat.st_mtime_ns, stat.st_size) if stat else (0, 0)
        data_key = data.model_dump_json(include=_DECIDE)
        self._key = (str(path.absolute()), when, len(stack), stack.form, data_key)

    def __hash__(self) -> int:
        return hash(str(self._key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and str(self._key) == str(other._key)


@lru_cache(maxsize=8)
def _looked(images: _Identity) -> tuple[ImageFacts, ImageLook]:
    found = measure(images.stack, images.data), look_at(images.stack, str(images.stack.path))
    # the stack is closed some day, the key stays: it must not hold on to it
    del images.stack
    return found


class _Chooser:
    """Decides one setting after the other; each rule sees what was decided before it."""

    def __init__(
        self,
        stack: ImageStack,
        facts: ImageFacts,
        look: ImageLook,
        data: DataConfig,
        given: list[str],
        names: set[str],
    ) -> None:
        self.stack, self.facts, self.look = stack, facts, look
        self._given, self._names = given, names
        self.preset = _preset_for(facts)
        base = load_preset(self.preset)
        base = base.model_copy(update={"data": _opened_so(base.data, data)})
        self.config = base.changed(given, settled=False)
        if stack.picked is None:  # settled, as by the beginning of the run
            self.config = self.config.changed(["data.pick=no"])
        self.choices: list[Choice] = []
        self.notes: list[str] = []

    def result(self, machine: Machine) -> Recommendation:
        """Decide everything."""
        rules: tuple[Callable[[], Iterator[Choice]], ...] = (
            self._pixels, self._size, self._values, self._likelihood, self._noise, self._kernel,
            self._shift, self._rotation, self._content,
        )  # fmt: skip
        self._yield_to_what_was_given()  # first: what follows depends on it
        for rule in rules:
            for choice in rule():
                self._take(choice)
        parse_config(self.config.model_dump(), "setting")  # refused: two that were given
        for choice in self._length(machine):
            self._take(choice)
        self._remark()
        seconds = seconds_of(self.config, self.look, machine)
        return Recommendation(
            self.config,
            self.preset,
            tuple(self.choices),
            tuple(self.notes),
            self.facts,
            seconds,
            self.look.remarks,
            tuple(other_problems(self.config, self.look, machine)),
        )

    def _take(self, choice: Choice) -> None:
        if choice.key in self._names:
            return
        try:
            self.config = self.config.changed([f"{choice.key}={words_of(choice.value)}"])
        except ConfigError:
            return  # it does not go with what the user gave
        self.choices.append(choice)

    def _yield_to_what_was_given(self) -> None:
        """Let what is the preset's give way where it excludes what was given."""
        for wrong in self.config.contradictions():
            self._take(Choice(wrong.key, wrong.value, wrong.what[:1].lower() + wrong.what[1:-1]))

    @property
    def _side(self) -> int:
        return model_side(self.config, self.look)

    @property
    def _scale(self) -> float:
        """Pixels of the model in one of the square that is cut out."""
        return self._side / max(1, self.config.data.crop_px or self.look.side)

    # ---------------------------------------------------------------------------- the rules

    def _pixels(self) -> Iterator[Choice]:
        facts = self.facts
        if self.stack.fit is not None:
            said = next((line for line in self.stack.remarks if "every" in line), "several sizes")
            yield Choice("data.fit", self.stack.fit.how, said)
            yield Choice("data.side_px", self.stack.fit.side, "so all pictures have one size")
        if (picked := self.stack.picked) is not None:
            yield Choice("data.pick", "yes", picked.words)
            reason = f"half as much again as an object, to turn and move in; {CHANGE_BOX}"
            yield Choice("data.box_px", picked.box_px, reason)
        if facts.values.bad_pixels:
            bad = words.count(facts.values.bad_pixels, "pixel")
            reason = f"{bad} of those looked at are NaN or infinite"
            yield Choice("data.bad_pixels", "mean", reason)
        if facts.channels == 3 and facts.colour < 0.002:
            yield Choice("data.channel", "1", "the three colours are the same: one is enough")
        if facts.ctf == "known":
            reason = "the table gives each image's CTF: its sign is corrected at full size"
            yield Choice("data.phase_flip", True, reason)
        if facts.is_dark:
            reason = "objects are darker than what surrounds them: dark and bright are swapped"
            yield Choice("data.invert", True, reason)

    def _size(self) -> Iterator[Choice]:
        facts, side = self.facts, self.facts.side
        wanted = 2 * math.ceil(0.75 * facts.extent_px)
        if side > 1.25 * SIDE and wanted <= 0.7 * side:
            reason = f"what differs between images lies in the middle {facts.extent_px:.0f} px"
            yield Choice("data.crop_px", max(wanted, 16), reason)
        cut = self.config.data.crop_px or side
        if cut > 1.1 * SIDE:
            reason = f"{SIDE} px show the same shapes as {cut} px and train far faster"
            yield Choice("data.downsample_px", SIDE, reason)
        else:
            yield Choice("data.downsample_px", 0, f"{cut} px is small enough already")

    def _values(self) -> Iterator[Choice]:
        facts = self.facts
        if facts.is_noisy:
            reason = "the corners hold only noise, so each image is scaled by it"
            yield Choice("data.normalise", "ring", reason)
            return
        reason = "the corners are empty"
        if facts.is_busy:
            reason = "neighbours stand in the corners: only the inscribed circle is compared"
        yield Choice("data.mask", facts.is_busy, reason)
        if facts.level_spread > 0.5:
            reason = "brightness differs from image to image more than within one"
            yield Choice("data.normalise", "image", reason)
        else:
            reason = "brightness is alike in all images and may tell them apart"
            yield Choice("data.normalise", "unit", reason)

    def _likelihood(self) -> Iterator[Choice]:
        facts, data = self.facts, self.config.data
        if facts.is_noisy:
            yield Choice("model.likelihood", "gaussian", "the images are full of noise")
            return
        if facts.shows_shapes and data.normalise == "unit":
            reason = "bright shapes on an empty background"
            yield Choice("model.likelihood", "bernoulli", reason)
            return
        reason = "shades of grey on a background, not plain black and white shapes"
        yield Choice("model.likelihood", "gaussian", reason)

    def _noise(self) -> Iterator[Choice]:
        config = self.config
        if config.model.likelihood != "gaussian" or config.data.normalise == "ring":
            return
        data = settled(self.facts.values, config)[0].data
        with_bad = "mean" if self.facts.values.bad_pixels else data.bad_pixels
        data = data.model_copy(update={"bad_pixels": with_bad})
        prepared = PreparedStack(self.stack, data)
        images = prepared.read(drawn(len(prepared), _NOISE_IMAGES))
        between = images.var(0, dtype=np.float64)
        if prepared.mask is not None:
            between = between[:, prepared.mask]
        deviation = 0.6 * math.sqrt(float(between.mean()))
        rounded = float(f"{max(deviation, 1e-3):.2g}")
        reason = "0.6 times how much the images differ: about what a model leaves undrawn"
        yield Choice("model.noise_std", rounded, reason)

    def _kernel(self) -> Iterator[Choice]:
        facts, side = self.facts, self._side
        single = facts.object_px
        usable = math.isfinite(single) and not facts.is_noisy and not facts.is_busy
        width = min(side, (single if usable else facts.extent_px) * self._scale)
        whose = "the largest objects" if usable else "objects"
        low, high = 0.5 * side, 0.8 * side
        kernel = int(min(max(width, low), high)) | 1
        kernel = min(kernel, side - 1 + side % 2)
        yield Choice("model.kernel_px", kernel, f"{whose} are about {width:.0f} of {side} px")

    def _shift(self) -> Iterator[Choice]:
        facts, side = self.facts, self._side
        hidden = facts.is_noisy or facts.is_busy or not math.isfinite(facts.off_centre_px)
        if hidden:
            spread = 0.04 * side
            reason = "cut-outs and picked particles lie within a few per cent of the centre"
        else:
            spread = max(0.5, 1.1 * facts.off_centre_px * self._scale)
            reason = f"objects lie about {facts.off_centre_px * self._scale:.1f} px off the centre"
        spread = min(spread, side / 5)
        yield Choice("model.shift_prior_std_px", float(f"{spread:.2g}"), reason)

    def _rotation(self) -> Iterator[Choice]:
        facts = self.facts
        chance = 2 / max(1, facts.images)  # so much is left of few images however they are turned
        if facts.upright > 0.05 + chance and not facts.is_noisy:
            reason = "the objects stand the same way up in most images"
            yield Choice("model.rotation_prior", "normal", reason)
            reason = "so they lean by some 17 degrees at most"
            yield Choice("model.rotation_prior_std_rad", _UPRIGHT_RAD, reason)

    def _content(self) -> Iterator[Choice]:
        images = training_images(self.config, self.look)
        if self.facts.is_noisy:
            yield from self._noisy_content(images)
        elif images >= _MANY_IMAGES and 0 < (kinds := self.facts.components) <= _FEW_COMPONENTS:
            held = f"{words.count(kinds, 'component')} hold nine tenths of what differs in shape"
            yield Choice("model.z_dim", 2, f"{held}: a plane shows it")
        elif images >= _MANY_IMAGES:
            many = self.facts.components > _MANY_COMPONENTS
            held = f", and {self.facts.components} components of shape differ" if many else ""
            reason = f"{words.count(images, 'image')} are enough for more than two dimensions{held}"
            yield Choice("model.z_dim", _LARGEST_Z if many else _LARGE_Z, reason)
        else:
            reason = f"{words.count(images, 'image')} cannot fill more than a plane"
            yield Choice("model.z_dim", 2, reason)

    def _noisy_content(self, images: int) -> Iterator[Choice]:
        reason = "a particle may move in more than one way; dimensions it does not need stay empty"
        if images < _MANY_IMAGES:
            reason = f"{words.count(images, 'noisy image')} cannot fill more than a plane"
        yield Choice("model.z_dim", _NOISY_Z if images >= _MANY_IMAGES else 2, reason)
        reason = "it first learns from a linear model, so that noise does not hide what differs"
        yield Choice("train.content_start", "auto", reason)

    def _length(self, machine: Machine) -> Iterator[Choice]:
        images = max(1, training_images(self.config, self.look))
        epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_PASSES / images)))
        verb = "is" if images == 1 else "are"
        reason = f"{words.count(images, 'image')} {verb} seen {epochs * images:,} times in all"
        each = seconds_of(self.config.changed(["train.epochs=1"]), self.look, machine)
        if each is not None and epochs * each > _LONGEST_S:
            epochs = max(1, int(_LONGEST_S / each))
            reason = f"about {words.duration(epochs * each)} on this machine"
        yield Choice("train.epochs", epochs, reason)

    def _remark(self) -> None:
        facts = self.facts
        if facts.is_noisy and abs(facts.contrast) < 5 and facts.snr < 0.01:
            self.notes.append(
                "nothing stands out from the noise in the middle of the images: are they particles?"
            )
        if facts.round_share > 0.8:
            self.notes.append("most objects look the same turned by any angle: angles mean little")
        elif facts.half_turn > 0.5:
            self.notes.append(
                "many objects look the same turned by half a turn: their angles are known up to "
                "half a turn"
            )
        if facts.ctf not in ("", "known"):
            self.notes.append(f"the CTF is not corrected: {facts.ctf}")


def _preset_for(facts: ImageFacts) -> str:
    if facts.is_noisy:
        return "fast-particles"
    return "fast-cpu" if facts.shows_shapes else "fast-cells"


def _opened_so(base: DataConfig, data: DataConfig) -> DataConfig:
    """Return `base` with where and how the images are opened taken from `data`."""
    return base.model_copy(update={name: getattr(data, name) for name in OPENED_BY})
