"""`tvae presets`: the presets, in groups, a line each."""

from __future__ import annotations

import argparse
import json
from itertools import groupby

from tvae_core.config import presets

_WITHOUT = "Without a preset `tvae train` chooses settings from a look at the images (`tvae look`)."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae presets`."""
    parser.epilog = _WITHOUT
    parser.add_argument("--json", action="store_true", help="print one JSON list")


def run(arguments: argparse.Namespace) -> int:
    """List."""
    known = presets()
    if arguments.json:
        print(json.dumps([preset._asdict() for preset in known]))
        return 0
    width = max(len(preset.name) for preset in known)
    for group, members in groupby(known, lambda preset: preset.group):
        print(f"{group[0].upper()}{group[1:]}")
        print("\n".join(f"  {p.name:<{width}}  {p.about}" for p in members) + "\n")
    print(_WITHOUT)
    return 0
