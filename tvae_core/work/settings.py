"""Settings of a run as options, made from the config models: each parameter is declared once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic.fields import FieldInfo

from tvae_core.config import SECTIONS, RunConfig, load_config, load_preset, preset_names
from tvae_core.work.request import Option, Request

DEFAULT_PRESET = "fast-cpu"
PLACE = ("train.device", "train.threads")  # where a run works; they may change when it is resumed
LONGER = ("train.epochs",)  # and how long it goes on


class SettingsRequest(Request):
    """A request that takes settings: of a preset, of a config, and single ones.

    `sections` are those whose parameters are options of their own.
    """

    sections: ClassVar[tuple[str, ...]]

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
            group = parser.add_argument_group(f"{section} parameters")
            for name, field in SECTIONS[section].model_fields.items():
                extra = field.json_schema_extra
                unit = f" [{extra['unit']}]" if isinstance(extra, dict) and "unit" in extra else ""
                group.add_argument(
                    f"--{name.replace('_', '-')}",
                    dest=f"{section}.{name}",
                    metavar="X",
                    default=argparse.SUPPRESS,
                    help=f"{field.description}{unit} (default {field.default})".replace("%", "%%"),
                )

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

    def settings_on(self, base: RunConfig | None = None) -> RunConfig:
        """Return the config asked for, on top of `base` where no other is named.

        Raises
        ------
        ConfigError
            There is no such preset or config, or a setting is unknown or out of bounds.
        """
        if self.config is not None:
            base = load_config(self.config)
        elif self.preset or base is None:
            base = load_preset(self.preset or DEFAULT_PRESET)
        return base.changed(list(self.settings))
