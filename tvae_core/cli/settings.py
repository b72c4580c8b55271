"""Options of the command line made from the config models: each parameter is declared once."""

from __future__ import annotations

import argparse

from tvae_core.config import SECTIONS, RunConfig, load_config, load_preset, preset_names

DEFAULT_PRESET = "fast-cpu"


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
    given = {k: v for k, v in vars(arguments).items() if "." in k and v is not None}
    return base.changed([*(f"{k}={v}" for k, v in given.items()), *arguments.set])


def changes_anything(arguments: argparse.Namespace) -> bool:
    """Return whether any option asks for a config of its own."""
    given = any("." in k and v is not None for k, v in vars(arguments).items())
    return bool(given or arguments.preset or arguments.config or arguments.set)
