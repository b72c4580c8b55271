"""`tvae presets`: the presets, in groups, a line each."""

from __future__ import annotations

import argparse
from itertools import groupby

from tvae_core.cli.reporting import tell
from tvae_core.presets import presets

_WITHOUT = "Without a preset `tvae train` chooses settings from a look at the images (`tvae look`)."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae presets`."""
    parser.epilog = _WITHOUT


def run(arguments: argparse.Namespace) -> int:
    """List."""
    known = presets()
    width, lines = max(len(preset.name) for preset in known), []
    for group, members in groupby(known, lambda preset: preset.group):
        lines += [f"{group[0].upper()}{group[1:]}"]
        lines += [*(f"  {p.name:<{width}}  {p.about}" for p in members), ""]
    facts = [preset._asdict() for preset in known]
    tell(arguments, facts, *lines, _WITHOUT)
    return 0
