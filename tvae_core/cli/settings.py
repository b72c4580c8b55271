"""Options of the command line made from the config models: each parameter is declared once."""

from __future__ import annotations

import argparse

from tvae_core.config import SECTIONS, RunConfig, load_config, load_preset, preset_names

DEFAULT_PRESET = "fast-cpu"
PLACE = ("train.device", "train.threads")  # where a run works; they may change when it is resumed


def add_settings(parser: argparse.ArgumentParser, sections: tuple[str, ...]) -> None:
    """Add `--preset`, `--config`, `--set` and one option for each parameter of the sections."""
    presets = ", ".join(preset_names())
    parser.add_argument("--preset", help=f"start from a preset: {presets}")
    parser.add_argument("--config", help="start from a config.json")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.NAME=VALUE",
        help="change a parameter",
    )
    for section in sections:
        group = parser.add_argument_group(f"{section} parameters")
        for name, field in SECTIONS[section].model_fields.items():
            extra = field.json_schema_extra
            unit = f" [{extra['unit']}]" if isinstance(extra, dict) and "unit" in extra else ""
            group.add_argument(
                f"--{name.replace('_', '-')}",
                dest=f"{section}.{name}",
                metavar="X",
                help=f"{field.description}{unit} (default {field.default})".replace("%", "%%"),
            )


def config_from(arguments: argparse.Namespace, base: RunConfig | None = None) -> RunConfig:
    """Return the config that the options describe, on top of `base`, a config or a preset."""
    if arguments.config:
        base = load_config(arguments.config)
    elif arguments.preset or base is None:
        base = load_preset(arguments.preset or DEFAULT_PRESET)
    return base.changed(given_settings(arguments))


def given_settings(arguments: argparse.Namespace) -> list[str]:
    """Return the parameters that options and `--set` give, as `section.name=value`."""
    options = {k: v for k, v in vars(arguments).items() if "." in k and v is not None}
    return [*(f"{name}={value}" for name, value in options.items()), *arguments.set]


def changes_anything(arguments: argparse.Namespace) -> bool:
    """Return whether any option asks for a config of its own."""
    return bool(given_settings(arguments) or arguments.preset or arguments.config)


def changes_place_alone(arguments: argparse.Namespace) -> bool:
    """Return whether the options say at most where a run works, not what it makes."""
    names = {setting.partition("=")[0].strip() for setting in given_settings(arguments)}
    return not (arguments.preset or arguments.config) and names <= set(PLACE)
