"""Settings of a run as options, made from the config models: each parameter is declared once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic.fields import FieldInfo

from tvae_core.config import SECTIONS, RunConfig, load_config
from tvae_core.presets import load_preset, preset_names
from tvae_core.words import setting
from tvae_core.work.request import Option, Request

DEFAULT_PRESET = "fast-cpu"
FROM_IMAGES = "chosen from the images"
PLACE = ("train.device", "train.threads")  # where a run works; they may change when it is resumed
LONGER = ("train.epochs",)  # and how long it goes on


class SettingsRequest(Request):
    """A request that takes settings: of a preset, of a config, and single ones.

    `sections` are those whose parameters are options of their own, and `defaults_from` says what
    these are when nobody gives them.
    """

    sections: ClassVar[tuple[str, ...]]
    defaults_from: ClassVar[str]

    preset: Annotated[
        str | None,
        Option(
            f"start from a preset: {', '.join(preset_names())} (`tvae presets` says what each is)",
            metavar="NAME",
        ),
    ] = None
    config: Annotated[Path | None, Option("start from a config.json", metavar="FILE")] = None
    settings: Annotated[
        tuple[str, ...], Option("set a parameter", flag="--set", metavar="SECTION.NAME=VALUE")
    ] = ()

    @classmethod
    def fields_in_order(cls) -> dict[str, FieldInfo]:
        """Return the fields, those of the settings last."""
        mine = SettingsRequest.model_fields
        own = {name: field for name, field in cls.model_fields.items() if name not in mine}
        return own | dict(mine)

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add an argument for each field, and for each parameter of the sections."""
        super().add_arguments(parser)
        for section in cls.sections:
            group = parser.add_argument_group(f"{section} parameters", cls.defaults_from)
            for name in SECTIONS[section].model_fields:
                add_parameter(group, section, name, cls.default_of(section, name))

    @classmethod
    def default_of(cls, section: str, name: str) -> str | None:
        """Return in words what a parameter is when nobody gives it; None where the run decides."""
        return None

    @classmethod
    def of(cls, arguments: argparse.Namespace, **others: Any) -> Self:
        """Return the request; options of single parameters come before those of `--set`."""
        given = [f"{key}={value}" for key, value in vars(arguments).items() if "." in key]
        written = (*given, *getattr(arguments, "settings", ()))
        return super().of(arguments, settings=written, **others)

    @property
    def asks_for_settings(self) -> bool:
        """Whether anything asks for settings of its own."""
        return bool(self.settings or self.preset or self.config)

    @property
    def may_resume(self) -> bool:
        """Whether the settings say at most where a run works and how long, not what it makes."""
        names = {setting.partition("=")[0].strip() for setting in self.settings}
        return not (self.preset or self.config) and names <= {*PLACE, *LONGER}

    def settings_on(self, base: RunConfig | None = None, settled: bool = True) -> RunConfig:
        """Return the config asked for, on top of `base` where no other is named.

        `settled` as for `RunConfig.changed`.

        Raises
        ------
        ConfigError
            There is no such preset or config, or a setting is unknown or out of bounds.
        """
        if self.config is not None:
            base = load_config(self.config, piped=True)
        elif self.preset or base is None:
            base = load_preset(self.preset or DEFAULT_PRESET)
        return base.changed(list(self.settings), settled)


def default_words(value: object) -> str | None:
    """Return a default as the help tells it; None where it is nothing."""
    return f"default {setting(value)}" if value not in (None, "") else None


def add_parameter(group: Any, section: str, name: str, default: str | None) -> None:
    """Add the option of one parameter; `default` says what it is when nobody gives it, if known."""
    field = SECTIONS[section].model_fields[name]
    extra = field.json_schema_extra
    unit = f" [{extra['unit']}]" if isinstance(extra, dict) and "unit" in extra else ""
    these = get_args(field.annotation)
    group.add_argument(
        f"--{name.replace('_', '-')}",
        dest=f"{section}.{name}",
        metavar=None if these else _value(field),
        choices=these or None,
        default=argparse.SUPPRESS,
        help=f"{field.description}{unit}{f' ({default})' if default else ''}".replace("%", "%%"),
    )


def _value(field: FieldInfo) -> str:
    """Return what stands for a value in the help."""
    values: dict[Any, str] = {bool: "on|off", int: "N", float: "X"}
    return values.get(field.annotation, "TEXT")
