"""The form of a run's settings, made from the config models: one declaration drives it all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from psygnal import Signal
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from tvae_core.config import SECTIONS, RunConfig
from tvae_core.presets import load_preset
from tvae_core.words import figure, setting
from tvae_core.work.settings import DEFAULT_PRESET

Kind = Literal["text", "choice", "switch", "whole", "real"]

SECTION_TITLES = {
    "data": "Images",
    "model": "Model",
    "train": "Training",
    "embed": "Embedding file",
}

# What most runs touch; the rest is folded away. data.path has its own place in the dialog.
BASIC = {
    "data.downsample_px", "data.crop_px", "data.normalise", "data.invert", "data.mask",
    "model.rotations", "model.z_dim", "model.kernel_px", "model.likelihood",
    "model.shift_prior_std_px",
    "train.epochs", "train.batch_size", "train.learning_rate", "train.device", "train.seed",
}  # fmt: skip
_ELSEWHERE = {"data.path"}
RECOMMENDED = "recommended"  # in the place of a preset: what a look at the images says
_WORDS = {"dim": "dimensions", "std": "deviation"}
_UNIT_ENDINGS = ("_px", "_rad", "_minutes")


@dataclass(frozen=True)
class FormField:
    """One setting as a form shows it."""

    section: str
    name: str
    kind: Kind
    label: str
    help: str
    unit: str
    default: Any
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    advanced: bool = False

    @property
    def key(self) -> str:
        """`section.name`, as in `--set` and in the run's JSON file."""
        return f"{self.section}.{self.name}"

    @property
    def bounds(self) -> str:
        """What may be given, in words; empty when anything may."""
        low = self._low()
        high = f"at most {_bound(self.maximum)}" if self.maximum is not None else ""
        if self.below is not None:
            high = f"below {_bound(self.below)}"
        if self.minimum is not None and self.maximum is not None:
            return f"between {_bound(self.minimum)} and {_bound(self.maximum)}{self._suffix()}"
        both = " and ".join(part for part in (low, high) if part)
        return both + self._suffix() if both else ""

    def matches(self, text: str) -> bool:
        """Whether every word of a search occurs in the setting's name, label or help."""
        hay = f"{self.key} {self.label} {self.help} {' '.join(self.choices)}".lower()
        return all(word in hay for word in text.lower().split())

    def _low(self) -> str:
        if self.above is not None:
            return f"above {_bound(self.above)}"
        return f"at least {_bound(self.minimum)}" if self.minimum is not None else ""

    def _suffix(self) -> str:
        return f" {self.unit}" if self.unit else ""


def fields() -> list[FormField]:
    """Return every setting in the order of the models."""
    return [
        _field(section, name, info)
        for section, model in SECTIONS.items()
        for name, info in model.model_fields.items()
        if f"{section}.{name}" not in _ELSEWHERE
    ]


class FormState:
    """The values of the form, beside those of the preset.

    Signals
    -------
    value_changed(str)
        The setting `section.name` has another value or another problem.
    preset_changed(str)
        Every value may have changed.
    """

    value_changed = Signal(str)
    preset_changed = Signal(str)

    def __init__(self, preset: str) -> None:
        self.fields = {field.key: field for field in fields()}
        self.preset = preset
        self.image_side = 0
        self.recommended_from = DEFAULT_PRESET
        self._recommended: dict[str, Any] | None = None
        self._reasons: dict[str, str] = {}
        self._base = self._values_of(preset)
        self._values = dict(self._base)
        self._typed: dict[str, object] = {}
        self._problems: dict[str, str] = {}

    @property
    def data_path(self) -> str:
        """The images' path, which the form itself does not show."""
        return str(self._values["data.path"])

    @data_path.setter
    def data_path(self, path: str) -> None:
        self._values["data.path"] = path
        self.value_changed.emit("data.path")

    def choose_preset(self, name: str) -> None:
        """Take every value of a preset; the images stay."""
        path = self.data_path
        self.preset = name
        self._base = self._values_of(name)
        self._values = self._base | {"data.path": path}
        self._typed.clear()
        self._problems.clear()
        self.preset_changed.emit(name)

    def take_recommendation(self, config: RunConfig, start: str, reasons: dict[str, str]) -> None:
        """Take what is recommended for the images; what a person typed stays.

        `start` is the preset that the recommendation changes, `reasons` says why, by setting. It is
        kept, and not shown, while another preset is chosen.
        """
        typed = {key: self._values[key] for key in self.changed_keys() if key in self._values}
        self._recommended, self.recommended_from = _flat(config), start
        self._reasons = reasons
        if self.preset == RECOMMENDED:
            path = self.data_path
            self._base = self._values_of(RECOMMENDED)
            self._values = self._base | typed | {"data.path": path}
            self.preset_changed.emit(RECOMMENDED)

    def forget_recommendation(self) -> None:
        """Drop what was recommended for other images."""
        self._recommended, self._reasons = None, {}

    def reason(self, key: str) -> str:
        """Return why a setting is recommended; empty where it was changed or nothing was said."""
        if self.preset != RECOMMENDED or self._recommended is None or self.differs(key):
            return ""
        return self._reasons.get(key, "")

    def choose_config(self, config: RunConfig) -> None:
        """Take every value of an earlier run; what differs from the preset is marked."""
        self._values = _flat(config)
        self._typed.clear()
        self._problems.clear()
        self.preset_changed.emit(self.preset)

    def value(self, key: str) -> Any:
        """Return a setting as it was last typed, right or wrong."""
        return self._typed.get(key, self._values[key])

    def base(self, key: str) -> Any:
        """Return the preset's value."""
        return self._base[key]

    def set(self, key: str, value: object) -> None:
        """Take what a person typed; a wrong value is kept with its problem and not used."""
        section, _, name = key.partition(".")
        values = self._section(section) | {name: value}
        try:
            model = SECTIONS[section].model_validate(values)
        except ValidationError as error:
            if (pointed := _with_point(value)) != value:
                self.set(key, pointed)
                return
            self._typed[key] = value
            self._problems[key] = self._problem_words(key, value, error)
        else:
            self._typed.pop(key, None)
            self._problems.pop(key, None)
            self._values[key] = getattr(model, name)
        self.value_changed.emit(key)

    def reset(self, key: str) -> None:
        """Go back to the preset's value."""
        self.set(key, self._base[key])

    def reset_all(self) -> None:
        """Go back to the preset."""
        self.choose_preset(self.preset)

    def differs(self, key: str) -> bool:
        """Whether a setting is not the preset's."""
        return bool(self.value(key) != self._base[key])

    def changed_keys(self) -> list[str]:
        """Return the settings that are not the preset's, without the images' path."""
        return [key for key in self.fields if self.differs(key)]

    def settings(self) -> list[str]:
        """Return what differs from the preset as `section.name=value`."""
        return [_written(key, self._values[key]) for key in self.changed_keys()]

    def for_command(self) -> tuple[str | None, list[str]]:
        """Return the preset and the settings that a command needs to say the same.

        A recommendation that nobody changed is what the command comes to by itself.
        """
        if self.preset != RECOMMENDED:
            return self.preset, self.settings()
        if self._recommended is not None and not self.changed_keys():
            return None, []
        start = _flat(load_preset(self.recommended_from))
        different = [key for key in self.fields if self._values[key] != start[key]]
        return self.recommended_from, [_written(key, self._values[key]) for key in different]

    def problem(self, key: str) -> str:
        """Return what is wrong with a setting, in words; empty when nothing is."""
        return self._problems.get(key, "")

    def problems(self) -> dict[str, str]:
        """Return every problem."""
        return dict(self._problems)

    def hint(self, key: str) -> str:
        """Return what an automatic setting comes to for the images at hand; empty if unknown."""
        model = self.config().model
        if not self.image_side or self.value(key) != 0:
            return ""
        if key == "model.kernel_px":
            return f"here {model.kernel_side(self.image_side)} px"
        if key == "model.shift_prior_std_px":
            return f"here {figure(model.prior_std_px(self.image_side))} px"
        return ""

    def config(self) -> RunConfig:
        """Return the config of the values that are right."""
        return RunConfig.model_validate({name: self._section(name) for name in SECTIONS})

    def _values_of(self, preset: str) -> dict[str, Any]:
        if preset != RECOMMENDED:
            return _flat(load_preset(preset))
        found = self._recommended or _flat(load_preset(self.recommended_from))
        return dict(found)

    def _section(self, section: str) -> dict[str, Any]:
        start = section + "."
        return {k.removeprefix(start): v for k, v in self._values.items() if k.startswith(start)}

    def _problem_words(self, key: str, value: object, error: ValidationError) -> str:
        first = error.errors()[0]
        field = self.fields[key]
        if first["type"] == "value_error":
            return str(first["ctx"]["error"]).replace(f"{field.name} must be", "Must be")
        noun = {"whole": "a whole number", "real": "a number"}.get(field.kind, "a value")
        if field.kind == "choice":
            return "Choose " + " or ".join(field.choices)
        if str(value).strip() == "":
            return f"Give {noun} {field.bounds}".strip()
        return f"{str(value)[:20]} is not allowed: give {noun} {field.bounds}".strip()


def _field(section: str, name: str, info: FieldInfo) -> FormField:
    key = f"{section}.{name}"
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    bounds = _bounds(info)
    return FormField(
        section=section,
        name=name,
        kind=_kind(info),
        label=_label(name),
        help=info.description or "",
        unit=str(extra.get("unit", "")),
        default=info.default,
        choices=get_args(info.annotation) if get_origin(info.annotation) is Literal else (),
        minimum=bounds.get("ge"),
        maximum=bounds.get("le"),
        above=bounds.get("gt"),
        below=bounds.get("lt"),
        advanced=key not in BASIC,
    )


def _kind(info: FieldInfo) -> Kind:
    kinds: dict[Any, Kind] = {bool: "switch", int: "whole", float: "real"}
    if get_origin(info.annotation) is Literal:
        return "choice"
    return kinds.get(info.annotation, "text")


def _bounds(info: FieldInfo) -> dict[str, float]:
    found: dict[str, float] = {}
    for rule in info.metadata:
        for name in ("ge", "le", "gt", "lt"):
            if (value := getattr(rule, name, None)) is not None:
                found[name] = value
    return found


def _bound(value: float) -> str:
    return f"{value:,.8g}"


def _label(name: str) -> str:
    for ending in _UNIT_ENDINGS:
        name = name.removesuffix(ending)
    text = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return text if text.startswith("z ") else text[0].upper() + text[1:]


def _written(key: str, value: object) -> str:
    """Return a setting as `--set` takes it."""
    return f"{key}={str(value).lower() if isinstance(value, bool) else setting(value)}"


def _flat(config: BaseModel) -> dict[str, Any]:
    return {f"{s}.{n}": v for s, values in config.model_dump().items() for n, v in values.items()}


def _with_point(value: object) -> object:
    """Return a number typed with a decimal comma with a point; 1,000 could be either and is not."""
    text = str(value).strip()
    number = re.fullmatch(r"[+-]?\d+,\d+(e[+-]?\d+)?", text)
    if not isinstance(value, str) or not number or re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text):
        return value
    return text.replace(",", ".")
