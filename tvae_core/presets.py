"""The presets: configurations that ship with the program, each with its own sentence."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

from tvae_core.config import SECTIONS, RunConfig, parse_config
from tvae_core.errors import ConfigError, did_you_mean
from tvae_core.shipped import shipped

PRESET_GROUPS = ("start here", "as published", "compared with")


class Preset(NamedTuple):
    """A preset that ships with the program: what it is for, and in which group it is shown."""

    name: str
    group: str
    about: str


def presets() -> list[Preset]:
    """Return the presets that ship with the program, those to start with first."""
    found = [
        Preset(name, str(values["group"]), str(values["about"]))
        for name, values in _preset_files().items()
    ]
    return sorted(
        found,
        key=lambda preset: (PRESET_GROUPS.index(preset.group), preset.name == "demo", preset.name),
    )


def preset_names() -> list[str]:
    """Return the names of the presets that ship with the program, in the order of `presets`."""
    return [preset.name for preset in presets()]


def load_preset(name: str) -> RunConfig:
    """Return the preset `name`.

    Raises
    ------
    ConfigError
        There is no such preset.
    """
    values = _preset_files().get(name)
    if values is None:
        todo = did_you_mean(name, preset_names()) or "presets: " + ", ".join(preset_names())
        raise ConfigError(f"no preset {name!r}", todo=todo)
    settings = {key: value for key, value in values.items() if key in SECTIONS}
    return parse_config(settings, f"preset {name}")


@cache
def _preset_files() -> dict[str, dict[str, Any]]:
    files = sorted(shipped("presets").glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
